//! Three zones of two nodes each; one of the zones is lost.

use std::time::Duration;

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use couronne_tests::load::{self, Load};

#[test]
fn a_zone_is_lost_under_load_and_what_it_held_is_rebuilt() {
    let shape = ClusterShape { zones: 3, policy: "ec:2+2", repair_grace_s: 4, ..ClusterShape::default() };
    let mut cluster = Cluster::start(shape);
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "mb", "s3://zones"]);
    bytes_of::write(&cluster.scratch().join("before"), &bytes_of::random(1, 9 << 20));
    clients.run("aws", &["s3", "cp", "--quiet", "before", "s3://zones/kept/before"]);
    let running = Load::start(&clients, "zones");
    std::thread::sleep(Duration::from_secs(1));
    // The first zone: nodes take turns.
    cluster.kill("n1");
    cluster.kill("n4");
    // Both are marked down, then lost, then rebuilt; the load goes on all the while.
    cluster.wait_for_status("n2", "two drives are down", |status| {
        status["drives"].as_array().unwrap().iter().filter(|drive| !drive["down_reason"].is_null()).count() == 2
    });
    clients.run("aws", &["s3", "cp", "--quiet", "before", "s3://zones/kept/during"]);
    std::thread::sleep(Duration::from_secs(4));
    let record = running.finish();
    cluster.wait_for_status("n2", "what the zone held is rebuilt", |status| status["repair"]["pending"] == 0);
    // Two more: nothing is left then but what was rebuilt, and what was written without the zone.
    cluster.start_member("n1");
    cluster.start_member("n4");
    cluster.wait_until_repaired("n2");
    cluster.kill("n2");
    cluster.kill("n5");
    let clients = Clients::of_gateway(&cluster, "g2");
    for name in ["before", "during"] {
        clients.run("aws", &["s3", "cp", "--quiet", &format!("s3://zones/kept/{name}"), "back"]);
        assert!(std::fs::read(cluster.scratch().join("back")).unwrap() == bytes_of::random(1, 9 << 20), "{name}");
    }
    clients.run("aws", &["s3", "rm", "--quiet", "--recursive", "s3://zones/kept"]);
    assert!(load::verify(&clients, "zones", &record) > 20);
}
