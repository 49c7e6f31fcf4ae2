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
    [2, 5].into_iter().for_each(|number| bytes_of::remove(&server.drive(number)));
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
    others.take(2).for_each(|other| bytes_of::remove(&server.drive(other)));
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
    fill_buckets(&server, 25);
    server.stop();
    assert!(rot_bodies(&server.drive(1)) > 0, "small bodies are in files of their own");
    server.restart();
    compare_buckets(&server);
    let began = Instant::now();
    while !server.log().contains("a replica with rotten rows begins anew") {
        assert!(began.elapsed() < Duration::from_secs(120), "never renewed: {}", server.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    await_whole(&server);
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

/// What is rotten on a drive is read by nobody: the scrub of stores finds it, in bodies, rows and the drive's index.
#[test]
fn rot_in_stores_that_nobody_reads_is_found_and_healed() {
    let mut server = Server::start(ServerShape::SixDrives);
    fill_buckets(&server, 25);
    // Objects with shards, so that the drive's index has rows.
    bytes_of::write(&server.scratch().join("source/large"), &bytes_of::random(77, 300_000));
    for bucket in 0..BUCKETS {
        Clients::of(&server)
            .run("aws", &["s3", "cp", "--quiet", "source/large", &format!("s3://bucket{bucket}/large")]);
    }
    server.stop();
    assert!(bytes_of::rot_blocks(&server.drive(3), "blob") > 0 && bytes_of::rot_blocks(&server.drive(3), "sst") > 0);
    server.restart();
    let restarted_ms = now_ms();
    scrub(&server);
    await_scrubbed(&server, restarted_ms);
    let says = |what: &str| server.log().contains(what);
    let is_healed = says("begins anew") && says("index is rotten: it is made anew from the segments");
    // Small files may have what opens them in their first half, too.
    assert!(is_healed || says("rotten stores are set aside"), "{}", server.log());
    // Two other drives may go: the rows that the third one has are sound, and needed.
    [1, 5].into_iter().for_each(|number| bytes_of::remove(&server.drive(number)));
    compare_buckets(&server);
}

/// On some drives another file each of its database is rotten or gone at a start: the stores are set aside, all else goes on.
#[test]
fn stores_that_cannot_be_opened_are_set_aside_and_begun_anew() {
    let mut server = Server::start(ServerShape::SixDrives);
    fill_buckets(&server, 8);
    let flip: fn(&Path) = |path| (20..200).step_by(9).for_each(|at| bytes_of::flip(path, at));
    let remove: fn(&Path) = |path| std::fs::remove_file(path).unwrap();
    for (number, (name, harm)) in
        (1..).zip([("MANIFEST-", flip), ("CURRENT", remove), (".sst", remove), ("MANIFEST-", remove)])
    {
        server.stop();
        let stores = server.drive(number).join("stores");
        assert!(harm_files(&stores, name, harm) > 0, "{name}");
        server.restart();
        let restarted_ms = now_ms();
        let set_aside = server.log().matches("rotten stores are set aside").count();
        assert!(set_aside >= number as usize, "{name}: {}", server.log());
        compare_buckets(&server);
        await_whole(&server);
        scrub(&server);
        await_scrubbed(&server, restarted_ms);
        let began = Instant::now();
        while stores.exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "what was set aside stays");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// A compaction meets rot while a server works: the drive's stores begin anew, and nobody notices.
#[test]
fn a_compaction_that_meets_rot_ends_nothing() {
    let mut server = Server::start(ServerShape::SixDrives);
    fill_buckets(&server, 25);
    server.stop();
    assert!(bytes_of::rot_blocks(&server.drive(2), "sst") > 0);
    // Each stop flushes every store, and a few such files are compacted.
    for round in 0..8 {
        server.restart();
        let (clients, file) = (Clients::of(&server), format!("source/round-{round}"));
        bytes_of::write(&server.scratch().join(&file), &bytes_of::random(100 + round, 3000));
        for bucket in 0..BUCKETS {
            clients.run("aws", &["s3", "cp", "--quiet", &file, &format!("s3://bucket{bucket}/round-{round}")]);
        }
        if server.log().contains("rotten stores are set aside") {
            break;
        }
        server.stop();
    }
    if !server.log().contains("rotten stores are set aside") {
        server.restart();
    }
    let began = Instant::now();
    while !server.log().contains("rotten stores are set aside") {
        assert!(began.elapsed() < Duration::from_secs(60), "no compaction met it: {}", server.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    await_whole(&server);
    let since_ms = now_ms();
    scrub(&server);
    await_scrubbed(&server, since_ms);
    compare_buckets(&server);
}

/// The only copy of all rows cannot be opened: the server says so and touches nothing. Rot in its rows ends no start.
#[test]
fn the_only_copy_of_rows_is_never_set_aside() {
    let mut server = Server::start(ServerShape::OneDrive);
    fill_buckets(&server, 8);
    server.stop();
    let stores = server.drive(1).join("stores");
    let manifest = std::fs::read_dir(&stores).unwrap().map(|entry| entry.unwrap().path());
    let manifest =
        manifest.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("MANIFEST-"));
    let manifest = manifest.unwrap();
    let sound = std::fs::read(&manifest).unwrap();
    (20..200).step_by(9).for_each(|at| bytes_of::flip(&manifest, at));
    let started = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.restart()));
    assert!(
        started.is_err() && server.log().contains("too few other drives that are up have the rows"),
        "{}",
        server.log()
    );
    assert!(!server.drive(1).join("stores-1").exists());
    std::fs::write(&manifest, sound).unwrap();
    server.restart();
    compare_buckets(&server);
}

/// Puts small objects in all buckets.
fn fill_buckets(server: &Server, objects: u64) {
    for number in 0..objects {
        bytes_of::write(&server.scratch().join(format!("source/{number}")), &bytes_of::random(number, 3000));
    }
    let clients = Clients::of(server);
    for bucket in 0..BUCKETS {
        clients.run("aws", &["s3", "mb", &format!("s3://bucket{bucket}")]);
        clients.run("aws", &["s3", "cp", "--quiet", "--recursive", "source", &format!("s3://bucket{bucket}")]);
    }
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn scrub(server: &Server) {
    assert!(server.couronne(&["scrub", "start"]).status.success());
}

/// Waits until the replicas of every range were found alike since then.
fn await_scrubbed(server: &Server, since_ms: u64) {
    let is_scrubbed =
        |range: &Value| range["facts"]["stores_scrubbed_ms"].as_u64().is_some_and(|ended| ended > since_ms);
    await_ranges(server, |range| is_scrubbed(range) && is_whole(range));
}

fn is_whole(range: &Value) -> bool {
    let count = |list: &str| range[list].as_array().unwrap().len();
    range["leader"].is_string() && count("serving") == count("replicas")
}

fn await_whole(server: &Server) {
    await_ranges(server, is_whole);
}

fn await_ranges(server: &Server, is_so: impl Fn(&Value) -> bool) {
    let began = Instant::now();
    while !server.status()["ranges"].as_array().unwrap().iter().all(&is_so) {
        assert!(began.elapsed() < Duration::from_secs(180), "never so: {}", server.status()["ranges"]);
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Does something to the files of a folder whose names begin or end so; how many there were.
fn harm_files(folder: &Path, name: &str, harm: fn(&Path)) -> usize {
    let paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let is_meant = |path: &&std::path::PathBuf| {
        let file = path.file_name().unwrap().to_str().unwrap();
        file.starts_with(name) || file.ends_with(name)
    };
    let meant: Vec<_> = paths.iter().filter(is_meant).collect();
    meant.iter().for_each(|path| harm(path));
    meant.len()
}
