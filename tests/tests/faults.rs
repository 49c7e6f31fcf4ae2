//! Faults against the built binary: killed at any moment, drives taken away, a flipped bit, a full disk.
//!
//! `COURONNE_KILL_CYCLES` sets how often the server is killed; the nightly form has 50 and more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "test code"
)]

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::load::{self, Load};
use couronne_tests::running::Running;
use couronne_tests::server::{Server, ServerShape};
use serde_json::Value;

/// Buckets enough that most ranges have one.
const BUCKETS: usize = 6;

#[test]
fn killed_in_a_loop_on_one_drive() {
    killed_in_a_loop(ServerShape::OneDrive);
}

#[test]
fn killed_in_a_loop_on_six_drives() {
    killed_in_a_loop(ServerShape::SixDrives);
}

/// Kills the server under load again and again; after each start every acknowledged byte is there.
fn killed_in_a_loop(shape: ServerShape) {
    let cycles: u32 = std::env::var("COURONNE_KILL_CYCLES").map_or(3, |cycles| cycles.parse().unwrap());
    let mut server = Server::start(shape);
    Clients::of(&server).run("aws", &["s3", "mb", "s3://load"]);
    for cycle in 0..cycles {
        let load = Load::start(&Clients::of(&server), "load");
        // Another moment each time, the first while the load only begins.
        std::thread::sleep(Duration::from_millis(1500 + u64::from(cycle % 7) * 433));
        server.kill();
        let record = load.finish();
        let started = Instant::now();
        server.restart();
        let ready = started.elapsed();
        let acknowledged = load::verify(&Clients::of(&server), "load", &record);
        eprintln!("{shape:?} cycle {cycle}: ready after {ready:?}, {acknowledged} acknowledged");
    }
}

#[test]
fn two_of_six_drives_are_deleted_while_restic_backs_up() {
    let mut server = Server::start(ServerShape::SixDrives);
    let clients = Clients::of(&server);
    let source = server.scratch().join("source");
    bytes_of::tree(&source, 10);
    for number in 0..12 {
        bytes_of::write(&source.join(format!("more/{number}")), &bytes_of::random(20 + number, 8 << 20));
    }
    clients.run("restic", &["init"]);
    clients.run("restic", &["backup", "source/sizes"]);
    let mut backup = clients.command("restic");
    backup.args(["backup", "source"]).stdout(Stdio::null());
    let mut backup = Running::start(&mut backup);
    std::thread::sleep(Duration::from_millis(700));
    std::fs::remove_dir_all(server.drive(2)).unwrap();
    std::fs::remove_dir_all(server.drive(5)).unwrap();
    assert!(backup.end().success(), "the backup goes on with four drives");
    clients.run("restic", &["check", "--read-data"]);
    clients.run("restic", &["restore", "latest", "--target", "back"]);
    bytes_of::assert_same(&source, &server.scratch().join("back/source"));

    server.kill();
    server.restart();
    let clients = Clients::of(&server);
    clients.run("restic", &["check", "--read-data"]);
    clients.run("restic", &["backup", "source/names"]);
    clients.run("restic", &["check", "--read-data"]);
}

#[test]
fn a_flipped_bit_on_one_drive_is_an_error_never_wrong_bytes() {
    let mut server = Server::start(ServerShape::OneDrive);
    let (bytes, _) = put_and_flip(&mut server);
    let clients = Clients::of(&server);
    let (succeeded, ..) = clients.attempt("aws", &["s3", "cp", "--quiet", "s3://rot/object", "back"]);
    assert!(!succeeded, "the object cannot be whole");
    let back = std::fs::read(server.scratch().join("back")).unwrap_or_default();
    assert!(back.is_empty() || bytes.starts_with(&back), "wrong bytes were given out");
    clients.run("aws", &["s3", "cp", "--quiet", "s3://rot/other", "other"]);
    assert!(std::fs::read(server.scratch().join("other")).unwrap() == bytes_of::random(41, 3 << 20));
}

#[test]
fn a_flipped_bit_is_healed_on_six_drives() {
    let mut server = Server::start(ServerShape::SixDrives);
    let (bytes, drive) = put_and_flip(&mut server);
    let clients = Clients::of(&server);
    clients.run("aws", &["s3", "cp", "--quiet", "s3://rot/object", "back"]);
    assert!(std::fs::read(server.scratch().join("back")).unwrap() == bytes);

    // The shard is written again, on the drive where it was flipped.
    let began = Instant::now();
    while bytes_of::find(&server.drive(drive), flipped_block(&bytes)).is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "drive {drive} never got the right bytes back");
        std::thread::sleep(Duration::from_millis(200));
    }
    // Of the six drives the four that are left are all needed, the healed one among them.
    let others = (1..=6).filter(|other| *other != drive);
    others.take(2).for_each(|other| std::fs::remove_dir_all(server.drive(other)).unwrap());
    std::thread::sleep(Duration::from_secs(3));
    clients.run("aws", &["s3", "cp", "--quiet", "s3://rot/object", "again"]);
    assert!(std::fs::read(server.scratch().join("again")).unwrap() == bytes);
}

/// The block of the object in whose midst a bit is flipped.
fn flipped_block(bytes: &[u8]) -> &[u8] {
    &bytes[4096..4096 + 1024]
}

/// Stores an object, then flips one bit of it on a drive while the server is down. Its bytes as they were
/// put, and the number of the drive.
fn put_and_flip(server: &mut Server) -> (Vec<u8>, u32) {
    let bytes = bytes_of::random(40, 3 << 20);
    let clients = Clients::of(server);
    bytes_of::write(&server.scratch().join("object"), &bytes);
    bytes_of::write(&server.scratch().join("other"), &bytes_of::random(41, 3 << 20));
    clients.run("aws", &["s3", "mb", "s3://rot"]);
    clients.run("aws", &["s3", "cp", "--quiet", "object", "s3://rot/object"]);
    clients.run("aws", &["s3", "cp", "--quiet", "other", "s3://rot/other"]);
    server.stop();
    let found = (1..=6).filter(|drive| server.drive(*drive).exists()).find_map(|drive| {
        let (path, offset) = bytes_of::find(&server.drive(drive), flipped_block(&bytes))?;
        Some((drive, path, offset))
    });
    let (drive, path, offset) = found.unwrap_or_else(|| panic!("its bytes are on no drive"));
    bytes_of::flip(&path, offset + 500);
    server.restart();
    (bytes, drive)
}

/// The first drive led the map and some ranges. Whatever rots in its stores, where rows and the bodies of small objects
/// are: nothing is unreadable, and its replicas begin anew from the others.
#[test]
fn rot_in_the_stores_of_a_drive_is_read_around_and_healed() {
    let mut server = Server::start(ServerShape::SixDrives);
    for number in 0..25 {
        bytes_of::write(&server.scratch().join(format!("source/{number}")), &bytes_of::random(number, 3000));
    }
    let clients = Clients::of(&server);
    for bucket in 0..BUCKETS {
        clients.run("aws", &["s3", "mb", &format!("s3://bucket{bucket}")]);
        clients.run("aws", &["s3", "cp", "--quiet", "--recursive", "source", &format!("s3://bucket{bucket}")]);
    }
    server.stop();
    assert!(rot_bodies(&server.drive(1)) > 0, "small bodies are in files of their own");
    server.restart();
    compare_buckets(&server);
    let is_whole = |range: &Value| {
        let count = |list: &str| range[list].as_array().unwrap().len();
        range["leader"].is_string() && count("serving") == count("replicas")
    };
    let began = Instant::now();
    while !(server.log().contains("a replica with rotten rows begins anew")
        && server.status()["ranges"].as_array().unwrap().iter().all(is_whole))
    {
        assert!(began.elapsed() < Duration::from_secs(120), "never whole: {}", server.status()["ranges"]);
        std::thread::sleep(Duration::from_millis(200));
    }
    compare_buckets(&server);
}

/// Compares what is in all buckets with what was put there.
fn compare_buckets(server: &Server) {
    for bucket in 0..BUCKETS {
        let back = format!("back-{bucket}");
        std::fs::create_dir_all(server.scratch().join(&back)).unwrap();
        let source = format!("s3://bucket{bucket}");
        Clients::of(server).run("aws", &["s3", "cp", "--quiet", "--recursive", &source, &back]);
        bytes_of::assert_same(&server.scratch().join("source"), &server.scratch().join(&back));
    }
}

/// Flips bits all over the files of small bodies below a folder; how many files there were.
fn rot_bodies(folder: &Path) -> usize {
    let files = bytes_of::files(folder).into_iter();
    let bodies = files.filter(|(path, _)| path.extension().is_some_and(|extension| extension == "blob"));
    let rotten = bodies.map(|(path, bytes)| {
        (100..bytes.len() as u64).step_by(400).for_each(|at| bytes_of::flip(&folder.join(&path), at));
    });
    rotten.count()
}

#[test]
fn a_full_disk_refuses_writes_and_goes_on_reading_and_deleting() {
    // The drive is a small file system of its own, in a mount namespace that ends with the server.
    let mount = "mkdir -p {data}/drive-01 && mount -t tmpfs -o size=768m none {data}/drive-01 && exec \"$@\"";
    let namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"];
    let server = Server::start_with(&[], &namespace);
    let clients = Clients::of(&server);
    clients.run("aws", &["s3", "mb", "s3://full"]);
    bytes_of::write(&server.scratch().join("first"), &bytes_of::random(50, 5 << 20));
    clients.run("aws", &["s3", "cp", "--quiet", "first", "s3://full/first"]);
    bytes_of::write(&server.scratch().join("big"), &bytes_of::random(51, 48 << 20));
    let refusal = (0..20).find_map(|number| {
        let target = format!("s3://full/big-{number}");
        let (succeeded, out, err) = clients.attempt("aws", &["s3", "cp", "--only-show-errors", "big", &target]);
        (!succeeded).then(|| format!("{out}{err}"))
    });
    let refusal = refusal.unwrap_or_else(|| panic!("960 MiB were stored on 768"));
    assert!(
        refusal.contains("InsufficientStorage")
            || refusal.contains("SlowDown")
            || refusal.contains("ServiceUnavailable"),
        "{refusal}"
    );
    clients.run("aws", &["s3", "cp", "--quiet", "s3://full/first", "back"]);
    assert!(std::fs::read(server.scratch().join("back")).unwrap() == bytes_of::random(50, 5 << 20));
    clients.run("aws", &["s3", "rm", "s3://full/big-0"]);
    let listed = clients.run("aws", &["s3", "ls", "s3://full/"]);
    assert!(listed.contains("first") && !listed.lines().any(|line| line.ends_with("big-0")), "{listed}");
}
