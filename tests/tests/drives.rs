//! Drives of a cluster of real processes are emptied, rot, and fill up; a gateway has more to do than it can.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::time::{Duration, Instant};

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use serde_json::Value;

/// Bytes of each object.
const OBJECT_BYTES: usize = 3 << 20;

/// Makes a folder of objects, and puts them in a bucket.
fn put(clients: &Clients, folder: &str, bucket: &str, count: u64) {
    for seed in 0..count {
        bytes_of::write(&clients.scratch().join(format!("{folder}/{seed}")), &bytes_of::random(seed, OBJECT_BYTES));
    }
    clients.run("aws", &["s3", "mb", &format!("s3://{bucket}")]);
    clients.run("aws", &["s3", "cp", "--quiet", "--recursive", folder, &format!("s3://{bucket}/{folder}")]);
}

/// Gets them all back and compares them.
fn compare(clients: &Clients, folder: &str, bucket: &str) {
    let back = clients.scratch().join("back");
    let _ = std::fs::remove_dir_all(&back);
    clients.run("aws", &["s3", "cp", "--quiet", "--recursive", &format!("s3://{bucket}/{folder}"), "back"]);
    bytes_of::assert_same(&clients.scratch().join(folder), &back);
}

#[test]
fn drives_are_emptied_and_rot_and_every_shard_is_back_in_its_place() {
    let shape = ClusterShape { nodes: 4, gateways: 1, policy: "ec:2+1", repair_grace_s: 2, ..ClusterShape::default() };
    let mut cluster = Cluster::start(shape);
    let clients = Clients::of_gateway(&cluster, "g1");
    put(&clients, "objects", "kept", 8);

    // Emptied while it runs, then found empty at the start.
    cluster.wipe("n2");
    compare(&clients, "objects", "kept");
    cluster.kill("n2");
    cluster.start_member("n2");
    cluster.wait_until_repaired("n1");
    // Emptied while it does not run.
    cluster.kill("n4");
    cluster.wipe("n4");
    cluster.start_member("n4");
    cluster.wait_until_repaired("n1");

    // Rot: what is wrong in the middle of a shard is found by its reader, and put right where it lies.
    cluster.stop("n3");
    let drive = cluster.data("n3").join("drive-01");
    let block = |(seed, at): (u64, usize)| bytes_of::random(seed, OBJECT_BYTES)[at..at + 1024].to_vec();
    let blocks = (0..8).flat_map(|seed| [4096, (1 << 20) + 4096, (2 << 20) + 4096].map(|at| (seed, at)));
    // Some lie where nobody reads them any more: copies that went home. Those stay as they are.
    let found: Vec<_> = blocks.filter_map(|place| Some((place, bytes_of::find(&drive, &block(place))?))).collect();
    assert!(!found.is_empty(), "a data shard on this drive");
    for (place, (path, offset)) in &found {
        bytes_of::flip(path, offset + 500);
        assert!(bytes_of::find(&drive, &block(*place)).is_none());
    }
    cluster.start_member("n3");
    cluster.wait_until_all_serve("n1");
    compare(&clients, "objects", "kept");
    let began = Instant::now();
    while found.iter().all(|(place, _)| bytes_of::find(&drive, &block(*place)).is_none()) {
        assert!(began.elapsed() < Duration::from_secs(60), "no shard got its bytes back");
        std::thread::sleep(Duration::from_millis(100));
    }
    cluster.wait_until_repaired("n1");
    // Each in turn is missing: so every shard of every object is needed once.
    for name in ["n1", "n2", "n3", "n4"] {
        cluster.kill(name);
        compare(&clients, "objects", "kept");
        cluster.start_member(name);
        cluster.wait_until_all_serve(if name == "n1" { "n2" } else { "n1" });
    }
}

#[test]
fn a_full_drive_is_left_out_and_full_drives_refuse_writes_and_nothing_else() {
    let shape =
        ClusterShape { nodes: 4, gateways: 1, policy: "ec:2+1", drive_mib: Some(360), ..ClusterShape::default() };
    let Ok(cluster) = Cluster::try_start(shape) else { return };
    let clients = Clients::of_gateway(&cluster, "g1");
    put(&clients, "objects", "full", 12);
    let attempt = |from: &str, to: &str| {
        let target = format!("s3://full/{to}");
        let (succeeded, out, err) =
            clients.attempt("aws", &["s3", "cp", "--recursive", "--only-show-errors", from, &target]);
        if succeeded { Ok(()) } else { Err(format!("{out}{err}")) }
    };

    cluster.fill("n2", 12);
    assert_eq!(attempt("objects", "others"), Ok(()), "one full drive of four stops nobody");
    clients.run("aws", &["s3", "rm", "--quiet", "s3://full/others/0"]);
    compare(&clients, "objects", "full");

    ["n1", "n3", "n4"].iter().for_each(|name| cluster.fill(name, 12));
    let refused = (0..8).find_map(|number| attempt("objects", &format!("many/{number}")).err());
    let refused = refused.expect("no space was left");
    assert!(refused.contains("InsufficientStorage"), "{refused}");
    // Nor is there space for small objects, which are rows only, once the drives have looked, as they do each second.
    bytes_of::write(&clients.scratch().join("small/small"), b"small");
    let (began, mut refused) = (Instant::now(), Ok(()));
    while refused.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(10), "full drives take rows");
        refused = attempt("small", "small");
    }
    let refused = refused.unwrap_err();
    assert!(refused.contains("InsufficientStorage"), "{refused}");
    compare(&clients, "objects", "full");
    clients.run("aws", &["s3", "rm", "--quiet", "s3://full/others/1"]);
    let listed = clients.run("aws", &["s3", "ls", "s3://full/others/"]);
    assert!(!listed.lines().any(|line| line.ends_with(" 1")) && listed.contains(" 2"), "{listed}");

    ["n1", "n2", "n3", "n4"].iter().for_each(|name| cluster.unfill(name));
    let began = Instant::now();
    while attempt("small", "small").is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "space came back and is not seen");
    }
    assert_eq!(attempt("objects", "again"), Ok(()));
    cluster.wait_until_repaired("n1");
}

#[test]
fn uploads_that_stop_give_way_to_too_many_writers_and_memory_is_bounded() {
    let settings = "[limits]\nwrite_buffer_bytes_max = 16777216\n";
    let shape = ClusterShape { nodes: 3, gateways: 1, policy: "ec:2+1", settings, ..ClusterShape::default() };
    let cluster = Cluster::start(shape);
    let clients = Clients::of_gateway(&cluster, "g1");
    put(&clients, "objects", "overload", 2);
    let before = cluster.memory_peak("g1");
    let said = clients.run_script("overload.py", &["overload"]);
    let grown = cluster.memory_peak("g1") - before;
    eprintln!("{}; the gateway took {} MiB more", said.trim(), grown >> 20);
    let said: Value = serde_json::from_str(&said).unwrap();
    let codes: Vec<&String> = said.as_object().unwrap().keys().collect();
    assert!(codes.iter().all(|code| matches!(code.as_str(), "SlowDown" | "written")), "{said}");
    assert!(said["written"].as_u64() > Some(40), "{said}");
    // Beside the budget of 16 MiB a request holds what was received and has no share yet, and what is sent to drives.
    assert!(grown < 192 << 20, "60 writers of 4 MiB took {} MiB", grown >> 20);
    compare(&clients, "objects", "overload");
}
