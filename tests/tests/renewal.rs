//! Certificates of running processes are renewed, and they serve past what they began with.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

use std::time::{Duration, Instant};

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};

/// How long certificates last here.
const LIFETIME: Duration = Duration::from_secs(15);

#[test]
fn processes_serve_past_the_certificates_that_they_began_with() {
    let began = Instant::now();
    let lifetime = LIFETIME.as_secs();
    let shape =
        ClusterShape { nodes: 3, gateways: 1, policy: "ec:2+1", certificate_s: lifetime, ..ClusterShape::default() };
    let mut cluster = Cluster::start(shape);
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "mb", "s3://renewed"]);
    let first = ["n1", "n2", "n3", "g1"].map(|name| cluster.identity_file(name));
    // All that anyone began with have run out by then.
    std::thread::sleep((LIFETIME + Duration::from_secs(3)).saturating_sub(began.elapsed()) + LIFETIME / 3);
    for (name, first) in ["n1", "n2", "n3", "g1"].into_iter().zip(first) {
        assert!(cluster.identity_file(name) != first, "{name} has the certificate that it began with");
    }
    // These dial and are dialled anew; the others show what they took while they ran.
    cluster.stop("n2");
    cluster.start_member("n2");
    cluster.stop("g1");
    cluster.start_member("g1");
    cluster.wait_until_healthy("g1");
    cluster.wait_until_all_serve("n1");
    bytes_of::write(&cluster.scratch().join("object"), &bytes_of::random(1, 3 << 20));
    clients.run("aws", &["s3", "cp", "--quiet", "object", "s3://renewed/object"]);
    // With one node away the two others serve each other, and the gateway.
    cluster.kill("n2");
    clients.run("aws", &["s3", "cp", "--quiet", "s3://renewed/object", "back"]);
    assert!(std::fs::read(cluster.scratch().join("back")).unwrap() == bytes_of::random(1, 3 << 20));
}

/// All that anyone has to show ran out while nobody ran.
#[test]
fn a_cluster_that_was_off_for_longer_than_its_certificates_last_starts_again() {
    let lifetime = LIFETIME.as_secs();
    let shape =
        ClusterShape { nodes: 3, gateways: 1, policy: "ec:2+1", certificate_s: lifetime, ..ClusterShape::default() };
    let mut cluster = Cluster::start(shape);
    bytes_of::write(&cluster.scratch().join("object"), &bytes_of::random(1, 3 << 20));
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "mb", "s3://kept"]);
    clients.run("aws", &["s3", "cp", "--quiet", "object", "s3://kept/object"]);
    let members = ["n1", "n2", "n3", "g1"];
    members.iter().rev().for_each(|name| cluster.stop(name));
    let before = members.map(|name| cluster.identity_file(name));
    std::thread::sleep(LIFETIME + Duration::from_secs(2));
    members.iter().for_each(|name| cluster.start_member(name));
    cluster.wait_until_healthy("g1");
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "cp", "--quiet", "s3://kept/object", "back"]);
    assert!(std::fs::read(cluster.scratch().join("back")).unwrap() == bytes_of::random(1, 3 << 20));
    for (name, before) in members.into_iter().zip(before) {
        cluster.wait_for("its certificate is renewed", || cluster.identity_file(name) != before);
    }
}
