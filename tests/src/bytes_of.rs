//! Files and folders with known bytes, their copies, and the comparison of two folders.
//!
//! Promises: the same seed gives the same bytes; a comparison looks at every byte.
//! Must not know: where the bytes travel in between.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use couronne_base::testing::Rng;

/// `len` bytes that do not compress, from a seed.
pub fn random(seed: u64, len: usize) -> Vec<u8> {
    Rng::new(seed).bytes(len)
}

/// Writes a file and the folders above it.
pub fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A folder of files as people have them: empty, tiny, odd sizes, some MiB, odd names.
pub fn tree(folder: &Path, seed: u64) {
    let sizes = [0, 1, 17, 4096, 4097, 100_000, 1 << 20, (5 << 20) + 3, 20 << 20];
    for (at, size) in sizes.into_iter().enumerate() {
        write(&folder.join(format!("sizes/{size}.bin")), &random(seed + at as u64, size));
    }
    for (at, name) in ["with space", "plus+and&amp", "umlaut-ä-é", "emoji-🦀", "percent%25", "quote'\"", "a/b/c/d"]
        .into_iter()
        .enumerate()
    {
        write(&folder.join("names").join(name), &random(seed + 100 + at as u64, 1000 + at));
    }
    for at in 0..100 {
        write(&folder.join(format!("many/{:02}/{at:03}", at % 7)), &random(seed + 200 + at, at as usize * 41));
    }
}

/// All files below a folder.
pub fn paths(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("listing {}: {error}", next.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

/// All files below a folder with their bytes.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let bytes = |path: PathBuf| (path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap());
    paths(folder).into_iter().map(bytes).collect()
}

/// Removes a folder, be it that a server that runs makes files in it meanwhile.
pub fn remove(folder: &Path) {
    let began = Instant::now();
    while let Err(error) = std::fs::remove_dir_all(folder) {
        let is_written = error.kind() == ErrorKind::DirectoryNotEmpty && began.elapsed() < Duration::from_secs(10);
        assert!(is_written, "removing {}: {error}", folder.display());
    }
}

/// Puts a copy of a folder, with all that is said of its files, in the place of another.
pub fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success(), "copying {}", from.display());
}

/// Fails unless both folders hold the same files with the same bytes.
pub fn assert_same(expected: &Path, found: &Path) {
    let (expected, found) = (files(expected), files(found));
    let (names, found_names): (Vec<_>, Vec<_>) = (expected.keys().collect(), found.keys().collect());
    assert_eq!(names, found_names, "the folders hold different files");
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{} differs", name.display());
    }
}

/// Flips one bit of a file, as rot would.
pub fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 4], offset).unwrap();
    file.sync_all().unwrap();
}

/// Where some bytes stand below a folder: a file and an offset in it. At least 1 KiB of them, or others may be
/// taken for them.
pub fn find(folder: &Path, wanted: &[u8]) -> Option<(PathBuf, u64)> {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if let Some(found) = find(&path, wanted) {
                return Some(found);
            }
            continue;
        }
        // A server that runs may have removed it since.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        // Any window of 1 KiB begins with these eight bytes only where it is meant to.
        let at = bytes.windows(8).position(|window| window == &wanted[..8]);
        if let Some(at) = at.filter(|at| bytes[*at..].starts_with(wanted)) {
            return Some((path, at as u64));
        }
    }
    None
}

/// Flips bits all over the first half of the files of such a kind below a folder, where rows are; how many there were.
pub fn rot_blocks(folder: &Path, kind: &str) -> usize {
    let files = files(folder).into_iter();
    let meant = files.filter(|(path, _)| path.extension().is_some_and(|extension| extension == kind));
    let rotten = meant.map(|(path, bytes)| {
        (40..bytes.len() as u64 / 2).step_by(400).for_each(|at| flip(&folder.join(&path), at));
    });
    rotten.count()
}
