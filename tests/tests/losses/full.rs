//! Another program fills a drive's file system to its last byte, while the server runs or while it does not.

use std::time::{Duration, Instant};

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::load::{self, Load};
use couronne_tests::namespace::Namespace;
use couronne_tests::server::Server;

/// How long anything may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// The drive's file system.
const DRIVE_MIB: u64 = 1024;

/// What the drive holds in reserve on it, in bytes.
const BALLAST_BYTES: u64 = 64 << 20;

/// Bytes of each object.
const OBJECT_BYTES: usize = 3 << 20;

fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < PATIENCE, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A server whose one drive is a small file system, which outlives its process.
struct SmallDrive {
    server: Server,
    namespace: Namespace,
    folder: String,
}

impl SmallDrive {
    fn start() -> Self {
        let namespace = Namespace::open(false).unwrap();
        let mount = format!(
            "mkdir -p {{data}}/drive-01; mountpoint -q {{data}}/drive-01 || \
             mount -t tmpfs -o size={DRIVE_MIB}m none {{data}}/drive-01; exec \"$@\""
        );
        let mut wrapper = namespace.prefix(None);
        wrapper.extend(["sh", "-c", &mount, "sh"].map(str::to_owned));
        let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        let server = Server::start_with(&[], &wrapper);
        let folder = server.drive(1).display().to_string();
        Self { server, namespace, folder }
    }

    fn holds(&self, script: &str) -> bool {
        self.namespace.run_in(None, &format!("cd {}; {script}", self.folder)).is_ok()
    }

    fn wait_for_ballast(&self) {
        until("the drive holds space in reserve", || {
            self.holds(&format!("test $(stat -c %s ballast) -eq {BALLAST_BYTES}"))
        });
    }

    /// Another program writes until there is no byte left.
    fn fill(&self) {
        assert!(self.holds("cat /dev/zero >>filler 2>/dev/null || true"));
    }

    fn has_no_byte_left(&self) -> bool {
        self.holds("test $(df --output=avail -B1 . | tail -n 1) -eq 0")
    }

    fn unfill(&self) {
        assert!(self.holds("rm filler"));
    }

    fn clients(&self) -> Clients {
        Clients::of(&self.server)
    }

    fn state(&self) -> String {
        let status = self.server.status();
        status["drives"][0]["state"].as_str().unwrap().to_owned()
    }
}

fn put_objects(clients: &Clients) {
    for seed in 0..8 {
        let bytes = if seed % 2 == 0 { OBJECT_BYTES } else { 5000 };
        bytes_of::write(&clients.scratch().join(format!("objects/{seed}")), &bytes_of::random(seed, bytes));
    }
    clients.run("aws", &["s3", "mb", "s3://kept"]);
    clients.run("aws", &["s3", "cp", "--quiet", "--recursive", "objects", "s3://kept/objects"]);
}

fn compare(clients: &Clients) {
    let back = clients.scratch().join("back");
    let _ = std::fs::remove_dir_all(&back);
    clients.run("aws", &["s3", "cp", "--quiet", "--recursive", "s3://kept/objects", "back"]);
    bytes_of::assert_same(&clients.scratch().join("objects"), &back);
}

/// Puts an object of some bytes: what was answered, if it was refused.
fn try_put(clients: &Clients, name: &str, bytes: usize) -> Result<(), String> {
    bytes_of::write(&clients.scratch().join(name), &bytes_of::random(99, bytes));
    let target = format!("s3://kept/new/{name}");
    let (succeeded, out, err) = clients.attempt("aws", &["s3", "cp", "--only-show-errors", name, &target]);
    if succeeded { Ok(()) } else { Err(format!("{out}{err}")) }
}

#[test]
fn a_server_whose_disk_was_filled_to_the_last_byte_starts_reads_and_deletes() {
    let mut drive = SmallDrive::start();
    put_objects(&drive.clients());
    for round in 1..=2 {
        drive.wait_for_ballast();
        try_put(&drive.clients(), "doomed", OBJECT_BYTES).unwrap();
        drive.server.kill();
        drive.fill();
        assert!(drive.has_no_byte_left(), "{round}: the last byte is taken");
        drive.server.restart();
        let clients = drive.clients();
        assert!(drive.server.log().matches("gives up its ballast").count() >= round, "{round}");
        compare(&clients);
        clients.run("aws", &["s3", "rm", "--quiet", "s3://kept/new/doomed"]);
        let listed = clients.run("aws", &["s3", "ls", "--recursive", "s3://kept/"]);
        assert!(!listed.contains("doomed") && listed.contains("objects/0"), "{round}: {listed}");
        until("the drive says that it is full", || drive.state() == "full");
        let refused = try_put(&clients, "refused", OBJECT_BYTES).unwrap_err();
        assert!(refused.contains("InsufficientStorage"), "{round}: {refused}");
        drive.unfill();
        until("there is space, and it is written again", || try_put(&clients, "again", OBJECT_BYTES).is_ok());
        compare(&clients);
    }
}

#[test]
fn a_disk_that_is_filled_to_the_last_byte_under_load_costs_no_drive() {
    let drive = SmallDrive::start();
    let clients = drive.clients();
    put_objects(&clients);
    drive.wait_for_ballast();
    clients.run("aws", &["s3", "mb", "s3://load"]);
    let load = Load::start(&clients, "load");
    std::thread::sleep(Duration::from_secs(3));
    // What the drive gives up is taken, too, until nothing is left for longer than any part of it tries again.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        drive.fill();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(drive.has_no_byte_left() && !drive.holds("test -e ballast"), "all was taken");
    assert_eq!(drive.state(), "full");
    drive.unfill();
    until("it is written again", || try_put(&clients, "again", OBJECT_BYTES).is_ok());
    std::thread::sleep(Duration::from_secs(3));
    assert!(load::verify(&clients, "load", &load.finish()) > 20);
    compare(&clients);
    drive.wait_for_ballast();
    let log = drive.server.log();
    assert!(!log.contains("was marked failed") && !log.contains("a replica stopped"), "the drive fell out");
}
