//! A lone server's folder becomes that of a cluster's first node, without conversion.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::path::Path;
use std::process::{Command, Output};

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use couronne_tests::json;
use couronne_tests::server::{self, Server, binary};

/// Objects of every kind: with their bytes in the commit, as whole copies, of several chunks, of several parts.
const SIZES: [usize; 4] = [100, 60_000, 9 << 20, 20 << 20];

/// What a command that must be refused says.
fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn put(clients: &Clients, bucket: &str, seed: u64) {
    clients.run("aws", &["s3", "mb", &format!("s3://{bucket}")]);
    for (number, size) in (seed..).zip(SIZES) {
        bytes_of::write(&clients.scratch().join("object"), &bytes_of::random(number, size));
        clients.run("aws", &["s3", "cp", "--quiet", "object", &format!("s3://{bucket}/{size}")]);
    }
}

fn compare(clients: &Clients, bucket: &str, seed: u64) {
    for (number, size) in (seed..).zip(SIZES) {
        clients.run("aws", &["s3", "cp", "--quiet", &format!("s3://{bucket}/{size}"), "back"]);
        let back = std::fs::read(clients.scratch().join("back")).unwrap();
        assert!(back == bytes_of::random(number, size), "{bucket}/{size}");
    }
}

/// The node id that a folder's identity says.
fn node_of(folder: &Path) -> String {
    let identity: toml::Table = std::fs::read_to_string(folder.join("identity.toml")).unwrap().parse().unwrap();
    identity["node"].as_str().unwrap().to_owned()
}

fn serve(folder: &Path) -> Output {
    let mut command = Command::new(binary());
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]).arg(folder);
    command.output().unwrap()
}

#[test]
fn a_lone_server_becomes_the_first_node_of_a_cluster() {
    let mut server = Server::start(server::ServerShape::SixDrives);
    put(&Clients::of(&server), "alone", 100);
    let why = refused(&server.couronne(&["cluster", "token", "create"]));
    assert!(why.contains("couronne storage-node"), "nobody could join it: {why}");
    let node = node_of(&server.data());
    server.stop();

    let mut cluster = Cluster::of_lone(&server, ClusterShape { nodes: 2, gateways: 1, ..ClusterShape::default() });
    assert_eq!(node_of(&cluster.data("n1")), node);
    cluster.wait_for_status("g1", "everyone is heard of, and nothing is in danger", |status| {
        let nodes = status["nodes"].as_array().unwrap();
        nodes.len() == 2 && nodes.iter().all(|node| node["answers"] == true) && status["durability"]["survives"] == 2
    });
    for member in ["n1", "n2", "g1"] {
        let listed = json(&cluster.couronne(&["node", "list", "--json"], member));
        let names: Vec<&str> = listed.as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect();
        assert!(names.len() == 3 && ["n1", "n2", "g1"].iter().all(|name| names.contains(name)), "{listed}");
        assert!(listed.to_string().contains(&node), "the first node keeps its identity: {listed}");
    }
    let clients = Clients::of_gateway(&cluster, "g1");
    compare(&clients, "alone", 100);
    put(&clients, "together", 200);

    for name in ["n2", "n1"] {
        cluster.stop(name);
    }
    let why = refused(&serve(&cluster.data("n1")));
    assert!(why.contains("couronne storage-node"), "it is not alone any more: {why}");
    let why = refused(&cluster.couronne_on(&["gateway"], "n1"));
    assert!(why.contains("couronne storage-node"), "{why}");
    let why = refused(&cluster.couronne_on(&["storage-node", "--drives", "5"], "n1"));
    assert!(why.contains("6 drives") && why.contains("--drives"), "{why}");
    for name in ["n1", "n2"] {
        cluster.start_member(name);
    }
    cluster.wait_until_healthy("g1");
    compare(&clients, "alone", 100);
    compare(&clients, "together", 200);
}
