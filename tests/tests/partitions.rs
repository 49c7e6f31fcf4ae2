//! The network between real processes is cut, in both directions and in one.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::process::Stdio;
use std::time::{Duration, Instant};

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use couronne_tests::load::{self, Load};
use couronne_tests::python;
use couronne_tests::running::Running;
use serde_json::Value;

const ALL: [&str; 7] = ["n1", "n2", "n3", "n4", "n5", "g1", "g2"];

/// Within so long the nodes that have a quorum serve again.
const SERVICE_WITHIN: Duration = Duration::from_secs(15);

fn others<'a>(than: &[&str]) -> Vec<&'a str> {
    ALL.into_iter().filter(|name| !than.contains(name)).collect()
}

/// Writes through a gateway until one write is acknowledged; it may take only so long.
fn expect_service(cluster: &Cluster, gateway: &str, what: &str) {
    let clients = Clients::of_gateway(cluster, gateway);
    let began = Instant::now();
    bytes_of::write(&cluster.scratch().join("probe"), what.as_bytes());
    loop {
        let (succeeded, out, err) =
            clients.attempt("aws", &["s3", "cp", "--only-show-errors", "probe", "s3://probes/probe"]);
        if succeeded {
            break;
        }
        assert!(began.elapsed() < SERVICE_WITHIN, "{gateway} does not serve: {what}: {out}{err}");
    }
    eprintln!("{what}: a write through {gateway} after {:?}", began.elapsed());
}

#[test]
fn the_network_is_cut_and_nothing_is_lost_or_stale() {
    let shape = ClusterShape { nodes: 5, policy: "ec:2+2", is_apart: true, ..ClusterShape::default() };
    let Ok(cluster) = Cluster::try_start(shape) else { return };
    let [one, two] = ["g1", "g2"].map(|gateway| Clients::of_gateway(&cluster, gateway));
    for bucket in ["one", "two", "fresh", "probes"] {
        one.run("aws", &["s3", "mb", &format!("s3://{bucket}")]);
    }
    let stop = cluster.scratch().join("stop-fresh");
    let mut fresh = one.command(&python::interpreter().to_string_lossy());
    fresh.arg(python::script("fresh.py")).arg("fresh").arg(&stop);
    fresh.args(["g1", "g2"].map(|gateway| format!("http://{}", cluster.host(gateway))));
    let mut fresh = Running::start(fresh.stdout(Stdio::piped()));
    let loads = [Load::start(&one, "one"), Load::start(&two, "two")];
    let hold = || std::thread::sleep(Duration::from_secs(1));
    hold();

    cluster.part(&["n1"], &others(&["n1"]));
    expect_service(&cluster, "g1", "one node is cut off");
    hold();
    cluster.heal();
    // Two of five and a gateway on one side: what they had to say is not enough there.
    cluster.part(&["n2", "n3", "g1"], &others(&["n2", "n3", "g1"]));
    expect_service(&cluster, "g2", "two nodes and a gateway are cut off");
    hold();
    cluster.heal();
    expect_service(&cluster, "g1", "healed");
    cluster.block(&["n4"], &others(&["n4"]));
    expect_service(&cluster, "g2", "a node is heard by nobody");
    hold();
    cluster.heal();
    cluster.block(&others(&["n5"]), &["n5"]);
    expect_service(&cluster, "g1", "a node hears nobody");
    hold();
    cluster.heal();

    cluster.wait_until_repaired("n1");
    bytes_of::write(&stop, b"");
    let output = fresh.output();
    assert!(output.status.success(), "a read was stale");
    let counts: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    eprintln!("{counts:?}");
    assert!(counts.iter().all(|gateway| gateway["reads"].as_u64() > Some(50)), "hardly anything was read");
    let [first, second] = loads.map(Load::finish);
    assert!(load::verify(&two, "one", &first) > 20);
    assert!(load::verify(&one, "two", &second) > 20);
}
