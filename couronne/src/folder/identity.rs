//! The identity of a process: a node id that comes from a key pair of its first start, and its membership in a cluster.
//!
//! ```text
//! format_version = 1
//! revision = <rises with every change>
//! node = "<32 hexadecimal digits>"
//! key = "<private key, PKCS #8, sealed, base64>"
//!
//! [membership]                    only in a cluster
//! cluster = "<32 hexadecimal digits>"
//! role = "storage-node" or "gateway"
//! drives = <their number>
//! data_folders = <their number>
//! certificate = "<DER, base64>"
//! authority = "<certificate, DER, base64>"
//! is_reset = true or false: whether its secrets were reset, and the cluster's map does not name that authority yet
//! ```
//! The key is the member's for life, the certificate and the authority that signed it are renewed. The membership
//! is written last when a cluster is founded or joined, and decides: whatever was cut off before it is done again.
//! Promises: certificate and authority change together. Of copies in several folders the newest counts; those that are missing,
//! older or damaged are written again, and those of another node are refused. Must not know: how certificates are signed.

use std::path::Path;

use couronne_cluster::Role;
use couronne_cluster::map::ClusterMap;
use couronne_protocol::net::certificates::PrivateKey;
use couronne_ring::NodeId;
use serde::{Deserialize, Serialize};

use super::founding::FOUNDING;
use super::joining::JOINING;
use super::role_names::{parse_role, role_name};
use super::{DataFolder, DataFolderError, FORMAT_VERSION, check_version, damaged, decoded, encoded, read_copy};

pub(super) const IDENTITY: &str = "identity.toml";

/// A process.
pub(crate) struct Identity {
    pub(crate) node: NodeId,
    pub(crate) key: PrivateKey,
    /// What it belongs to; `None` before it has founded or joined a cluster.
    pub(crate) membership: Option<MemberFile>,
    revision: u64,
}

/// What a process is in its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberFile {
    pub(crate) cluster: u128,
    pub(crate) role: Role,
    /// How many drives it has.
    pub(crate) drives: u16,
    /// How many data folders it has.
    pub(crate) data_folders: u16,
    /// Its certificate.
    pub(crate) certificate: Vec<u8>,
    /// The certificate of the authority that signed it.
    pub(crate) authority: Vec<u8>,
    /// Whether its secrets were reset, and no map is known yet that names this authority: until then it alone is trusted.
    pub(crate) is_reset: bool,
}

impl MemberFile {
    /// Whether a map says which peers are trusted: not one from before the secrets were reset.
    pub(crate) fn goes_by(&self, map: &ClusterMap) -> bool {
        !self.is_reset || map.authorities.trusted.values().any(|trusted| **trusted == *self.authority)
    }
}

/// A process that belongs to a cluster.
pub(crate) struct Member {
    pub(crate) node: NodeId,
    pub(crate) key: PrivateKey,
    pub(crate) membership: MemberFile,
}

/// A member as its identity says, whether its private key can be opened or not.
pub(crate) struct UnopenedMember {
    pub(crate) node: NodeId,
    pub(crate) membership: MemberFile,
    pub(crate) revision: u64,
    /// Whether the node's key opens its private key.
    pub(crate) is_opened: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityFile {
    format_version: u32,
    revision: u64,
    node: String,
    key: String,
    membership: Option<MembershipFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MembershipFile {
    cluster: String,
    role: String,
    drives: u16,
    data_folders: u16,
    certificate: String,
    authority: String,
    is_reset: bool,
}

impl DataFolder {
    /// The identity of the process of this folder; `None` before anything was begun.
    pub(crate) fn identity(&self) -> Result<Option<Identity>, DataFolderError> {
        match self.newest_identity()? {
            (None, Some(DataFolderError::Damaged { path, reason })) => {
                let then = "put a sound copy in its place; a server that ran alone makes it again from its drives once \
                            the file is moved away";
                Err(DataFolderError::Damaged { path, reason: format!("{reason}; {then}") })
            }
            (None, Some(damage)) => Err(damage),
            (identity, _) => Ok(identity),
        }
    }

    /// The newest sound copy, and what is wrong with the first damaged one.
    fn newest_identity(&self) -> Result<(Option<Identity>, Option<DataFolderError>), DataFolderError> {
        let (mut newest, mut damage): (Option<(Identity, &Path)>, _) = (None, None);
        for folder in &self.folders {
            let path = folder.join(IDENTITY);
            let identity = match read(&path).and_then(|file| {
                // Whose it is stands there in clear: another node's is refused as such, whatever sealed it.
                let other = |(known, first): &(Identity, &Path), node| DataFolderError::Differ {
                    first: (*first).to_owned(),
                    second: folder.clone(),
                    nodes: (known.node, node),
                };
                match (file, &newest) {
                    (Some(file), Some(known)) if file.node != known.0.node => Err(other(known, file.node)),
                    (Some(file), _) => self.open_identity(file, &path).map(Some),
                    (None, _) => Ok(None),
                }
            }) {
                Ok(Some(identity)) => identity,
                Ok(None) => continue,
                Err(error @ (DataFolderError::Damaged { .. } | DataFolderError::OtherKey { .. })) => {
                    damage = damage.or(Some(error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            match &newest {
                Some((other, _)) if other.revision >= identity.revision => {}
                _ => newest = Some((identity, folder)),
            }
        }
        Ok((newest.map(|(identity, _)| identity), damage))
    }

    /// The identity of the process of this folder; a new one, which stands nowhere yet, if there is none.
    pub(crate) fn identity_or_new(&self) -> Result<Identity, DataFolderError> {
        self.identity()?.map_or_else(Identity::new, Ok)
    }

    /// The member that lives here.
    pub(crate) fn member(&self, wanted: Role) -> Result<Member, DataFolderError> {
        let Identity { node, key, membership, .. } = self.identity()?.ok_or(DataFolderError::NoMember(self.name()))?;
        let membership = membership.ok_or_else(|| DataFolderError::NoMember(self.name()))?;
        if membership.role != wanted {
            return Err(DataFolderError::Role { folder: self.name(), is: role_name(membership.role) });
        }
        Ok(Member { node, key, membership })
    }

    /// The member that lives here, by the newest copy of its identity, of which the private key is left sealed.
    pub(super) fn unopened_member(&self) -> Result<UnopenedMember, DataFolderError> {
        let mut newest: Option<ReadIdentity> = None;
        for folder in &self.folders {
            let found = match read(&folder.join(IDENTITY)) {
                Err(DataFolderError::Damaged { .. }) => None,
                found => found?,
            };
            newest = newest.into_iter().chain(found).max_by_key(|identity| identity.revision);
        }
        let absent = || DataFolderError::NoMember(self.name());
        let ReadIdentity { node, sealed_key, membership, revision } = newest.ok_or_else(absent)?;
        let is_opened = self.node_key.open(&self.name(), &about(&node.to_string()), &sealed_key).is_ok();
        Ok(UnopenedMember { node, membership: membership.ok_or_else(absent)?, revision, is_opened })
    }

    /// The member has another key and membership, in the place of those of this revision.
    pub(crate) fn renew_unopened(
        &self,
        node: NodeId,
        revision: u64,
        key: PrivateKey,
        membership: MemberFile,
    ) -> Result<(), DataFolderError> {
        self.keep_identity(&Identity { node, key, membership: Some(membership), revision: revision + 1 })
    }

    /// Whether a member lives here.
    pub(crate) fn has_member(&self) -> Result<bool, DataFolderError> {
        Ok(self.identity()?.is_some_and(|identity| identity.membership.is_some()))
    }

    /// Refuses to make a member of one.
    pub(crate) fn refuse_member(&self) -> Result<(), DataFolderError> {
        match self.identity()?.and_then(|identity| identity.membership) {
            Some(MemberFile { cluster, .. }) => Err(DataFolderError::Member { folder: self.name(), cluster }),
            None => Ok(()),
        }
    }

    /// Refuses drives that belong to another node than the member here, as their map says.
    pub(crate) fn check_owner(&self, owner: Option<(u128, NodeId)>, member: &Member) -> Result<(), DataFolderError> {
        match owner {
            Some((cluster, found)) if (cluster, found) != (member.membership.cluster, member.node) => {
                Err(DataFolderError::Drives { folder: self.name(), found, cluster })
            }
            _ => Ok(()),
        }
    }

    /// From now on the process is a member.
    pub(crate) fn become_member(&self, identity: Identity, membership: MemberFile) -> Result<Member, DataFolderError> {
        let Identity { node, key, revision, .. } = identity;
        let identity = Identity { node, key, membership: Some(membership.clone()), revision: revision + 1 };
        self.keep_identity(&identity)?;
        self.remove(JOINING)?;
        if self.founding()?.is_some_and(|founding| founding.cluster != membership.cluster) {
            self.remove(FOUNDING)?;
        }
        Ok(Member { node, key: identity.key, membership })
    }

    /// The member has another certificate, of this authority.
    pub(crate) fn renew(&self, certificate: Vec<u8>, authority: Vec<u8>) -> Result<(), DataFolderError> {
        let absent = || DataFolderError::NoMember(self.name());
        let Identity { node, key, membership, revision } = self.identity()?.ok_or_else(absent)?;
        let membership = MemberFile { certificate, authority, ..membership.ok_or_else(absent)? };
        self.keep_identity(&Identity { node, key, membership: Some(membership), revision: revision + 1 })
    }

    /// The map that is kept names the authority of the reset: what it says is trusted from now on.
    pub(crate) fn end_reset(&self) -> Result<(), DataFolderError> {
        let absent = || DataFolderError::NoMember(self.name());
        let Identity { node, key, membership, revision } = self.identity()?.ok_or_else(absent)?;
        let membership = MemberFile { is_reset: false, ..membership.ok_or_else(absent)? };
        self.keep_identity(&Identity { node, key, membership: Some(membership), revision: revision + 1 })
    }

    /// Gives folders that lack the newest identity a copy, and those whose copy is damaged.
    pub(super) fn complete_identity(&self) -> Result<(), DataFolderError> {
        let (identity, damage) = self.newest_identity()?;
        let Some(identity) = identity else { return Ok(()) };
        if let Some(damage) = damage {
            tracing::warn!(%damage, "this copy of the identity is written again");
        }
        self.keep_identity(&identity)
    }

    /// Forgets the process that these folders were of.
    pub(crate) fn forget_identity(&self) -> Result<(), DataFolderError> {
        self.remove(IDENTITY)
    }

    /// Keeps the identity in every folder.
    pub(crate) fn keep_identity(&self, identity: &Identity) -> Result<(), DataFolderError> {
        let membership = identity.membership.as_ref().map(|membership| MembershipFile {
            cluster: format!("{:032x}", membership.cluster),
            role: role_name(membership.role).to_owned(),
            drives: membership.drives,
            data_folders: membership.data_folders,
            certificate: encoded(&membership.certificate).to_string(),
            authority: encoded(&membership.authority).to_string(),
            is_reset: membership.is_reset,
        });
        let file = IdentityFile {
            format_version: FORMAT_VERSION,
            revision: identity.revision,
            node: identity.node.to_string(),
            key: self.node_key.seal(&about(&identity.node.to_string()), identity.key.as_pkcs8())?,
            membership,
        };
        self.write(IDENTITY, &file)
    }

    /// What a copy says, with its private key opened. One whose key is no key is damaged.
    fn open_identity(&self, file: ReadIdentity, path: &Path) -> Result<Identity, DataFolderError> {
        let ReadIdentity { node, sealed_key, membership, revision } = file;
        let opened = self.node_key.open(path, &about(&node.to_string()), &sealed_key)?;
        let key = PrivateKey::from_pkcs8(opened.to_vec());
        match key.node() {
            Ok(_) => Ok(Identity { node, key, membership, revision }),
            Err(error) => Err(DataFolderError::Damaged { path: path.to_owned(), reason: error.to_string() }),
        }
    }
}

impl Identity {
    /// A process of a new key pair.
    pub(crate) fn new() -> Result<Self, DataFolderError> {
        let key = PrivateKey::generate()?;
        Ok(Self { node: key.node()?, key, membership: None, revision: 1 })
    }

    /// A process that is known by its id and has another key pair now.
    pub(crate) const fn with_key(node: NodeId, key: PrivateKey) -> Self {
        Self { node, key, membership: None, revision: 1 }
    }
}

/// What a copy says, its private key as it stands there.
struct ReadIdentity {
    node: NodeId,
    sealed_key: String,
    membership: Option<MemberFile>,
    revision: u64,
}

/// What the private key of a node is sealed about.
const fn about(node: &str) -> [&str; 2] {
    ["private key", node]
}

/// Reads a copy; `None` if there is none.
fn read(path: &Path) -> Result<Option<ReadIdentity>, DataFolderError> {
    let Some(text) = read_copy(path)? else { return Ok(None) };
    parse(toml::from_str(&text).map_err(|error| damaged(path, &error))?, path).map(Some)
}

/// What a file means.
fn parse(file: IdentityFile, path: &Path) -> Result<ReadIdentity, DataFolderError> {
    check_version(path, file.format_version)?;
    let membership = |file: &MembershipFile| {
        let role = parse_role(&file.role)?;
        Some(MemberFile {
            cluster: u128::from_str_radix(&file.cluster, 16).ok()?,
            role,
            drives: file.drives,
            data_folders: file.data_folders,
            certificate: decoded(&file.certificate)?,
            authority: decoded(&file.authority)?,
            is_reset: file.is_reset,
        })
    };
    let parsed = || {
        let membership = match &file.membership {
            Some(file) => Some(membership(file)?),
            None => None,
        };
        Some((NodeId::parse(&file.node)?, membership))
    };
    let reason = || "an id or a certificate does not parse".to_owned();
    let (node, membership) =
        parsed().ok_or_else(|| DataFolderError::Damaged { path: path.to_owned(), reason: reason() })?;
    Ok(ReadIdentity { node, sealed_key: file.key, membership, revision: file.revision })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_its_format_says() {
        let membership = MembershipFile {
            cluster: format!("{:032x}", 9),
            role: "storage-node".to_owned(),
            drives: 6,
            data_folders: 2,
            certificate: encoded(b"certificate").to_string(),
            authority: encoded(b"authority").to_string(),
            is_reset: true,
        };
        let mut file = IdentityFile {
            format_version: 1,
            revision: 2,
            node: NodeId(7).to_string(),
            key: "a2V5".to_owned(),
            membership: Some(membership),
        };
        let head = "format_version = 1\nrevision = 2\nnode = \"00000000000000000000000000000007\"\nkey = \"a2V5\"\n";
        let golden = format!(
            "{head}\n[membership]\ncluster = \"00000000000000000000000000000009\"\nrole = \"storage-node\"\ndrives = 6\n\
             data_folders = 2\ncertificate = \"Y2VydGlmaWNhdGU=\"\nauthority = \"YXV0aG9yaXR5\"\nis_reset = true\n"
        );
        assert_eq!(toml::to_string(&file).unwrap(), golden);
        let read = parse(toml::from_str(&golden).unwrap(), Path::new("identity.toml")).unwrap();
        assert_eq!((read.node, read.sealed_key.as_str(), read.revision), (NodeId(7), "a2V5", 2));
        let MemberFile { cluster, role, drives, data_folders, certificate, authority, is_reset } =
            read.membership.unwrap();
        assert_eq!((cluster, role, drives, data_folders), (9, Role::StorageNode, 6, 2));
        assert_eq!((certificate, authority, is_reset), (b"certificate".to_vec(), b"authority".to_vec(), true));
        file.membership = None;
        assert_eq!(toml::to_string(&file).unwrap(), head);
        assert!(parse(toml::from_str(head).unwrap(), Path::new("identity.toml")).unwrap().membership.is_none());
        file.format_version = 2;
        assert!(parse(file, Path::new("identity.toml")).is_err(), "another version is refused");
    }
}
