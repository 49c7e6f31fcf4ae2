//! The identity of a process: a node id that comes from a key pair of its first start, and its membership in a cluster.
//!
//! ```text
//! format_version = 1
//! revision = <rises with every change>
//! node = "<32 hexadecimal digits>"
//! key = "<private key, PKCS #8, base64>"
//!
//! [membership]                    only in a cluster
//! cluster = "<32 hexadecimal digits>"
//! role = "storage-node" or "gateway"
//! drives = <their number>
//! certificate = "<DER, base64>"
//! authority = "<certificate, DER, base64>"
//! ```
//! The key is that of the certificate and is renewed with it; the node id stays that of the first one. The membership
//! is written last when a cluster is founded or joined, and decides: whatever was cut off before it is done again.
//! Promises: key and certificate change together. Of copies in several folders the newest counts, and those of
//! another node are refused. Must not know: how certificates are signed.

use std::path::Path;

use couronne_cluster::Role;
use couronne_protocol::net::certificates::PrivateKey;
use couronne_ring::NodeId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::founding::FOUNDING;
use super::joining::JOINING;
use super::{DataFolder, DataFolderError, FORMAT_VERSION, check_version, damaged, decoded, encoded, files};

const IDENTITY: &str = "identity.toml";

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
    /// Its certificate.
    pub(crate) certificate: Vec<u8>,
    /// The certificate of the cluster's authority.
    pub(crate) authority: Vec<u8>,
}

/// A process that belongs to a cluster.
pub(crate) struct Member {
    pub(crate) node: NodeId,
    pub(crate) key: PrivateKey,
    pub(crate) membership: MemberFile,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityFile {
    format_version: u32,
    revision: u64,
    node: String,
    #[serde(with = "super::secret")]
    key: Zeroizing<String>,
    membership: Option<MembershipFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MembershipFile {
    cluster: String,
    role: String,
    drives: u16,
    certificate: String,
    authority: String,
}

impl DataFolder {
    /// The identity of the process of this folder; `None` before anything was begun.
    pub(crate) fn identity(&self) -> Result<Option<Identity>, DataFolderError> {
        let mut newest: Option<(Identity, &Path)> = None;
        for folder in &self.folders {
            let path = folder.join(IDENTITY);
            let Some(text) = files::read(&path).map_err(DataFolderError::io("reading", &path))? else { continue };
            let file = toml::from_str(&Zeroizing::new(text)).map_err(|error| damaged(&path, &error))?;
            let identity = parse(&file, &path)?;
            match &newest {
                Some((other, first)) if other.node != identity.node => {
                    let nodes = (other.node, identity.node);
                    return Err(DataFolderError::Differ { first: (*first).to_owned(), second: folder.clone(), nodes });
                }
                Some((other, _)) if other.revision >= identity.revision => {}
                _ => newest = Some((identity, folder)),
            }
        }
        Ok(newest.map(|(identity, _)| identity))
    }

    /// The identity of the process of this folder; made now, with a key pair, if there is none.
    pub(crate) fn make_identity(&self) -> Result<Identity, DataFolderError> {
        if let Some(identity) = self.identity()? {
            return Ok(identity);
        }
        let key = PrivateKey::generate()?;
        let identity = Identity { node: key.node()?, key, membership: None, revision: 1 };
        self.keep_identity(&identity)?;
        Ok(identity)
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

    /// The member has another key and certificate.
    pub(crate) fn renew(&self, key: PrivateKey, certificate: Vec<u8>) -> Result<(), DataFolderError> {
        let absent = || DataFolderError::NoMember(self.name());
        let Identity { node, membership, revision, .. } = self.identity()?.ok_or_else(absent)?;
        let membership = MemberFile { certificate, ..membership.ok_or_else(absent)? };
        self.keep_identity(&Identity { node, key, membership: Some(membership), revision: revision + 1 })
    }

    /// Gives folders that lack the newest identity a copy.
    pub(super) fn complete_identity(&self) -> Result<(), DataFolderError> {
        self.identity()?.map_or(Ok(()), |identity| self.keep_identity(&identity))
    }

    fn keep_identity(&self, identity: &Identity) -> Result<(), DataFolderError> {
        let membership = identity.membership.as_ref().map(|membership| MembershipFile {
            cluster: format!("{:032x}", membership.cluster),
            role: role_name(membership.role).to_owned(),
            drives: membership.drives,
            certificate: encoded(&membership.certificate).to_string(),
            authority: encoded(&membership.authority).to_string(),
        });
        let file = IdentityFile {
            format_version: FORMAT_VERSION,
            revision: identity.revision,
            node: identity.node.to_string(),
            key: encoded(identity.key.as_pkcs8()),
            membership,
        };
        self.write(IDENTITY, &file)
    }
}

/// What a file means.
fn parse(file: &IdentityFile, path: &Path) -> Result<Identity, DataFolderError> {
    check_version(path, file.format_version)?;
    let membership = |file: &MembershipFile| {
        let role = [Role::StorageNode, Role::Gateway].into_iter().find(|role| role_name(*role) == file.role)?;
        Some(MemberFile {
            cluster: u128::from_str_radix(&file.cluster, 16).ok()?,
            role,
            drives: file.drives,
            certificate: decoded(&file.certificate)?,
            authority: decoded(&file.authority)?,
        })
    };
    let identity = || {
        let membership = match &file.membership {
            Some(file) => Some(membership(file)?),
            None => None,
        };
        let key = PrivateKey::from_pkcs8(decoded(&file.key)?);
        Some(Identity { node: NodeId::parse(&file.node)?, key, membership, revision: file.revision })
    };
    let reason = || "an id, a key or a certificate does not parse".to_owned();
    identity().ok_or_else(|| DataFolderError::Damaged { path: path.to_owned(), reason: reason() })
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::StorageNode => "storage-node",
        Role::Gateway => "gateway",
        Role::Unjoined => "unjoined",
    }
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
            certificate: encoded(b"certificate").to_string(),
            authority: encoded(b"authority").to_string(),
        };
        let mut file = IdentityFile {
            format_version: 1,
            revision: 2,
            node: NodeId(7).to_string(),
            key: encoded(b"key"),
            membership: Some(membership),
        };
        let head = "format_version = 1\nrevision = 2\nnode = \"00000000000000000000000000000007\"\nkey = \"a2V5\"\n";
        let golden = format!(
            "{head}\n[membership]\ncluster = \"00000000000000000000000000000009\"\nrole = \"storage-node\"\ndrives = 6\n\
             certificate = \"Y2VydGlmaWNhdGU=\"\nauthority = \"YXV0aG9yaXR5\"\n"
        );
        assert_eq!(toml::to_string(&file).unwrap(), golden);
        let read = parse(&toml::from_str(&golden).unwrap(), Path::new("identity.toml")).unwrap();
        assert_eq!((read.node, read.key.as_pkcs8(), read.revision), (NodeId(7), &b"key"[..], 2));
        let MemberFile { cluster, role, drives, certificate, authority } = read.membership.unwrap();
        assert_eq!((cluster, role, drives), (9, Role::StorageNode, 6));
        assert_eq!((certificate, authority), (b"certificate".to_vec(), b"authority".to_vec()));
        file.membership = None;
        assert_eq!(toml::to_string(&file).unwrap(), head);
        assert!(parse(&toml::from_str(head).unwrap(), Path::new("identity.toml")).unwrap().membership.is_none());
        file.format_version = 2;
        assert!(parse(&file, Path::new("identity.toml")).is_err(), "another version is refused");
    }
}
