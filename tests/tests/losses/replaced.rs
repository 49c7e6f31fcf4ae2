//! Drives of a running server whose disks are replaced, are gone, or are not mounted.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use couronne_tests::server::Server;
use serde_json::Value;

/// How long anything may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server says of the drive in a folder.
fn drive_in(server: &Server, folder: &Path) -> Value {
    let status = server.status();
    let mut drives = status["drives"].as_array().unwrap().iter();
    let folder = folder.display().to_string();
    drives.find(|drive| drive["folder"] == *folder).unwrap_or_else(|| panic!("{folder}: {status}")).clone()
}

/// The drive that is known by its id.
fn drive_of(server: &Server, id: &str) -> Value {
    let status = server.status();
    status["drives"].as_array().unwrap().iter().find(|drive| drive["id"] == id).unwrap().clone()
}

fn until_down(server: &Server, id: &str, is_down: bool) {
    let began = Instant::now();
    while drive_of(server, id)["down_reason"].is_null() == is_down {
        assert!(began.elapsed() < PATIENCE, "{}", server.status()["drives"]);
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn replace(server: &Server, id: &str) -> Output {
    let output = server.couronne(&["drive", "replace", id]);
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn id_in(server: &Server, folder: &Path) -> String {
    drive_in(server, folder)["id"].as_str().unwrap().to_owned()
}

/// One folder a disk: the data folder's own files were on the disk that died, as its drive was.
#[test]
fn a_data_folder_on_a_new_disk_is_whole_again_once_its_drive_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let others: Vec<PathBuf> = ["b", "c", "d"].iter().map(|name| home.path().join(name)).collect();
    let mut flags: Vec<&str> = vec!["--policy", "ec:2+1"];
    for folder in &others {
        flags.extend(["--data", folder.to_str().unwrap()]);
    }
    let mut server = Server::start_with(&flags, &[]);
    let lost = &others[0];
    let id = id_in(&server, &lost.join("drive"));
    std::fs::remove_dir_all(lost).unwrap();
    until_down(&server, &id, true);
    std::fs::create_dir(lost).unwrap();
    assert!(replace(&server, &id).status.success());
    for name in ["server.json", "operator.toml", "identity.toml", "cluster-keys.toml", "drives.toml"] {
        let [again, kept] = [lost, &server.data()].map(|folder| std::fs::read(folder.join(name)).unwrap_or_default());
        assert!(again == kept && !kept.is_empty(), "{name}");
    }
    until_down(&server, &id, false);
    server.kill();
    server.restart();
    assert_eq!(id_in(&server, &lost.join("drive")), id);
}
