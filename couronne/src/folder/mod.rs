//! The data folders of a process: its identity, its cluster, its secrets, where it listens. All roles have the
//! same format, so a folder that `couronne serve` made is that of a cluster's first node.
//!
//! ```text
//! DIR/identity.toml      node and private key (sealed); in a cluster also role, drives, certificate, authority
//! DIR/founding.toml      of a founding node, until the cluster keeps it itself: authority with its key, secrets (sealed)
//! DIR/joining.toml       of one that joins, until it is admitted or refused: its role, the ids of its drives
//! DIR/cluster-keys.toml  of a storage node: the key that seals what the cluster keeps beside its map (sealed)
//! DIR/operator.toml      for the operator: root credentials and tokens of the admin listener (sealed)
//! DIR/drives.toml        which drive each folder holds, and on which file system: an empty one may be a missing mount
//! DIR/map                the newest map known (base64), with which a member finds its cluster again
//! DIR/server.json        where the running process listens
//! DIR/lock               held while it runs
//! DIR/drive-01/...       a drive; with several data folders, the one drive of each is DIR/drive
//!
//! DIR.key                the node's key, unless the settings name another place: it seals what is marked above
//! ```
//!
//! Of several data folders each holds a copy of each file: the loss or damage of one loses nothing, and is mended. One data
//! folder has each file once. Of these only `identity.toml` cannot be had again from the cluster: a server that is alone
//! in its cluster makes it again from its drives, any other member needs it back or joins as a new one.
//!
//! Promises: folders that are made here have mode 0700, files 0600; folders of two processes are refused; the numbers of
//! drives and of data folders are fixed when the process becomes a member. Private keys and secrets have no `Debug`.
//! Must not know: what is on a drive, how members talk.

mod announcement;
pub(crate) mod credentials;
mod drive_notes;
mod drives;
mod files;
mod founding;
mod identity;
mod joining;
mod map;
mod new_files;
mod role_names;
mod sealed;
pub(crate) mod secret;
pub(crate) mod secrets;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use couronne_protocol::net::certificates::CertificateError;
use couronne_ring::NodeId;
use parking_lot::Mutex;
use serde::Serialize;
use thiserror::Error;
use zeroize::Zeroizing;

pub(crate) use announcement::{RunningServer, operator_secrets_of, running_server};
pub(crate) use identity::{Identity, Member, MemberFile, UnopenedMember};
pub(crate) use joining::Joining;
use new_files::NewFiles;
pub(crate) use sealed::{Bundle, OperatorSecrets};
use sealed::{NodeKey, WantedKey};

use crate::settings::{DataSettings, SettingsError};

/// The control files.
const NAMES: [&str; 8] = [
    drive_notes::NOTES,
    identity::IDENTITY,
    founding::FOUNDING,
    joining::JOINING,
    sealed::CLUSTER_KEYS,
    sealed::OPERATOR,
    map::MAP,
    announcement::SERVER,
];

/// Those in which the node's key seals something.
const SEALED_NAMES: [&str; 4] = [identity::IDENTITY, founding::FOUNDING, sealed::CLUSTER_KEYS, sealed::OPERATOR];

/// The version of the files that this binary writes and reads.
const FORMAT_VERSION: u32 = 1;

/// The data folders of a process, locked.
pub(crate) struct DataFolder {
    folders: Vec<PathBuf>,
    /// What seals the secrets in them.
    node_key: NodeKey,
    /// How many drives the settings ask for; `None` if they leave it to the folder.
    asked_drives: Option<u16>,
    /// The version of the map that was kept last by this process; held while one is written, which several tasks do.
    kept_map: Mutex<u64>,
    /// Goes before the locks do.
    _new_files: NewFiles,
    locks: Mutex<Vec<File>>,
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
    /// The node's key is not there, and there is what it sealed.
    #[error(
        "{0} is missing: it has the key of this node, which seals the secrets in its data folders. Put it back, or say \
         where the key is with node_key_file or node_key_command in [data] of the settings file, or with the variable \
         COURONNE_NODE_KEY. If it is lost, objects are not: `couronne secrets reset` makes new secrets"
    )]
    KeyMissing(PathBuf),
    /// What should be the node's key is none.
    #[error(
        "{0} gives no key of a node: {1}. It has the key of this node, which seals the secrets in its data folders: put it \
         back whole from your copy of it. If there is none, objects are not lost, but root credentials, admin tokens and \
         the secret keys of users are: `couronne secrets reset` makes new ones"
    )]
    NoKey(String, String),
    /// Nothing says where the node's key is.
    #[error("there is no place beside the data folder for the node's key: name a file with node_key_file in [data]")]
    NoKeyFile,
    /// The node's key would lie beside what it seals.
    #[error("{0} lies in a data folder, and the node's key must not: name another file with node_key_file in [data]")]
    KeyInside(PathBuf),
    /// It was sealed by another key.
    #[error(
        "{path} was sealed by another key than that of {key}: put the key there that belongs to it. If it is lost, \
         objects are not: `couronne secrets reset` makes new secrets"
    )]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// Where the key is from.
        key: String,
    },
    /// A data folder has nothing for its operator.
    #[error("{0} has no secrets for its operator: nothing was founded or joined there")]
    NothingKept(PathBuf),
    /// Another process serves this folder.
    #[error("{0} is in use by another server")]
    InUse(PathBuf),
    /// A file says something this binary cannot make sense of.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        reason: String,
    },
    /// The cluster's key cannot be read, and no other node has it.
    #[error(
        "{path} is damaged: {reason}. It has the key of this cluster, which seals its secrets, and no other storage node \
         has that: put a sound copy of the file back. If there is none, objects are not lost: `couronne secrets reset` \
         makes new secrets"
    )]
    OnlyKeyDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        reason: String,
    },
    /// A founding is not to be gone on with.
    #[error(
        "{path} is damaged: {reason}. It has what the cluster does not keep yet: put a sound copy of the file back. If there \
         is none, and `couronne secrets reset` was carried out before this start, carry it out once more, with --force; if \
         this is the first start, nothing was stored yet: empty the data folder and start anew"
    )]
    FoundingDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        reason: String,
    },
    /// A gateway's only copy of the map is gone.
    #[error(
        "{0} is not there or damaged: a gateway finds its cluster by it. Copy the file `map` from the data folder of any \
         other member of the cluster; or empty this folder and have the gateway join anew with `couronne cluster join`"
    )]
    NoMap(PathBuf),
    /// A file is of another version of this binary.
    #[error("{path} has format version {found}, this binary knows {FORMAT_VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
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
    /// The identity of a node that has drives here is gone, and its cluster goes on without this server.
    #[error(
        "{folder} has no identity.toml, and its drives belong to {node} of cluster {cluster:032x}, which has other \
         members: put the identity.toml of that node back. If it is lost for good, and `couronne status` of the cluster \
         says that it can do without these drives, empty their folders and join as a new member with `couronne cluster \
         join`"
    )]
    IdentityLost {
        /// The data folder.
        folder: PathBuf,
        /// The node, as far as the drives say.
        node: String,
        /// Its cluster.
        cluster: u128,
    },
    /// The same of a node that is its whole cluster.
    #[error(
        "{folder} has no identity.toml, and its drives belong to {node} of cluster {cluster:032x}, which has no other \
         members: start it with `couronne serve`, which makes the identity again from the drives"
    )]
    LoneIdentityLost {
        /// The data folder.
        folder: PathBuf,
        /// The node.
        node: String,
        /// Its cluster.
        cluster: u128,
    },
    /// A drive of the node lies elsewhere than its data folders say.
    #[error("{drive} is a drive of this node, which was made with other data folders: name all of them with --data")]
    DriveElsewhere {
        /// The folder of the drive.
        drive: PathBuf,
    },
    /// A drive was prepared for another cluster.
    #[error(
        "{drive} was prepared for another cluster and was never used: empty it, or name another folder with --data"
    )]
    Prepared {
        /// The folder of the drive.
        drive: PathBuf,
    },
    /// Another number of data folders is named.
    #[error(
        "{folder} was made with {fixed} data folders and cannot be started with {asked}: name all of them with --data"
    )]
    FoldersFixed {
        /// The data folder.
        folder: PathBuf,
        /// What it is.
        fixed: u16,
        /// What was asked.
        asked: usize,
    },
    /// The settings ask for another number of drives.
    #[error("{folder} was made with {fixed} drives and cannot be started with {asked} (--drives, --data)")]
    DrivesFixed {
        /// The data folder.
        folder: PathBuf,
        /// The number of drives that it was made with.
        fixed: u16,
        /// The number of drives that the settings ask for.
        asked: u16,
    },
    /// The settings make no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
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
        let folder = Self::lock(settings, false)?;
        folder.check_drives()?;
        folder.complete_identity()?;
        Ok(folder)
    }

    /// Opens and locks the data folders of a member whose node's key is lost. Where the settings find no key a new one is made.
    pub(crate) fn open_to_reset(settings: &DataSettings) -> Result<(Self, UnopenedMember), DataFolderError> {
        let folder = Self::lock(settings, true)?;
        let member = folder.unopened_member()?;
        Ok((folder, member))
    }

    fn lock(settings: &DataSettings, is_reset: bool) -> Result<Self, DataFolderError> {
        let asked_drives = settings.asked_drives()?;
        let mut locks = Vec::new();
        // After the locks: it goes before them.
        let mut new_files = NewFiles::default();
        for folder in &settings.folders {
            let path = folder.join("lock");
            new_files.note_folder(folder);
            files::create_folder(folder).map_err(DataFolderError::io("making", folder))?;
            let is_new = !path.exists();
            let lock = files::lock(path.clone()).map_err(DataFolderError::io("locking", &path))?;
            locks.push(lock.ok_or_else(|| DataFolderError::InUse(folder.clone()))?);
            if is_new {
                // Only now: another process may have made it meanwhile.
                new_files.note_lock(path);
            }
        }
        let folders = settings.folders.clone();
        check_files(&folders)?;
        let sealed = folders.iter().flat_map(|folder| SEALED_NAMES.map(|name| folder.join(name)));
        let wanted = match is_reset {
            true => WantedKey::Reset,
            false if sealed.into_iter().any(|path| path.exists()) => WantedKey::Open,
            false => WantedKey::Begin,
        };
        let node_key = NodeKey::find(settings, wanted)?;
        let (kept_map, locks) = (Mutex::default(), Mutex::new(locks));
        Ok(Self { folders, node_key, asked_drives, kept_map, _new_files: new_files, locks })
    }

    /// Gives each data folder what it lacks of the files that the others have, and takes its lock: another disk may have
    /// taken the place of the one that it was on. Whatever is there stays.
    pub(crate) fn restore(&self) -> Result<(), DataFolderError> {
        for folder in &self.folders {
            let path = folder.join("lock");
            if !files::exists(&path).map_err(DataFolderError::io("reading", &path))? {
                let lock = files::lock(path.clone()).map_err(DataFolderError::io("locking", &path))?;
                self.locks.lock().push(lock.ok_or_else(|| DataFolderError::InUse(folder.clone()))?);
            }
        }
        for name in NAMES {
            let (mut text, mut lacking) = (None, Vec::new());
            for folder in &self.folders {
                match read_copy(&folder.join(name)) {
                    Ok(None) => lacking.push(folder),
                    // A damaged copy is no copy.
                    copy => text = text.or(copy.ok().flatten()),
                }
            }
            let Some(text) = text else { continue };
            for folder in lacking {
                let written = files::replace(folder, name, &text);
                written.map_err(DataFolderError::io("writing", &folder.join(name)))?;
                tracing::warn!(file = %folder.join(name).display(), "was gone: it is written again");
            }
        }
        Ok(())
    }

    /// Removes what the node's key sealed, but for the identity.
    pub(crate) fn forget_sealed(&self) -> Result<(), DataFolderError> {
        SEALED_NAMES.iter().filter(|name| **name != identity::IDENTITY).try_for_each(|name| self.remove(name))
    }

    /// The first data folder, as errors name it.
    pub(crate) fn name(&self) -> PathBuf {
        self.folders.first().cloned().unwrap_or_default()
    }

    /// All of them, as an operator is told.
    pub(crate) fn names(&self) -> String {
        self.folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// How many data folders there are.
    pub(crate) fn folder_count(&self) -> u16 {
        u16::try_from(self.folders.len()).unwrap_or(u16::MAX)
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

/// Refuses a folder where a file has to be, before anything is begun that needs the file.
fn check_files(folders: &[PathBuf]) -> Result<(), DataFolderError> {
    for path in folders.iter().flat_map(|folder| NAMES.map(|name| folder.join(name))) {
        if files::is_folder(&path).map_err(DataFolderError::io("reading", &path))? {
            return Err(DataFolderError::Damaged { path, reason: "it is a folder".to_owned() });
        }
    }
    Ok(())
}

/// What is wrong with a TOML file. Only the message of an error: its full text quotes the line, and the line may be
/// a secret.
fn damaged(path: &Path, error: &toml::de::Error) -> DataFolderError {
    DataFolderError::Damaged { path: path.to_owned(), reason: error.message().to_owned() }
}

/// Refuses a file of another version.
fn check_version(path: &Path, version: u32) -> Result<(), DataFolderError> {
    match version {
        FORMAT_VERSION => Ok(()),
        found => Err(DataFolderError::Version { path: path.to_owned(), found }),
    }
}

/// Reads a file; `None` if it is not there.
fn read_copy(path: &Path) -> Result<Option<Zeroizing<String>>, DataFolderError> {
    match files::read(path) {
        Ok(text) => Ok(text.map(Zeroizing::new)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(DataFolderError::Damaged { path: path.to_owned(), reason: "it is not text".to_owned() })
        }
        Err(error) => Err(DataFolderError::io("reading", path)(error)),
    }
}

/// The first copy of a file that `parse` takes. What is wrong with a damaged one is told only if no copy is sound.
fn first_sound<T>(
    folders: &[PathBuf],
    name: &str,
    parse: impl Fn(&Path, &str) -> Result<T, DataFolderError>,
) -> Result<Option<T>, DataFolderError> {
    let mut damage = None;
    for folder in folders {
        let path = folder.join(name);
        match read_copy(&path).and_then(|text| text.map(|text| parse(&path, &text)).transpose()) {
            Ok(None) => {}
            Ok(sound) => return Ok(sound),
            Err(error @ (DataFolderError::Damaged { .. } | DataFolderError::OtherKey { .. })) => {
                damage = damage.or(Some(error));
            }
            Err(error) => return Err(error),
        }
    }
    damage.map_or(Ok(None), Err)
}

/// Writes a file to every folder that lacks it, or whose copy is another text or damaged.
fn write_everywhere(folders: &[PathBuf], name: &str, text: &str) -> Result<(), DataFolderError> {
    for folder in folders {
        let path = folder.join(name);
        let found = match read_copy(&path) {
            Err(DataFolderError::Damaged { .. }) => None,
            found => found?,
        };
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
