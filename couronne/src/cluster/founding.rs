//! Founding a cluster on the drives of this process: by `couronne cluster init`, or by the first start of
//! `couronne serve`, whose cluster is one node alone.
//!
//! Steps, each durable before the next: the key pair, from which the node's id comes; the cluster's id, authority
//! and secrets; the drives' identities and the first map; the node's certificate and membership. The last decides:
//! what was cut off before it is gone on with, of the same cluster.
//! Must not know: how the cluster is formed later, who keeps its secrets.

use couronne_base::env::Env;
use couronne_cluster::Role;
use couronne_cluster::map::{Formation, MapNode};
use couronne_placement::Redundancy;
use couronne_protocol::net::certificates::CertificateError;
use couronne_storage_node::node::{Membership, NodeDrive, NodeError};
use thiserror::Error;

use crate::folder::{DataFolder, DataFolderError, MemberFile};
use crate::serve::parts;
use crate::settings::Settings;

/// Why no cluster was founded.
#[derive(Debug, Error)]
pub(crate) enum FoundingError {
    /// The data folders were refused.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// The drives were refused.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Keys or certificates could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// What is founded.
pub(crate) struct Plan {
    /// The redundancy of the default policy.
    pub(crate) redundancy: Redundancy,
    /// How many storage nodes it waits for, this one counted.
    pub(crate) nodes: u16,
    /// What the map says of this node.
    pub(crate) place: MapNode,
}

/// Founds a cluster; the drives of this process, opened.
pub(crate) async fn found(
    folder: &DataFolder,
    settings: &Settings,
    plan: Plan,
    env: &Env,
) -> Result<Vec<NodeDrive>, FoundingError> {
    folder.refuse_member()?;
    let identity = folder.make_identity()?;
    let founding = folder.make_founding(env)?;
    let (cluster, node) = (founding.cluster, identity.node);
    let count = folder.drive_count()?;
    let drives = parts::drives(&folder.drive_folders()?).await?;
    let planned = Membership::plan_drives(env, &drives).await?;
    let policy = parts::policy(plan.redundancy);
    let formation = Formation { nodes: plan.nodes, ranges: settings.storage.metadata_ranges };
    Membership::found(env, &drives, &planned, (cluster, node, plan.place), &policy, formation).await?;

    let lifetime = settings.cluster.certificate_lifetime();
    let certificate = founding.authority.sign(&identity.key.request()?, node, Role::StorageNode, lifetime, env)?;
    let authority = founding.authority.certificate().to_vec();
    let membership = MemberFile { cluster, role: Role::StorageNode, drives: count, certificate, authority };
    folder.become_member(identity, membership)?;
    Ok(drives)
}
