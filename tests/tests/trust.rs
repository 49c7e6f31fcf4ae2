//! What the processes of a cluster may do, and how that is taken away: tokens, expulsion, keys, orders, secrets.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use couronne_tests::{json, server};
use serde_json::Value;

/// What a command says that must succeed.
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What a command says that must be refused.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn tokens_are_counted_listed_and_revoked(cluster: &Cluster) {
    let create = ["cluster", "token", "create", "--gateway", "--json"];
    let token = json(&cluster.couronne(&create, "n2"));
    let (id, text) = (token["id"].as_str().unwrap(), token["token"].as_str().unwrap());
    let listed = cluster.couronne(&["cluster", "token", "list"], "n1");
    assert!(said(&listed).contains(id) && !said(&listed).contains(text));
    let listed = json(&cluster.couronne(&["cluster", "token", "list", "--json"], "n3"));
    let listed = listed.as_array().unwrap().iter().find(|token| token["id"] == id).unwrap();
    assert_eq!((&listed["joins_max"], &listed["role"]), (&1.into(), &"gateway".into()));

    // One place, and another folder takes it.
    let join = |folder: &str, text: &str| {
        let (folder, name) = (cluster.scratch().join(folder), cluster.scratch().join(format!("{folder}.toml")));
        std::fs::write(&name, format!("[cluster]\nname = \"{}\"\n", folder.file_name().unwrap().display())).unwrap();
        let (folder, name) = (folder.display().to_string(), name.display().to_string());
        cluster.couronne_alone(&["cluster", "join", text, "--gateway", "--data", &folder, "--config", &name], "n1")
    };
    said(&join("late1", text));
    assert!(refused(&join("late2", text)).contains("as many as it may"));
    let token = json(&cluster.couronne(&create, "n1"));
    said(&cluster.couronne(&["cluster", "token", "revoke", token["id"].as_str().unwrap()], "n2"));
    assert!(refused(&join("late2", token["token"].as_str().unwrap())).contains("revoked"));
    refused(&cluster.couronne(&["cluster", "token", "revoke", token["id"].as_str().unwrap()], "n2"));
    let far = ["cluster", "token", "create", "--minutes", "10081"];
    assert!(refused(&cluster.couronne(&far, "n1")).contains("7 days"));
    // The node that admitted it knows of it at once.
    said(&cluster.couronne(&["node", "expel", "late1"], "n2"));
}

/// A gateway has nothing with which it could order anything.
fn a_gateway_passes_on_what_operators_order_and_gives_no_orders(cluster: &Cluster) {
    assert_eq!(server::shown_secret(&cluster.data("g1"), "admin-token"), None);
    let token = cluster.shown_secret("n1", "admin-token");
    for entry in bytes_of::paths(&cluster.data("g1")) {
        let bytes = std::fs::read(&entry).unwrap_or_default();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "{}", entry.display());
    }
    let reading = cluster.shown_secret("g1", "reading-token");
    let create = ["cluster", "token", "create", "--data", &cluster.data("g1").display().to_string()];
    assert!(
        refused(&cluster.couronne_alone(&[&create[..], &["--admin-token", &reading]].concat(), "g1")).contains("reads")
    );
    said(&cluster.couronne_alone(&[&create[..], &["--admin-token", &token]].concat(), "g1"));
}

fn keys_and_users_are_deleted(cluster: &Cluster) {
    said(&cluster.couronne(&["account", "create", "acme"], "n1"));
    let first = json(&cluster.couronne(&["user", "create", "acme", "ada", "--json"], "n1"));
    let second = json(&cluster.couronne(&["key", "create", "acme", "ada", "--json"], "n2"));
    let is_taken = |gateway: &str, key: &Value| takes(cluster, gateway, key);
    for gateway in ["g1", "g2"] {
        assert!(is_taken(gateway, &first) && is_taken(gateway, &second));
    }
    let delete =
        |key: &Value| cluster.couronne(&["key", "delete", "acme", "ada", key["access_key"].as_str().unwrap()], "n3");
    said(&delete(&first));
    refused(&delete(&first));
    // The stated bound: `limits.credential_cache_ms`.
    std::thread::sleep(Duration::from_millis(5_100));
    for gateway in ["g1", "g2"] {
        assert!(!is_taken(gateway, &first) && is_taken(gateway, &second), "{gateway}");
    }
    said(&cluster.couronne(&["user", "delete", "acme", "ada"], "n1"));
    std::thread::sleep(Duration::from_millis(5_100));
    for gateway in ["g1", "g2"] {
        assert!(!is_taken(gateway, &second), "{gateway}");
    }
    said(&cluster.couronne(&["account", "delete", "acme"], "n1"));
}

fn an_expelled_gateway_serves_nobody_and_the_others_go_on(cluster: &Cluster) {
    let (expelled, other) = (Clients::of_gateway(cluster, "g2"), Clients::of_gateway(cluster, "g1"));
    other.run("aws", &["s3", "mb", "s3://kept"]);
    bytes_of::write(&cluster.scratch().join("object"), &bytes_of::random(1, 3 << 20));
    expelled.run("aws", &["s3", "cp", "--quiet", "object", "s3://kept/object"]);
    assert!(said(&cluster.couronne(&["node", "expel", "g2"], "g1")).contains("expelled"));
    // The stated bound: the next report of every member.
    std::thread::sleep(Duration::from_secs(1));
    let (is_served, ..) = expelled.attempt("aws", &["s3", "cp", "--quiet", "s3://kept/object", "back"]);
    assert!(!is_served);
    other.run("aws", &["s3", "cp", "--quiet", "s3://kept/object", "back"]);
    assert!(std::fs::read(cluster.scratch().join("back")).unwrap() == bytes_of::random(1, 3 << 20));
    let nodes = said(&cluster.couronne(&["node", "list"], "n1"));
    assert!(nodes.contains("g1") && !nodes.contains("g2"), "{nodes}");
    assert!(refused(&cluster.couronne(&["node", "expel", "none"], "n1")).contains("no member"));
}

/// Whether a gateway takes these keys.
fn takes(cluster: &Cluster, gateway: &str, keys: &Value) -> bool {
    let mut list = Clients::of_gateway(cluster, gateway).command("aws");
    list.env("AWS_ACCESS_KEY_ID", keys["access_key"].as_str().unwrap());
    list.env("AWS_SECRET_ACCESS_KEY", keys["secret_key"].as_str().unwrap());
    list.args(["s3api", "list-buckets"]).output().unwrap().status.success()
}

/// The stated bound after which an old secret is refused.
const KNOWN_AFTER: Duration = Duration::from_secs(2);

/// Changes secrets while a client goes on all the time.
fn secrets_are_changed_and_clients_go_on(cluster: &Cluster) {
    said(&cluster.couronne(&["account", "create", "acme"], "n1"));
    let keys = json(&cluster.couronne(&["user", "create", "acme", "ada", "--json"], "n1"));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients = ["g1", "g2"].map(|gateway| {
            let (keys, is_over) = (&keys, &is_over);
            scope.spawn(move || {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    assert!(takes(cluster, gateway, keys), "{gateway} refused a client");
                    count += 1;
                }
                count
            })
        });
        let reading_of = |gateway: &str| cluster.shown_secret(gateway, "reading-token");
        let (before, reading) = (cluster.shown_secret("n1", "admin-token"), reading_of("g1"));
        // One after the other, each by another process.
        let sealed = said(&cluster.couronne(&["secret", "rotate", "sealing-key"], "n2"));
        assert!(sealed.contains(" 1 keys"), "{sealed}");
        said(&cluster.couronne(&["secret", "rotate", "admin-token"], "n3"));
        std::thread::sleep(KNOWN_AFTER);
        for node in ["n1", "n2", "n3"] {
            assert!(cluster.shown_secret(node, "admin-token") != before, "{node}");
        }
        assert!(reading_of("g1") != reading && reading_of("g2") == reading_of("g1"));
        for member in ["n1", "n2", "g1", "g2"] {
            let folder = cluster.data(member).display().to_string();
            let words = ["status", "--data", &folder, "--admin-token", &before];
            assert!(refused(&cluster.couronne_alone(&words, member)).contains("wrong"), "{member}");
        }
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().unwrap() > 3, "hardly a request was made");
        }
    });
    said(&cluster.couronne(&["user", "delete", "acme", "ada"], "n1"));
    said(&cluster.couronne(&["account", "delete", "acme"], "n1"));
}

fn root_credentials_are_changed(cluster: &Cluster) {
    let first = serde_json::json!({ "access_key": server::ACCESS_KEY, "secret_key": server::SECRET_KEY });
    assert!(takes(cluster, "g1", &first));
    let second = json(&cluster.couronne(&["secret", "rotate", "root", "--keep-minutes", "5", "--json"], "n2"));
    std::thread::sleep(KNOWN_AFTER);
    assert!(takes(cluster, "g1", &first) && takes(cluster, "g1", &second), "both, for a while");
    let third = json(&cluster.couronne(&["secret", "rotate", "root", "--json"], "g1"));
    std::thread::sleep(KNOWN_AFTER);
    assert!(takes(cluster, "g1", &third));
    assert!(!takes(cluster, "g1", &first) && !takes(cluster, "g1", &second));
    let shown = cluster.shown_secret("n1", "secret-key");
    assert_eq!(shown, third["secret_key"].as_str().unwrap(), "the operator finds those that count");
    assert!(
        refused(&cluster.couronne(&["secret", "rotate", "root", "--keep-minutes", "1441"], "n1")).contains("at most")
    );
}

#[test]
fn tokens_orders_keys_members_and_secrets_are_taken_away() {
    let shape = ClusterShape { nodes: 3, policy: "ec:2+1", ..ClusterShape::default() };
    let cluster = Cluster::start(shape);
    tokens_are_counted_listed_and_revoked(&cluster);
    a_gateway_passes_on_what_operators_order_and_gives_no_orders(&cluster);
    keys_and_users_are_deleted(&cluster);
    secrets_are_changed_and_clients_go_on(&cluster);
    an_expelled_gateway_serves_nobody_and_the_others_go_on(&cluster);
    root_credentials_are_changed(&cluster);
}
