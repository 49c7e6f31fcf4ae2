//! What the data folders keep over starts, losses and mistakes.

use super::*;
use couronne_base::env;

fn settings(folders: &[&Path], drives: Option<u16>, policy: Option<&str>) -> DataSettings {
    DataSettings {
        folders: folders.iter().map(|folder| folder.to_path_buf()).collect(),
        drives,
        policy: policy.map(str::to_owned),
    }
}

#[test]
fn a_second_start_finds_what_the_first_made() {
    let env = env::system();
    let folder = tempfile::tempdir().unwrap();
    let first = DataFolder::open(&settings(&[folder.path()], Some(6), None), &env).unwrap();
    assert!(first.is_new);
    assert_eq!(first.cluster.redundancy.to_string(), "ec:4+2");
    assert_eq!(first.cluster.drives.len(), 6);
    let (root, token) = (first.root.clone(), first.admin_token.clone());
    let sealing_secret = first.cluster.sealing_secret.clone();
    drop(first);
    let second = DataFolder::open(&settings(&[folder.path()], None, None), &env).unwrap();
    assert!(!second.is_new);
    assert_eq!(second.cluster.drives.len(), 6);
    assert!((second.root.clone(), second.admin_token.clone()) == (root, token));
    assert!(second.cluster.sealing_secret == sealing_secret);
}

#[test]
fn policy_and_drives_are_fixed() {
    let env = env::system();
    let folder = tempfile::tempdir().unwrap();
    drop(DataFolder::open(&settings(&[folder.path()], Some(6), Some("ec:4+2")), &env).unwrap());
    let open = |drives, policy| DataFolder::open(&settings(&[folder.path()], drives, policy), &env).err();
    assert!(matches!(open(None, Some("single")), Some(DataFolderError::PolicyFixed { .. })));
    assert!(matches!(open(Some(7), None), Some(DataFolderError::DrivesFixed { fixed: 6, asked: 7 })));
    assert!(matches!(open(None, Some("raid5")), Some(DataFolderError::Redundancy(_))));
    assert!(open(Some(6), Some("ec:4+2")).is_none());
}

#[test]
fn one_server_a_folder() {
    let env = env::system();
    let folder = tempfile::tempdir().unwrap();
    let _running = DataFolder::open(&settings(&[folder.path()], None, None), &env).unwrap();
    let second = DataFolder::open(&settings(&[folder.path()], None, None), &env);
    assert!(matches!(second.err(), Some(DataFolderError::InUse(_))));
}

#[test]
fn a_lost_folder_gets_its_copies_back_and_a_strange_one_is_refused() {
    let env = env::system();
    let homes: Vec<_> = (0..6).map(|_| tempfile::tempdir().unwrap()).collect();
    let paths: Vec<&Path> = homes.iter().map(|home| home.path()).collect();
    let first = DataFolder::open(&settings(&paths, None, None), &env).unwrap();
    let (secret, root) = (first.cluster.sealing_secret.clone(), first.root.clone());
    assert_eq!(first.cluster.redundancy.to_string(), "ec:4+2");
    drop(first);
    for name in ["cluster.toml", "credentials.toml", "admin.token"] {
        files::remove(&paths[0].join(name)).unwrap();
    }
    let second = DataFolder::open(&settings(&paths, None, None), &env).unwrap();
    assert!(second.cluster.sealing_secret == secret && second.root == root && !second.is_new);
    assert!(files::read(&paths[0].join("cluster.toml")).unwrap().is_some());
    drop(second);

    let strange = tempfile::tempdir().unwrap();
    drop(DataFolder::open(&settings(&[strange.path()], None, None), &env).unwrap());
    let mixed: Vec<&Path> = paths.iter().take(5).copied().chain([strange.path()]).collect();
    assert!(matches!(
        DataFolder::open(&settings(&mixed, None, None), &env).err(),
        Some(DataFolderError::Differ { .. })
    ));
}

#[test]
fn an_announcement_is_found_until_it_is_withdrawn() {
    let env = env::system();
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(&settings(&[folder.path()], None, None), &env).unwrap();
    assert!(matches!(running_server(folder.path()), Err(DataFolderError::NotRunning(_))));
    let server = RunningServer {
        s3: "127.0.0.1:9000".parse().unwrap(),
        tls: false,
        admin: "127.0.0.1:9001".parse().unwrap(),
        pid: 7,
    };
    data.announce(&server).unwrap();
    let (found, token) = running_server(folder.path()).unwrap();
    assert_eq!(found, server);
    assert!(token == data.admin_token);
    data.withdraw();
    assert!(matches!(running_server(folder.path()), Err(DataFolderError::NotRunning(_))));
}
