//! What the data folders keep over starts, losses and mistakes.

#![allow(clippy::disallowed_methods, reason = "the tests look at the files, and break them")]

use couronne_base::env;
use couronne_cluster::Role;
use couronne_protocol::net::certificates::PrivateKey;

use super::*;

fn settings(folders: &[&Path], drives: Option<u16>) -> DataSettings {
    DataSettings { folders: folders.iter().map(|folder| folder.to_path_buf()).collect(), drives, policy: None }
}

fn open(folders: &[&Path]) -> Result<DataFolder, DataFolderError> {
    DataFolder::open(&settings(folders, None))
}

fn membership(drives: u16) -> MemberFile {
    MemberFile {
        cluster: 9,
        role: Role::StorageNode,
        drives,
        certificate: b"certificate".to_vec(),
        authority: b"authority".to_vec(),
    }
}

/// Makes a member of the process of these folders.
fn join(folders: &[&Path], drives: u16) -> Member {
    let folder = open(folders).unwrap();
    let identity = folder.make_identity().unwrap();
    folder.become_member(identity, membership(drives)).unwrap()
}

#[test]
fn a_process_stays_who_it_was_at_its_first_start() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(&[home.path()]).unwrap();
    assert!(matches!(folder.member(Role::StorageNode), Err(DataFolderError::NoMember(_))));
    let first = folder.make_identity().unwrap();
    assert_eq!(first.node, first.key.node().unwrap(), "the id comes from the key");
    drop(folder);
    let folder = open(&[home.path()]).unwrap();
    let again = folder.make_identity().unwrap();
    assert!(again.node == first.node && again.key.as_pkcs8() == first.key.as_pkcs8());
    folder.become_member(again, membership(6)).unwrap();
    let other_key = PrivateKey::generate().unwrap();
    let renewed = other_key.as_pkcs8().to_vec();
    folder.renew(other_key, b"renewed".to_vec()).unwrap();
    drop(folder);
    let folder = open(&[home.path()]).unwrap();
    let member = folder.member(Role::StorageNode).unwrap();
    assert!(member.node == first.node && member.key.as_pkcs8() == renewed);
    assert_eq!(member.membership, MemberFile { certificate: b"renewed".to_vec(), ..membership(6) });
    assert_eq!(folder.drive_folders().unwrap().len(), 6, "however few the settings say");
    assert!(matches!(folder.refuse_member(), Err(DataFolderError::Member { cluster: 9, .. })));
    assert!(matches!(folder.member(Role::Gateway), Err(DataFolderError::Role { is: "storage-node", .. })));
    folder.check_owner(Some((9, first.node)), &member).unwrap();
    folder.check_owner(None, &member).unwrap();
    assert!(matches!(folder.check_owner(Some((8, first.node)), &member), Err(DataFolderError::Drives { .. })));
    assert!(matches!(folder.check_owner(Some((9, NodeId(1))), &member), Err(DataFolderError::Drives { .. })));
}

#[test]
fn a_founding_that_was_cut_off_is_gone_on_with() {
    let (home, env) = (tempfile::tempdir().unwrap(), env::system());
    let first = open(&[home.path()]).unwrap().make_founding(&env).unwrap();
    let folder = open(&[home.path()]).unwrap();
    let again = folder.make_founding(&env).unwrap();
    assert_eq!((again.cluster, again.authority.fingerprint()), (first.cluster, first.authority.fingerprint()));
    assert!(again.secrets.text() == first.secrets.text());
    assert!(credentials::read(home.path()).unwrap() == Some(first.secrets.root()), "the operator finds them");
    folder.forget_founding().unwrap();
    assert!(folder.founding().unwrap().is_none());
}

#[test]
fn one_that_joins_forgets_what_it_had_begun() {
    let (home, env) = (tempfile::tempdir().unwrap(), env::system());
    let folder = open(&[home.path()]).unwrap();
    folder.make_founding(&env).unwrap();
    let joining = Joining { drives: vec![(couronne_ring::DriveId(5), 40)] };
    folder.keep_joining(&joining).unwrap();
    assert_eq!(folder.joining().unwrap(), Some(joining));
    let identity = folder.make_identity().unwrap();
    folder.become_member(identity, membership(1)).unwrap();
    assert!(folder.joining().unwrap().is_none() && folder.founding().unwrap().is_none());
}

#[test]
fn the_root_credentials_are_those_of_the_file_and_it_comes_back() {
    let (home, env) = (tempfile::tempdir().unwrap(), env::system());
    let folder = open(&[home.path()]).unwrap();
    let secrets = folder.make_founding(&env).unwrap().secrets;
    std::fs::remove_file(folder.credentials_path()).unwrap();
    assert!(folder.root_credentials(&secrets, &env).unwrap() == secrets.root());
    assert!(credentials::read(home.path()).unwrap() == Some(secrets.root()));
    std::fs::write(folder.credentials_path(), "access_key = 'CHOSEN'\nsecret_key = 'by-the-operator'\n").unwrap();
    assert_eq!(folder.root_credentials(&secrets, &env).unwrap().access_key, "CHOSEN");
}

#[test]
fn the_number_of_drives_is_fixed() {
    let home = tempfile::tempdir().unwrap();
    join(&[home.path()], 6);
    let asked = |drives| DataFolder::open(&settings(&[home.path()], Some(drives)));
    assert!(matches!(asked(7).err(), Some(DataFolderError::DrivesFixed { fixed: 6, asked: 7, .. })));
    assert!(matches!(asked(0).err(), Some(DataFolderError::DriveCount(0))));
    asked(6).unwrap();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let both = DataFolder::open(&settings(&[one.path(), two.path()], Some(2)));
    assert!(matches!(both.err(), Some(DataFolderError::DrivesBesideFolders)));
}

#[test]
fn one_server_a_folder() {
    let home = tempfile::tempdir().unwrap();
    let _running = open(&[home.path()]).unwrap();
    assert!(matches!(open(&[home.path()]).err(), Some(DataFolderError::InUse(_))));
}

#[test]
fn a_lost_folder_gets_its_copies_back_and_a_strange_one_is_refused() {
    let homes: Vec<_> = (0..6).map(|_| tempfile::tempdir().unwrap()).collect();
    let paths: Vec<&Path> = homes.iter().map(|home| home.path()).collect();
    let member = join(&paths, 6);
    std::fs::remove_file(paths[0].join("identity.toml")).unwrap();
    assert_eq!(open(&paths).unwrap().member(Role::StorageNode).unwrap().node, member.node);
    assert!(paths[0].join("identity.toml").exists());

    // A renewal that reached some folders only.
    let old = std::fs::read(paths[0].join("identity.toml")).unwrap();
    open(&paths).unwrap().renew(PrivateKey::generate().unwrap(), b"renewed".to_vec()).unwrap();
    std::fs::write(paths[0].join("identity.toml"), old).unwrap();
    let folder = open(&paths).unwrap();
    assert_eq!(folder.member(Role::StorageNode).unwrap().membership.certificate, b"renewed");
    drop(folder);

    let strange = tempfile::tempdir().unwrap();
    join(&[strange.path()], 1);
    let mixed: Vec<&Path> = paths.iter().take(5).copied().chain([strange.path()]).collect();
    assert!(matches!(open(&mixed).err(), Some(DataFolderError::Differ { .. })));
}

#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (home, env) = (tempfile::tempdir().unwrap(), env::system());
    let data = home.path().join("data");
    let folder = open(&[&data]).unwrap();
    folder.make_founding(&env).unwrap();
    folder.make_identity().unwrap();
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[test]
fn an_announcement_is_found_until_it_is_withdrawn() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(&[home.path()]).unwrap();
    assert!(matches!(running_server(home.path()), Err(DataFolderError::NotRunning(_))));
    let server = RunningServer {
        s3: None,
        tls: true,
        peers: Some("127.0.0.1:9100".parse().unwrap()),
        admin: "127.0.0.1:9001".parse().unwrap(),
        pid: 7,
    };
    folder.announce(&server, "token").unwrap();
    let (found, token) = running_server(home.path()).unwrap();
    assert_eq!((found, token.as_str()), (server, "token"));
    let reading = files::read(&home.path().join("admin-reading.token")).unwrap().unwrap();
    assert_eq!(reading, couronne_admin::server::reading_token("token").as_str());
    folder.withdraw();
    assert!(matches!(running_server(home.path()), Err(DataFolderError::NotRunning(_))));
}
