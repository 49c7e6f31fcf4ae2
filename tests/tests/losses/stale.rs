//! Processes that stand still for a while and go on: nothing that they serve then is older than what was
//! acknowledged meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};

const NODES: [&str; 3] = ["n1", "n2", "n3"];

fn put(cluster: &Cluster, gateway: &str, bytes: &str) {
    std::fs::write(cluster.scratch().join("object"), bytes).unwrap();
    Clients::of_gateway(cluster, gateway).run("aws", &["s3", "cp", "--quiet", "object", "s3://still/object"]);
}

/// Whichever node leads the object's range, and a gateway that knows it as the leader, stand still while another
/// leader is elected and takes a newer object. The read waits at the gateway's door, and is answered at once when both
/// go on.
fn stopped_in_turn(settings: &'static str) {
    let shape = ClusterShape { nodes: 3, policy: "replicated:2", settings, ..ClusterShape::default() };
    let cluster = Cluster::start(shape);
    Clients::of_gateway(&cluster, "g1").run("aws", &["s3", "mb", "s3://still"]);
    for (turn, node) in NODES.into_iter().cycle().take(6).enumerate() {
        put(&cluster, "g1", &format!("before {turn}"));
        let link = Clients::of_gateway(&cluster, "g1").run("aws", &["s3", "presign", "s3://still/object"]);
        [node, "g1"].into_iter().for_each(|name| cluster.pause(name));
        let mut waiting = send(&cluster.host("g1"), link.trim());
        put(&cluster, "g2", &format!("after {turn}"));
        [node, "g1"].into_iter().for_each(|name| cluster.resume(name));
        let mut answer = String::new();
        waiting.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(body, format!("after {turn}"), "{node} stood still: {answer}");
    }
}

/// Sends a GET of a link that was signed before; the answer is still to be read.
fn send(host: &str, link: &str) -> TcpStream {
    let target = link.strip_prefix("http://").and_then(|rest| rest.strip_prefix(host)).unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    stream
}

#[test]
fn a_leader_that_was_stopped_and_goes_on_serves_nothing_stale() {
    stopped_in_turn("");
}

#[test]
fn with_reads_by_a_quorum_too() {
    stopped_in_turn("reads = \"quorum\"\n");
}
