//! An object loses more shards than its policy survives: an operator is told which, and deletes it.

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use serde_json::Value;

/// The length of each object: one chunk, of two data shards and a parity shard.
const BYTES: usize = 2_000_000;

/// The key of the object that is lost.
const KEY: &str = "kept/what \u{1b}[31mis lost";

fn json(output: &str) -> Value {
    serde_json::from_str(output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// Puts an object; its version.
fn put(clients: &Clients, cluster: &Cluster, key: &str, seed: u64) -> String {
    bytes_of::write(&cluster.scratch().join("body"), &bytes_of::random(seed, BYTES));
    let put = ["s3api", "put-object", "--bucket", "bucket", "--key", key, "--body", "body", "--output", "json"];
    json(&clients.run("aws", &put))["VersionId"].as_str().unwrap().to_owned()
}

/// Flips a bit of a data shard of an object, wherever it lies.
fn damage(cluster: &Cluster, seed: u64, shard: usize) {
    let begin = shard * BYTES / 2 + 4096;
    let block = &bytes_of::random(seed, BYTES)[begin..begin + 1024];
    let found = (1..=4).find_map(|node| bytes_of::find(&cluster.data(&format!("n{node}")), block));
    let (path, offset) = found.unwrap();
    bytes_of::flip(&path, offset + 500);
}

/// What a list says, once the leaders of all ranges answer.
fn listed(cluster: &Cluster, flags: &[&str]) -> Vec<Value> {
    let arguments = [&["repair", "list", "--json"], flags].concat();
    let mut objects = Vec::new();
    cluster.wait_for("all leaders answer", || {
        let output = cluster.couronne(&arguments, "g1");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let listed = json(&String::from_utf8_lossy(&output.stdout));
        objects.clone_from(listed["objects"].as_array().unwrap());
        listed["silent_ranges"].as_array().unwrap().is_empty()
    });
    objects
}

fn screen(cluster: &Cluster, arguments: &[&str]) -> String {
    String::from_utf8(cluster.couronne(arguments, "g1").stdout).unwrap()
}

/// The names of what tenants keep take the admin token, whichever process is asked.
fn names_are_told_to_operators_alone(cluster: &Cluster) {
    let reading = cluster.shown_secret("n1", "reading-token");
    for of in ["g1", "n2"] {
        let refused = cluster.couronne_by(&["repair", "list"], of, reading.trim());
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
        assert!(cluster.couronne_by(&["status"], of, reading.trim()).status.success());
    }
}

#[test]
fn what_is_beyond_repair_is_named_until_it_is_deleted() {
    let shape = ClusterShape { nodes: 4, gateways: 1, policy: "ec:2+1", ..ClusterShape::default() };
    let mut cluster = Cluster::start(shape);
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "mb", "s3://bucket"]);
    let versioned = ["--bucket", "bucket", "--versioning-configuration", "Status=Enabled"];
    clients.run("aws", &[&["s3api", "put-bucket-versioning"], &versioned[..]].concat());
    let lost = put(&clients, &cluster, KEY, 1);
    put(&clients, &cluster, KEY, 2);
    put(&clients, &cluster, "healed", 3);
    cluster.scrub_until_safe("g1");
    assert_eq!(screen(&cluster, &["repair", "list"]), "no object lacks shards\n");

    [(1, 0), (1, 1), (3, 0)].into_iter().for_each(|(seed, shard)| damage(&cluster, seed, shard));
    cluster.scrub_until("g1", "what is lost is known", |status| {
        let unreadable = status["repair"]["degraded"].as_array().unwrap().iter();
        unreadable.filter(|level| level["survives"].as_i64().unwrap() < 0).count() == 1
            && status["repair"]["parked"] == 1
            && status["repair"]["pending"] == 0
    });
    let status = screen(&cluster, &["status"]);
    assert!(status.starts_with("OUT OF REACH: ") && status.contains("couronne repair list --unreadable"), "{status}");
    let objects = listed(&cluster, &["--unreadable"]);
    let [object] = &objects[..] else { panic!("{objects:#?}") };
    let named = ["bucket", "account", "key", "version"].map(|field| object[field].as_str().unwrap());
    assert_eq!(named, ["bucket", "root", KEY, &lost]);
    let counted = ["missing", "shards", "needed", "bytes"].map(|field| object[field].as_u64().unwrap());
    assert_eq!(counted, [2, 3, 2, BYTES as u64]);
    assert_eq!((&object["readable"], &object["looked_for"]), (&Value::Bool(false), &Value::Bool(true)));
    assert!(object["since_ms"].is_u64() && object["part"].is_null(), "{object:#}");
    assert_eq!(listed(&cluster, &[]), objects, "what was healed lacks nothing");
    let line = screen(&cluster, &["repair", "list"]);
    assert!(line.starts_with("cannot be read ") && !line.contains('\u{1b}'), "{line:?}");
    names_are_told_to_operators_alone(&cluster);

    // What is written while a drive is away can be read, and lacks a shard where that was to be.
    cluster.kill("n4");
    cluster.wait_for_status("g1", "it is away", |status| status["durability"]["drives_away"] == 1);
    let keys: Vec<String> = (0..8).map(|number| format!("later-{number}")).collect();
    keys.iter().zip(10..).for_each(|(key, seed)| drop(put(&clients, &cluster, key, seed)));
    let later: Vec<Value> = listed(&cluster, &[]).into_iter().filter(|object| object["key"] != KEY).collect();
    assert!(!later.is_empty() && later.iter().all(|object| object["readable"] == true), "{later:#?}");
    let page = json(&screen(&cluster, &["repair", "list", "--json", "--limit", "1"]));
    let next = page["next"].as_str().unwrap();
    let rest = listed(&cluster, &["--after", next]);
    assert_eq!(rest.len(), later.len(), "{page:#} {rest:#?}");
    assert!(!rest.contains(&page["objects"][0]), "{page:#} {rest:#?}");
    cluster.start_member("n4");
    cluster.wait_for_status("g1", "what was written is whole", |_| listed(&cluster, &[]).len() == 1);

    let version = ["--bucket", "bucket", "--key", KEY, "--version-id", &lost];
    clients.run("aws", &[&["s3api", "delete-object"], &version[..]].concat());
    assert_eq!(listed(&cluster, &[]), Vec::<Value>::new());
    cluster.scrub_until_safe("g1");
    assert_eq!(screen(&cluster, &["repair", "list"]), "no object lacks shards\n");
}
