//! The file that rotates.

#![allow(clippy::disallowed_methods, reason = "the tests read what was written")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use couronne_base::env::system;
use prometheus::Registry;

use super::{numbers, order, parsed, text};
use crate::audit::{Audit, AuditFile, AuditFileError, AuditOutput, AuditSettings};

/// What the files have, the oldest first.
fn files(path: &Path, kept: u32) -> Vec<String> {
    let numbered = (1..=kept).rev().map(|number| path.with_extension(format!("log.{number}")));
    numbered.filter(|path| path.exists()).chain([path.to_owned()]).map(|path| text(&path)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotation_under_load_loses_no_line_and_keeps_their_order() {
    const TASKS: usize = 8;
    const EACH: usize = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let output = AuditOutput::File(AuditFile::open(&path, 64 << 10, 1_000).unwrap());
    let (audit, writer) = Audit::start(AuditSettings::default(), output, system(), &Registry::new()).unwrap();
    let audit = Arc::new(audit);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let audit = Arc::clone(&audit);
            tokio::spawn(async move {
                for number in 0..EACH {
                    order(&audit, number * TASKS + task);
                    if number % 100 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    writer.close().await;

    let files = files(&path, 1_000);
    assert!(files.len() > 50, "{} files", files.len());
    assert!(files.iter().all(|file| file.len() <= 64 << 10 && file.ends_with('\n')));
    let all: Vec<usize> = files.iter().flat_map(|file| numbers(&parsed(file))).collect();
    for task in 0..TASKS {
        let own: Vec<usize> = all.iter().copied().filter(|number| number % TASKS == task).collect();
        assert!(own == (0..EACH).map(|number| number * TASKS + task).collect::<Vec<_>>(), "of task {task}");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_oldest_file_goes_and_a_long_line_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let mut file = AuditFile::open(&path, 10, 2).unwrap();
    for line in ["first\n", "second\n", "third, which is longer than a file\n", "fourth\n", "5\n"] {
        file.append(&mut line.as_bytes().into()).unwrap();
    }
    assert_eq!(files(&path, 9), ["second\n", "third, which is longer than a file\n", "fourth\n5\n"]);
}

/// As the attempt after one that failed midway finds the files.
#[test]
fn a_rotation_that_failed_midway_goes_on_and_moves_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let numbered = |number: u32| path.with_extension(format!("log.{number}"));
    let mut file = AuditFile::open(&path, 7, 3).unwrap();
    for line in ["first\n", "second\n", "third\n"] {
        file.append(&mut line.as_bytes().into()).unwrap();
    }
    // The older ones were moved, and the file was not.
    std::fs::rename(numbered(2), numbered(3)).unwrap();
    std::fs::rename(numbered(1), numbered(2)).unwrap();
    file.append(&mut "fourth\n".as_bytes().into()).unwrap();
    assert_eq!(files(&path, 3), ["first\n", "second\n", "third\n", "fourth\n"]);
    // All were moved, and no new file was made.
    for number in [2, 1] {
        std::fs::rename(numbered(number), numbered(number + 1)).unwrap();
    }
    std::fs::rename(&path, numbered(1)).unwrap();
    file.append(&mut "fifth\n".as_bytes().into()).unwrap();
    assert_eq!(files(&path, 3), ["second\n", "third\n", "fourth\n", "fifth\n"]);
}

#[test]
fn lines_of_one_batch_go_to_as_many_files_as_they_need() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let mut file = AuditFile::open(&path, 8, 9).unwrap();
    file.append(&mut "aaa\nbbb\nccc\nddd\neee\n".as_bytes().into()).unwrap();
    assert_eq!(files(&path, 9), ["aaa\nbbb\n", "ccc\nddd\n", "eee\n"]);
}

#[test]
fn a_line_that_a_crash_cut_does_not_take_the_next_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    std::fs::write(&path, "whole\nto").unwrap();
    let mut file = AuditFile::open(&path, 1_000, 1).unwrap();
    file.append(&mut "next\n".as_bytes().into()).unwrap();
    assert_eq!(text(&path), "whole\nto\nnext\n");
}

#[test]
fn a_file_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let first = AuditFile::open(&path, 1_000, 1).unwrap();
    assert!(matches!(AuditFile::open(&path, 1_000, 1), Err(AuditFileError::InUse(_))));
    drop(first);
    AuditFile::open(&path, 1_000, 1).unwrap();
}
