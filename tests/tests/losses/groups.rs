//! Metadata of a cluster of real processes whose nodes die for good and whose drives are replaced, one after another.

use std::time::Duration;

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};

/// Buckets enough that every range has some.
const BUCKETS: u64 = 16;

/// Puts an object into every bucket, through a gateway.
fn put_all(cluster: &Cluster, gateway: &str, name: &str) {
    let clients = Clients::of_gateway(cluster, gateway);
    for number in 0..BUCKETS {
        bytes_of::write(&cluster.scratch().join("object"), &bytes_of::random(number, 60_000));
        clients.run("aws", &["s3", "cp", "--quiet", "object", &format!("s3://bucket-{number}/{name}")]);
    }
}

fn compare_all(cluster: &Cluster, gateway: &str, name: &str) {
    let clients = Clients::of_gateway(cluster, gateway);
    for number in 0..BUCKETS {
        clients.run("aws", &["s3", "cp", "--quiet", &format!("s3://bucket-{number}/{name}"), "back"]);
        let back = std::fs::read(cluster.scratch().join("back")).unwrap();
        assert!(back == bytes_of::random(number, 60_000), "bucket {number}: other bytes came back");
    }
}

fn make_buckets(cluster: &Cluster, gateway: &str) {
    let clients = Clients::of_gateway(cluster, gateway);
    (0..BUCKETS).for_each(|number| drop(clients.run("aws", &["s3", "mb", &format!("s3://bucket-{number}")])));
}

/// A dead node, and then the disks of two others are replaced, each loss repaired before the next: the two losses that
/// the policy promises are survived at every moment.
#[test]
fn a_dead_node_keeps_no_other_from_being_replaced() {
    let mut cluster = Cluster::start(ClusterShape::default());
    make_buckets(&cluster, "g1");
    put_all(&cluster, "g1", "before");
    cluster.kill("n1");
    for name in ["n2", "n3"] {
        cluster.kill(name);
        cluster.wipe(name);
        cluster.start_member(name);
        cluster.wait_until_voters_serve("n4", &["n1"]);
    }
    cluster.wait_for_status("n4", "one more loss is survived", |status| {
        status["durability"]["survives"] == 1 && status["repair"]["pending"] == 0
    });
    cluster.kill("n4");
    compare_all(&cluster, "g2", "before");
    put_all(&cluster, "g2", "after");
    compare_all(&cluster, "g1", "after");
}

/// Nodes die for good and are expelled, each made up for by the others before the next: then all is as safe as before, and
/// the loss that the policy promises is survived.
#[test]
fn dead_nodes_are_expelled_one_after_another_and_all_is_as_safe_as_before() {
    let mut cluster = Cluster::start(ClusterShape { gateways: 1, policy: "ec:2+1", ..ClusterShape::default() });
    make_buckets(&cluster, "g1");
    put_all(&cluster, "g1", "n6");
    let dead = ["n1", "n4"];
    for name in dead {
        cluster.kill(name);
        cluster.wait_for("it is expelled", || cluster.couronne(&["node", "expel", name], "n2").status.success());
        let again = cluster.couronne(&["node", "expel", name], "n2");
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(said.starts_with(&format!("node {name} (")) && said.ends_with("was expelled before\n"), "{again:?}");
        // The grace is an hour: nobody waits for what never comes back.
        cluster.scrub_until_safe("g1");
        put_all(&cluster, "g1", name);
    }
    cluster.scrub_until_safe("g1");
    cluster.kill("n3");
    ["n6"].into_iter().chain(dead).for_each(|name| compare_all(&cluster, "g1", name));
    put_all(&cluster, "g1", "after");
    compare_all(&cluster, "g1", "after");
}

/// A cluster takes nothing before the meta group has all its voters; then the disk of the node that founded it may be
/// lost while another node is away.
#[test]
fn nothing_is_taken_before_the_meta_group_is_whole_and_then_any_two_may_be_lost() {
    let shape = ClusterShape { nodes: 5, policy: "ec:2+2", ..ClusterShape::default() };
    let mut cluster = Cluster::start_without(shape, "n5");
    cluster.wait_for_status("n1", "one voter is missing", |status| status["durability"]["awaited_voters"] == 1);
    std::thread::sleep(Duration::from_secs(3));
    let mut clients = Clients::of_gateway(&cluster, "g1").command("aws");
    let refused = clients.env("AWS_MAX_ATTEMPTS", "1").args(["s3api", "create-bucket", "--bucket", "early"]).output();
    let refused = refused.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("ServiceUnavailable"), "{said}");
    assert_eq!(cluster.status("n1")["durability"]["awaited_voters"], 1);

    cluster.start_member("n5");
    cluster.wait_until_healthy("g1");
    cluster.wait_until_healthy("g2");
    make_buckets(&cluster, "g1");
    put_all(&cluster, "g1", "before");
    cluster.kill("n1");
    cluster.wipe("n1");
    cluster.start_member("n1");
    cluster.stop("n4");
    compare_all(&cluster, "g2", "before");
    cluster.wait_until_voters_serve("n1", &["n4"]);
    put_all(&cluster, "g2", "after");
    compare_all(&cluster, "g1", "after");
    assert_eq!(cluster.status("n1")["durability"]["awaited_voters"], 0);
}
