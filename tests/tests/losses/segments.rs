//! Drives of real processes that lose their segments and nothing else: each such loss is one of its drive.

use std::fs;
use std::path::PathBuf;

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use serde_json::Value;

/// Objects that are put before anything is lost.
const OBJECTS: u64 = 60;

/// The nodes that lose their segments, one after the other.
const VICTIMS: [&str; 3] = ["n1", "n2", "n3"];

fn is_safe(status: &Value) -> bool {
    status["durability"]["safety"]["all_safe"] == true
}

fn times_emptied(status: &Value, node: &str) -> u64 {
    let drives = status["drives"].as_array().unwrap();
    drives.iter().find(|drive| drive["node"] == node).unwrap()["emptied_times"].as_u64().unwrap()
}

fn segments(cluster: &Cluster, node: &str) -> Vec<PathBuf> {
    let folder = cluster.data(node).join("drive-01/segments");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|suffix| suffix == "large")).collect()
}

/// Once a loss was brought about: until it is made up for, no status takes all for safe; then a scrub does.
fn is_made_up_for(cluster: &Cluster, node: &str, times_before: u64) {
    cluster.wait_for_status("g1", "the loss is known and made up for", |status| {
        assert!(!is_safe(status), "{node} lost its segments: {status:#}");
        let safety = &status["durability"]["safety"];
        let doubts = safety["doubts"].as_array().unwrap();
        let is_of_scrub = |doubt: &Value| doubt["kind"].as_str().unwrap().ends_with("unscrubbed");
        times_emptied(status, node) > times_before && doubts.iter().all(is_of_scrub)
    });
    cluster.scrub_until_safe("g1");
}

#[test]
fn nodes_that_lose_their_segments_one_after_another_lose_nothing() {
    let shape = ClusterShape { gateways: 1, ..ClusterShape::default() };
    let mut cluster = Cluster::start(shape);
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "mb", "s3://bucket"]);
    let folder = cluster.scratch().join("objects");
    for number in 0..OBJECTS {
        bytes_of::write(&folder.join(number.to_string()), &bytes_of::random(number, 400_000));
    }
    clients.run("aws", &["s3", "cp", "--quiet", "--recursive", "objects", "s3://bucket"]);
    cluster.scrub_until_safe("g1");
    for node in VICTIMS {
        let before = times_emptied(&cluster.status("g1"), node);
        cluster.kill(node);
        let files = segments(&cluster, node);
        assert!(!files.is_empty(), "{node} has segments");
        files.into_iter().for_each(|path| fs::remove_file(path).unwrap());
        cluster.start_member(node);
        is_made_up_for(&cluster, node, before);
    }
    // While a node runs, and nothing of it is read, it notices by itself.
    let before = times_emptied(&cluster.status("g1"), "n4");
    segments(&cluster, "n4").into_iter().for_each(|path| fs::remove_file(path).unwrap());
    cluster.wait_for_status("g1", "it is noticed", |status| times_emptied(status, "n4") > before);
    is_made_up_for(&cluster, "n4", before);

    clients.run("aws", &["s3", "cp", "--quiet", "--recursive", "s3://bucket", "read"]);
    for number in 0..OBJECTS {
        let read = fs::read(cluster.scratch().join("read").join(number.to_string())).unwrap();
        assert_eq!(read, bytes_of::random(number, 400_000), "object {number}");
    }
}
