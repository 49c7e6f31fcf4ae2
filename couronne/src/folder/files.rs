//! The files of a data folder beside its drives: the one way in which they are created, replaced and removed.
//!
//! Promises: a file is the old one or the new one, never half of either, and mode 0600 from its first byte.
//! Must not know: what is in them.

#![allow(
    clippy::disallowed_methods,
    reason = "the seam of the binary's own control files, used before any drive is open"
)]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Reads a small text file; `None` if it is not there.
pub(crate) fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there is anything of this name.
pub(crate) fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a folder is there.
pub(crate) fn is_folder(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The names of the folders in a folder.
pub(crate) fn folders_in(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // A link may lead to a folder, too.
        if let (true, Ok(name)) = (is_folder(&entry.path())?, entry.file_name().into_string()) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Replaces a file by `text`, durably.
pub(crate) fn replace(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let unfinished = folder.join(format!(".{name}.new"));
    remove(&unfinished)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}

/// Gives a damaged file another name, durably, so that another one can take its place: the name that it has now.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".damaged");
    let aside = path.with_file_name(name);
    fs::rename(path, &aside)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(aside)
}

/// Removes a file; fine if it is not there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes a folder of mode 0700 and those above it, each name durable. One that is there stays as it is.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let make = || DirBuilder::new().mode(0o700).create(path);
    let made = match make() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_folder(parent).and_then(|()| make()),
        made => made,
    };
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.and_then(|()| File::open(parent)?.sync_all()),
    }
}

/// Whether a folder holds this file and nothing else.
pub(crate) fn is_alone(folder: &Path, file: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.map(|entry| entry.is_ok_and(|entry| entry.path() == file)).eq([true])
}

/// Removes a folder, unless it holds anything.
pub(crate) fn remove_empty_folder(path: &Path) {
    // A folder that is not empty is refused, which is what is wanted.
    let _ = fs::remove_dir(path);
}

/// Takes the lock of a folder for the life of the process; `None` if another process has it.
pub(crate) fn lock(path: PathBuf) -> io::Result<Option<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
    match file.try_lock() {
        // A process whose first start was refused may have removed the file before it let go of the lock.
        Ok(()) => match fs::metadata(&path) {
            Ok(found) if found.ino() == file.metadata()?.ino() => Ok(Some(file)),
            _ => Ok(None),
        },
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_replaced_file_is_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("a")).unwrap(), None);
        for text in ["first", "second, longer", ""] {
            replace(folder.path(), "a", text).unwrap();
            assert_eq!(read(&folder.path().join("a")).unwrap().as_deref(), Some(text));
        }
        let mode = fs::metadata(folder.path().join("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished is left");
    }

    #[test]
    fn a_folder_is_made_with_those_above_it_for_its_owner_only() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        create_folder(&folder).unwrap();
        create_folder(&folder).unwrap();
        for made in [&folder, &home.path().join("a")] {
            assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700);
        }
        fs::write(home.path().join("file"), "").unwrap();
        assert!(create_folder(&home.path().join("file")).is_err());
        assert!(create_folder(&home.path().join("file/below")).is_err());
    }

    #[test]
    fn a_lock_is_held_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path().join("lock")).unwrap();
        assert!(held.is_some());
        assert!(lock(folder.path().join("lock")).unwrap().is_none());
        drop(held);
        assert!(lock(folder.path().join("lock")).unwrap().is_some());
    }
}
