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
//! for nothing while another is sound; an entry that is taken away says that the folder may take any disk.
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
    /// What is noted of the folders that the settings name, by the names that their drives have.
    pub(crate) fn drive_notes(&self) -> Result<DriveNotes, DataFolderError> {
        let file = first_sound(&self.folders, NOTES, parse)?.unwrap_or_default();
        let mut notes = DriveNotes::default();
        for folder in self.drive_folders()? {
            let key = self.key_of(&folder);
            if let Some((_, noted)) = file.iter().find(|(folder, _)| *folder == key) {
                notes.0.insert(folder.display().to_string(), *noted);
            }
        }
        Ok(notes)
    }

    /// Notes the drives that were found.
    pub(crate) fn keep_drive_notes(&self, found: &DriveNotes) -> Result<(), DataFolderError> {
        let mut notes = self.drive_notes()?;
        notes.0.retain(|_, old| found.0.values().all(|new| new.drive != old.drive));
        notes.0.extend(found.0.clone());
        let mut drives = Vec::new();
        for folder in self.drive_folders()? {
            let Some(NotedDrive { drive, file_system }) = notes.0.get(&folder.display().to_string()) else { continue };
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
        folder.keep_drive_notes(&DriveNotes([(one, noted(9, 0x1f)), (two, noted(10, 7))].into())).unwrap();
        let golden = "format_version = 1\n\n[[drives]]\nfolder = \"drive-01\"\n\
                      drive = \"00000000000000000000000000000009\"\nfile_system = \"000000000000001f\"\n\n[[drives]]\n\
                      folder = \"drive-02\"\ndrive = \"0000000000000000000000000000000a\"\n\
                      file_system = \"0000000000000007\"\n";
        assert_eq!(std::fs::read_to_string(first.join(NOTES)).unwrap(), golden);
        drop(folder);
        std::fs::rename(&first, &second).unwrap();
        let folder = open(&[&second], Some(2));
        let [one, two] = names(&folder).try_into().unwrap();
        assert_eq!(folder.drive_notes().unwrap(), DriveNotes([(one, noted(9, 0x1f)), (two, noted(10, 7))].into()));
    }

    #[test]
    fn a_folder_that_is_left_out_keeps_its_note_unless_its_drive_is_elsewhere() {
        let homes: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let paths: Vec<&Path> = homes.iter().map(|home| home.path()).collect();
        let folder = open(&paths, None);
        let [one, two, three] = names(&folder).try_into().unwrap();
        let all =
            DriveNotes([(one.clone(), noted(1, 5)), (two.clone(), noted(2, 6)), (three.clone(), noted(3, 7))].into());
        folder.keep_drive_notes(&all).unwrap();
        folder.keep_drive_notes(&DriveNotes([(one.clone(), noted(1, 8))].into())).unwrap();
        let kept = DriveNotes([(one.clone(), noted(1, 8)), (two.clone(), noted(2, 6)), (three, noted(3, 7))].into());
        assert_eq!(folder.drive_notes().unwrap(), kept);
        folder.keep_drive_notes(&DriveNotes([(one.clone(), noted(3, 8))].into())).unwrap();
        let moved = DriveNotes([(one, noted(3, 8)), (two, noted(2, 6))].into());
        assert_eq!(folder.drive_notes().unwrap(), moved);
        // Each folder has a copy, and one that is damaged costs nothing.
        std::fs::write(paths[0].join(NOTES), "drives").unwrap();
        std::fs::remove_file(paths[1].join(NOTES)).unwrap();
        assert_eq!(folder.drive_notes().unwrap(), moved);
        drop(folder);
        let reversed: Vec<&Path> = paths.iter().rev().copied().collect();
        assert_eq!(open(&reversed, None).drive_notes().unwrap(), moved, "in whichever order the folders are named");
    }
}
