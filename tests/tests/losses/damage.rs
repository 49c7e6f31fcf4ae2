//! Members of a cluster with damaged files: what others have they get from these, and nothing is rebuilt for that.

use std::fs;
use std::path::Path;

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};

const OBJECTS: u64 = 20;

fn cut_short(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn compare(clients: &Clients) {
    let back = clients.scratch().join("back");
    let _ = fs::remove_dir_all(&back);
    clients.run("aws", &["s3", "cp", "--quiet", "--recursive", "s3://kept", "back"]);
    bytes_of::assert_same(&clients.scratch().join("objects"), &back);
}

/// The drive of one storage node has no sound map, another one's key of the cluster is damaged, then the gateway's map.
#[test]
fn members_with_damaged_files_get_them_from_the_others() {
    let shape = ClusterShape { nodes: 4, gateways: 1, policy: "ec:2+1", repair_grace_s: 60, ..ClusterShape::default() };
    let mut cluster = Cluster::start(shape);
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "mb", "s3://kept"]);
    for number in 0..OBJECTS {
        let path = clients.scratch().join(format!("objects/{number}"));
        bytes_of::write(&path, &bytes_of::random(number, 200_000));
    }
    clients.run("aws", &["s3", "cp", "--quiet", "--recursive", "objects", "s3://kept"]);

    cluster.kill("n2");
    ["map", "map.copy"].iter().for_each(|name| cut_short(&cluster.data("n2").join("drive-01").join(name)));
    cluster.start_member("n2");
    cluster.wait_until_all_serve("n2");
    let keys = cluster.data("n3").join("cluster-keys.toml");
    cluster.kill("n3");
    cut_short(&keys);
    cluster.start_member("n3");
    cluster.wait_until_all_serve("n3");
    cluster.kill("n1");
    compare(&clients);
    cluster.start_member("n1");
    cluster.wait_until_all_serve("n1");
    cluster.wait_for("the key of the cluster is there again", || fs::metadata(&keys).is_ok_and(|file| file.len() > 0));
    assert!(keys.with_file_name("cluster-keys.toml.damaged").exists(), "what was damaged is kept");
    for drive in cluster.status("n2")["drives"].as_array().unwrap() {
        assert_eq!(drive["emptied_times"], 0, "no drive was taken for one that forgot: {drive}");
    }

    cluster.stop("g1");
    let map = cluster.data("g1").join("map");
    cut_short(&map);
    let refused = cluster.couronne_on(&["gateway"], "g1");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("any other member of the cluster"), "{said}");
    fs::copy(cluster.data("n1").join("map"), &map).unwrap();
    cluster.start_member("g1");
    cluster.wait_until_healthy("g1");
    compare(&clients);
}
