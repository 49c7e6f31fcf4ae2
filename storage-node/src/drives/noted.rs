//! Which drive each folder of the node held when it was last used, and on which file system the folder was.
//!
//! An empty folder says nothing of itself: it may be that of a drive whose disk was replaced, that of a new one, or a
//! mount point whose disk is not mounted. By these notes the three are told apart. A folder that is not there says no more.
//! Promises: a folder keeps the identity that it was given; an empty folder on another file system than noted is taken
//! for a missing mount, never for a drive; so is every empty one while the notes are lost.
//! Must not know: where the notes are kept.

use std::collections::{BTreeMap, BTreeSet};

use couronne_base::mutant;
use couronne_ring::DriveId;
use thiserror::Error;

/// What is noted of one folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedDrive {
    /// The drive that it held.
    pub drive: DriveId,
    /// The number of the file system that it was on.
    pub file_system: u64,
}

/// What is noted of the folders that the node is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriveNotes {
    /// The notes, by the names of the folders' drives.
    pub by_name: BTreeMap<String, NotedDrive>,
    /// Whether there were notes that cannot be read.
    pub are_lost: bool,
}

/// Why an empty folder is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum LeftOut {
    /// It is on another file system.
    #[error(
        "the folder is empty and is not on the file system that drive {0} was on: its disk is probably not mounted. \
         Mount it and restart the node. If another disk is to take its place, mount that and run `couronne drive \
         replace {0}`; where no other drive of the node is left to run it, remove the folder's entry from drives.toml \
         beside the drives and restart the node"
    )]
    NotMounted(DriveId),
    /// It is not there, and where it was is not the file system that was noted.
    #[error(
        "the folder is not there, and what is there of its path is not on the file system that its drive was on: its disk is \
         probably not mounted. Mount it. If another disk is to take its place, mount that, make the folder on it, and give \
         the order again"
    )]
    NotThere,
    /// What was noted of it is lost.
    #[error(
        "the folder is empty, and drives.toml beside the drives, which noted what drive it held, is damaged: its disk is \
         probably not mounted. Mount it and restart the node, and drives.toml is made again. Only if the folder is to \
         take the place of a drive that is gone, remove drives.toml and restart the node"
    )]
    NotesLost,
    /// It is not empty.
    #[error(
        "the folder has no identity (the files `drive` and `drive.copy`) and holds `{0}` of a drive: nothing is written \
         over it. Put either file back from a copy of the folder and restart the node; only if the folder is to begin \
         anew, empty it, once `couronne status` says that what it held can be done without"
    )]
    NotEmpty(&'static str),
    /// The drive that it held is in another folder.
    #[error("the folder is empty, and the drive that it held, {0}, is in another folder now")]
    Elsewhere(DriveId),
    /// Each drive of the node is here or has a folder of its own.
    #[error("no drive of this node is missing whose place it could take")]
    NoneMissing,
}

impl DriveNotes {
    /// Refuses an empty folder that is on another file system than was noted.
    pub(crate) fn check_mounted(&self, name: &str, file_system: u64) -> Result<(), LeftOut> {
        match self.by_name.get(name) {
            _ if self.are_lost => Err(LeftOut::NotesLost),
            Some(noted) if noted.file_system != file_system && !mutant!(FormatMissingMount) => {
                Err(LeftOut::NotMounted(noted.drive))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to make a folder that is not there, unless on the file system that was noted of it: there it was removed from
    /// a disk that is mounted.
    pub(crate) fn check_removed(&self, name: &str, file_system: u64) -> Result<(), LeftOut> {
        let is_removed = self.by_name.get(name).is_some_and(|noted| noted.file_system == file_system);
        if is_removed { Ok(()) } else { Err(LeftOut::NotThere) }
    }

    /// The drive whose place an empty folder takes: the one that is noted for it; if none is, the first of those that
    /// are missing and that are noted for no folder. `own` are the drives of the node, `taken` those that have a folder.
    pub(crate) fn place_of(
        &self,
        name: &str,
        own: &BTreeSet<DriveId>,
        taken: &BTreeSet<DriveId>,
    ) -> Result<DriveId, LeftOut> {
        if self.are_lost {
            return Err(LeftOut::NotesLost);
        }
        match self.by_name.get(name).filter(|noted| own.contains(&noted.drive)) {
            Some(noted) if taken.contains(&noted.drive) => Err(LeftOut::Elsewhere(noted.drive)),
            Some(noted) => Ok(noted.drive),
            None => {
                let is_noted = |id: &DriveId| self.by_name.values().any(|noted| noted.drive == *id);
                own.difference(taken).copied().find(|id| !is_noted(id)).ok_or(LeftOut::NoneMissing)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_was_removed_only_if_its_file_system_is_there() {
        let noted = NotedDrive { drive: DriveId(7), file_system: 5 };
        let notes = DriveNotes { by_name: [("a".to_owned(), noted)].into(), are_lost: false };
        for (notes, name, file_system, expected) in [
            (&notes, "a", 5, Ok(())),
            (&notes, "a", 6, Err(LeftOut::NotThere)),
            (&notes, "b", 5, Err(LeftOut::NotThere)),
            (&DriveNotes::default(), "a", 5, Err(LeftOut::NotThere)),
        ] {
            assert_eq!(notes.check_removed(name, file_system), expected, "{name} on {file_system}");
        }
    }
}
