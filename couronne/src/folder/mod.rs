//! The data folders of a process: who it is, what it belongs to, its secrets, where it listens. All roles have the
//! same format, so a folder that `couronne serve` made is that of a cluster's first node.
//!
//! ```text
//! DIR/identity.toml      node and private key; in a cluster also role, drives, certificate, authority
//! DIR/founding.toml      of a founder, until the cluster keeps it itself: authority with its key, secrets
//! DIR/joining.toml       of one that joins, until it is admitted: the ids of its drives
//! DIR/credentials.toml   of a founder: the root credentials, for its operator
//! DIR/map                the newest map known (base64), with which a member finds its cluster again
//! DIR/server.json        where the running process listens
//! DIR/admin.token        the token of its admin listener
//! DIR/admin-reading.token   the same, for who reads and gives no orders
//! DIR/lock               held while it runs
//! DIR/drive-01/...       a drive; with several data folders, the one drive of each is DIR/drive
//! ```
//!
//! Promises: folders that are made here have mode 0700, files 0600; every data folder holds a copy of each file, so
//! the loss of one loses nothing, and one that lacks them gets them back; folders of two processes are refused; the
//! number of drives is fixed when the process becomes a member. Private keys and secrets have no `Debug`.
//! Must not know: what is on a drive, how members talk.

mod announcement;
pub(crate) mod credentials;
mod drives;
mod files;
mod founding;
mod identity;
mod joining;
mod map;
pub(crate) mod secret;
pub(crate) mod secrets;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use couronne_protocol::net::certificates::CertificateError;
use couronne_ring::NodeId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

pub(crate) use announcement::{RunningServer, running_server};
pub(crate) use identity::{Identity, Member, MemberFile};
pub(crate) use joining::Joining;

use crate::settings::DataSettings;

/// The version of the files that this binary writes and reads.
const FORMAT_VERSION: u32 = 1;

/// The data folders of a process, locked.
pub(crate) struct DataFolder {
    folders: Vec<PathBuf>,
    /// How many drives the settings ask for; `None` if they leave it to the folder.
    asked_drives: Option<u16>,
    _locks: Vec<File>,
}

/// Why the data folders were refused.
#[derive(Debug, Error)]
pub(crate) enum DataFolderError {
    /// A file cannot be read or written.
    #[error("{doing} {path}: {source}")]
    Io {
        /// A present-tense verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Another process serves this folder.
    #[error("{0} is in use by another server")]
    InUse(PathBuf),
    /// A file says something this binary cannot make sense of.
    #[error("{path} is damaged or from another version: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Two data folders are not of one process.
    #[error("{first} is of node {} and {second} of node {}: name the folders of one process with --data", nodes.0, nodes.1)]
    Differ {
        /// The folder read first.
        first: PathBuf,
        /// The folder that differs.
        second: PathBuf,
        /// The nodes of both.
        nodes: (NodeId, NodeId),
    },
    /// The drives are another node's.
    #[error(
        "the drives in {folder} are of node {found} in cluster {cluster:032x}, and its identity.toml is not: put the \
         one back that belongs to them, or name another folder with --data"
    )]
    Drives {
        /// The data folder.
        folder: PathBuf,
        /// The node that the drives belong to.
        found: NodeId,
        /// Its cluster.
        cluster: u128,
    },
    /// The settings ask for another number of drives.
    #[error("{folder} was made with {fixed} drives and cannot be started with {asked} (--drives, --data)")]
    DrivesFixed {
        /// The data folder.
        folder: PathBuf,
        /// What it is.
        fixed: u16,
        /// What was asked.
        asked: u16,
    },
    /// `--drives` beside several `--data`.
    #[error("--drives makes drive folders below one --data folder; with several --data folders each is one drive")]
    DrivesBesideFolders,
    /// No drives, or more than there are numbers for.
    #[error("the number of drives must be 1 to 256, not {0} (--drives)")]
    DriveCount(usize),
    /// The process belongs to no cluster.
    #[error(
        "{0} belongs to no cluster: found one with `couronne serve` or `couronne cluster init`, or join one with \
         `couronne cluster join`"
    )]
    NoMember(PathBuf),
    /// The process belongs to a cluster already.
    #[error(
        "{folder} belongs to cluster {cluster:032x} already: start it as it is, or name an empty folder with --data"
    )]
    Member {
        /// The data folder.
        folder: PathBuf,
        /// Its cluster.
        cluster: u128,
    },
    /// The process has another role.
    #[error("{folder} is the folder of a `couronne {is}`: start that, or name another folder with --data")]
    Role {
        /// The data folder.
        folder: PathBuf,
        /// Its role.
        is: &'static str,
    },
    /// A preset key is unusable.
    #[error(transparent)]
    Credentials(#[from] credentials::CredentialsError),
    /// A key or certificate cannot be made or read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No server runs on this folder.
    #[error(
        "no server is running on {0} (no server.json); name its folder with --data, or its admin address with COURONNE_ADMIN and COURONNE_ADMIN_TOKEN"
    )]
    NotRunning(PathBuf),
}

impl DataFolderError {
    /// Adds what was being done, and where, to an I/O error.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

impl DataFolder {
    /// Opens and locks the data folders, making those that are not there.
    pub(crate) fn open(settings: &DataSettings) -> Result<Self, DataFolderError> {
        let asked_drives = drives::asked(settings)?;
        let mut locks = Vec::new();
        for folder in &settings.folders {
            files::create_folder(folder).map_err(DataFolderError::io("making", folder))?;
            let path = folder.join("lock");
            let lock = files::lock(path.clone()).map_err(DataFolderError::io("locking", &path))?;
            locks.push(lock.ok_or_else(|| DataFolderError::InUse(folder.clone()))?);
        }
        let folder = Self { folders: settings.folders.clone(), asked_drives, _locks: locks };
        folder.check_drives()?;
        folder.complete_identity()?;
        Ok(folder)
    }

    /// The first data folder, as errors name it.
    pub(crate) fn name(&self) -> PathBuf {
        self.folders.first().cloned().unwrap_or_default()
    }

    /// All of them, as an operator is told.
    pub(crate) fn names(&self) -> String {
        self.folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Reads the first copy of a TOML file.
    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, DataFolderError> {
        let Some(text) = read_anywhere(&self.folders, name)? else { return Ok(None) };
        toml::from_str(&text).map(Some).map_err(|error| damaged(&self.name().join(name), &error))
    }

    /// Writes a TOML file to every folder.
    fn write<T: Serialize>(&self, name: &str, file: &T) -> Result<(), DataFolderError> {
        let text = toml::to_string(file)
            .map(Zeroizing::new)
            .map_err(|error| DataFolderError::Damaged { path: self.name().join(name), reason: error.to_string() })?;
        write_everywhere(&self.folders, name, &text)
    }

    /// Removes a file from every folder.
    fn remove(&self, name: &str) -> Result<(), DataFolderError> {
        for folder in &self.folders {
            let path = folder.join(name);
            files::remove(&path).map_err(DataFolderError::io("removing", &path))?;
        }
        Ok(())
    }
}

/// What is wrong with a TOML file. Only the message of an error: its full text quotes the line, and the line may be
/// a secret.
fn damaged(path: &Path, error: &toml::de::Error) -> DataFolderError {
    DataFolderError::Damaged { path: path.to_owned(), reason: error.message().to_owned() }
}

/// Refuses a file of another version.
fn check_version(path: &Path, version: u32) -> Result<(), DataFolderError> {
    if version == FORMAT_VERSION {
        return Ok(());
    }
    let reason = format!("format version {version}, this binary knows {FORMAT_VERSION}");
    Err(DataFolderError::Damaged { path: path.to_owned(), reason })
}

/// The first copy of a file.
fn read_anywhere(folders: &[PathBuf], name: &str) -> Result<Option<Zeroizing<String>>, DataFolderError> {
    for folder in folders {
        let path = folder.join(name);
        if let Some(text) = files::read(&path).map_err(DataFolderError::io("reading", &path))? {
            return Ok(Some(Zeroizing::new(text)));
        }
    }
    Ok(None)
}

/// Writes a file to every folder that lacks it or has another text.
fn write_everywhere(folders: &[PathBuf], name: &str, text: &str) -> Result<(), DataFolderError> {
    for folder in folders {
        let path = folder.join(name);
        let found = files::read(&path).map_err(DataFolderError::io("reading", &path))?.map(Zeroizing::new);
        if found.as_ref().map(|found| found.as_str()) != Some(text) {
            files::replace(folder, name, text).map_err(DataFolderError::io("writing", &path))?;
        }
    }
    Ok(())
}

/// Bytes as the files have them.
fn encoded(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(bytes))
}

/// The bytes of a file's text.
fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim()).ok()
}

#[cfg(test)]
mod tests;
