//! What the status of a cluster of real processes says while something is lost, silent or not yet looked at.

use std::cell::Cell;

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape, dangers, doubts};
use serde_json::Value;

/// Objects that are put before anything is lost.
const OBJECTS: u64 = 40;

fn first_line(cluster: &Cluster, of: &str) -> String {
    let output = cluster.couronne(&["status"], of);
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

fn drive<'a>(status: &'a Value, node: &str) -> &'a Value {
    status["drives"].as_array().unwrap().iter().find(|drive| drive["node"] == node).unwrap()
}

/// A new cluster says that it was not scrubbed, and after a scrub when that was, also once a node was started again.
fn scrubs_are_dated(cluster: &mut Cluster) {
    cluster.wait_for_status("g1", "nothing is amiss", |status| dangers(status).is_empty());
    let line = first_line(cluster, "g1");
    assert!(line.starts_with("no loss is known: 1 loss is survived; not yet scrubbed, for "), "{line}");
    let new = cluster.status("n1");
    assert!(doubts(&new).starts_with(&["shards_unscrubbed", "shards_not_looked_for"]), "{:#}", new["durability"]);
    scrub(cluster);
    let safety = cluster.status("n2")["durability"]["safety"].clone();
    for date in ["shards_scrubbed_ms", "shards_looked_for_ms", "stores_scrubbed_ms"] {
        assert!(safety[date].is_u64(), "{safety:#}");
    }
    let before = drive(&cluster.status("g1"), "n3")["scrubbed_ms"].as_u64().unwrap();
    cluster.kill("n3");
    cluster.start_member("n3");
    cluster.wait_for_status("g1", "the date stands on the drive", |status| {
        drive(status, "n3")["scrubbed_ms"] == before && status["durability"]["safety"]["all_safe"] == true
    });
}

/// Everything is scrubbed on order, and then all is safe, by dates that are shown.
fn scrub(cluster: &Cluster) {
    cluster.scrub_until_safe("g1");
    let output = cluster.couronne(&["status"], "g1");
    let screen = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = screen.lines().take(3).collect();
    assert!(lines[0] == "all safe: 1 loss is survived" && lines[1].starts_with("  known: "), "{screen}");
    assert!(lines[2].starts_with("  scrubbed: shards ") && lines[2].ends_with("again within 15 days"), "{screen}");
}

/// From the moment that an emptied drive is back until what it held is back, no status takes it for well.
fn a_wiped_drive_is_not_safe_before_it_is_refilled(cluster: &mut Cluster) {
    let before = drive(&cluster.status("g1"), "n2")["live_bytes"].as_u64().unwrap();
    cluster.kill("n2");
    cluster.wipe("n2");
    cluster.start_member("n2");
    let seen = Cell::new(0);
    cluster.wait_for_status("g1", "nothing is amiss again", |status| {
        let (safety, drive) = (&status["durability"]["safety"], drive(status, "n2"));
        assert_ne!(safety["all_safe"], true, "{status:#}");
        if safety["loss_version"] != 0 && !dangers(status).is_empty() {
            seen.set(seen.get() + 1);
        }
        if drive["emptied_times"] == 1 && dangers(status).is_empty() {
            assert!(drive["live_bytes"].as_u64() >= Some(before), "{status:#}");
            assert!(safety["swept_version"].as_u64() >= safety["loss_version"].as_u64(), "{safety:#}");
            assert!(drive["scrubbed_ms"].is_null() && doubts(status).contains(&"shards_unscrubbed"), "{status:#}");
            return true;
        }
        assert!(drive["emptied_times"] == 1 || !dangers(status).is_empty(), "{status:#}");
        false
    });
    assert!(seen.get() > 0, "it was seen while it was not refilled");
}

/// Nodes that are there and say nothing: what they and the ranges that they led would say is not known, and since when.
fn what_nobody_says_is_not_known(cluster: &Cluster) {
    let since_ms = |status: &Value, kind: &str| {
        let doubts = status["durability"]["safety"]["doubts"].as_array().unwrap();
        doubts.iter().find(|doubt| doubt["kind"] == kind).and_then(|doubt| doubt["since_ms"].as_u64())
    };
    cluster.pause("n4");
    for of in ["g1", "n1"] {
        let status = cluster.status(of);
        assert!(since_ms(&status, "nodes_silent").is_some(), "{:#}", status["durability"]);
        let line = first_line(cluster, of);
        assert!(!line.starts_with("all safe") && !line.starts_with("no loss is known"), "{line}");
    }
    // Two of its three voters are away: such a range has no leader.
    cluster.pause("n3");
    let paused_ms = cluster.status("n1")["now_ms"].as_u64().unwrap();
    cluster.wait_for_status("n1", "no leader says how some ranges are, and since when", |status| {
        since_ms(status, "ranges_silent").is_some_and(|since_ms| since_ms.abs_diff(paused_ms) < 120_000)
    });
    let line = first_line(cluster, "g1");
    assert!(line.starts_with("OUT OF REACH"), "{line}");
    cluster.resume("n3");
    cluster.resume("n4");
    cluster.wait_for_status("g1", "nothing is amiss again", |status| dangers(status).is_empty());
    // The emptied drive was not read through since.
    assert_eq!(doubts(&cluster.status("g1")), ["shards_unscrubbed"]);
    scrub(cluster);
}

#[test]
fn the_status_takes_nothing_for_well_that_is_not_known() {
    let shape = ClusterShape { nodes: 4, gateways: 1, policy: "ec:2+1", ..ClusterShape::default() };
    let mut cluster = Cluster::start(shape);
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "mb", "s3://bucket"]);
    let folder = cluster.scratch().join("objects");
    for number in 0..OBJECTS {
        bytes_of::write(&folder.join(number.to_string()), &bytes_of::random(number, 200_000));
    }
    clients.run("aws", &["s3", "cp", "--quiet", "--recursive", "objects", "s3://bucket"]);
    scrubs_are_dated(&mut cluster);
    a_wiped_drive_is_not_safe_before_it_is_refilled(&mut cluster);
    what_nobody_says_is_not_known(&cluster);
}
