//! First starts that are cut off: whatever stands in the folders then, the next start goes on with it.

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use couronne_tests::cut_off;
use couronne_tests::server::{Server, ServerShape};

/// How many files apart two cuts are.
const STEP: usize = 7;

/// Puts an object, and gets it back.
fn put_and_get(clients: &Clients) {
    bytes_of::write(&clients.scratch().join("object"), &bytes_of::random(1, 60_000));
    clients.run("aws", &["s3", "mb", "s3://first"]);
    clients.run("aws", &["s3", "cp", "--quiet", "object", "s3://first/object"]);
    clients.run("aws", &["s3", "cp", "--quiet", "s3://first/object", "back"]);
    assert!(std::fs::read(clients.scratch().join("back")).unwrap() == bytes_of::random(1, 60_000));
}

/// Cuts a first start off at a file, and once more at the next; then the server serves.
fn cut_twice(shape: ServerShape, entries: usize) -> bool {
    let mut server = Server::prepared(shape);
    let is_cut = server.restart_cut_off(entries);
    server.restart_cut_off(cut_off::count(&server.data()) + 1);
    server.restart();
    put_and_get(&Clients::of(&server));
    is_cut
}

#[test]
fn a_lone_server_whose_first_start_is_cut_off_anywhere_starts_the_next_time() {
    for shape in ServerShape::ALL {
        let cuts = (1..).step_by(STEP).take_while(|entries| cut_twice(shape, *entries)).count();
        assert!(cuts > 2, "{shape:?}: it was cut off at {cuts} files only");
    }
}

#[test]
fn a_cluster_whose_founding_is_cut_off_again_and_again_is_founded() {
    let shape = ClusterShape { nodes: 3, drives: 2, gateways: 1, policy: "ec:2+1", ..ClusterShape::default() };
    let cluster = Cluster::start_after_cuts(shape, (1..).step_by(2));
    put_and_get(&Clients::of_gateway(&cluster, "g1"));
}
