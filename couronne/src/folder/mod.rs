//! The control part of the data folders: what this cluster is, its secrets, and where a running server listens.
//!
//! ```text
//! DIR/cluster.toml       policy, number of drives, sealing secret (fixed at the first start)
//! DIR/credentials.toml   the root access key and secret key
//! DIR/admin.token        the token of the admin listener
//! DIR/server.json        where the running server listens, and its process id
//! DIR/lock               held while a server runs
//! DIR/drive-01/...       a drive; with several data folders, the one drive of each
//! ```
//!
//! Promises: all of it is mode 0600; every data folder holds a copy of the first three, so the loss of
//! one folder loses no secret, and a folder that lacks them gets them back; folders of two different
//! clusters are refused; what was fixed at the first start is never changed by a later one.
//! Must not know: what is on a drive.

pub(crate) mod credentials;
pub(crate) mod files;
pub(crate) mod member;
pub(crate) mod secret;
pub(crate) mod secrets;

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use couronne_base::env::Env;
use couronne_placement::Redundancy;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use self::credentials::Credentials;
use crate::cluster::policy;
use crate::settings::DataSettings;

/// The version of `cluster.toml` this binary writes and reads.
const FORMAT_VERSION: u32 = 1;

/// What was fixed when the cluster was made.
pub(crate) struct Cluster {
    /// The redundancy of its default policy.
    pub(crate) redundancy: Redundancy,
    /// The folder of each drive, in the order of drive numbers.
    pub(crate) drives: Vec<PathBuf>,
    /// What seals the users' secret keys at rest.
    pub(crate) sealing_secret: Zeroizing<[u8; 32]>,
}

/// The data folders of a server that runs here, locked.
pub(crate) struct DataFolder {
    /// What the cluster is.
    pub(crate) cluster: Cluster,
    /// The root credentials.
    pub(crate) root: Credentials,
    /// The token of the admin listener.
    pub(crate) admin_token: Zeroizing<String>,
    /// Whether this start made the cluster.
    pub(crate) is_new: bool,
    folders: Vec<PathBuf>,
    _locks: Vec<File>,
}

/// Where a running server listens, as `server.json` says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunningServer {
    /// The address of the S3 listener; of a storage node, of the one for its peers.
    pub(crate) s3: SocketAddr,
    /// Whether the S3 listener speaks TLS.
    pub(crate) tls: bool,
    /// The address of the admin listener.
    pub(crate) admin: SocketAddr,
    /// The process id.
    pub(crate) pid: u32,
}

/// Why the data folders were refused.
#[derive(Debug, Error)]
pub(crate) enum DataFolderError {
    /// A control file cannot be read or written.
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
    /// A control file says something this binary cannot make sense of.
    #[error("{path} is damaged or from another version: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Two data folders disagree.
    #[error("{first} and {second} belong to different clusters, or their copies of cluster.toml differ")]
    Differ {
        /// The folder read first.
        first: PathBuf,
        /// The folder that differs.
        second: PathBuf,
    },
    /// The flags ask for another policy than the one fixed at the first start.
    #[error(
        "the policy was fixed as {fixed} at the first start and cannot become {asked}; leave --policy out, or start anew in another folder"
    )]
    PolicyFixed {
        /// What it is.
        fixed: Redundancy,
        /// What was asked.
        asked: Redundancy,
    },
    /// The flags ask for another number of drives.
    #[error("this cluster was made with {fixed} drives and cannot be started with {asked}")]
    DrivesFixed {
        /// What it is.
        fixed: u16,
        /// What was asked.
        asked: u16,
    },
    /// `--drives` beside several `--data`.
    #[error("--drives makes drive folders below one --data folder; with several --data folders each is one drive")]
    DrivesBesideFolders,
    /// No drives, or more than there are numbers for.
    #[error("the number of drives must be 1 to 256, not {0}")]
    DriveCount(usize),
    /// The policy is no policy.
    #[error(transparent)]
    Redundancy(#[from] couronne_placement::RedundancyError),
    /// The drives are too few for the policy.
    #[error(transparent)]
    TooFewDrives(#[from] crate::cluster::policy::TooFewDrives),
    /// A preset key is unusable.
    #[error(transparent)]
    Credentials(#[from] credentials::CredentialsError),
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

/// `cluster.toml`.
#[derive(Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct ClusterFile {
    format_version: u32,
    policy: String,
    drives: u16,
    #[serde(with = "secret")]
    sealing_secret: Zeroizing<String>,
}

impl DataFolder {
    /// Opens the data folders, making the cluster at the first start.
    ///
    /// `cluster.toml` is written last and decides: a start that died before it makes the cluster anew.
    pub(crate) fn open(settings: &DataSettings, env: &Env) -> Result<Self, DataFolderError> {
        let folders = settings.folders.clone();
        let asked_drives = asked_drives(settings)?;
        let asked_policy: Option<Redundancy> = settings.policy.as_deref().map(str::parse).transpose()?;
        let mut locks = Vec::new();
        for folder in &folders {
            files::create_folder(folder).map_err(DataFolderError::io("making", folder))?;
            let path = folder.join("lock");
            let lock = files::lock(path.clone()).map_err(DataFolderError::io("locking", &path))?;
            locks.push(lock.ok_or_else(|| DataFolderError::InUse(folder.clone()))?);
        }
        let found = read_cluster(&folders)?;
        let is_new = found.is_none();
        let file = match found {
            Some(file) => file,
            None => new_cluster(asked_policy, asked_drives.unwrap_or(1), env)?,
        };
        let cluster = file.cluster(&folders)?;
        refuse_changes(&cluster, asked_policy, asked_drives)?;
        let root = credentials::open(&folders, env)?;
        let admin_token = open_token(&folders, env)?;
        write_everywhere(&folders, "cluster.toml", &file.text())?;
        Ok(Self { cluster, root, admin_token, is_new, folders, _locks: locks })
    }

    /// Tells `couronne status` and the like where this server listens.
    pub(crate) fn announce(&self, server: &RunningServer) -> Result<(), DataFolderError> {
        let text = serde_json::to_string(server).unwrap_or_default();
        self.folders.iter().try_for_each(|folder| {
            files::replace(folder, "server.json", &text).map_err(DataFolderError::io("writing server.json in", folder))
        })
    }

    /// The file that keeps the root credentials.
    pub(crate) fn credentials_path(&self) -> PathBuf {
        self.folders.first().map(|folder| folder.join("credentials.toml")).unwrap_or_default()
    }

    /// Takes the announcement back, at the end of a clean shutdown.
    pub(crate) fn withdraw(&self) {
        for folder in &self.folders {
            if let Err(error) = files::remove(&folder.join("server.json")) {
                tracing::warn!(folder = %folder.display(), %error, "removing server.json");
            }
        }
    }
}

/// Where the server of a data folder listens, and the token of its admin listener.
pub(crate) fn running_server(folder: &Path) -> Result<(RunningServer, Zeroizing<String>), DataFolderError> {
    let path = folder.join("server.json");
    let text = files::read(&path).map_err(DataFolderError::io("reading", &path))?;
    let text = text.ok_or_else(|| DataFolderError::NotRunning(folder.to_owned()))?;
    let server =
        serde_json::from_str(&text).map_err(|error| DataFolderError::Damaged { path, reason: error.to_string() })?;
    let path = folder.join("admin.token");
    let token = files::read(&path).map_err(DataFolderError::io("reading", &path))?;
    let token = token.ok_or_else(|| DataFolderError::NotRunning(folder.to_owned()))?;
    Ok((server, Zeroizing::new(token.trim().to_owned())))
}

/// How many drives the settings ask for; `None` if they leave it to what is there.
fn asked_drives(settings: &DataSettings) -> Result<Option<u16>, DataFolderError> {
    let count = match (settings.folders.len(), settings.drives) {
        (0 | 1, None) => return Ok(None),
        (0 | 1, Some(drives)) => usize::from(drives),
        (_, Some(_)) => return Err(DataFolderError::DrivesBesideFolders),
        (folders, None) => folders,
    };
    match u16::try_from(count) {
        Ok(drives @ 1..=256) => Ok(Some(drives)),
        _ => Err(DataFolderError::DriveCount(count)),
    }
}

/// Refuses what would change a cluster that exists.
fn refuse_changes(cluster: &Cluster, policy: Option<Redundancy>, drives: Option<u16>) -> Result<(), DataFolderError> {
    if let Some(asked) = policy.filter(|asked| *asked != cluster.redundancy) {
        return Err(DataFolderError::PolicyFixed { fixed: cluster.redundancy, asked });
    }
    let fixed = u16::try_from(cluster.drives.len()).unwrap_or(u16::MAX);
    match drives.filter(|asked| *asked != fixed) {
        Some(asked) => Err(DataFolderError::DrivesFixed { fixed, asked }),
        None => Ok(()),
    }
}

/// The copy of `cluster.toml` that all folders which have one agree on.
fn read_cluster(folders: &[PathBuf]) -> Result<Option<ClusterFile>, DataFolderError> {
    let mut found: Option<(ClusterFile, &PathBuf)> = None;
    for folder in folders {
        let path = folder.join("cluster.toml");
        let Some(text) = files::read(&path).map_err(DataFolderError::io("reading", &path))? else { continue };
        let file: ClusterFile = toml::from_str(&text)
            .map_err(|error| DataFolderError::Damaged { path: path.clone(), reason: error.message().to_owned() })?;
        if file.format_version != FORMAT_VERSION {
            let reason = format!("format version {}, this binary knows {FORMAT_VERSION}", file.format_version);
            return Err(DataFolderError::Damaged { path, reason });
        }
        match &found {
            Some((first, first_folder)) if *first != file => {
                return Err(DataFolderError::Differ { first: (*first_folder).clone(), second: folder.clone() });
            }
            Some(_) => {}
            None => found = Some((file, folder)),
        }
    }
    Ok(found.map(|(file, _)| file))
}

/// What a cluster made now will be.
fn new_cluster(policy: Option<Redundancy>, drives: u16, env: &Env) -> Result<ClusterFile, DataFolderError> {
    let redundancy = policy.unwrap_or_else(|| policy::default_redundancy(drives));
    policy::check(redundancy, drives)?;
    Ok(ClusterFile {
        format_version: FORMAT_VERSION,
        policy: redundancy.to_string(),
        drives,
        sealing_secret: Zeroizing::new(hex::encode(env.random_bytes::<32>())),
    })
}

impl ClusterFile {
    /// The file's text.
    fn text(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// The file's meaning.
    fn cluster(&self, folders: &[PathBuf]) -> Result<Cluster, DataFolderError> {
        let damaged =
            |reason: &str| DataFolderError::Damaged { path: "cluster.toml".into(), reason: reason.to_owned() };
        let mut sealing_secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(self.sealing_secret.as_str(), sealing_secret.as_mut())
            .map_err(|_| damaged("the sealing secret is not 64 hexadecimal digits"))?;
        let settings = DataSettings { folders: folders.to_vec(), drives: Some(self.drives), policy: None };
        let drives = settings.drive_folders();
        Ok(Cluster { redundancy: self.policy.parse()?, drives, sealing_secret })
    }
}

/// The admin token, made at the first start.
fn open_token(folders: &[PathBuf], env: &Env) -> Result<Zeroizing<String>, DataFolderError> {
    let found = read_anywhere(folders, "admin.token")?;
    let token = found.unwrap_or_else(|| Zeroizing::new(hex::encode(env.random_bytes::<32>())));
    write_everywhere(folders, "admin.token", &token)?;
    Ok(Zeroizing::new(token.trim().to_owned()))
}

/// The first copy of a control file.
fn read_anywhere(folders: &[PathBuf], name: &str) -> Result<Option<Zeroizing<String>>, DataFolderError> {
    for folder in folders {
        let path = folder.join(name);
        if let Some(text) = files::read(&path).map_err(DataFolderError::io("reading", &path))? {
            return Ok(Some(Zeroizing::new(text)));
        }
    }
    Ok(None)
}

/// Writes a control file to every folder that lacks it or has another text.
fn write_everywhere(folders: &[PathBuf], name: &str, text: &str) -> Result<(), DataFolderError> {
    for folder in folders {
        let path = folder.join(name);
        if files::read(&path).map_err(DataFolderError::io("reading", &path))?.as_deref() != Some(text) {
            files::replace(folder, name, text).map_err(DataFolderError::io("writing", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
