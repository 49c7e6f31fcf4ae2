//! A disk that hangs: no error, no answer. Whatever else there is goes on, operators see it, and it comes back by itself.

use std::time::{Duration, Instant};

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use couronne_tests::server::Server;
use serde_json::Value;

/// How long anything may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Buckets enough that every range has some.
const BUCKETS: usize = 12;

fn wait_for(what: &str, mut status: impl FnMut() -> Value, is_true: impl Fn(&Value) -> bool) {
    let began = Instant::now();
    loop {
        let status = status();
        if is_true(&status) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "never came true: {what}: {status}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The drive whose folder ends so.
fn drive<'a>(status: &'a Value, folder: &str) -> &'a Value {
    let drives = status["drives"].as_array().unwrap();
    drives.iter().find(|drive| drive["folder"].as_str().is_some_and(|name| name.ends_with(folder))).unwrap()
}

/// Whether a drive leads a range.
fn leads(status: &Value, drive: &Value) -> bool {
    status["ranges"].as_array().unwrap().iter().any(|range| range["leader"] == drive["id"])
}

/// Whether every range has a leader.
fn all_are_led(status: &Value) -> bool {
    status["ranges"].as_array().unwrap().iter().all(|range| range["leader"].is_string())
}

fn put_all(clients: &Clients, round: u64) {
    for number in 0..BUCKETS {
        let seed = round * 100 + number as u64;
        bytes_of::write(&clients.scratch().join("large"), &bytes_of::random(seed, 3 << 20));
        bytes_of::write(&clients.scratch().join("small"), &bytes_of::random(seed, 300));
        for size in ["large", "small"] {
            clients.run("aws", &["s3", "cp", "--quiet", size, &format!("s3://bucket{number}/{size}{round}")]);
        }
    }
}

fn compare_all(clients: &Clients, round: u64) {
    for number in 0..BUCKETS {
        let seed = round * 100 + number as u64;
        for (size, len) in [("large", 3 << 20), ("small", 300)] {
            clients.run("aws", &["s3", "cp", "--quiet", &format!("s3://bucket{number}/{size}{round}"), "back"]);
            let back = std::fs::read(clients.scratch().join("back")).unwrap();
            assert!(back == bytes_of::random(seed, len), "bucket{number}/{size}{round}");
        }
    }
}

fn reaped(status: &Value) -> u64 {
    status["background"]["reaped"].as_u64().unwrap()
}

#[test]
fn one_of_six_drives_hangs_and_all_goes_on() {
    let settings = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(settings.path(), "[storage]\nreap_delay_ms = 1000\n").unwrap();
    let config = settings.path().to_string_lossy().into_owned();
    let flags = ["--drives", "6", "--policy", "ec:4+2", "--config", &config];
    let mut server = Server::start_with_hanging_drive(&flags, 2);
    let clients = Clients::of(&server);
    for number in 0..BUCKETS {
        clients.run("aws", &["s3", "mb", &format!("s3://bucket{number}")]);
    }
    put_all(&clients, 1);
    // A start spreads the leaderships over the drives.
    server.stop();
    server.restart();
    let clients = Clients::of(&server);
    let status = server.status();
    assert!(leads(&status, drive(&status, "drive-02")), "it leads something: {status}");

    server.set_hang(2, true);
    put_all(&clients, 2);
    wait_for("it is slow", || server.status(), |status| drive(status, "drive-02")["state"] == "slow");
    wait_for(
        "others lead what it led",
        || server.status(),
        |status| all_are_led(status) && !leads(status, drive(status, "drive-02")),
    );
    let (_, metrics) = server.admin_get("/metrics").unwrap();
    assert!(metrics.lines().any(|line| line.starts_with("couronne_drive_slow{") && line.ends_with(" 1")), "{metrics}");
    compare_all(&clients, 1);
    compare_all(&clients, 2);
    put_all(&clients, 3);
    // What is deleted goes from the other drives.
    let before = reaped(&server.status());
    clients.run("aws", &["s3", "rm", "--quiet", "s3://bucket0/large1"]);
    wait_for("reaping goes on", || server.status(), |status| reaped(status) > before);

    server.set_hang(2, false);
    let is_well = |status: &Value| {
        drive(status, "drive-02")["state"] == "writable" && status["repair"]["pending"] == 0 && all_are_led(status)
    };
    wait_for("it comes back by itself", || server.status(), is_well);
    for round in 2..=3 {
        compare_all(&clients, round);
    }
    server.kill();
    server.restart();
    compare_all(&Clients::of(&server), 3);
}

#[test]
fn the_only_drive_of_a_node_hangs_and_its_leaderships_move() {
    let shape =
        ClusterShape { nodes: 3, gateways: 1, policy: "replicated:2", hanging: &["n2"], ..ClusterShape::default() };
    let cluster = Cluster::start(shape);
    let clients = Clients::of_gateway(&cluster, "g1");
    for number in 0..BUCKETS {
        clients.run("aws", &["s3", "mb", &format!("s3://bucket{number}")]);
    }
    let folder = "n2/drive-01";
    // Balance gives each node some once the drives have stood for a while.
    wait_for("n2 leads something", || cluster.status("n1"), |status| leads(status, drive(status, folder)));

    cluster.set_hang("n2", true);
    put_all(&clients, 1);
    wait_for("it is slow", || cluster.status("n1"), |status| drive(status, folder)["state"] == "slow");
    wait_for(
        "others lead what it led",
        || cluster.status("n1"),
        |status| all_are_led(status) && !leads(status, drive(status, folder)),
    );
    let asked = cluster.status("n2");
    assert_eq!(drive(&asked, folder)["state"], "slow", "the node itself answers");
    compare_all(&clients, 1);

    cluster.set_hang("n2", false);
    wait_for("it comes back by itself", || cluster.status("n1"), |status| drive(status, folder)["state"] == "writable");
    cluster.wait_until_repaired("n1");
    compare_all(&clients, 1);
}
