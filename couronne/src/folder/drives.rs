//! Which folders the drives of a process are: below its one data folder, or one in each of several.
//!
//! Promises: how many they are is fixed when the process becomes a member; a start that asks for another number is
//! refused before anything is written. Must not know: what is on a drive.

use std::path::{Path, PathBuf};

use couronne_cluster::Role;

use super::{DataFolder, DataFolderError};
impl DataFolder {
    /// How many drives the process has: those it is a member with, else as many as the settings ask for.
    pub(crate) fn drive_count(&self) -> Result<u16, DataFolderError> {
        let membership = self.identity()?.and_then(|identity| identity.membership);
        Ok(membership.map_or_else(|| self.asked_drives.unwrap_or(1), |membership| membership.drives))
    }

    /// The folder of each drive, in the order of their numbers.
    pub(crate) fn drive_folders(&self) -> Result<Vec<PathBuf>, DataFolderError> {
        let below = |folder: &Path, number: u16| folder.join(format!("drive-{number:02}"));
        Ok(match self.folders.as_slice() {
            [one] => (1..=self.drive_count()?).map(|number| below(one, number)).collect(),
            several => several.iter().map(|folder| folder.join("drive")).collect(),
        })
    }

    /// Refuses another number of drives than the storage node of these folders has.
    pub(super) fn check_drives(&self) -> Result<(), DataFolderError> {
        let membership = self.identity()?.and_then(|identity| identity.membership);
        let Some(membership) = membership.filter(|membership| membership.role == Role::StorageNode) else {
            return Ok(());
        };
        match self.asked_drives.filter(|asked| *asked != membership.drives) {
            Some(asked) => Err(DataFolderError::DrivesFixed { folder: self.name(), fixed: membership.drives, asked }),
            None => Ok(()),
        }
    }
}
