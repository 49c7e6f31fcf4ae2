//! Drives of real processes that forgot: put back to what they held before, with a rotten log, or with other folders in
//! their place.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use couronne_tests::server::{Server, ServerShape, binary};
use serde_json::Value;

/// Objects of one round.
const OBJECTS: u64 = 40;
/// Bytes of each: some lie with their rows, others on drives.
const SIZES: [usize; 2] = [3_000, 200_000];

/// Where a log file has its sequence, which rises with each file; the magic is before it.
const SEQUENCE: std::ops::Range<usize> = 8..16;

/// Makes the objects of a round, and puts them.
fn put(clients: &Clients, round: u64) {
    let folder = format!("objects/{round}");
    for number in 0..OBJECTS {
        let bytes = bytes_of::random(round * OBJECTS + number, SIZES[(number % 2) as usize]);
        bytes_of::write(&clients.scratch().join(format!("{folder}/{number}")), &bytes);
    }
    clients.run("aws", &["s3", "cp", "--quiet", "--recursive", &folder, &format!("s3://kept/{folder}")]);
}

/// Gets whatever was ever put and compares it.
fn compare(clients: &Clients) {
    let back = clients.scratch().join("back");
    let _ = std::fs::remove_dir_all(&back);
    clients.run("aws", &["s3", "cp", "--quiet", "--recursive", "s3://kept/objects", "back"]);
    bytes_of::assert_same(&clients.scratch().join("objects"), &back);
}

fn four_nodes() -> (Cluster, Clients) {
    let shape = ClusterShape { nodes: 4, gateways: 1, policy: "ec:2+1", repair_grace_s: 2, ..ClusterShape::default() };
    let cluster = Cluster::start(shape);
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "mb", "s3://kept"]);
    put(&clients, 0);
    (cluster, clients)
}

/// Waits until repair is done; then another node may die, and is started again.
fn the_next_may_die(cluster: &mut Cluster, clients: &Clients, victim: &str, next: &str) {
    cluster.wait_until_all_serve(next);
    cluster.wait_until_repaired(next);
    cluster.kill(next);
    compare(clients);
    cluster.start_member(next);
    cluster.wait_until_all_serve(victim);
    cluster.wait_until_repaired(victim);
}

/// Each node is the victim once: its folder is copied, more is put, and the node is killed and gets the copy.
fn put_each_back(copy_of: impl Fn(&mut Cluster, &str, &Path)) {
    let (mut cluster, clients) = four_nodes();
    let snapshot = cluster.scratch().join("snapshot");
    for (round, (victim, next)) in (1..).zip([("n1", "n2"), ("n2", "n3"), ("n3", "n4"), ("n4", "n1")]) {
        copy_of(&mut cluster, victim, &snapshot);
        cluster.wait_until_all_serve(victim);
        put(&clients, round);
        // What was written within the last second or two before it died is told by nobody.
        std::thread::sleep(Duration::from_secs(3));
        cluster.kill(victim);
        bytes_of::copy(&snapshot, &cluster.data(victim));
        cluster.start_member(victim);
        the_next_may_die(&mut cluster, &clients, victim, next);
    }
}

/// The folder of a node is put back to what it held before its last start and before many writes. Nothing is lost by it,
/// and as after any other loss of a drive, the next node may die once repair is done.
#[test]
fn a_node_put_back_to_before_its_last_start_costs_nothing_and_the_next_may_die() {
    put_each_back(|cluster, victim, snapshot| {
        cluster.stop(victim);
        bytes_of::copy(&cluster.data(victim), snapshot);
        cluster.start_member(victim);
    });
}

/// The same with a copy of the very start that ran then, seconds old: no count of starts tells it from that.
#[test]
fn a_node_put_back_by_seconds_costs_nothing_and_the_next_may_die() {
    put_each_back(|cluster, victim, snapshot| {
        cluster.pause(victim);
        bytes_of::copy(&cluster.data(victim), snapshot);
        cluster.resume(victim);
    });
}

/// A second process starts with a copy of a node's folder: it is the node from then on, and the first one ends.
#[test]
fn of_two_processes_with_one_nodes_folder_the_one_that_started_last_goes_on() {
    let (mut cluster, clients) = four_nodes();
    cluster.pause("n3");
    bytes_of::copy(&cluster.data("n3"), &cluster.data("n3-copy"));
    cluster.resume("n3");
    cluster.start_copy("n3", "n3-copy");
    let said = cluster.wait_until_ended("n3");
    assert!(said.contains("was started by another process"), "{said}");
    put(&clients, 1);
    the_next_may_die(&mut cluster, &clients, "n3-copy", "n1");
    compare(&clients);
}

/// The newest log file of a drive, by the sequences that the files say.
fn newest_log(drive: &Path) -> PathBuf {
    let files = std::fs::read_dir(drive.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let sequence = |path: &PathBuf| {
        let head = std::fs::read(path).unwrap();
        head.starts_with(b"COURLOG1").then(|| u64::from_be_bytes(head[SEQUENCE].try_into().unwrap()))
    };
    files.max_by_key(sequence).unwrap()
}

fn serve(server: &Server, flags: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]).arg(server.data());
    command.args(flags).output().unwrap()
}

/// What a start that must be refused says.
fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One flipped bit in the header of the newest log file: the only copy is not served without it, and not touched.
#[test]
fn a_lone_server_whose_newest_log_file_has_a_rotten_header_refuses_to_start() {
    let mut server = Server::start(ServerShape::OneDrive);
    Clients::of(&server).run("aws", &["s3", "mb", "s3://kept"]);
    put(&Clients::of(&server), 0);
    server.stop();
    server.restart();
    put(&Clients::of(&server), 1);
    put(&Clients::of(&server), 2);
    server.kill();
    let newest = newest_log(&server.drive(1));
    bytes_of::flip(&newest, 8);
    let why = refused(&serve(&server, &[]));
    assert!(why.contains("too few drives"), "{why}");
    bytes_of::flip(&newest, 8);
    server.restart();
    compare(&Clients::of(&server));
}

/// In a cluster the others have what that drive forgot: it rejoins as new.
#[test]
fn a_node_whose_newest_log_file_has_a_rotten_header_rejoins_and_the_next_may_die() {
    let (mut cluster, clients) = four_nodes();
    let victim = "n2";
    cluster.stop(victim);
    cluster.start_member(victim);
    cluster.wait_until_all_serve(victim);
    put(&clients, 1);
    cluster.kill(victim);
    bytes_of::flip(&newest_log(&cluster.data(victim).join("drive-01")), 8);
    cluster.start_member(victim);
    the_next_may_die(&mut cluster, &clients, victim, "n3");
}

/// A disk that is not mounted and another that was replaced, at once: the empty folder is not taken for the missing
/// drive, which is there again once it is mounted. Two folders of one identity are refused, with both names.
#[test]
fn a_new_disk_takes_no_other_drives_identity_and_two_of_one_identity_are_refused() {
    let flags = ServerShape::SixDrives.flags();
    let mut server = Server::start_with_hanging_drive(flags, 1);
    Clients::of(&server).run("aws", &["s3", "mb", "s3://kept"]);
    put(&Clients::of(&server), 0);
    let ids = |server: &Server| -> Vec<Value> {
        server.status()["drives"].as_array().unwrap().iter().map(|drive| drive["id"].clone()).collect()
    };
    let before = ids(&server);
    server.stop();
    server.unmount(1);
    std::fs::remove_dir_all(server.drive(2)).unwrap();
    std::fs::create_dir(server.drive(2)).unwrap();
    server.restart();
    assert!(server.log().contains("its disk is probably not mounted"), "{}", server.log());
    compare(&Clients::of(&server));
    put(&Clients::of(&server), 1);
    server.stop();
    server.mount(1);
    server.restart();
    assert_eq!(ids(&server), before, "each drive is there once, under its own identity");
    let began = Instant::now();
    let is_down = |drive: &Value| !drive["down_reason"].is_null();
    while server.status()["drives"].as_array().unwrap().iter().any(is_down) {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", server.status()["drives"]);
        std::thread::sleep(Duration::from_millis(100));
    }
    compare(&Clients::of(&server));

    server.stop();
    let aside = server.drive(3).with_file_name("aside");
    std::fs::rename(server.drive(3), &aside).unwrap();
    bytes_of::copy(&server.drive(2), &server.drive(3));
    let why = refused(&serve(&server, flags));
    assert!(why.contains("drive-02") && why.contains("drive-03"), "{why}");
    std::fs::remove_dir_all(server.drive(3)).unwrap();
    std::fs::rename(&aside, server.drive(3)).unwrap();
    server.restart();
    compare(&Clients::of(&server));
}
