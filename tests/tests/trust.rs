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
    let join = |folder: &str, text: &str| join_gateway(cluster, folder, text);
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

/// Has another gateway of this name join, which is not started.
fn join_gateway(cluster: &Cluster, name: &str, token: &str) -> Output {
    let (folder, settings) = (cluster.scratch().join(name), cluster.scratch().join(format!("{name}.toml")));
    std::fs::write(&settings, format!("[cluster]\nname = \"{name}\"\n")).unwrap();
    let (folder, settings) = (folder.display().to_string(), settings.display().to_string());
    cluster.couronne_alone(&["cluster", "join", token, "--gateway", "--data", &folder, "--config", &settings], "n1")
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

/// The stated bound, which the settings of this test make short, and a little.
const CREDENTIALS_KNOWN_FOR: Duration = Duration::from_millis(1_100);
const SETTINGS: &str = "[limits]\ncredential_cache_ms = 1000\n";

fn keys_and_users_are_deleted(cluster: &Cluster) {
    said(&cluster.couronne(&["account", "create", "acme"], "n1"));
    let first = json(&cluster.couronne(&["user", "create", "acme", "ada", "--admin", "--json"], "n1"));
    let second = json(&cluster.couronne(&["key", "create", "acme", "ada", "--json"], "n2"));
    let is_taken = |gateway: &str, key: &Value| takes(cluster, gateway, key);
    for gateway in ["g1", "g2"] {
        assert!(is_taken(gateway, &first) && is_taken(gateway, &second));
    }
    let delete = |key: &Value| cluster.couronne(&["key", "delete", "acme", key["access_key"].as_str().unwrap()], "n3");
    said(&delete(&first));
    refused(&delete(&first));
    std::thread::sleep(CREDENTIALS_KNOWN_FOR);
    for gateway in ["g1", "g2"] {
        assert!(!is_taken(gateway, &first) && is_taken(gateway, &second), "{gateway}");
    }
    said(&cluster.couronne(&["user", "delete", "acme", "ada"], "n1"));
    std::thread::sleep(CREDENTIALS_KNOWN_FOR);
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
    Clients::of_gateway(cluster, gateway).with_keys(keys).attempt("aws", &["s3api", "list-buckets"]).0
}

/// The stated bound after which an old secret is refused.
const KNOWN_AFTER: Duration = Duration::from_secs(2);

/// Changes secrets while a client goes on all the time.
fn secrets_are_changed_and_clients_go_on(cluster: &Cluster) {
    said(&cluster.couronne(&["account", "create", "acme"], "n1"));
    let keys = json(&cluster.couronne(&["user", "create", "acme", "ada", "--admin", "--json"], "n1"));
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
    let shape = ClusterShape { nodes: 3, policy: "ec:2+1", settings: SETTINGS, ..ClusterShape::default() };
    let cluster = Cluster::start(shape);
    tokens_are_counted_listed_and_revoked(&cluster);
    a_gateway_passes_on_what_operators_order_and_gives_no_orders(&cluster);
    keys_and_users_are_deleted(&cluster);
    secrets_are_changed_and_clients_go_on(&cluster);
    an_expelled_gateway_serves_nobody_and_the_others_go_on(&cluster);
    root_credentials_are_changed(&cluster);
}

/// Tells clients to stop once it is dropped, be it that the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Puts and gets objects through a gateway until it is told to stop; how many were put.
fn put_and_get(clients: &Clients, gateway: &str, is_over: &AtomicBool) -> u64 {
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        let (name, url) = (format!("put-{gateway}"), format!("s3://kept/{gateway}/{count}"));
        let bytes = bytes_of::random(count, 200_000);
        bytes_of::write(&clients.scratch().join(&name), &bytes);
        clients.run("aws", &["s3", "cp", "--quiet", &name, &url]);
        clients.run("aws", &["s3", "cp", "--quiet", &url, &format!("back-{gateway}")]);
        assert!(std::fs::read(clients.scratch().join(format!("back-{gateway}"))).unwrap() == bytes, "{url}");
        count += 1;
    }
    count
}

/// The authority of a member's certificate, as its folder says.
fn authority_of(cluster: &Cluster, member: &str) -> String {
    let identity = cluster.identity_file(member);
    identity.lines().find(|line| line.starts_with("authority")).unwrap().to_owned()
}

/// The members that the rotation of the authority waits for; `None` if there is none.
fn awaited(status: &Value) -> Option<Vec<&str>> {
    Some(status["authority_waits_for"].as_array()?.iter().filter_map(Value::as_str).collect())
}

/// While a storage node and a gateway are off, and the node that took the order is killed: clients of the other gateway
/// notice nothing, and all that was off comes back.
#[test]
fn the_certificate_authority_is_changed_while_clients_go_on_and_members_are_off() {
    let mut cluster = Cluster::start(ClusterShape { nodes: 4, policy: "ec:2+1", ..ClusterShape::default() });
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "mb", "s3://kept"]);
    let rotate = |cluster: &Cluster| json(&cluster.couronne(&["secrets", "rotate", "authority", "--json"], "n1"));
    let first = authority_of(&cluster, "n1");
    let token = said(&cluster.couronne(&["cluster", "token", "create", "--gateway", "--joins", "9"], "n2"));
    // What a thief of g2's folder has.
    cluster.kill("g2");
    let stolen = cluster.identity_file("g2");
    cluster.kill("n4");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = Over(&is_over);
        let client = scope.spawn(|| put_and_get(&clients, "g1", &is_over));
        let waits = rotate(&cluster);
        assert_eq!(waits["waits_for"], serde_json::json!(["g2", "n4"]), "{waits}");
        assert_eq!(awaited(&cluster.status("g1")), Some(vec!["g2", "n4"]));
        assert_eq!(authority_of(&cluster, "n1"), first, "it signs nothing before all believe it");
        cluster.start_member("n4");
        cluster.wait_until_all_serve("n1");
        cluster.wait_until_repaired("n1");
        cluster.kill("n1");
        cluster.start_member("n1");
        cluster.wait_until_all_serve("n2");
        let waits_for_g2 = |status: &Value| awaited(status) == Some(vec!["g2"]);
        cluster.wait_for_status("n2", "every member but g2 said how it stands", waits_for_g2);
        cluster.start_member("g2");
        cluster.wait_for_status("n2", "the authority was changed", |status| awaited(status).is_none());
        std::thread::sleep(KNOWN_AFTER);
        drop(over);
        assert!(client.join().unwrap() > 3, "hardly a request was made");
    });
    let second = authority_of(&cluster, "n1");
    assert!(first != second);
    for member in ["n2", "n3", "n4", "g1", "g2"] {
        assert!(authority_of(&cluster, member) == second, "{member}");
    }
    cluster.wait_until_healthy("g2");
    assert!(refused(&join_gateway(&cluster, "late", &token)).contains("certificate"), "a token from before");
    said(&join_gateway(&cluster, "late", &said(&cluster.couronne(&["cluster", "token", "create", "--gateway"], "n2"))));

    // With what was stolen nobody is heard, until the folder is what it was again.
    cluster.stop("g2");
    let own = cluster.identity_file("g2");
    let path = cluster.data("g2").join("identity.toml");
    std::fs::write(&path, stolen).unwrap();
    cluster.start_member("g2");
    std::thread::sleep(Duration::from_secs(5));
    assert!(!cluster.is_healthy("g2"));
    cluster.kill("g2");
    std::fs::write(&path, own).unwrap();
    cluster.start_member("g2");
    cluster.wait_until_healthy("g2");
    // All are there: it takes no second order.
    said(&cluster.couronne(&["node", "expel", "late"], "n2"));
    assert_eq!(rotate(&cluster)["waits_for"], Value::Null);
    assert!(authority_of(&cluster, "n3") != second);
    clients.run("aws", &["s3", "cp", "--quiet", "s3://kept/g1/0", "back-g1"]);
}
