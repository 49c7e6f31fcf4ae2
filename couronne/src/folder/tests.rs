//! What the data folders keep over starts, losses and mistakes.

#![allow(clippy::disallowed_methods, reason = "the tests look at the files, and break them")]

use couronne_base::env;
use couronne_cluster::Role;
use couronne_cluster::changes::{Founding, found};
use couronne_cluster::map::{Bootstrap, ClusterMap, MapNode};
use couronne_placement::{Policy, PolicyId};
use couronne_ring::{DriveId, NodeId, RegionName, ZoneName};
use couronne_storage_node::node::ClusterKey;

use super::*;

fn settings(folders: &[&Path], drives: Option<u16>) -> DataSettings {
    let folders = folders.iter().map(|folder| folder.to_path_buf()).collect();
    DataSettings { folders, drives, ..DataSettings::default() }.with_test_key()
}

fn open(folders: &[&Path]) -> Result<DataFolder, DataFolderError> {
    DataFolder::open(&settings(folders, None))
}

fn membership(drives: u16, data_folders: u16) -> MemberFile {
    MemberFile {
        is_reset: false,
        cluster: 9,
        role: Role::StorageNode,
        drives,
        data_folders,
        certificate: b"certificate".to_vec(),
        authority: b"authority".to_vec(),
    }
}

/// Makes a member of the process of these folders.
fn join(folders: &[&Path], drives: u16) -> Member {
    let folder = open(folders).unwrap();
    folder.become_member(Identity::new().unwrap(), membership(drives, folder.folder_count())).unwrap()
}

/// What a data folder keeps for its operator.
fn shown(folder: &Path) -> OperatorSecrets {
    operator_secrets_of(&settings(&[folder], None)).unwrap()
}

/// What was made so far of a founding.
fn begin_founding(folder: &DataFolder) -> founding::Founding {
    let founding = folder.founding_or_new(&env::system()).unwrap();
    folder.keep_founding(&founding).unwrap();
    founding
}

fn map() -> ClusterMap {
    let node = MapNode {
        role: Role::StorageNode,
        name: "n1".into(),
        address: "n1:1".into(),
        region: RegionName("r".into()),
        zone: ZoneName("z".into()),
    };
    let policy = Policy {
        id: PolicyId(0),
        name: "single".into(),
        redundancy: "single".parse().unwrap(),
        chunk_bytes: 1 << 20,
        inline_bytes_max: 16 << 10,
        copies_bytes_max: 128 << 10,
        survives: None,
    };
    let (drives, bootstrap) = (vec![(DriveId(3), 1)], Bootstrap { nodes: 1, ranges: 1 });
    found(Founding { cluster: 9, id: NodeId(1), node, drives, policy, bootstrap, now_ms: 0 }).unwrap()
}

#[test]
fn a_map_is_kept_as_a_file_and_a_damaged_one_is_none() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(&[home.path()]).unwrap();
    assert_eq!(folder.map().unwrap(), None);
    folder.keep_map(&map()).unwrap();
    assert_eq!(folder.map().unwrap(), Some(map()));
    folder.keep_map(&ClusterMap { version: map().version - 1, ..map() }).unwrap();
    assert_eq!(folder.map().unwrap(), Some(map()), "an older one that comes late");
    let text = files::read(&home.path().join("map")).unwrap().unwrap();
    assert_eq!(decoded(&text).unwrap(), map().to_file(), "with its magic and CRC");
    for damaged in [encoded(&map().encode()), encoded(&map().to_file()[1..]), Zeroizing::new("?".to_owned())] {
        files::replace(home.path(), "map", &damaged).unwrap();
        assert_eq!(folder.map().unwrap(), None);
    }
}

/// A map from before the reset names the authority that is lost, and nobody shows its certificates.
#[test]
fn a_member_whose_secrets_were_reset_goes_by_no_map_that_names_another_authority() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(&[home.path()]).unwrap();
    folder.become_member(Identity::new().unwrap(), MemberFile { is_reset: true, ..membership(1, 1) }).unwrap();
    let naming = |authority: &'static [u8]| {
        let mut map = map();
        map.authorities.trusted.insert(1, authority.into());
        map
    };
    let member = || folder.member(Role::StorageNode).unwrap().membership;
    assert!(
        !member().goes_by(&map()) && !member().goes_by(&naming(b"another")) && member().goes_by(&naming(b"authority"))
    );
    folder.end_reset().unwrap();
    assert_eq!(member(), membership(1, 1));
    assert!(member().goes_by(&naming(b"another")), "the cluster changed it since");
}

#[test]
fn a_process_stays_who_it_was_at_its_first_start() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(&[home.path()]).unwrap();
    assert!(matches!(folder.member(Role::StorageNode), Err(DataFolderError::NoMember(_))));
    let first = folder.identity_or_new().unwrap();
    assert_eq!(first.node, first.key.node().unwrap(), "the id comes from the key");
    assert!(folder.identity().unwrap().is_none(), "it is kept when it is needed, not before");
    folder.keep_identity(&first).unwrap();
    drop(folder);
    let folder = open(&[home.path()]).unwrap();
    let again = folder.identity_or_new().unwrap();
    assert!(again.node == first.node && again.key.as_pkcs8() == first.key.as_pkcs8());
    folder.become_member(again, membership(6, 1)).unwrap();
    folder.renew(b"renewed".to_vec(), b"another authority".to_vec()).unwrap();
    drop(folder);
    let folder = open(&[home.path()]).unwrap();
    let member = folder.member(Role::StorageNode).unwrap();
    assert!(member.node == first.node && member.key.as_pkcs8() == first.key.as_pkcs8(), "a key is for life");
    let (certificate, authority) = (b"renewed".to_vec(), b"another authority".to_vec());
    assert_eq!(member.membership, MemberFile { certificate, authority, ..membership(6, 1) });
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
    let home = tempfile::tempdir().unwrap();
    let folder = open(&[home.path()]).unwrap();
    folder.founding_or_new(&env::system()).unwrap();
    let names = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["lock"], "nothing of it stands anywhere before it is kept");
    let first = begin_founding(&folder);
    drop(folder);
    let folder = open(&[home.path()]).unwrap();
    let again = folder.founding_or_new(&env::system()).unwrap();
    assert_eq!((again.cluster, again.authority.fingerprint()), (first.cluster, first.authority.fingerprint()));
    assert!(again.secrets.text() == first.secrets.text());
    assert!(shown(home.path()).root == Some(first.secrets.root()), "the operator finds them");
    folder.forget_founding().unwrap();
    assert!(folder.founding().unwrap().is_none());
}

#[test]
fn one_that_joins_forgets_what_it_had_begun() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(&[home.path()]).unwrap();
    begin_founding(&folder);
    let joining = Joining { role: Role::StorageNode, drives: vec![(couronne_ring::DriveId(5), 40)] };
    folder.keep_joining(&joining).unwrap();
    assert_eq!(folder.joining().unwrap(), Some(joining));
    folder.become_member(Identity::new().unwrap(), membership(1, 1)).unwrap();
    assert!(folder.joining().unwrap().is_none() && folder.founding().unwrap().is_none());
}

#[test]
fn what_the_cluster_keeps_is_shown_and_lies_in_no_file_in_clear() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(&[home.path()]).unwrap();
    let founding = begin_founding(&folder);
    let identity = folder.identity_or_new().unwrap();
    folder.keep_identity(&identity).unwrap();
    let key = ClusterKey::new(&env::system());
    folder.keep_cluster_keys(std::slice::from_ref(&key)).unwrap();
    assert!(folder.cluster_keys().unwrap() == [key.clone()]);
    let kept = &founding.secrets;
    let found = shown(home.path());
    assert!(found.root == Some(kept.root()) && found.clone().token() == kept.admin_token);
    let texts = [kept.secret_key.to_string(), kept.admin_token.to_string(), kept.sealing_secret.to_string()];
    let bytes = [identity.key.as_pkcs8(), founding.authority_key.as_pkcs8(), key.expose()];
    let texts =
        texts.into_iter().chain(bytes.iter().flat_map(|bytes| [hex::encode(bytes), encoded(bytes).to_string()]));
    for text in texts {
        for name in SEALED_NAMES {
            let file = std::fs::read_to_string(home.path().join(name)).unwrap();
            assert!(!file.contains(&text), "{name}");
        }
    }
    // A file that is damaged, or of another folder, counts for nothing and is written again.
    let others: [&[u8]; 3] = [b"format_version = 1\nsealed = \"AQ==\"\n", b"sealed = ", b"\xff"];
    for other in others {
        std::fs::write(home.path().join("operator.toml"), other).unwrap();
        folder.keep_for_operator(kept).unwrap();
        assert!(shown(home.path()) == found, "{other:?}");
    }
    std::fs::copy(home.path().join("founding.toml"), home.path().join("operator.toml")).unwrap();
    assert!(operator_secrets_of(&settings(&[home.path()], None)).is_err(), "it opens under its own name alone");
}

#[test]
fn what_another_key_sealed_is_refused_and_named() {
    let home = tempfile::tempdir().unwrap();
    join(&[home.path()], 1);
    let before = std::fs::read(home.path().join("identity.toml")).unwrap();
    let mut other = settings(&[home.path()], None);
    other.node_key_command = vec!["echo".to_owned(), "08".repeat(32)];
    let refused = DataFolder::open(&other).err().unwrap().to_string();
    assert!(refused.contains("identity.toml") && refused.contains("node_key_command"), "{refused}");
    other.node_key_command.clear();
    other.node_key_file = Some(home.path().with_extension("missing"));
    let refused = DataFolder::open(&other).err().unwrap().to_string();
    assert!(refused.contains(".missing is missing"), "{refused}");
    assert!(!other.node_key_file.unwrap().exists(), "no other key is made in its place");
    assert_eq!(std::fs::read(home.path().join("identity.toml")).unwrap(), before);
}

#[test]
fn a_damaged_copy_is_read_over_and_one_that_says_who_lives_here_is_written_again() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let both = [one.path(), two.path()];
    let sound = |text: &str| text.to_owned().into_bytes();
    let damage = |name: &str, sound: &[u8]| {
        let half = sound.get(..sound.len() / 2).unwrap().to_vec();
        let keyless = String::from_utf8(sound.to_vec()).unwrap().replace("\nkey = \"A", "\nkey = \"W").into_bytes();
        let mut damaged = vec![half, b"\xff\xfe".to_vec(), Vec::new()];
        if name == "identity.toml" {
            damaged.push(keyless);
        }
        damaged
    };
    let folder = open(&both).unwrap();
    let founding = begin_founding(&folder);
    let joining = Joining { role: Role::Gateway, drives: Vec::new() };
    folder.keep_joining(&joining).unwrap();
    drop(folder);
    for place in both {
        for name in ["founding.toml", "joining.toml"] {
            let before = std::fs::read(place.join(name)).unwrap();
            for damaged in damage(name, &before) {
                std::fs::write(place.join(name), &damaged).unwrap();
                let folder = open(&both).unwrap();
                assert_eq!(folder.founding().unwrap().unwrap().cluster, founding.cluster, "{name}");
                assert_eq!(folder.joining().unwrap().as_ref(), Some(&joining), "{name}");
            }
            std::fs::write(place.join(name), &before).unwrap();
        }
    }
    let member = join(&both, 2);
    let before = std::fs::read_to_string(one.path().join("identity.toml")).map(|text| sound(&text)).unwrap();
    for place in both {
        let path = place.join("identity.toml");
        for damaged in damage("identity.toml", &before) {
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(open(&both).unwrap().member(Role::StorageNode).unwrap().node, member.node);
            assert_eq!(std::fs::read(&path).unwrap(), before, "it is written again");
        }
    }
    // Of another version is not damaged: a newer binary wrote it.
    let newer = String::from_utf8(before.clone()).unwrap().replace("format_version = 1", "format_version = 2");
    std::fs::write(two.path().join("identity.toml"), newer).unwrap();
    assert!(matches!(open(&both).err(), Some(DataFolderError::Version { found: 2, .. })));
    for place in both {
        std::fs::write(place.join("identity.toml"), "key").unwrap();
    }
    assert!(matches!(open(&both).err(), Some(DataFolderError::Damaged { .. })), "no copy is sound");
}

#[test]
fn a_folder_in_the_place_of_a_file_is_refused_before_anything_is_begun() {
    for name in NAMES {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(name)).unwrap();
        let refused = open(&[home.path()]).err();
        assert!(matches!(&refused, Some(DataFolderError::Damaged { path, .. }) if path.ends_with(name)), "{refused:?}");
    }
}

#[test]
fn the_number_of_data_folders_is_fixed() {
    let (one, two, three) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    join(&[one.path(), two.path()], 2);
    let names = |folder: &tempfile::TempDir| std::fs::read_dir(folder.path()).unwrap().count();
    for folders in [[one.path()].as_slice(), &[two.path()], &[one.path(), two.path(), three.path()]] {
        let refused = open(folders).err();
        assert!(matches!(refused, Some(DataFolderError::FoldersFixed { fixed: 2, .. })), "{folders:?} {refused:?}");
    }
    assert!(matches!(
        DataFolder::open(&settings(&[one.path()], Some(2))).err(),
        Some(DataFolderError::FoldersFixed { fixed: 2, asked: 1, .. })
    ));
    open(&[one.path(), three.path()]).unwrap();
    assert!(names(&three) > 1, "a lost folder gets its copies back");
    let (alone, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    join(&[alone.path()], 2);
    let refused = open(&[alone.path(), other.path()]).err();
    assert!(matches!(refused, Some(DataFolderError::FoldersFixed { fixed: 1, asked: 2, .. })), "{refused:?}");
    assert!(!other.path().join("identity.toml").exists());
}

#[test]
fn the_number_of_drives_is_fixed() {
    let home = tempfile::tempdir().unwrap();
    join(&[home.path()], 6);
    let asked = |drives| DataFolder::open(&settings(&[home.path()], Some(drives)));
    assert!(matches!(asked(7).err(), Some(DataFolderError::DrivesFixed { fixed: 6, asked: 7, .. })));
    assert!(matches!(asked(0).err(), Some(DataFolderError::Settings(SettingsError::DriveCount(0)))));
    asked(6).unwrap();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let both = DataFolder::open(&settings(&[one.path(), two.path()], Some(2)));
    assert!(matches!(both.err(), Some(DataFolderError::Settings(SettingsError::DrivesBesideFolders))));
}

#[test]
fn a_first_start_that_is_refused_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (above, kept) = (home.path().join("a"), home.path().join("kept"));
    std::fs::create_dir(&kept).unwrap();
    let folders = [above.join("b"), kept.clone()];
    let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    drop(open(&folders).unwrap());
    assert!(!above.exists(), "it was not there before");
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 0, "it was there, and empty");
    // A second process is refused and takes nothing from the first.
    let running = open(&folders).unwrap();
    assert!(open(&folders).is_err());
    assert!(folders.iter().all(|folder| folder.join("lock").exists()));
    running.keep_identity(&running.identity_or_new().unwrap()).unwrap();
    drop(running);
    assert!(folders.iter().all(|folder| folder.join("lock").exists()), "something was begun");
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
    open(&paths).unwrap().renew(b"renewed".to_vec(), b"authority".to_vec()).unwrap();
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
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let folder = open(&[&data]).unwrap();
    begin_founding(&folder);
    folder.keep_identity(&Identity::new().unwrap()).unwrap();
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
        admin_certificate: None,
        pid: 7,
        node_key: None,
    };
    folder.announce(&server).unwrap();
    assert_eq!(running_server(home.path()).unwrap(), server);
    folder.keep_reading_token(&Zeroizing::new("reading".to_owned())).unwrap();
    let kept = shown(home.path());
    assert!(kept.admin_token.is_none() && kept.root.is_none(), "a gateway's folder gives no orders");
    assert_eq!(kept.token().as_str(), "reading");
    folder.withdraw();
    assert!(matches!(running_server(home.path()), Err(DataFolderError::NotRunning(_))));
}

/// Another disk takes the place of one while the process runs: its data folder gets what the others have, and the lock.
#[test]
fn a_data_folder_on_another_disk_gets_what_the_others_have() {
    let home = tempfile::tempdir().unwrap();
    let [first, second] = ["a", "b"].map(|name| home.path().join(name));
    join(&[&first, &second], 2);
    let folder = open(&[&first, &second]).unwrap();
    folder.keep_cluster_keys(&[ClusterKey::new(&env::system())]).unwrap();
    folder.keep_map(&map()).unwrap();
    std::fs::write(first.join(announcement::SERVER), "where it listens").unwrap();
    std::fs::write(second.join(announcement::SERVER), "where it listens").unwrap();
    for lost in [&first, &second] {
        let other = if lost == &first { &second } else { &first };
        std::fs::remove_dir_all(lost).unwrap();
        std::fs::create_dir(lost).unwrap();
        folder.restore().unwrap();
        for name in [identity::IDENTITY, sealed::CLUSTER_KEYS, map::MAP, announcement::SERVER] {
            let [again, kept] = [lost, other].map(|folder| std::fs::read(folder.join(name)).unwrap());
            assert!(again == kept && !kept.is_empty(), "{name}");
        }
        assert!(!lost.join(joining::JOINING).exists(), "what nobody has is not made");
        assert!(files::lock(lost.join("lock")).unwrap().is_none(), "no other process takes the folder");
    }
    std::fs::write(second.join(map::MAP), "of its own").unwrap();
    folder.restore().unwrap();
    assert_eq!(std::fs::read_to_string(second.join(map::MAP)).unwrap(), "of its own", "what is there stays");
}
