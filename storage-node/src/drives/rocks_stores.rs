//! The stores of a drive in RocksDB, which may rot: then they are set aside, and the drive begins with none.
//!
//! ```text
//! stores/     the first RocksDB of the drive
//! stores-1/   the one that came in its place; the highest number counts
//! stores-1/ROTTEN   says what was found rotten in it
//! ```
//! A RocksDB that meets rot while it rewrites its rows takes no writes any more, for as long as it is open. Opened
//! again it would meet it again; one that is known to be rotten is opened so that it rewrites nothing.
//! Promises: nothing is removed before it is said that nobody needs it; a crash between two steps leaves the one
//! database or the other.
//! Must not know: who else has the rows.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use couronne_metadata::rocks::{RocksDrive, RocksSettings};
use couronne_metadata::store::{Store, StoreError};
use parking_lot::RwLock;

use super::Stores;

/// The folder of a drive's first RocksDB within the drive's own.
pub(super) const FOLDER: &str = "stores";

/// What others than its owner may do with a database's folder: nothing.
const FOLDER_MODE: u32 = 0o700;

/// A file in a RocksDB's folder that says what was found rotten.
const NOTE: &str = "ROTTEN";

/// The stores of a drive's RocksDB.
pub struct RocksStores {
    /// The drive's folder.
    folder: PathBuf,
    settings: RocksSettings,
    opened: RwLock<OpenedDatabase>,
}

/// The database that counts.
struct OpenedDatabase {
    number: u64,
    /// Unset: it cannot be opened.
    database: Option<RocksDrive>,
    /// What was found rotten in it.
    rot: Option<String>,
}

impl RocksStores {
    /// Opens the stores in a drive's folder, or makes them. Rot is no error here: [`Stores::rot`] tells it.
    pub fn open(folder: &Path, settings: &RocksSettings) -> Result<Self, StoreError> {
        let number = numbers(folder).map_err(failed)?.into_iter().max().unwrap_or(0);
        let opened = RwLock::new(OpenedDatabase::open(folder, number, settings)?);
        Ok(Self { folder: folder.to_owned(), settings: settings.clone(), opened })
    }
}

impl OpenedDatabase {
    fn open(folder: &Path, number: u64, settings: &RocksSettings) -> Result<Self, StoreError> {
        let path = path(folder, number);
        make_durable(&path).map_err(failed)?;
        let noted = read_note(&path.join(NOTE)).map_err(failed)?;
        let database = match noted {
            None => RocksDrive::open(&path, settings),
            Some(_) => RocksDrive::open_without_rewriting(&path, settings),
        };
        match database {
            Ok(database) => Ok(Self { number, database: Some(database), rot: noted }),
            Err(StoreError::Rotten(what)) => Ok(Self { number, database: None, rot: Some(what) }),
            Err(error) => Err(error),
        }
    }

    fn database(&self) -> Result<&RocksDrive, StoreError> {
        self.database.as_ref().ok_or_else(|| StoreError::Rotten(self.rot.clone().unwrap_or_default()))
    }
}

impl Stores for RocksStores {
    fn open(&self, name: &str) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(self.opened.read().database()?.store(name)?))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.opened.read().database()?.drop_store(name)
    }

    fn in_use(&self) -> Weak<()> {
        self.opened.read().database.as_ref().map_or_else(Weak::new, RocksDrive::in_use)
    }

    fn holds_any(&self) -> bool {
        let opened = self.opened.read();
        let is_empty = opened.database.as_ref().is_some_and(|database| database.stores().is_empty());
        opened.number > 0 || opened.rot.is_some() || !is_empty
    }

    fn rot(&self) -> Option<String> {
        self.opened.read().rot.clone()
    }

    fn is_open(&self) -> bool {
        self.opened.read().database.is_some()
    }

    fn note_sealed(&self) -> Result<bool, StoreError> {
        let mut opened = self.opened.write();
        let Some(what) = opened.database.as_ref().and_then(RocksDrive::sealed) else { return Ok(false) };
        if opened.rot.is_none() {
            write_note(&path(&self.folder, opened.number), &what).map_err(failed)?;
            opened.rot = Some(what);
        }
        Ok(true)
    }

    fn open_again(&self) -> Result<(), StoreError> {
        let mut opened = self.opened.write();
        if let Some(database) = opened.database.take() {
            let in_use = database.in_use();
            drop(database);
            if in_use.strong_count() > 0 {
                return Err(StoreError::Failed("stores that are in use are not opened again".to_owned()));
            }
        }
        *opened = OpenedDatabase::open(&self.folder, opened.number, &self.settings)?;
        Ok(())
    }

    fn begin_anew(&self) -> Result<(), StoreError> {
        let mut opened = self.opened.write();
        *opened = OpenedDatabase::open(&self.folder, opened.number.saturating_add(1), &self.settings)?;
        Ok(())
    }

    fn has_set_aside(&self) -> bool {
        let number = self.opened.read().number;
        numbers(&self.folder).is_ok_and(|numbers| numbers.into_iter().any(|other| other < number))
    }

    fn drop_set_aside(&self) -> Result<(), StoreError> {
        let number = self.opened.read().number;
        let older = numbers(&self.folder).map_err(failed)?.into_iter().filter(|other| *other < number);
        for other in older {
            remove(&path(&self.folder, other)).map_err(failed)?;
        }
        Ok(())
    }
}

fn failed(error: std::io::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(if number == 0 { FOLDER.to_owned() } else { format!("{FOLDER}-{number}") })
}

/// The numbers of the databases in a drive's folder.
#[allow(clippy::disallowed_methods, reason = "RocksDB's files are not the drive's")]
fn numbers(folder: &Path) -> std::io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(FOLDER)) else { continue };
        let number = if rest.is_empty() { Some(0) } else { rest.strip_prefix('-').and_then(|rest| rest.parse().ok()) };
        numbers.extend(number);
    }
    Ok(numbers)
}

/// Makes a folder, durably; fine if it exists. RocksDB makes its files readable to all: the folder is its owner's alone.
#[allow(clippy::disallowed_methods, reason = "RocksDB's files are not the drive's")]
fn make_durable(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
    path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

#[allow(clippy::disallowed_methods, reason = "RocksDB's files are not the drive's")]
fn read_note(path: &Path) -> std::io::Result<Option<String>> {
    match std::fs::read(path) {
        Ok(note) => Ok(Some(String::from_utf8_lossy(&note).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[allow(clippy::disallowed_methods, reason = "RocksDB's files are not the drive's")]
fn write_note(folder: &Path, what: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut note = std::fs::File::create(folder.join(NOTE))?;
    note.write_all(what.as_bytes())?;
    note.sync_all()?;
    std::fs::File::open(folder)?.sync_all()
}

#[allow(clippy::disallowed_methods, reason = "RocksDB's files are not the drive's")]
fn remove(path: &Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests fail by panicking")]

    use couronne_metadata::store::Batch;

    use super::*;

    fn open(folder: &Path) -> RocksStores {
        RocksStores::open(folder, &RocksSettings::default()).unwrap()
    }

    #[test]
    fn the_folders_of_rows_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fill(&open(folder.path()));
        let mode = std::fs::metadata(folder.path().join(FOLDER)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    fn fill(stores: &RocksStores) {
        let store = Stores::open(stores, "some").unwrap();
        let mut batch = Batch::default();
        (0..200).for_each(|number| batch.put(format!("row {number}"), vec![b'x'; 300]));
        store.apply(&batch).unwrap();
        store.flush().unwrap();
    }

    fn is_empty(stores: &RocksStores) -> bool {
        let store = Stores::open(stores, "some").unwrap();
        let row = store.view().get(b"row 7").unwrap();
        row.is_none()
    }

    /// Does something to each file of the first database whose name begins or ends so.
    fn harm(folder: &Path, name: &str, harm: impl Fn(&Path)) {
        let files = std::fs::read_dir(folder.join(FOLDER)).unwrap().map(|entry| entry.unwrap().path());
        let is_meant = |path: &&PathBuf| {
            let file = path.file_name().unwrap().to_str().unwrap();
            file.starts_with(name) || file.ends_with(name)
        };
        let files: Vec<PathBuf> = files.collect();
        let meant: Vec<&PathBuf> = files.iter().filter(is_meant).collect();
        assert!(!meant.is_empty(), "{name} is there");
        meant.into_iter().for_each(|path| harm(path));
    }

    fn flip(path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.iter_mut().skip(12).step_by(7).for_each(|byte| *byte ^= 0x55);
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn stores_that_cannot_be_opened_are_known_and_set_aside_and_kept_until_it_is_said_otherwise() {
        type Harm = fn(&Path);
        let harms: [(&str, Harm); 4] = [
            ("MANIFEST-", flip),
            ("CURRENT", |path| std::fs::write(path, "MANIFEST-9").unwrap()),
            ("CURRENT", |path| std::fs::remove_file(path).unwrap()),
            (".sst", |path| std::fs::remove_file(path).unwrap()),
        ];
        for (name, how) in harms {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            fill(&open(path));
            let stores = open(path);
            assert!(stores.rot().is_none() && !is_empty(&stores));
            drop(stores);
            harm(path, name, how);
            let stores = open(path);
            assert!(stores.rot().is_some() && !stores.is_open(), "{name}");
            assert!(matches!(Stores::open(&stores, "some"), Err(StoreError::Rotten(_))), "{name}");
            drop(stores);
            let stores = open(path);
            assert!(stores.rot().is_some() && !stores.has_set_aside(), "{name}: nothing was made in its place");
            stores.begin_anew().unwrap();
            assert!(stores.rot().is_none() && stores.is_open() && is_empty(&stores));
            fill(&stores);
            drop(stores);
            let stores = open(path);
            assert!(!is_empty(&stores) && stores.has_set_aside() && path.join(FOLDER).exists());
            stores.drop_set_aside().unwrap();
            assert!(!stores.has_set_aside() && !path.join(FOLDER).exists() && !is_empty(&stores));
        }
    }

    #[test]
    fn options_that_rotted_harm_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fill(&open(folder.path()));
        harm(folder.path(), "OPTIONS-", flip);
        let stores = open(folder.path());
        assert!(stores.rot().is_none() && !is_empty(&stores));
    }

    /// Files enough for a compaction, of which the first is rotten: until that runs all is well.
    #[test]
    fn a_compaction_that_meets_rot_is_known_and_the_stores_opened_again_take_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fill(&open(path));
        let rot = |path: &Path| {
            let mut bytes = std::fs::read(path).unwrap();
            let half = bytes.len() / 2;
            bytes.iter_mut().take(half).step_by(50).for_each(|byte| *byte ^= 0x55);
            std::fs::write(path, bytes).unwrap();
        };
        harm(path, ".sst", rot);
        let stores = open(path);
        assert!(stores.rot().is_none(), "nobody has read it");
        let store = Stores::open(&stores, "some").unwrap();
        let mut sealed = None;
        for number in 0..2000u32 {
            let mut batch = Batch::default();
            batch.put(format!("row {}", number % 200), vec![b'y'; 300]);
            sealed = store.apply(&batch).and_then(|()| store.flush()).err();
            if sealed.is_some() {
                break;
            }
        }
        assert!(matches!(sealed, Some(StoreError::Sealed(_))), "{sealed:?}");
        assert!(stores.note_sealed().unwrap() && stores.rot().is_some());
        drop((store, stores));
        let stores = open(path);
        assert!(stores.rot().is_some() && stores.is_open() && !stores.note_sealed().unwrap());
        for _ in 0..20 {
            fill(&stores);
        }
        assert!(!is_empty(&stores) && !stores.note_sealed().unwrap(), "it rewrites nothing");
        stores.begin_anew().unwrap();
        assert!(stores.rot().is_none() && is_empty(&stores));
    }
}
