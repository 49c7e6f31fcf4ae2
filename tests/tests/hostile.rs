//! Clients that want everything for themselves, or more than their link says, against a server of the built binary;
//! others are served meanwhile. The cases stand in `tests/scripts/hostile.py`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::time::Duration;

use couronne_tests::clients::Clients;
use couronne_tests::json;
use couronne_tests::server::{Server, ServerShape};
use serde_json::Value;

/// Plays a case against a server of six drives; the victim is another tenant. Afterwards every drive is up.
fn play(server: &Server, case: &str) {
    json(&server.couronne(&["account", "create", "university", "--json"]));
    let user = json(&server.couronne(&["user", "create", "university", "ada", "--admin", "--json"]));
    let keys = ["access_key", "secret_key"].map(|name| user[name].as_str().unwrap());
    Clients::of(server).run_script("hostile.py", &[case, &case.replace('_', "-"), keys[0], keys[1]]);
    let status: Value = serde_json::from_slice(&server.couronne(&["status", "--json"]).stdout).unwrap();
    let drives = status["drives"].as_array().unwrap();
    assert!(drives.len() == 6 && drives.iter().all(|drive| drive["down_reason"].is_null()), "{}", status["drives"]);
}

fn played(case: &str) {
    play(&Server::start(ServerShape::SixDrives), case);
}

/// Plays a case whose victim is the owner of the bucket that the attacker's link is of.
fn played_against_the_owner(case: &str) {
    let server = Server::start(ServerShape::SixDrives);
    Clients::of(&server).run_script("hostile.py", &[case, &case.replace('_', "-")]);
}

#[test]
fn a_link_to_write_does_not_stop_other_writers() {
    played("slow_writers");
}

#[test]
fn a_link_to_read_does_not_stop_other_readers() {
    played("slow_readers");
}

#[test]
fn a_leaked_link_to_write_does_not_stop_its_owner() {
    played_against_the_owner("leaked_writers");
}

#[test]
fn a_leaked_link_to_read_does_not_stop_its_owner() {
    played_against_the_owner("slow_readers");
}

#[test]
fn documents_behind_a_leaked_link_do_not_stop_its_owner() {
    played_against_the_owner("documents");
}

#[test]
fn sockets_of_a_link_that_come_back_from_elsewhere_stop_nobody() {
    let server = Server::start_with_settings(ServerShape::SixDrives, "[limits]\nrequests_max = 200\n");
    play(&server, "many_addresses");
}

#[test]
fn more_sockets_than_descriptors_cost_no_drive() {
    // It may raise its limit no further.
    let server = Server::start_with(ServerShape::SixDrives.flags(), &["prlimit", "--nofile=1024:1024"]);
    play(&server, "idle_sockets");
}

#[test]
fn one_signed_value_is_never_two_parameters() {
    played("merged_names");
}

#[test]
fn what_a_link_signs_is_honoured_or_refused() {
    played("hoisted_headers");
}

#[test]
fn documents_that_never_end_take_little_memory() {
    let server = Server::start(ServerShape::SixDrives);
    let before = server.memory_peak();
    play(&server, "documents");
    let grown = server.memory_peak() - before;
    // They are 1,800 MiB.
    assert!(grown < 300 << 20, "{} MiB", grown >> 20);
}

#[test]
fn millions_of_tiny_chunks_are_refused() {
    let server = Server::start(ServerShape::SixDrives);
    let before = server.cpu_time();
    Clients::of(&server).run_script("hostile.py", &["tiny_chunks", "tiny-chunks"]);
    eprintln!("they cost {:?} of processor time", server.cpu_time() - before);
}

#[test]
fn a_flood_of_uploads_has_buffers_within_its_budget() {
    const BUDGET: u64 = 32 << 20;
    /// What drives and messages have beside it.
    const OTHER: u64 = 48 << 20;
    let settings = format!("[limits]\nwrite_buffer_bytes_max = {BUDGET}\n");
    let server = Server::start_with_settings(ServerShape::SixDrives, &settings);
    let buffers = || -> u64 {
        let (_, page) = server.admin_get("/metrics").unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix("couronne_buffer_bytes "));
        line.unwrap().parse().unwrap()
    };
    let (before, mut peak) = (buffers(), 0);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| Clients::of(&server).run_script("hostile.py", &["flood", "flood"]));
        while !flood.is_finished() {
            std::thread::sleep(Duration::from_millis(50));
            peak = peak.max(buffers().saturating_sub(before));
        }
        flood.join().unwrap();
    });
    eprintln!("400 uploads had {} MiB of buffers; the process took {} MiB", peak >> 20, server.memory_peak() >> 20);
    assert!(peak < BUDGET * 9 / 4 + OTHER, "{} MiB", peak >> 20);
}

#[test]
fn refused_bytes_cost_no_more_for_a_key_of_many_versions() {
    let server = Server::start(ServerShape::SixDrives);
    let clients = Clients::of(&server);
    let run = |case: &str| {
        let before = server.cpu_time();
        clients.run_script("hostile.py", &[case, "versions"]);
        server.cpu_time() - before
    };
    run("many_versions");
    // The least of some rounds: what the server does beside them costs, too.
    let (mut few, mut many) = (Duration::MAX, Duration::MAX);
    for _ in 0..4 {
        few = few.min(run("refused_of_few"));
        many = many.min(run("refused_of_many"));
    }
    eprintln!("refused for a key of one version: {few:?}, of 5,000: {many:?}");
    assert!(many < few * 2, "{few:?} for a key of one version, {many:?} for one of 5,000");
}

#[test]
fn two_lengths_are_refused_however_they_are_padded() {
    played("padded_length");
}
