//! A file of lines that rotates: `NAME` is written, `NAME.1` is the one before, and so on; the oldest goes.
//!
//! Promises: a line stands whole in one file, and lines in their order; what was written is on the medium when
//! [`AuditFile::append`] returns; no other process writes the same file; only the file's owner may read it. A file that a
//! crash left with half a line gets an end of line behind it.
//! Must not know: what lines say.

#![allow(
    clippy::disallowed_methods,
    reason = "the audit's file is none of the drives'; its caller is a blocking thread"
)]

use std::fs::{File, OpenOptions, rename};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bytes::{Buf as _, Bytes};
use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

/// Why the file cannot be written.
#[derive(Debug, Error)]
pub enum AuditFileError {
    /// The system refused.
    #[error("{verb} {path}: {source}")]
    Io {
        /// What was being done.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{0} is written by another process: each process needs an audit file of its own")]
    InUse(PathBuf),
}

/// The file.
pub struct AuditFile {
    path: PathBuf,
    bytes_max: u64,
    kept: u32,
    file: File,
    size: u64,
    /// The file ends in the midst of a line.
    is_torn: bool,
}

impl AuditFile {
    /// Opens or creates the file. It rotates at `bytes_max` bytes; `kept` files are kept beside it.
    pub fn open(path: &Path, bytes_max: u64, kept: u32) -> Result<Self, AuditFileError> {
        let (file, size, is_torn) = open(path)?;
        Ok(Self { path: path.to_owned(), bytes_max, kept, file, size, is_torn })
    }

    /// Writes whole lines; what was written goes from the front of `lines`.
    pub(super) fn append(&mut self, lines: &mut Bytes) -> Result<(), AuditFileError> {
        while !lines.is_empty() {
            if self.is_torn {
                self.write(b"\n")?;
                self.is_torn = false;
            }
            let room = usize::try_from(self.bytes_max.saturating_sub(self.size)).unwrap_or(usize::MAX);
            let fitting = lines.get(..room).map_or(Some(lines.len()), end_of_last_line);
            let Some(bytes) = fitting.or_else(|| (self.size == 0).then(|| end_of_first_line(lines))) else {
                self.rotate()?;
                continue;
            };
            let piece = lines.slice(..bytes);
            self.write(&piece)?;
            lines.advance(bytes);
        }
        self.file.sync_data().map_err(|source| self.failed("syncing", source))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AuditFileError> {
        if let Err(source) = self.file.write_all(bytes) {
            // What was written of it goes again, so that the next attempt begins a line.
            self.is_torn = self.file.set_len(self.size).is_err();
            return Err(self.failed("writing", source));
        }
        self.size = self.size.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Begins a new file.
    fn rotate(&mut self) -> Result<(), AuditFileError> {
        self.file.sync_data().map_err(|source| self.failed("syncing", source))?;
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        if self.kept == 0 {
            // The same file again, from its beginning: the lock stays.
            self.file.set_len(0).map_err(|source| self.failed("rotating", source))?;
            self.size = 0;
            return Ok(());
        }
        // An attempt that failed midway has moved some of them: what has its place is not moved on.
        if self.path.exists() {
            let in_the_way: Vec<u32> = (1..self.kept).take_while(|number| numbered(*number).exists()).collect();
            for number in in_the_way.into_iter().rev() {
                let moved = rename(numbered(number), numbered(number.saturating_add(1)));
                moved.map_err(|source| self.failed("rotating", source))?;
            }
            rename(&self.path, numbered(1)).map_err(|source| self.failed("rotating", source))?;
        }
        (self.file, self.size, self.is_torn) = open(&self.path)?;
        Ok(())
    }

    fn failed(&self, verb: &'static str, source: io::Error) -> AuditFileError {
        AuditFileError::Io { verb, path: self.path.clone(), source }
    }
}

/// The file, its size in bytes, and whether it ends in the midst of a line.
fn open(path: &Path) -> Result<(File, u64, bool), AuditFileError> {
    let failed = |verb| move |source| AuditFileError::Io { verb, path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let mut file = options.create(true).append(true).read(true).mode(0o600).open(path).map_err(failed("opening"))?;
    // A file is on the medium once its folder is that names it.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("syncing the folder of"))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| AuditFileError::InUse(path.to_owned()))?;
    let size = file.seek(SeekFrom::End(0)).map_err(failed("reading"))?;
    let mut last = [b'\n'];
    if size > 0 {
        file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(failed("reading"))?;
    }
    Ok((file, size, last != [b'\n']))
}

fn end_of_last_line(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at.saturating_add(1))
}

fn end_of_first_line(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at.saturating_add(1))
}
