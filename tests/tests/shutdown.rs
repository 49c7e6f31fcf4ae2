//! SIGTERM under load: what is under way finishes, what was acknowledged is there afterwards.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "test code")]

use std::net::TcpStream;
use std::time::{Duration, Instant};

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::load::{self, Load};
use couronne_tests::python;
use couronne_tests::running::Running;
use couronne_tests::server::{Server, ServerShape};

#[test]
fn terminated_under_load_on_one_drive() {
    terminated_under_load(ServerShape::OneDrive);
}

#[test]
fn terminated_under_load_on_six_drives() {
    terminated_under_load(ServerShape::SixDrives);
}

fn terminated_under_load(shape: ServerShape) {
    let mut server = Server::start(shape);
    let scratch = server.scratch();
    let name = |name: &str| scratch.join(name).to_string_lossy().into_owned();
    let (ready, go) = (name("ready"), name("go"));
    let (load, mut slow) = {
        let clients = Clients::of(&server);
        clients.run("aws", &["s3", "mb", "s3://load"]);
        // Many short requests, of which each is acknowledged or not.
        let load = Load::start(&clients, "load");
        // Uploads and downloads that have begun when the signal comes, and end only after it.
        let mut slow = clients.command(&python::interpreter().to_string_lossy());
        slow.arg(python::script("slow.py")).args(["run", "load", &ready, &go]);
        (load, Running::start(&mut slow))
    };
    let began = Instant::now();
    while !scratch.join("ready").exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "the slow requests did not begin");
        std::thread::sleep(Duration::from_millis(50));
    }
    let address = server.host();
    server.terminate();
    // The door closes at once, while those inside are served.
    let began = Instant::now();
    while TcpStream::connect(&address).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(10), "it goes on accepting");
        std::thread::sleep(Duration::from_millis(20));
    }
    bytes_of::write(&scratch.join("go"), b"");
    assert!(slow.end().success(), "what was under way did not finish");
    let record = load.finish();
    server.await_end();
    assert!(!server.log().contains("cut off"), "it waited for requests that had ended");

    server.restart();
    let clients = Clients::of(&server);
    clients.run_script("slow.py", &["verify", "load"]);
    // What the slow requests wrote is none of the load's.
    clients.run("aws", &["s3", "rm", "--quiet", "--recursive", "s3://load/slow"]);
    load::verify(&clients, "load", &record);
}
