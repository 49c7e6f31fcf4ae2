//! Every file that a start reads, damaged in every way: with which the server starts all the same, and what it says where it
//! does not.

use std::os::unix::fs::symlink;

use super::*;

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Empty,
    CutShort,
    FlippedBit,
    Garbage,
    /// Reading it is an error.
    Unreadable,
}

impl Damage {
    const ALL: [Self; 5] = [Self::Empty, Self::CutShort, Self::FlippedBit, Self::Garbage, Self::Unreadable];

    /// Damages a file.
    fn strike(self, path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        let half = bytes.len() / 2;
        match self {
            Self::Empty => bytes.clear(),
            Self::CutShort => bytes.truncate(half),
            Self::FlippedBit => bytes.iter_mut().skip(half).take(1).for_each(|byte| *byte ^= 1),
            Self::Garbage => bytes.fill(0xa5),
            Self::Unreadable => {
                std::fs::remove_file(path).unwrap();
                return symlink(path, path).unwrap();
            }
        }
        std::fs::write(path, bytes).unwrap();
    }
}

/// A server whose start is refused says all of these words; with none it starts. One flipped bit may be of no harm.
/// What cannot be read is named with what went wrong.
struct Case {
    /// The files that are damaged at once, below the home of the data folder.
    files: &'static [&'static str],
    /// The words of the refusal.
    says: &'static [&'static str],
}

const fn serves(files: &'static [&'static str]) -> Case {
    Case { files, says: &[] }
}

const fn refuses(files: &'static [&'static str], says: &'static [&'static str]) -> Case {
    Case { files, says }
}

const NO_IDENTITY: &[&str] =
    &["data/drive-01", "(the files `drive` and `drive.copy`)", "put either file back from a copy", "empty its folder"];

/// Of a server that runs alone on one drive, and has every file once or as its drive has it.
const OF_A_LONE_SERVER: &[Case] = &[
    serves(&["data/lock"]),
    serves(&["data/drives.toml"]),
    serves(&["data/operator.toml"]),
    serves(&["data/map"]),
    serves(&["data/drive-01/drive"]),
    serves(&["data/drive-01/drive.copy"]),
    serves(&["data/drive-01/map"]),
    serves(&["data/drive-01/map.copy"]),
    serves(&["data/drive-01/map", "data/drive-01/map.copy"]),
    serves(&["data/drive-01/log-newest"]),
    refuses(&["data.key"], &["data.key", "objects are not", "`couronne secrets reset`"]),
    refuses(&["data/identity.toml"], &["data/identity.toml", "put a sound copy in its place", "makes it again"]),
    refuses(&["data/cluster-keys.toml"], &["data/cluster-keys.toml", "objects are not", "`couronne secrets reset`"]),
    refuses(&["data/drive-01/drive", "data/drive-01/drive.copy"], NO_IDENTITY),
    refuses(
        &["data/drive-01/map", "data/drive-01/map.copy", "data/map"],
        &[
            "data/drive-01",
            "the files `map` and `map.copy`",
            "put either file back",
            "the file `map` beside the drives",
        ],
    ),
    refuses(&["data/drive-01/stores/CURRENT"], &["data/drive-01", "its stores cannot be read", "Nothing was changed"]),
];

/// The settings of a server with one data folder in this home, and its key beside that.
fn settings_in(home: &Path, drives: u16) -> Settings {
    let mut settings = Settings::default();
    (settings.data.folders, settings.data.drives) = (vec![home.join("data")], Some(drives));
    settings
}

/// Starts, waits until the map is kept beside the drives, and stops; why not, if the start is refused.
fn try_once(settings: &Settings, env: &Env) -> Option<String> {
    in_a_process(async {
        let lone = match start(settings, env).await {
            Ok(lone) => lone,
            Err(error) => return Some(error.to_string()),
        };
        let version = lone.node.map().version;
        while lone.folder.map().ok().flatten().is_none_or(|kept| kept.version < version) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lone.node.shutdown().await;
        None
    })
}

/// After each refusal the sound file is put back, and nothing was lost by it.
#[test]
fn a_lone_server_with_a_damaged_file_starts_or_says_what_helps() {
    let (home, env) = (tempfile::tempdir().unwrap(), env::system());
    let settings = settings_in(home.path(), 1);
    assert_eq!(try_once(&settings, &env), None);
    for Case { files, says } in OF_A_LONE_SERVER {
        for damage in Damage::ALL {
            let paths: Vec<PathBuf> = files.iter().map(|file| home.path().join(file)).collect();
            let sound: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
            paths.iter().for_each(|path| damage.strike(path));
            let said = try_once(&settings, &env);
            let is_why_told = |said: &str| damage == Damage::Unreadable && said.contains("symbolic links");
            let words: &[&str] = if said.as_deref().is_some_and(is_why_told) { &["data"] } else { says };
            match &said {
                None => assert!(says.is_empty() || damage == Damage::FlippedBit, "{files:?} {damage:?}: it started"),
                Some(said) => {
                    assert!(!says.is_empty() || damage == Damage::Unreadable, "{files:?} {damage:?}: {said}");
                    let missing: Vec<_> = words.iter().filter(|word| !said.contains(**word)).collect();
                    assert!(missing.is_empty(), "{files:?} {damage:?}: {missing:?} in: {said}");
                }
            }
            if said.is_some() {
                for (path, sound) in paths.iter().zip(sound) {
                    std::fs::remove_file(path).unwrap();
                    std::fs::write(path, sound).unwrap();
                }
                assert_eq!(try_once(&settings, &env), None, "{files:?} {damage:?}: the sound file is back");
            }
        }
    }
}

/// The secret of a lone server is then reset without force, and all else is there.
#[test]
fn a_lone_server_whose_keys_are_damaged_is_reset() {
    for file in ["data/cluster-keys.toml", "data.key"] {
        let (home, env) = (tempfile::tempdir().unwrap(), env::system());
        let settings = settings_in(home.path(), 1);
        assert_eq!(try_once(&settings, &env), None);
        let data = home.path().join("data").display().to_string();
        let line = ["couronne", "secrets", "reset", "--data", &data];
        let reset = || crate::run(<crate::cli::CommandLine as clap::Parser>::parse_from(line).command);
        let refused = reset().err().unwrap().to_string();
        assert!(refused.contains("nothing is lost"), "{refused}");
        Damage::CutShort.strike(&home.path().join(file));
        assert!(try_once(&settings, &env).unwrap().contains("secrets reset"));
        reset().unwrap();
        assert_eq!(try_once(&settings, &env), None, "{file}");
    }
}

/// An earlier state of the drive is noticed although the map that says so is not its own.
#[test]
fn a_drive_without_a_sound_map_that_was_put_back_is_noticed() {
    let (home, env) = (tempfile::tempdir().unwrap(), env::system());
    let settings = settings_in(home.path(), 1);
    assert_eq!(try_once(&settings, &env), None);
    let drive = home.path().join("data/drive-01");
    let old = ["drive", "drive.copy"].map(|name| (drive.join(name), std::fs::read(drive.join(name)).unwrap()));
    assert_eq!(try_once(&settings, &env), None);
    for name in ["map", "map.copy"] {
        Damage::FlippedBit.strike(&drive.join(name));
    }
    old.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    let said = try_once(&settings, &env).unwrap();
    for word in ["too few drives", "range 0", "drive-01", "put back to an earlier state: it was started 1 times", "2"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// Drives of a server with three.
#[test]
fn drives_that_are_too_few_are_named_each_with_why() {
    let (home, env) = (tempfile::tempdir().unwrap(), env::system());
    let settings = settings_in(home.path(), 3);
    assert_eq!(try_once(&settings, &env), None);
    let drive = |number: u8| home.path().join(format!("data/drive-0{number}"));
    let log = drive(2).join("log/00000001");
    let sound = std::fs::read(&log).unwrap();
    Damage::Empty.strike(&log);
    std::fs::rename(drive(1), home.path().join("aside")).unwrap();
    std::fs::create_dir(drive(1)).unwrap();
    let said = try_once(&settings, &env).unwrap();
    for word in
        ["too few drives", "drive-01 (its folder is empty)", "drive-02 (its log lost durable entries", "put back"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    std::fs::write(&log, sound).unwrap();
    std::fs::remove_dir_all(drive(1)).unwrap();
    std::fs::rename(home.path().join("aside"), drive(1)).unwrap();
    for number in [1, 3] {
        ["drive", "drive.copy"].iter().for_each(|name| Damage::CutShort.strike(&drive(number).join(name)));
    }
    let said = try_once(&settings, &env).unwrap();
    for word in ["too few drives", "drive-01: its identity is damaged", "drive-03: its identity is damaged"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// While nothing says what folder held what, an empty one is left out.
#[test]
fn with_damaged_notes_an_empty_folder_is_taken_for_a_missing_mount() {
    let (home, env) = (tempfile::tempdir().unwrap(), env::system());
    let settings = settings_in(home.path(), 3);
    assert_eq!(try_once(&settings, &env), None);
    let (drive, aside, notes) =
        (home.path().join("data/drive-02"), home.path().join("aside"), home.path().join("data/drives.toml"));
    let noted = std::fs::read(&notes).unwrap();
    Damage::CutShort.strike(&notes);
    std::fs::rename(&drive, &aside).unwrap();
    std::fs::create_dir(&drive).unwrap();
    for _ in 0..2 {
        assert_eq!(try_once(&settings, &env), None);
        assert_eq!(std::fs::read_dir(&drive).unwrap().count(), 0, "nothing is made in it");
    }
    std::fs::remove_dir(&drive).unwrap();
    std::fs::rename(&aside, &drive).unwrap();
    assert_eq!(try_once(&settings, &env), None);
    assert_eq!(std::fs::read(&notes).unwrap(), noted, "it is made again once all drives are there");
}

#[tokio::test]
async fn a_gateway_without_a_sound_map_is_told_where_there_is_one() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings_of(&[home.path()], None);
    let folder = DataFolder::open(&settings.data).unwrap();
    let (certificate, authority) = (b"certificate".to_vec(), b"authority".to_vec());
    let (cluster, role, drives, data_folders, is_reset) = (9, Role::Gateway, 0, 1, false);
    let membership = MemberFile { cluster, role, drives, data_folders, certificate, authority, is_reset };
    folder.become_member(folder.identity_or_new().unwrap(), membership).unwrap();
    drop(folder);
    for map in [None, Some("garbage")] {
        if let Some(map) = map {
            std::fs::write(home.path().join("map"), map).unwrap();
        }
        let said = gateway::serve(settings.clone()).await.err().unwrap().to_string();
        for word in [&home.path().join("map").display().to_string(), "any other member", "couronne cluster join"] {
            assert!(said.contains(word), "{said}");
        }
    }
}

#[test]
fn a_certificate_for_clients_that_is_damaged_is_named_with_its_key() {
    let home = tempfile::tempdir().unwrap();
    let (chain, key) = (home.path().join("chain.pem"), home.path().join("key.pem"));
    let mut settings = Settings::default();
    (settings.s3.tls_cert_path, settings.s3.tls_key_path) = (Some(chain.clone()), Some(key.clone()));
    let said = || parts::tls(&settings.s3).err().unwrap().to_string();
    assert!(said().contains(&chain.display().to_string()), "{}", said());
    for text in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n", "garbage"] {
        [&chain, &key].iter().for_each(|path| std::fs::write(path, text).unwrap());
        assert!([&chain, &key].iter().all(|path| said().contains(&path.display().to_string())), "{}", said());
    }
}
