//! Drives of a running server whose disks are replaced, are gone, or are not mounted.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use couronne_tests::server::{Server, ServerShape};
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

/// A folder that is not there is no proof of a new disk: it is made only where it was removed from a disk that is there.
#[test]
fn a_missing_folder_is_made_again_only_on_the_disk_that_it_was_on() {
    let mut server = Server::start_with_hanging_drive(ServerShape::SixDrives.flags(), 1);
    let [first, second] = [1, 2].map(|number| id_in(&server, &server.drive(number)));
    std::fs::remove_dir_all(server.drive(2)).unwrap();
    until_down(&server, &second, true);
    assert!(replace(&server, &second).status.success(), "its disk is there");
    until_down(&server, &second, false);

    server.stop();
    server.unmount(1);
    std::fs::remove_dir(server.drive(1)).unwrap();
    server.restart();
    assert!(server.log().contains("its folder is not there"), "{}", server.log());
    let refused = replace(&server, &first);
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && why.contains("make the folder on it"), "{why}");
    assert!(!server.drive(1).exists(), "nothing is made in the place of a disk that is not mounted");
    server.stop();
    server.mount(1);
    server.restart();
    until_down(&server, &first, false);

    server.stop();
    server.unmount(1);
    server.restart();
    assert!(replace(&server, &first).status.success(), "the operator made the folder, and says so");
    until_down(&server, &first, false);
}
