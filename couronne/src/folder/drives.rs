//! Which folders the drives of a process are: below its one data folder, or one in each of several.
//!
//! Promises: how many they are is fixed when the process becomes a member; a start that asks for another number is
//! refused before anything is written. Must not know: what is on a drive.

use std::path::{Path, PathBuf};

use couronne_cluster::Role;

use super::{DataFolder, DataFolderError, files};

/// The name of the folder of each drive below the one data folder, before its number.
const NUMBERED: &str = "drive-";

/// The name of the folder of the one drive of a data folder that is one of several.
const ONLY: &str = "drive";

impl DataFolder {
    /// How many drives the process has: those it is a member with, else as many as the settings ask for.
    pub(crate) fn drive_count(&self) -> Result<u16, DataFolderError> {
        let membership = self.identity()?.and_then(|identity| identity.membership);
        Ok(membership.map_or_else(|| self.asked_drives.unwrap_or(1), |membership| membership.drives))
    }

    /// The folder of each drive, in the order of their numbers.
    pub(crate) fn drive_folders(&self) -> Result<Vec<PathBuf>, DataFolderError> {
        Ok(self.drive_folders_of(self.drive_count()?))
    }

    /// The folder of each drive of a process that has so many.
    fn drive_folders_of(&self, count: u16) -> Vec<PathBuf> {
        match self.folders.as_slice() {
            [one] => (1..=count).map(|number| one.join(format!("{NUMBERED}{number:02}"))).collect(),
            several => several.iter().map(|folder| folder.join(ONLY)).collect(),
        }
    }

    /// The folders of drives that are there, whatever the process is made of.
    pub(crate) fn present_drive_folders(&self) -> Result<Vec<PathBuf>, DataFolderError> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_drive = |name: &str| name == ONLY || name.strip_prefix(NUMBERED).is_some_and(is_number);
        let mut present = Vec::new();
        for folder in &self.folders {
            let names = files::folders_in(folder).map_err(DataFolderError::io("reading", folder))?;
            present.extend(names.iter().filter(|name| is_drive(name)).map(|name| folder.join(name)));
        }
        Ok(present)
    }

    /// The folders of the drives of a node whose identity is not here. It has `count` drives, and one of them is in the
    /// folder `known`.
    pub(crate) fn drive_folders_again(&self, count: u16, known: &Path) -> Result<Vec<PathBuf>, DataFolderError> {
        if let Some(asked) = self.asked_drives.filter(|asked| *asked != count && self.folders.len() == 1) {
            return Err(DataFolderError::DrivesFixed { folder: self.name(), fixed: count, asked });
        }
        let folders = self.drive_folders_of(count);
        if folders.len() != usize::from(count) || !folders.iter().any(|folder| folder == known) {
            return Err(DataFolderError::DriveElsewhere { drive: known.to_owned() });
        }
        Ok(folders)
    }

    /// Refuses another number of data folders, or of drives, than the storage node of these folders has.
    pub(super) fn check_drives(&self) -> Result<(), DataFolderError> {
        let membership = self.identity()?.and_then(|identity| identity.membership);
        let Some(membership) = membership.filter(|membership| membership.role == Role::StorageNode) else {
            return Ok(());
        };
        if usize::from(membership.data_folders) != self.folders.len() {
            let (fixed, asked) = (membership.data_folders, self.folders.len());
            return Err(DataFolderError::FoldersFixed { folder: self.name(), fixed, asked });
        }
        match self.asked_drives.filter(|asked| *asked != membership.drives) {
            Some(asked) => Err(DataFolderError::DrivesFixed { folder: self.name(), fixed: membership.drives, asked }),
            None => Ok(()),
        }
    }
}
