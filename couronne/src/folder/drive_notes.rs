//! Which drive the folder of each drive holds, and on which file system the folder is, as it was when the node last ran.
//!
//! ```text
//! format_version = 1
//!
//! [[drives]]
//! folder = "drive-01"              below the one data folder; of several data folders the absolute path
//! drive = "<32 hexadecimal digits>"
//! file_system = "<16 hexadecimal digits>"
//! ```
//! Promises: a folder that was left out keeps its note, unless its drive was found in another one. A damaged copy counts
//! for nothing while another is sound; where none is, the file stays until every drive was found, and is made again then. An
//! entry that is taken away says that the folder may take any disk.
//! Must not know: what follows from the notes.

use std::path::Path;

use couronne_ring::DriveId;
use couronne_storage_node::node::{DriveNotes, NotedDrive};
use serde::{Deserialize, Serialize};

use super::{DataFolder, DataFolderError, FORMAT_VERSION, check_version, damaged, first_sound};

pub(super) const NOTES: &str = "drives.toml";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotesFile {
    format_version: u32,
    #[serde(default)]
    drives: Vec<NoteEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoteEntry {
    folder: String,
    drive: String,
    file_system: String,
}

impl DataFolder {
    /// What is noted of the folders that the settings name, by the names that their drives have. Notes that are damaged are
    /// lost: they keep nobody from starting.
    pub(crate) fn drive_notes(&self) -> Result<DriveNotes, DataFolderError> {
        let file = match first_sound(&self.folders, NOTES, parse) {
            Err(damage @ DataFolderError::Damaged { .. }) => {
                tracing::error!(%damage, "empty folders are taken for missing mounts until every drive was found");
                return Ok(DriveNotes { are_lost: true, ..DriveNotes::default() });
            }
            file => file?.unwrap_or_default(),
        };
        let mut notes = DriveNotes::default();
        for folder in self.drive_folders()? {
            let key = self.key_of(&folder);
            if let Some((_, noted)) = file.iter().find(|(folder, _)| *folder == key) {
                notes.by_name.insert(folder.display().to_string(), *noted);
            }
        }
        Ok(notes)
    }

    /// Notes the drives that were found. Where the notes are lost, only once that is all of them.
    pub(crate) fn keep_drive_notes(&self, found: &DriveNotes) -> Result<(), DataFolderError> {
        let (mut notes, folders) = (self.drive_notes()?, self.drive_folders()?);
        if notes.are_lost && found.by_name.len() < folders.len() {
            return Ok(());
        }
        notes.by_name.retain(|_, old| found.by_name.values().all(|new| new.drive != old.drive));
        notes.by_name.extend(found.by_name.clone());
        let mut drives = Vec::new();
        for folder in folders {
            let noted = notes.by_name.get(&folder.display().to_string());
            let Some(NotedDrive { drive, file_system }) = noted else { continue };
            let (folder, drive, file_system) = (self.key_of(&folder), drive.to_string(), format!("{file_system:016x}"));
            drives.push(NoteEntry { folder, drive, file_system });
        }
        self.write(NOTES, &NotesFile { format_version: FORMAT_VERSION, drives })
    }

    /// What a drive's folder is called in the file: one data folder may be moved as a whole.
    fn key_of(&self, folder: &Path) -> String {
        let key = match self.folders.as_slice() {
            [one] => folder.strip_prefix(one).map(Path::to_owned).ok(),
            _ => std::path::absolute(folder).ok(),
        };
        key.unwrap_or_else(|| folder.to_owned()).display().to_string()
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<(String, NotedDrive)>, DataFolderError> {
    let file: NotesFile = toml::from_str(text).map_err(|error| damaged(path, &error))?;
    check_version(path, file.format_version)?;
    let noted = |NoteEntry { folder, drive, file_system }| {
        let noted =
            NotedDrive { drive: DriveId::parse(&drive)?, file_system: u64::from_str_radix(&file_system, 16).ok()? };
        Some((folder, noted))
    };
    let notes: Option<Vec<_>> = file.drives.into_iter().map(noted).collect();
    notes.ok_or_else(|| DataFolderError::Damaged { path: path.to_owned(), reason: "it names no drive".to_owned() })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests look at the files and damage them")]
mod tests {
    use super::*;
    use crate::settings::DataSettings;

    fn open(folders: &[&Path], drives: Option<u16>) -> DataFolder {
        let folders = folders.iter().map(|folder| (*folder).to_owned()).collect();
        DataFolder::open(&DataSettings { folders, drives, ..DataSettings::default() }.with_test_key()).unwrap()
    }

    fn noted(drive: u128, file_system: u64) -> NotedDrive {
        NotedDrive { drive: DriveId(drive), file_system }
    }

    fn notes_of<const COUNT: usize>(noted: [(String, NotedDrive); COUNT]) -> DriveNotes {
        DriveNotes { by_name: noted.into(), are_lost: false }
    }

    fn names(folder: &DataFolder) -> Vec<String> {
        folder.drive_folders().unwrap().iter().map(|folder| folder.display().to_string()).collect()
    }

    #[test]
    fn is_written_as_its_format_says_and_outlives_a_move_of_the_data_folder() {
        let home = tempfile::tempdir().unwrap();
        let (first, second) = (home.path().join("a"), home.path().join("b"));
        let folder = open(&[&first], Some(2));
        assert_eq!(folder.drive_notes().unwrap(), DriveNotes::default());
        let [one, two] = names(&folder).try_into().unwrap();
        folder.keep_drive_notes(&notes_of([(one, noted(9, 0x1f)), (two, noted(10, 7))])).unwrap();
        let golden = "format_version = 1\n\n[[drives]]\nfolder = \"drive-01\"\n\
                      drive = \"00000000000000000000000000000009\"\nfile_system = \"000000000000001f\"\n\n[[drives]]\n\
                      folder = \"drive-02\"\ndrive = \"0000000000000000000000000000000a\"\n\
                      file_system = \"0000000000000007\"\n";
        assert_eq!(std::fs::read_to_string(first.join(NOTES)).unwrap(), golden);
        drop(folder);
        std::fs::rename(&first, &second).unwrap();
        let folder = open(&[&second], Some(2));
        let [one, two] = names(&folder).try_into().unwrap();
        assert_eq!(folder.drive_notes().unwrap(), notes_of([(one, noted(9, 0x1f)), (two, noted(10, 7))]));
    }

    #[test]
    fn a_folder_that_is_left_out_keeps_its_note_unless_its_drive_is_elsewhere() {
        let homes: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let paths: Vec<&Path> = homes.iter().map(|home| home.path()).collect();
        let folder = open(&paths, None);
        let [one, two, three] = names(&folder).try_into().unwrap();
        let all = notes_of([(one.clone(), noted(1, 5)), (two.clone(), noted(2, 6)), (three.clone(), noted(3, 7))]);
        folder.keep_drive_notes(&all).unwrap();
        folder.keep_drive_notes(&notes_of([(one.clone(), noted(1, 8))])).unwrap();
        let kept = notes_of([(one.clone(), noted(1, 8)), (two.clone(), noted(2, 6)), (three, noted(3, 7))]);
        assert_eq!(folder.drive_notes().unwrap(), kept);
        folder.keep_drive_notes(&notes_of([(one.clone(), noted(3, 8))])).unwrap();
        let moved = notes_of([(one, noted(3, 8)), (two, noted(2, 6))]);
        assert_eq!(folder.drive_notes().unwrap(), moved);
        // Each folder has a copy, and one that is damaged costs nothing.
        std::fs::write(paths[0].join(NOTES), "drives").unwrap();
        std::fs::remove_file(paths[1].join(NOTES)).unwrap();
        assert_eq!(folder.drive_notes().unwrap(), moved);
        drop(folder);
        let reversed: Vec<&Path> = paths.iter().rev().copied().collect();
        assert_eq!(open(&reversed, None).drive_notes().unwrap(), moved, "in whichever order the folders are named");
    }

    #[test]
    fn damaged_notes_are_made_again_once_every_drive_was_found_and_no_empty_folder_is_taken_before() {
        let home = tempfile::tempdir().unwrap();
        let folder = open(&[home.path()], Some(2));
        let [one, two] = names(&folder).try_into().unwrap();
        let both = notes_of([(one.clone(), noted(1, 5)), (two, noted(2, 5))]);
        folder.keep_drive_notes(&both).unwrap();
        std::fs::write(home.path().join(NOTES), "drives").unwrap();
        let lost = DriveNotes { are_lost: true, ..DriveNotes::default() };
        assert_eq!(folder.drive_notes().unwrap(), lost);
        folder.keep_drive_notes(&notes_of([(one, noted(1, 5))])).unwrap();
        assert_eq!(folder.drive_notes().unwrap(), lost, "the folder of the other one may be a missing mount");
        folder.keep_drive_notes(&both).unwrap();
        assert_eq!(folder.drive_notes().unwrap(), both);
    }
}
