//! Who a process is in its cluster, kept in its data folders.
//!
//! ```text
//! DIR/member.toml     cluster, node, role, certificates, private key
//! DIR/joining.toml    before it is admitted: private key and the ids of its drives
//! DIR/founding.toml   at the founder, until the cluster keeps them itself: authority's key and secrets
//! DIR/map             the last known map (base64), so that it finds the cluster again
//! DIR/server.json     where the running process listens
//! DIR/admin.token     the token of its admin listener
//! DIR/lock            held while it runs
//! ```
//!
//! Promises: all of it is mode 0600 and stands in every data folder; private keys have no `Debug`.
//! Must not know: how members talk.

use std::fs::File;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use couronne_protocol::net::certificates::PrivateKey;
use couronne_protocol::transport::Role;
use couronne_ring::{DriveId, NodeId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::folder::{DataFolderError, RunningServer, files};

const FORMAT_VERSION: u32 = 1;

const MEMBER: &str = "member.toml";
const JOINING: &str = "joining.toml";
const FOUNDING: &str = "founding.toml";

/// Why a process cannot be a member.
#[derive(Debug, Error)]
pub(crate) enum MemberError {
    /// A folder or file cannot be used.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// It has not joined.
    #[error(
        "{0} belongs to no cluster: found one with `couronne cluster init`, or join one with `couronne cluster join`"
    )]
    NoMember(PathBuf),
    /// It has joined already.
    #[error("{0} belongs to a cluster already")]
    Member(PathBuf),
    /// It is something else.
    #[error("{folder} is a {is}, not a {wanted}")]
    Role {
        /// The data folder.
        folder: PathBuf,
        /// What it is.
        is: &'static str,
        /// What it was started as.
        wanted: &'static str,
    },
}

/// The data folders of a member, locked.
pub(crate) struct MemberFolder {
    folders: Vec<PathBuf>,
    _locks: Vec<File>,
}

/// A member of a cluster.
pub(crate) struct Member {
    pub(crate) cluster: u128,
    pub(crate) node: NodeId,
    pub(crate) role: Role,
    pub(crate) certificate: Vec<u8>,
    pub(crate) authority: Vec<u8>,
    pub(crate) key: PrivateKey,
}

/// What a process that is about to join has decided.
pub(crate) struct Joining {
    pub(crate) key: PrivateKey,
    pub(crate) drives: Vec<(DriveId, u32)>,
}

/// What a founder has made and the cluster does not keep yet.
#[derive(Serialize, Deserialize)]
pub(crate) struct Founding {
    /// The authority's private key, base64.
    #[serde(with = "crate::folder::secret")]
    pub(crate) authority_key: Zeroizing<String>,
    /// What gateways work with, as TOML.
    #[serde(with = "crate::folder::secret")]
    pub(crate) secrets: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberFile {
    format_version: u32,
    cluster: String,
    node: String,
    role: String,
    certificate: String,
    authority: String,
    #[serde(with = "crate::folder::secret")]
    key: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JoiningFile {
    format_version: u32,
    #[serde(with = "crate::folder::secret")]
    key: Zeroizing<String>,
    drives: Vec<(String, u32)>,
}

impl MemberFolder {
    /// Opens and locks the data folders, making those that are not there.
    pub(crate) fn open(folders: &[PathBuf]) -> Result<Self, MemberError> {
        let mut locks = Vec::new();
        for folder in folders {
            files::create_folder(folder).map_err(DataFolderError::io("making", folder))?;
            let path = folder.join("lock");
            let lock = files::lock(path.clone()).map_err(DataFolderError::io("locking", &path))?;
            locks.push(lock.ok_or_else(|| DataFolderError::InUse(folder.clone()))?);
        }
        Ok(Self { folders: folders.to_vec(), _locks: locks })
    }

    /// The first data folder, as errors name it.
    pub(crate) fn name(&self) -> PathBuf {
        self.folders.first().cloned().unwrap_or_default()
    }

    /// The member that lives here.
    pub(crate) fn member(&self, wanted: Role) -> Result<Member, MemberError> {
        let file: MemberFile = self.read(MEMBER)?.ok_or_else(|| MemberError::NoMember(self.name()))?;
        let member = self.parse(&file).ok_or_else(|| self.damaged(MEMBER))?;
        if member.role != wanted {
            let (is, wanted) = (role_name(member.role), role_name(wanted));
            return Err(MemberError::Role { folder: self.name(), is, wanted });
        }
        Ok(member)
    }

    /// Whether a member lives here.
    pub(crate) fn has_member(&self) -> Result<bool, MemberError> {
        Ok(self.read::<MemberFile>(MEMBER)?.is_some())
    }

    /// Keeps who lives here from now on.
    pub(crate) fn keep(&self, member: &Member) -> Result<(), MemberError> {
        let file = MemberFile {
            format_version: FORMAT_VERSION,
            cluster: format!("{:032x}", member.cluster),
            node: member.node.to_string(),
            role: role_name(member.role).to_owned(),
            certificate: STANDARD.encode(&member.certificate),
            authority: STANDARD.encode(&member.authority),
            key: encoded(member.key.as_pkcs8()),
        };
        self.write(MEMBER, &Zeroizing::new(toml::to_string(&file).unwrap_or_default()))?;
        self.remove(JOINING)
    }

    /// What an earlier try to join had decided.
    pub(crate) fn joining(&self) -> Result<Option<Joining>, MemberError> {
        let Some(file) = self.read::<JoiningFile>(JOINING)? else { return Ok(None) };
        let drives = file.drives.iter().map(|(id, weight)| Some((DriveId::parse(id)?, *weight)));
        let drives = drives.collect::<Option<Vec<_>>>().ok_or_else(|| self.damaged(JOINING))?;
        let key = decoded(&file.key).ok_or_else(|| self.damaged(JOINING))?;
        Ok(Some(Joining { key: PrivateKey::from_pkcs8(key), drives }))
    }

    /// Keeps what was decided, so that a repeat is the same try.
    pub(crate) fn keep_joining(&self, joining: &Joining) -> Result<(), MemberError> {
        let file = JoiningFile {
            format_version: FORMAT_VERSION,
            key: encoded(joining.key.as_pkcs8()),
            drives: joining.drives.iter().map(|(id, weight)| (id.to_string(), *weight)).collect(),
        };
        self.write(JOINING, &Zeroizing::new(toml::to_string(&file).unwrap_or_default()))
    }

    /// What the founder made.
    pub(crate) fn founding(&self) -> Result<Option<Founding>, MemberError> {
        self.read(FOUNDING)
    }

    /// Keeps what the founder made until the cluster does.
    pub(crate) fn keep_founding(&self, founding: &Founding) -> Result<(), MemberError> {
        self.write(FOUNDING, &Zeroizing::new(toml::to_string(founding).unwrap_or_default()))
    }

    /// The cluster keeps it now.
    pub(crate) fn forget_founding(&self) -> Result<(), MemberError> {
        self.remove(FOUNDING)
    }

    /// The last known map.
    pub(crate) fn map(&self) -> Result<Option<Vec<u8>>, MemberError> {
        Ok(self.read_text("map")?.and_then(|text| decoded(&text)))
    }

    /// Keeps the newest map.
    pub(crate) fn keep_map(&self, map: &[u8]) -> Result<(), MemberError> {
        self.write("map", &STANDARD.encode(map))
    }

    /// Tells `couronne status` and the like where this process listens.
    pub(crate) fn announce(&self, server: &RunningServer, admin_token: &str) -> Result<(), MemberError> {
        self.write("admin.token", admin_token)?;
        self.write("server.json", &serde_json::to_string(server).unwrap_or_default())
    }

    /// Takes the announcement back, at the end of a clean shutdown.
    pub(crate) fn withdraw(&self) {
        if let Err(error) = self.remove("server.json") {
            tracing::warn!(%error, "removing server.json");
        }
    }

    fn parse(&self, file: &MemberFile) -> Option<Member> {
        let role = match file.role.as_str() {
            "storage node" => Role::StorageNode,
            "gateway" => Role::Gateway,
            _ => return None,
        };
        Some(Member {
            cluster: u128::from_str_radix(&file.cluster, 16).ok()?,
            node: NodeId::parse(&file.node)?,
            role,
            certificate: decoded(&file.certificate)?,
            authority: decoded(&file.authority)?,
            key: PrivateKey::from_pkcs8(decoded(&file.key)?),
        })
    }

    fn damaged(&self, name: &str) -> MemberError {
        let (path, reason) = (self.name().join(name), "it does not parse".to_owned());
        DataFolderError::Damaged { path, reason }.into()
    }

    fn read_text(&self, name: &str) -> Result<Option<Zeroizing<String>>, MemberError> {
        for folder in &self.folders {
            let path = folder.join(name);
            if let Some(text) = files::read(&path).map_err(DataFolderError::io("reading", &path))? {
                return Ok(Some(Zeroizing::new(text)));
            }
        }
        Ok(None)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, MemberError> {
        let Some(text) = self.read_text(name)? else { return Ok(None) };
        // The position would be enough, but the error's own words may quote a secret.
        toml::from_str(&text).map(Some).map_err(|_| self.damaged(name))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), MemberError> {
        for folder in &self.folders {
            files::replace(folder, name, text).map_err(DataFolderError::io("writing", &folder.join(name)))?;
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), MemberError> {
        for folder in &self.folders {
            let path: &Path = &folder.join(name);
            files::remove(path).map_err(DataFolderError::io("removing", path))?;
        }
        Ok(())
    }
}

/// Bytes as the files have them.
pub(crate) fn encoded(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(bytes))
}

/// The bytes of a file's text.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim()).ok()
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::StorageNode => "storage node",
        Role::Gateway => "gateway",
        Role::Stranger => "stranger",
    }
}
