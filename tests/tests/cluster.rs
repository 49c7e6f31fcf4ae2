//! A cluster of real processes, broken in the ways that clusters break. All bytes are compared.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::process::Stdio;
use std::time::Duration;

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use couronne_tests::load::{self, Load};
use couronne_tests::running::Running;

/// Load through a gateway.
fn load(cluster: &Cluster, gateway: &str, bucket: &str) -> Load {
    Load::start(&Clients::of_gateway(cluster, gateway), bucket)
}

/// Compares what was acknowledged through another gateway than it was written through.
fn verify(cluster: &Cluster, gateway: &str, bucket: &str, record: &str) {
    let acknowledged = load::verify(&Clients::of_gateway(cluster, gateway), bucket, record);
    assert!(acknowledged > 20, "hardly anything was written: {acknowledged}");
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[test]
fn two_nodes_are_killed_while_restic_backs_up_and_everyone_loses_power_afterwards() {
    let mut cluster = Cluster::start(ClusterShape::default());
    let clients = Clients::of_gateway(&cluster, "g1");
    let source = cluster.scratch().join("source");
    bytes_of::tree(&source, 10);
    for number in 0..10 {
        bytes_of::write(&source.join(format!("more/{number}")), &bytes_of::random(20 + number, 8 << 20));
    }
    clients.run("restic", &["init"]);
    let mut backup = clients.command("restic");
    backup.args(["backup", "source"]).stdout(Stdio::null());
    let mut backup = Running::start(&mut backup);
    pause(700);
    // The first node founded the cluster: it is one like the others.
    cluster.kill("n1");
    cluster.kill("n4");
    assert!(backup.end().success(), "the backup goes on with four nodes");
    clients.run("restic", &["check", "--read-data"]);
    cluster.start_member("n1");
    cluster.start_member("n4");

    for name in ["n1", "n2", "n3", "n4", "n5", "n6", "g1", "g2"] {
        cluster.kill(name);
    }
    for name in ["g2", "n6", "n5", "n4", "n3", "n2", "n1"] {
        cluster.start_member(name);
    }
    cluster.wait_until_healthy("g2");
    let clients = Clients::of_gateway(&cluster, "g2");
    clients.run("restic", &["check", "--read-data"]);
    clients.run("restic", &["restore", "latest", "--target", "back"]);
    bytes_of::assert_same(&source, &cluster.scratch().join("back/source"));
}

#[test]
fn nodes_die_stall_and_restart_under_load_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::start(ClusterShape::default());
    Clients::of_gateway(&cluster, "g1").run("aws", &["s3", "mb", "s3://one"]);
    Clients::of_gateway(&cluster, "g2").run("aws", &["s3", "mb", "s3://two"]);
    let loads = [load(&cluster, "g1", "one"), load(&cluster, "g2", "two")];
    pause(1500);
    cluster.kill("n2");
    pause(1500);
    // A node that is there and says nothing is worse than a dead one.
    cluster.pause("n5");
    pause(4000);
    cluster.resume("n5");
    cluster.start_member("n2");
    pause(1500);
    cluster.stop("n3");
    cluster.start_member("n3");
    // What was written while two were away lies on four nodes, some with two of its shards.
    cluster.wait_until_repaired("n1");
    cluster.kill("n6");
    cluster.kill("n3");
    pause(1500);
    let [one, two] = loads.map(Load::finish);
    verify(&cluster, "g2", "one", &one);
    verify(&cluster, "g1", "two", &two);
    cluster.start_member("n3");
    cluster.start_member("n6");
    cluster.wait_until_all_serve("n1");
    verify(&cluster, "g1", "one", &one);
}

#[test]
fn a_gateway_dies_in_the_middle_of_uploads_and_the_other_goes_on() {
    let mut cluster = Cluster::start(ClusterShape::default());
    let clients = Clients::of_gateway(&cluster, "g2");
    clients.run("aws", &["s3", "mb", "s3://uploads"]);
    let bytes = bytes_of::random(60, 40 << 20);
    bytes_of::write(&cluster.scratch().join("big"), &bytes);
    let mut upload = Clients::of_gateway(&cluster, "g1").command("aws");
    upload.args(["s3", "cp", "--quiet", "big", "s3://uploads/big"]).stderr(Stdio::null());
    let mut upload = Running::start(&mut upload);
    pause(900);
    cluster.kill("g1");
    let succeeded = upload.end().success();
    let (is_there, ..) = clients.attempt("aws", &["s3", "cp", "--quiet", "s3://uploads/big", "back"]);
    if is_there || succeeded {
        assert!(std::fs::read(cluster.scratch().join("back")).unwrap() == bytes, "half an object is visible");
    }
    clients.run("aws", &["s3", "cp", "--quiet", "big", "s3://uploads/big"]);
    cluster.start_member("g1");
    cluster.wait_until_healthy("g1");
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "cp", "--quiet", "s3://uploads/big", "back"]);
    assert!(std::fs::read(cluster.scratch().join("back")).unwrap() == bytes);
}
