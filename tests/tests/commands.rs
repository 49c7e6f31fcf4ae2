//! What an operator types on a cluster of real processes: lists, policies, scrubbing, a drive replaced.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::path::{Path, PathBuf};
use std::process::Output;

use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape, dangers};
use couronne_tests::json;
use serde_json::Value;

/// What a command says that must succeed.
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command says that must be refused, with this exit code.
fn refused(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn sum(drives: &Value, field: &str) -> u64 {
    drives.as_array().unwrap().iter().map(|drive| drive[field].as_u64().unwrap()).sum()
}

/// Flips a byte of these in a file below a folder; `false` if no file there has them. Files come and go.
fn flip(folder: &Path, needle: &[u8]) -> bool {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if flip(&path, needle) {
                return true;
            }
            continue;
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        if let Some(at) = bytes.windows(needle.len()).position(|window| window == needle) {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &[bytes[at] ^ 1], at as u64).unwrap();
            file.sync_all().unwrap();
            return true;
        }
    }
    false
}

/// Has a drive die under its node: nothing of it is left, and nothing is where it was.
fn lose(folder: &Path) {
    let gone = folder.with_extension("gone");
    std::fs::rename(folder, &gone).unwrap();
    while gone.exists() {
        // The node may still make files there.
        let _ = std::fs::remove_dir_all(&gone);
    }
}

/// The folder of a node's one drive.
fn drive_folder(cluster: &Cluster, node: &str) -> PathBuf {
    cluster.data(node).join("drive-01")
}

fn lists_show_who_is_there(cluster: &Cluster) {
    let nodes = json(&cluster.couronne(&["node", "list", "--json"], "g1"));
    assert_eq!(nodes.as_array().unwrap().len(), 8);
    cluster.wait_for_status("g1", "all members are heard of, with their versions", |status| {
        let members = status["nodes"].as_array().unwrap().iter().chain(status["gateways"].as_array().unwrap());
        let is_known = |member: &Value| member["answers"] == true && member["version"].is_string();
        let is_safe = status["durability"]["survives"] == 2 && dangers(status).is_empty();
        is_safe
            && members.clone().count() == 8
            && members.clone().all(|member| is_known(member) && member["clock_offset_ms"].is_i64())
    });
    let drives = json(&cluster.couronne(&["drive", "list", "--json"], "n3"));
    assert_eq!(drives.as_array().unwrap().len(), 6);
    assert!(drives.as_array().unwrap().iter().all(|drive| drive["state"] == "writable"), "{drives}");
    for member in ["g1", "n2"] {
        let screen = said(&cluster.couronne(&["status"], member));
        assert!(screen.starts_with("no loss is known: 2 losses are survived; not yet scrubbed, for "), "{screen}");
        assert!(screen.contains("ec:4+2 over 6 nodes: any 2 drives or nodes"), "{screen}");
        said(&cluster.couronne(&["node", "list"], member));
        said(&cluster.couronne(&["drive", "list"], member));
        said(&cluster.couronne(&["scrub", "status"], member));
    }
}

/// An operator that has the address and the token of an admin listener needs no folder of it.
fn users_are_made_from_elsewhere(cluster: &Cluster) {
    said(&cluster.couronne_at(&["account", "create", "university"], "g2"));
    let keys = ["--access-key", "ADAADAADAADAADAADAAD", "--secret-key", "0123456789012345678901234567890123456789"];
    let create = [&["user", "create", "university", "ada", "--admin"], &keys[..]].concat();
    said(&cluster.couronne_at(&create, "g1"));
    let account = said(&cluster.couronne_at(&["account", "show", "university"], "g1"));
    assert!(account.contains("user ada, policies arn:aws:iam::aws:policy/AdministratorAccess"), "{account}");
    let user = said(&cluster.couronne_at(&["user", "show", "university", "ada"], "g1"));
    assert!(user.contains("access key ADAADAADAADAADAADAAD"), "{user}");
    assert!(said(&cluster.couronne_at(&["status"], "n4")).starts_with("no loss is known"));
}

fn policies_are_made_and_used(cluster: &Cluster, clients: &Clients) {
    let create = |words: &[&str]| cluster.couronne(&[&["storage-policy", "create"], words].concat(), "g1");
    refused(&create(&["copies", "three"]), 2);
    let why = refused(&create(&["wide", "ec:8+2"]), 1);
    assert!(why.contains("needs as many drives") && why.lines().count() == 1, "{why}");
    let why = refused(&create(&["safe", "replicated:4"]), 1);
    assert!(why.contains("needs 7 replicas"), "{why}");
    let why = refused(&create(&["zoned", "replicated:3", "--survive-zone-loss"]), 1);
    assert!(why.contains("1 zones"), "{why}");
    refused(&cluster.couronne(&["storage-policy", "set-default", "copies"], "g1"), 1);
    said(&create(&["copies", "replicated:3"]));
    said(&create(&["copies", "replicated:3"]));
    said(&cluster.couronne(&["storage-policy", "set-default", "copies"], "n2"));
    let listed = json(&cluster.couronne(&["storage-policy", "list", "--json"], "n2"));
    let made = listed.as_array().unwrap().iter().find(|policy| policy["name"] == "copies").unwrap();
    assert!(made["redundancy"] == "replicated:3" && made["promise"]["nodes_survived"] == 2, "{made}");
    cluster.wait_for_status("g1", "the gateway knows the new default", |status| status["policy"] == "replicated:3");

    let live = || sum(&json(&cluster.couronne(&["drive", "list", "--json"], "n1")), "live_bytes");
    let before = live();
    clients.run("aws", &["s3", "mb", "s3://copies"]);
    clients.run("aws", &["s3", "cp", "--quiet", "big", "s3://copies/big"]);
    let written = live() - before;
    let len = std::fs::metadata(cluster.scratch().join("big")).unwrap().len();
    assert!(written >= 3 * len, "three copies of {len} bytes, not {written}");
    said(&cluster.couronne(&["storage-policy", "set-default", "ec:4+2"], "g1"));
}

fn scrubbing_heals_a_flipped_byte(cluster: &Cluster, bytes: &[u8]) {
    let needle = &bytes[3 << 20..(3 << 20) + 64];
    let flipped = (1..=6).any(|number| flip(&drive_folder(cluster, &format!("n{number}")), needle));
    assert!(flipped, "the bytes lie on some drive");
    said(&cluster.couronne(&["scrub", "start"], "g2"));
    cluster.wait_for_status("g2", "a round found and healed it", |status| {
        let scrub = &status["scrub"];
        let healed = scrub["found"].as_u64() >= Some(1) && scrub["healed"].as_u64() >= Some(1);
        healed && scrub["running"] == false && scrub["ended_ms"].is_u64()
    });
    let screen = said(&cluster.couronne(&["scrub", "status"], "g2"));
    assert!(screen.contains("last round ended") && screen.contains("healed"), "{screen}");
}

/// A round of the scrubber finds nothing missing and nothing wrong that was not found before.
fn nothing_is_amiss(cluster: &Cluster) {
    let before = cluster.status("g1")["scrub"].clone();
    said(&cluster.couronne(&["scrub", "start"], "g1"));
    cluster.wait_for_status("g1", "a round is over", |status| {
        status["scrub"]["running"] == false && status["scrub"]["rounds"].as_u64() > before["rounds"].as_u64()
    });
    let after = cluster.status("g1")["scrub"].clone();
    assert_eq!(after["found"], before["found"], "{after}");
}

fn a_drive_is_replaced(cluster: &mut Cluster) {
    let drive_of = |cluster: &Cluster, node: &str| {
        let drives = json(&cluster.couronne(&["drive", "list", "--json"], "g1"));
        drives.as_array().unwrap().iter().find(|drive| drive["node"] == node).unwrap().clone()
    };
    let id = drive_of(cluster, "n3")["id"].as_str().unwrap().to_owned();
    refused(&cluster.couronne(&["drive", "replace"], "g1"), 2);
    refused(&cluster.couronne(&["drive", "replace", "none"], "g1"), 1);
    let why = refused(&cluster.couronne(&["drive", "replace", &id], "g1"), 1);
    assert!(why.contains("holds a drive's files"), "{why}");
    lose(&drive_folder(cluster, "n3"));
    cluster.wait_for_status("g1", "the drive is down", |status| {
        status["drives"].as_array().unwrap().iter().any(|drive| drive["id"] == *id && drive["state"] == "down")
    });
    cluster.wait_for_status("g1", "one more loss is survived", |status| status["durability"]["survives"] == 1);
    let screen = said(&cluster.couronne(&["status"], "g1"));
    assert!(screen.starts_with("1 more loss is survived"), "{screen}");
    said(&cluster.couronne(&["drive", "replace", &id[..10]], "g1"));
    cluster.wait_until_repaired("g1");
    let drive = drive_of(cluster, "n3");
    assert!(drive["live_bytes"].as_u64() > Some(1 << 20) && drive["emptied_times"] == 1, "{drive}");
    nothing_is_amiss(cluster);

    // Emptied before its second start, without a word to the cluster: it is known all the same.
    cluster.kill("n6");
    cluster.wipe("n6");
    cluster.start_member("n6");
    cluster.wait_for_status("g1", "it is known to be emptied", |status| {
        let is_n6 = |drive: &&Value| drive["node"] == "n6" && drive["down_reason"].is_null();
        status["drives"].as_array().unwrap().iter().find(is_n6).is_some_and(|drive| drive["emptied_times"] == 1)
    });
    cluster.wait_until_repaired("g1");
    let screen = said(&cluster.couronne(&["status"], "g1"));
    assert!(screen.starts_with("no loss is known: 2 losses are survived; not yet scrubbed, for "), "{screen}");
    nothing_is_amiss(cluster);
    cluster.wait_for_status("g1", "all is scrubbed", |status| status["durability"]["safety"]["all_safe"] == true);
    let screen = said(&cluster.couronne(&["status"], "g1"));
    assert!(screen.starts_with("all safe: 2 losses are survived\n"), "{screen}");
    said(&cluster.couronne(&["repair", "start"], "g1"));
    cluster.wait_until_repaired("g1");
}

#[test]
fn an_operator_looks_and_orders() {
    let mut cluster = Cluster::start(ClusterShape::default());
    let clients = Clients::of_gateway(&cluster, "g1");
    let bytes = bytes_of::random(70, 9 << 20);
    bytes_of::write(&cluster.scratch().join("big"), &bytes);
    clients.run("aws", &["s3", "mb", "s3://shards"]);
    clients.run("aws", &["s3", "cp", "--quiet", "big", "s3://shards/big"]);
    lists_show_who_is_there(&cluster);
    users_are_made_from_elsewhere(&cluster);
    policies_are_made_and_used(&cluster, &clients);
    scrubbing_heals_a_flipped_byte(&cluster, &bytes);
    a_drive_is_replaced(&mut cluster);
    let metrics = cluster.metrics("n1");
    for name in ["couronne_drive_bytes", "couronne_calls_total", "couronne_repair_pending", "couronne_ranges_led"] {
        assert!(metrics.contains(name), "{name} is missing");
    }
    // What was replaced carries its part.
    cluster.kill("n1");
    cluster.kill("n2");
    cluster.wait_for_status("g1", "all ranges are led", |status| {
        status["durability"]["leaderless"].as_array().is_some_and(Vec::is_empty)
    });
    for bucket in ["shards", "copies"] {
        clients.run("aws", &["s3", "cp", "--only-show-errors", &format!("s3://{bucket}/big"), "back"]);
        assert!(std::fs::read(cluster.scratch().join("back")).unwrap() == bytes, "{bucket}");
    }
}
