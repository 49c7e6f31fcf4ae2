//! What opening data folders makes before it is known whether the start is refused: folders and their lock files.
//!
//! Promises: folders and locks that are new and still hold nothing else go when the process lets go of them; whatever
//! was there before stays. Must not know: why a start is refused.

use std::path::{Path, PathBuf};

use super::files;

/// The folders and lock files that this process made.
#[derive(Default)]
pub(super) struct NewFiles {
    locks: Vec<PathBuf>,
    /// The outer ones first.
    folders: Vec<PathBuf>,
}

impl NewFiles {
    /// Notes a lock file that was not there before this process took it.
    pub(super) fn note_lock(&mut self, lock: PathBuf) {
        self.locks.push(lock);
    }

    /// Notes a folder that is not there yet, and those above it.
    pub(super) fn note_folder(&mut self, folder: &Path) {
        let missing: Vec<&Path> =
            folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
        self.folders.extend(missing.into_iter().rev().map(Path::to_owned));
    }
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        for lock in &self.locks {
            if lock.parent().is_some_and(|folder| files::is_alone(folder, lock)) {
                // What cannot be removed is no more than an empty file.
                let _ = files::remove(lock);
            }
        }
        self.folders.iter().rev().for_each(|folder| files::remove_empty_folder(folder));
    }
}
