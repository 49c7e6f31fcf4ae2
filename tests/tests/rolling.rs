//! Every process of a cluster is restarted in turn, and no client notices.

#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods, reason = "test code")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use couronne_tests::python;
use couronne_tests::running::Running;

#[test]
fn every_process_restarts_in_turn_and_no_client_sees_an_error() {
    let mut cluster = Cluster::start(ClusterShape::default());
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "mb", "s3://steady"]);
    let stop = cluster.scratch().join("stop");
    let mut steady = clients.command(&python::interpreter().to_string_lossy());
    steady.arg(python::script("steady.py")).arg("steady").arg(&stop).args([cluster.host("g1"), cluster.host("g2")]);
    let mut steady = Running::start(steady.stdout(Stdio::piped()));
    std::thread::sleep(Duration::from_secs(1));

    for name in ["n1", "g1", "n2", "n3", "n4", "g2", "n5", "n6"] {
        let began = Instant::now();
        cluster.stop(name);
        let stopped = began.elapsed();
        cluster.start_member(name);
        // The next one goes only when this one is back.
        if name.starts_with('g') {
            cluster.wait_until_healthy(name);
        } else {
            cluster.wait_until_all_serve(if name == "n1" { "n2" } else { "n1" });
        }
        eprintln!("{name}: stopped after {stopped:?}, all serve again after {:?}", began.elapsed());
    }
    bytes_of::write(&stop, b"");
    let output = steady.output();
    assert!(output.status.success(), "a client saw an error");
    eprintln!("{}", String::from_utf8_lossy(&output.stdout).trim());
    cluster.wait_until_repaired("n1");
    assert_eq!(cluster.status("n1")["repair"]["pending"], 0);
}
