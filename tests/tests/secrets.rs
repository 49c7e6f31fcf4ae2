//! No secret lies in a data folder: every byte of those of a lone server and of a cluster's members is read, drives
//! included. The key that seals them lies elsewhere, and a start without it says where it is wanted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use couronne_base::seal::SealKey;
use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use couronne_tests::json;
use couronne_tests::server::{self, Server, ServerShape, binary, key_of, shown_secret};
use memchr::memmem::find;
use serde_json::Value;

/// The purpose of a node's key, as the binary has it.
const PURPOSE: &str = "couronne 2026-11 secrets in data folders";

/// Blocks of zeroes are left out of a search: logs and segments are made of them beforehand.
const BLOCK_BYTES: usize = 4096;

/// How the private key of a member or of the authority begins: version, algorithm, curve, and the key's own head.
const PKCS8_OF_P256: &[u8] = &[
    0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];

/// The base64 of bytes wherever they stand in what is encoded, but for the digits that they share with others.
fn base64_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for shift in 0..3 {
        let shifted = [&vec![0; shift][..], bytes].concat();
        for text in [STANDARD.encode(&shifted), URL_SAFE.encode(&shifted)] {
            let whole = text.trim_end_matches('=');
            forms.push(whole.as_bytes()[(shift * 8).div_ceil(6)..whole.len() - 1].to_vec());
        }
    }
    forms
}

/// What is not to be found: each secret plain, as hexadecimal digits and as base64; and what it spells, if it is itself
/// hexadecimal digits.
fn needles(secrets: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut needles = BTreeSet::new();
    for secret in secrets {
        assert!(secret.len() >= 16);
        let spelt = std::str::from_utf8(secret).ok().and_then(unhex).filter(|bytes| bytes.len() >= 16);
        for bytes in spelt.iter().chain([secret]) {
            needles.extend([bytes.clone(), hex(bytes).into_bytes(), hex(bytes).to_uppercase().into_bytes()]);
            needles.extend(base64_of(bytes));
        }
    }
    needles.extend(base64_of(PKCS8_OF_P256).into_iter().chain([PKCS8_OF_P256.to_vec()]));
    needles
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}

/// A file without its blocks of zeroes.
fn read_dense(path: &Path) -> Vec<u8> {
    // A file of a running server may go.
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.chunks(BLOCK_BYTES).filter(|block| block.iter().any(|byte| *byte != 0)).flatten().copied().collect()
}

/// The first file of a data folder in which one of these secrets lies, in any form.
fn found_in(data: &Path, secrets: &[Vec<u8>]) -> Option<PathBuf> {
    let needles = needles(secrets);
    bytes_of::paths(data).into_iter().find(|path| {
        let bytes = read_dense(path);
        needles.iter().any(|needle| find(&bytes, needle).is_some())
    })
}

/// Refuses a secret in any file of a data folder. The marker is found, or the drives were not read.
fn assert_none_lies_in(data: &Path, secrets: &[Vec<u8>], marker: &str) {
    assert_eq!(found_in(data, secrets), None);
    assert!(found_in(data, &[marker.as_bytes().to_vec()]).is_some(), "{} was not read", data.display());
}

/// What a sealed file of a data folder says.
fn opened(data: &Path, name: &str) -> toml::Table {
    let key = unhex(std::fs::read_to_string(key_of(data)).unwrap().trim()).unwrap();
    let file: toml::Table = std::fs::read_to_string(data.join(name)).unwrap().parse().unwrap();
    let sealed = STANDARD.decode(file["sealed"].as_str().unwrap()).unwrap();
    let opened = SealKey::derive(PURPOSE, &key).unwrap().open(&[name.as_bytes()], &sealed).unwrap();
    std::str::from_utf8(&opened).unwrap().parse().unwrap()
}

/// The cluster's keys of a storage node.
fn cluster_keys(data: &Path) -> Vec<String> {
    let keys = opened(data, "cluster-keys.toml");
    keys["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// Secrets that are known of a data folder: what it shows, and its keys.
fn known_of(data: &Path) -> Vec<Vec<u8>> {
    let shown = ["secret-key", "admin-token", "reading-token"].map(|secret| shown_secret(data, secret));
    let node_key = std::fs::read_to_string(key_of(data)).unwrap().trim().to_owned();
    let cluster_keys = if data.join("cluster-keys.toml").exists() { cluster_keys(data) } else { Vec::new() };
    shown.into_iter().flatten().chain([node_key]).chain(cluster_keys).map(String::into_bytes).collect()
}

fn secret_of(keys: &Value) -> Vec<u8> {
    keys["secret_key"].as_str().unwrap().as_bytes().to_vec()
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn no_secret_lies_in_the_data_folder_of_a_lone_server() {
    let mut server = Server::start(ServerShape::SixDrives);
    let data = server.data();
    Clients::of(&server).run("aws", &["s3", "mb", "s3://bucket-of-the-test"]);
    done(&server.couronne(&["account", "create", "acme"]));
    let user = json(&server.couronne(&["user", "create", "acme", "ada", "--admin", "--json"]));
    let key = json(&server.couronne(&["key", "create", "acme", "ada", "--json"]));
    let mut known = [vec![server::SECRET_KEY.as_bytes().to_vec(), secret_of(&user), secret_of(&key)], known_of(&data)];
    for secret in ["root", "admin-token", "sealing-key"] {
        done(&server.couronne(&["secrets", "rotate", secret]));
    }
    std::thread::sleep(std::time::Duration::from_secs(2));
    known[1].extend(known_of(&data));
    let known = known.concat();
    assert_none_lies_in(&data, &known, "bucket-of-the-test");
    server.stop();
    assert_none_lies_in(&data, &known, "bucket-of-the-test");
}

#[test]
fn a_start_without_the_nodes_key_says_where_it_is_wanted() {
    let mut server = Server::start(ServerShape::OneDrive);
    Clients::of(&server).run("aws", &["s3", "mb", "s3://kept"]);
    server.stop();
    let (data, key) = (server.data(), key_of(&server.data()));
    let start = |words: &[&str], environment: &[(&str, &str)]| {
        let mut command = Command::new(binary());
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]).arg(&data);
        refused(&command.args(words).envs(environment.iter().copied()).output().unwrap())
    };
    let away = key.with_extension("away");
    std::fs::rename(&key, &away).unwrap();
    let why = start(&[], &[]);
    assert!(why.contains(&key.display().to_string()) && why.contains("node_key_file"), "{why}");
    assert!(!key.exists(), "no other key is made in its place");
    let why = start(&[], &[("COURONNE_NODE_KEY", &"0".repeat(64))]);
    assert!(why.contains("another key") && why.contains("COURONNE_NODE_KEY"), "{why}");
    let why = start(&[], &[("COURONNE_NODE_KEY", "nonsense")]);
    assert!(why.contains("64 hexadecimal digits"), "{why}");
    let config = data.with_extension("toml");
    let set = |line: String| std::fs::write(&config, format!("[data]\n{line}\n")).unwrap();
    set("node_key_command = ['false']".to_owned());
    let why = start(&["--config", &config.display().to_string()], &[]);
    assert!(why.contains("node_key_command"), "{why}");
    set(format!("node_key_file = '{}'", data.join("inside").display()));
    let why = start(&["--config", &config.display().to_string()], &[]);
    assert!(why.contains("must not"), "{why}");
    // By a command it is the same key.
    set(format!("node_key_command = ['cat', '{}']", away.display()));
    let mut show = Command::new(binary());
    show.args(["secrets", "show", "secret-key", "--data"]).arg(&data).arg("--config").arg(&config);
    let shown = show.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&shown.stdout).trim(), server::SECRET_KEY);
    std::fs::rename(&away, &key).unwrap();
    server.restart();
    assert!(Clients::of(&server).run("aws", &["s3", "ls"]).contains("kept"));
}

#[test]
fn no_secret_lies_in_the_data_folders_of_a_clusters_members() {
    let shape = ClusterShape { nodes: 4, gateways: 1, policy: "ec:2+1", repair_grace_s: 10, ..ClusterShape::default() };
    let mut cluster = Cluster::try_found(shape).unwrap();
    let founding = opened(&cluster.data("n1"), "founding.toml");
    let mut known = vec![STANDARD.decode(founding["authority_key"].as_str().unwrap()).unwrap()];
    for secret in ["secret_key", "sealing_secret", "admin_token"] {
        known.push(founding["secrets"][secret].as_str().unwrap().as_bytes().to_vec());
    }
    cluster.gather(shape);
    let members = ["n1", "n2", "n3", "n4", "g1"];
    // Shards of so many objects lie on every drive.
    std::fs::write(cluster.scratch().join("object"), "object-of-the-test ".repeat(20_000)).unwrap();
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "mb", "s3://bucket"]);
    for number in 0..12 {
        clients.run("aws", &["s3", "cp", "--quiet", "object", &format!("s3://bucket/{number}")]);
    }
    done(&cluster.couronne(&["account", "create", "acme"], "n1"));
    known.push(secret_of(&json(&cluster.couronne(&["user", "create", "acme", "ada", "--admin", "--json"], "n2"))));
    let token = json(&cluster.couronne(&["cluster", "token", "create", "--json"], "n3"));
    let text = token["token"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.strip_prefix("couronne1-").unwrap());
    known.extend([text.as_bytes().to_vec(), bytes.unwrap()[8..24].to_vec()]);
    for member in members {
        known.extend(known_of(&cluster.data(member)));
    }
    for secret in ["root", "admin-token", "sealing-key"] {
        done(&cluster.couronne(&["secrets", "rotate", secret], "n1"));
    }
    // The key of the cluster that an expelled node has gives way to another one.
    let before = cluster_keys(&cluster.data("n4"));
    assert_eq!(before.len(), 1);
    cluster.wait_for("n4 is expelled", || cluster.couronne(&["node", "expel", "n4"], "n1").status.success());
    cluster.wait_for("the others have another key alone", || {
        let keys = ["n1", "n2", "n3"].map(|node| cluster_keys(&cluster.data(node)));
        keys.iter().all(|known| known.len() == 1 && *known == keys[0] && *known != before)
    });
    assert_eq!(cluster_keys(&cluster.data("n4")), before, "it is told nothing");
    for member in members {
        known.extend(known_of(&cluster.data(member)));
    }
    for member in members {
        let marker = if member == "g1" { "format_version = 1" } else { "object-of-the-test" };
        assert_none_lies_in(&cluster.data(member), &known, marker);
    }
    // Those that are left go on, and start again with what they have.
    for node in ["n1", "n2", "n3"] {
        cluster.stop(node);
        cluster.start_member(node);
        cluster.wait_for("it serves again", || cluster.couronne(&["status"], node).status.success());
        cluster.wait_until_healthy("g1");
    }
    cluster.wait_until_healthy("g1");
    // Once what it held is made up for, nobody waits for the drives of the node that was expelled.
    cluster.scrub_until_safe("n1");
    assert!(shown_secret(&cluster.data("g1"), "admin-token").is_none());
    done(&cluster.couronne(&["cluster", "token", "create"], "n2"));
}

/// Resets the secrets of a node that does not run.
fn reset(data: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.env("COURONNE_ACCESS_KEY", server::ACCESS_KEY).env("COURONNE_SECRET_KEY", server::SECRET_KEY);
    command.args(["secrets", "reset"]).args(words).arg("--data").arg(data).output().unwrap()
}

#[test]
fn a_lone_server_that_lost_its_key_loses_credentials_and_no_object() {
    let mut server = Server::start(ServerShape::SixDrives);
    let data = server.data();
    std::fs::write(server.scratch().join("object"), "kept ".repeat(200_000)).unwrap();
    let clients = Clients::of(&server);
    clients.run("aws", &["s3", "mb", "s3://kept"]);
    clients.run("aws", &["s3", "cp", "--quiet", "object", "s3://kept/object"]);
    done(&server.couronne(&["account", "create", "acme"]));
    let lost = json(&server.couronne(&["user", "create", "acme", "ada", "--admin", "--json"]));
    let before = ["admin-token", "reading-token"].map(|secret| shown_secret(&data, secret).unwrap());
    assert!(refused(&reset(&data, &[])).contains("in use"), "it runs");
    server.stop();
    assert!(refused(&reset(&data, &[])).contains("nothing is lost"));
    std::fs::remove_file(key_of(&data)).unwrap();
    done(&reset(&data, &[]));
    server.restart();
    let clients = Clients::of(&server);
    clients.run("aws", &["s3", "cp", "--quiet", "s3://kept/object", "back"]);
    assert_eq!(std::fs::read_to_string(server.scratch().join("back")).unwrap(), "kept ".repeat(200_000));
    assert!(!["admin-token", "reading-token"].map(|secret| shown_secret(&data, secret).unwrap()).contains(&before[0]));
    let status = ["status", "--admin-token", before[0].as_str()];
    assert!(refused(&server.couronne(&status)).contains("wrong"));
    // The user is there, its lost key is not, and the next one works.
    let shown = json(&server.couronne(&["account", "show", "acme", "--json"]));
    assert!(shown.to_string().contains("ada") && !shown.to_string().contains(lost["access_key"].as_str().unwrap()));
    let found = json(&server.couronne(&["key", "create", "acme", "ada", "--json"]));
    for (keys, is_taken) in [(&found, true), (&lost, false)] {
        let (succeeded, ..) = Clients::of(&server).with_keys(keys).attempt("aws", &["s3api", "list-buckets"]);
        assert_eq!(succeeded, is_taken);
    }
    done(&server.couronne(&["secrets", "rotate", "sealing-key"]));
}

#[test]
fn a_cluster_whose_nodes_all_lost_their_keys_loses_credentials_and_no_object() {
    let shape = ClusterShape { nodes: 3, gateways: 1, policy: "ec:2+1", ..ClusterShape::default() };
    let mut cluster = Cluster::start(shape);
    std::fs::write(cluster.scratch().join("object"), "kept ".repeat(200_000)).unwrap();
    let clients = Clients::of_gateway(&cluster, "g1");
    clients.run("aws", &["s3", "mb", "s3://kept"]);
    clients.run("aws", &["s3", "cp", "--quiet", "object", "s3://kept/object"]);
    for member in ["g1", "n3", "n2", "n1"] {
        cluster.stop(member);
        std::fs::remove_file(key_of(&cluster.data(member))).unwrap();
    }
    assert!(refused(&reset(&cluster.data("g1"), &[])).contains("join as a new one"));
    assert!(refused(&reset(&cluster.data("n2"), &[])).contains("--write-bundle"));
    let bundle = cluster.scratch().join("bundle").display().to_string();
    done(&reset(&cluster.data("n2"), &["--write-bundle", &bundle]));
    for node in ["n1", "n3"] {
        done(&reset(&cluster.data(node), &["--read-bundle", &bundle]));
    }
    for node in ["n1", "n2", "n3"] {
        cluster.start_member(node);
    }
    cluster.wait_for_status("n1", "the old gateway is nobody", |status| status["gateways"] == serde_json::json!([]));
    std::fs::remove_dir_all(cluster.data("g1")).unwrap();
    cluster.join_gateway("g1");
    cluster.wait_until_healthy("g1");
    clients.run("aws", &["s3", "cp", "--quiet", "s3://kept/object", "back"]);
    assert_eq!(std::fs::read_to_string(cluster.scratch().join("back")).unwrap(), "kept ".repeat(200_000));
    let keys = ["n1", "n2", "n3"].map(|node| cluster_keys(&cluster.data(node)));
    assert!(keys[0].len() == 1 && keys.iter().all(|known| *known == keys[0]));
    // Each has shown its new key to the others, and goes by the map again: another authority, and starts by what that signed.
    let rotated = json(&cluster.couronne(&["secrets", "rotate", "authority", "--json"], "n1"));
    assert_eq!(rotated["waits_for"], serde_json::Value::Null, "{rotated}");
    for node in ["n1", "n2", "n3"] {
        assert!(cluster.identity_file(node).contains("is_reset = false"), "{node}");
        cluster.stop(node);
        cluster.start_member(node);
        cluster.wait_until_all_serve("n1");
    }
    clients.run("aws", &["s3", "cp", "--quiet", "s3://kept/object", "back"]);
}
