//! The database of a node's drive rots, in a cluster of real processes: it is found though nobody reads it, and healed
//! by the other nodes.

use std::time::{SystemTime, UNIX_EPOCH};

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use serde_json::Value;

/// Buckets enough that every range has some.
const BUCKETS: u64 = 16;

/// Small objects, which live in the database whole.
const OBJECT_BYTES: usize = 3000;

/// Has all replicas compared, and waits until every range was found alike and is whole.
fn scrub(cluster: &Cluster, of: &str) {
    let since_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let is_scrubbed = |range: &Value| {
        let count = |list: &str| range[list].as_array().map_or(0, Vec::len);
        let ended = range["facts"]["stores_scrubbed_ms"].as_u64();
        ended.is_some_and(|ended| ended > since_ms) && count("serving") == count("replicas")
    };
    cluster.scrub_until(of, "all replicas are alike", |status| {
        status["ranges"].as_array().unwrap().iter().all(is_scrubbed)
    });
}

/// A cluster of four with an object in each bucket.
fn filled() -> Cluster {
    let cluster = Cluster::start(ClusterShape { nodes: 4, policy: "ec:2+1", ..ClusterShape::default() });
    let clients = Clients::of_gateway(&cluster, "g1");
    for number in 0..BUCKETS {
        let (bucket, file) = (format!("s3://bucket-{number}"), format!("object-{number}"));
        clients.run("aws", &["s3", "mb", &bucket]);
        bytes_of::write(&cluster.scratch().join(&file), &bytes_of::random(number, OBJECT_BYTES));
        clients.run("aws", &["s3", "cp", "--quiet", &file, &format!("{bucket}/object")]);
    }
    cluster
}

/// Fails unless all objects come back through a gateway as they were.
fn compare(cluster: &Cluster, gateway: &str) {
    let clients = Clients::of_gateway(cluster, gateway);
    for number in 0..BUCKETS {
        clients.run("aws", &["s3", "cp", "--quiet", &format!("s3://bucket-{number}/object"), "back"]);
        let back = std::fs::read(cluster.scratch().join("back")).unwrap();
        assert!(back == bytes_of::random(number, OBJECT_BYTES), "bucket {number}: other bytes came back");
    }
}

/// The places in a file of so many bytes.
type Places = dyn Fn(u64) -> Vec<u64>;

/// Flips a bit at these places of each table of rows below a node's data folder, those that there are; how many there were.
fn flip_in_tables(cluster: &Cluster, node: &str, places: impl Fn(u64) -> Vec<u64>) -> usize {
    let files = bytes_of::paths(&cluster.data(node)).into_iter();
    let tables = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
    let flipped = tables.map(|path| {
        let len = std::fs::metadata(&path).unwrap().len();
        let places: Vec<u64> = places(len).into_iter().filter(|at| *at < len).collect();
        places.iter().for_each(|at| bytes_of::flip(&path, *at));
        places.len()
    });
    flipped.sum()
}

/// The node begins with what is sound, by itself, whether it starts or runs when its tables rot.
#[test]
fn one_flipped_bit_in_each_table_of_a_node_keeps_it_from_no_start() {
    let mut cluster = filled();
    let near_the_end = |len: u64| vec![len.saturating_sub(60)];
    let rounds: [(&str, &Places); 3] = [("n2", &|_| vec![200]), ("n3", &near_the_end), ("n2", &|len| vec![len / 2])];
    for (node, places) in rounds {
        cluster.stop(node);
        assert!(flip_in_tables(&cluster, node, places) > 0, "{node}");
        cluster.start_member(node);
        cluster.wait_until_all_serve("n1");
        compare(&cluster, "g1");
    }
    // A stop flushes its rows to tables.
    cluster.stop("n4");
    cluster.start_member("n4");
    cluster.wait_until_all_serve("n1");
    // Stopped, it removes no table meanwhile.
    cluster.pause("n4");
    assert!(flip_in_tables(&cluster, "n4", |len| (0..len).step_by(2000).collect()) > 0);
    cluster.resume("n4");
    scrub(&cluster, "n1");
    cluster.stop("n4");
    cluster.start_member("n4");
    cluster.wait_until_all_serve("n1");
    cluster.kill("n1");
    compare(&cluster, "g2");
}

#[test]
fn the_databases_of_two_nodes_rot_one_after_the_other_and_a_third_node_dies() {
    let mut cluster = filled();
    // Blocks of rows and bodies: whether anybody reads them or not.
    cluster.stop("n2");
    assert!(
        bytes_of::rot_blocks(&cluster.data("n2"), "sst") > 0 && bytes_of::rot_blocks(&cluster.data("n2"), "blob") > 0
    );
    cluster.start_member("n2");
    cluster.wait_until_all_serve("n1");
    scrub(&cluster, "n1");
    // What a start needs to open the database at all.
    cluster.stop("n3");
    let files = bytes_of::files(&cluster.data("n3"));
    let is_manifest = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().starts_with("MANIFEST-");
    let manifest = files.keys().find(|path| is_manifest(path)).unwrap();
    (20..200).step_by(9).for_each(|at| bytes_of::flip(&cluster.data("n3").join(manifest), at));
    cluster.start_member("n3");
    cluster.wait_until_all_serve("n1");
    scrub(&cluster, "n1");

    cluster.kill("n1");
    compare(&cluster, "g2");
}
