//! A lone server whose `identity.toml` is gone: its drives say cluster and node, and its cluster, which is it alone, has
//! the authority that signs.
//!
//! The node keeps its id and takes another key pair, which its map notes. That is sound because nobody else has to be
//! convinced: the authority's key is on these drives. A node of several is refused, for there the others would take two
//! processes for one node.
//! Promises: the identity is written last, so what was cut off is done again. Must not know: listeners.

use std::path::PathBuf;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_cluster::Role;
use couronne_protocol::net::certificates::{CertificateRequest, PrivateKey};
use couronne_storage_node::node::{DriveOwner, LocalNode, OwnerNode};

use super::ServeError;
use crate::drives;
use crate::folder::{DataFolder, Identity, Member, MemberFile};

/// The folders of the drives of a lone server, as one of them says; a node of several is refused.
pub(super) fn drive_folders(folder: &DataFolder, owner: &DriveOwner) -> Result<Vec<PathBuf>, ServeError> {
    match owner.node {
        Some(OwnerNode { drives, is_alone: true, .. }) => {
            let drives = u16::try_from(drives).unwrap_or(u16::MAX);
            Ok(folder.drive_folders_again(drives, &owner.folder)?)
        }
        _ => Err(drives::identity_lost(folder, owner).into()),
    }
}

/// Makes the identity again, of the node that was opened from its drives.
pub(super) async fn recover(
    folder: &DataFolder,
    node: &LocalNode,
    lifetime: Duration,
    env: &Env,
) -> Result<Member, ServeError> {
    let (id, map, role) = (node.id(), node.map(), Role::StorageNode);
    let key = PrivateKey::generate()?;
    let request = key.request(b"")?;
    node.take_key(key.node()?).await?;
    // A founding node that was cut off has not given the cluster its authority yet.
    let founding = folder.founding()?.filter(|founding| founding.cluster == map.cluster);
    let is_reset = founding.as_ref().is_some_and(|founding| founding.is_reset);
    let (authority, certificate) = match founding {
        Some(founding) => {
            let proven = CertificateRequest::proven(&request, b"")?;
            let certificate = founding.authority.sign(&proven, id, role, lifetime, env)?;
            (founding.authority.certificate().to_vec(), certificate)
        }
        None => (node.authority_certificate().await?.to_vec(), node.renew(id, role, &request).await?.to_vec()),
    };
    let drives = u16::try_from(map.drives_of(id).count()).unwrap_or(u16::MAX);
    let data_folders = folder.folder_count();
    let membership = MemberFile { cluster: map.cluster, role, drives, data_folders, certificate, authority, is_reset };
    tracing::warn!(node = %id, "identity.toml was gone: it is made again from the drives, with another key pair");
    folder.forget_identity()?;
    Ok(folder.become_member(Identity::with_key(id, key), membership)?)
}
