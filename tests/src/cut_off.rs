//! Processes that are ended at once in the middle of what they write.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// A process that has done nothing for so long is not going to.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the folder is looked at.
const LOOK: Duration = Duration::from_micros(200);

/// Ends a process at once when `folder` holds so many files and folders, those of RocksDB not counted, which makes its
/// own anew at each start. True if it was ended; false if it was done before: it ended by itself, or `is_done`.
pub fn at_entry(child: &mut Child, folder: &Path, entries: usize, is_done: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let is_due = count(folder) >= entries;
        if is_due {
            child.kill().unwrap();
        }
        let ended = child.try_wait().unwrap();
        if is_due || ended.is_some() {
            child.wait().unwrap();
            return is_due;
        }
        if is_done() {
            child.kill().unwrap();
            child.wait().unwrap();
            return false;
        }
        std::thread::sleep(LOOK);
    }
    panic!("neither {entries} files in {} nor an end of the process", folder.display());
}

/// The files and folders below a folder, but for those of RocksDB.
pub fn count(folder: &Path) -> usize {
    let Ok(read) = std::fs::read_dir(folder) else { return 0 };
    let below = |path: &Path| if path.is_dir() && !path.ends_with("stores") { count(path) } else { 0 };
    read.flatten().map(|entry| 1 + below(&entry.path())).sum()
}
