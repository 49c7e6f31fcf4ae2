//! Founding a cluster on the drives of this process: by `couronne cluster init`, or by the first start of
//! `couronne serve`, whose cluster is one node alone.
//!
//! The drives are looked at and opened first: where they are refused nothing is written. Steps after that, each durable
//! before the next: the key pair, from which the node's id comes; the cluster's id, authority and secrets; the drives'
//! identities and the first map; the node's certificate and membership. The last decides: what was cut off before it is
//! gone on with, of the same cluster.
//! Must not know: how the cluster is bootstrapped later, where its secrets are kept.

use couronne_base::env::Env;
use couronne_cluster::Role;
use couronne_cluster::map::{Bootstrap, MapNode};
use couronne_placement::Redundancy;
use couronne_protocol::net::certificates::{CertificateError, CertificateRequest};
use couronne_storage_node::node::{DriveNotes, Membership, NodeDrive, NodeError};
use thiserror::Error;

use crate::drives::{self, DrivesError};
use crate::folder::{DataFolder, DataFolderError, MemberFile};
use crate::policy;
use crate::settings::Settings;

/// Why no cluster was founded.
#[derive(Debug, Error)]
pub(crate) enum FoundingError {
    /// The data folders were refused.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// The drives are not this process's to found a cluster on.
    #[error(transparent)]
    Drives(#[from] DrivesError),
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
    let identity = folder.identity_or_new()?;
    let founding = folder.founding_or_new(env)?;
    let (cluster, node) = (founding.cluster, identity.node);
    if let Some(prepared) = drives::refuse_used(folder).await?.filter(|owner| owner.cluster != cluster) {
        return Err(DataFolderError::Prepared { drive: prepared.folder }.into());
    }
    let count = folder.drive_count()?;
    let drives = drives::open(&folder.drive_folders()?, &DriveNotes::default()).await?;
    let planned = Membership::plan_drives(env, &drives).await?;
    folder.keep_identity(&identity)?;
    folder.keep_founding(&founding)?;
    let policy = policy::of(plan.redundancy);
    let bootstrap = Bootstrap { nodes: plan.nodes, ranges: settings.storage.metadata_ranges };
    Membership::found(env, &drives, &planned, (cluster, node, plan.place), &policy, bootstrap).await?;

    let lifetime = settings.cluster.certificate_lifetime();
    let request = identity.key.request(b"")?;
    let request = CertificateRequest::proven(&request, b"")?;
    let certificate = founding.authority.sign(&request, node, Role::StorageNode, lifetime, env)?;
    let authority = founding.authority.certificate().to_vec();
    let data_folders = folder.folder_count();
    let role = Role::StorageNode;
    let membership = MemberFile { cluster, role, drives: count, data_folders, certificate, authority, is_reset: false };
    folder.become_member(identity, membership)?;
    Ok(drives)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the test takes a file back")]
mod tests {
    use couronne_base::env;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_cut_off_before_the_membership_is_gone_on_with() {
        let (home, env) = (tempfile::tempdir().unwrap(), env::system());
        let mut settings = Settings::default();
        (settings.data.folders, settings.data.drives) = (vec![home.path().to_owned()], Some(2));
        settings.data = settings.data.with_test_key();
        let folder = DataFolder::open(&settings.data).unwrap();
        let plan = || Plan { redundancy: Redundancy::Single, nodes: 1, place: settings.place(String::new()) };
        let drives = found(&folder, &settings, plan(), &env).await.unwrap();
        let owner = Membership::owner(&drives, None).await.unwrap();
        let ids = Membership::plan_drives(&env, &drives).await.unwrap();
        let first = folder.member(Role::StorageNode).unwrap();
        assert_eq!(owner, Some((first.membership.cluster, first.node)));
        assert!(matches!(found(&folder, &settings, plan(), &env).await, Err(FoundingError::DataFolder(_))));
        drop(drives);

        let path = home.path().join("identity.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.split("[membership]").next().unwrap()).unwrap();
        let mut again = found(&folder, &settings, plan(), &env).await;
        for _ in 0..100 {
            // The drives are let go of in the background.
            let Err(FoundingError::Node(NodeError::InUse(_) | NodeError::Drive(_)) | FoundingError::Drives(_)) = &again
            else {
                break;
            };
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            again = found(&folder, &settings, plan(), &env).await;
        }
        let drives = again.unwrap();
        assert_eq!(Membership::owner(&drives, None).await.unwrap(), owner);
        assert_eq!(Membership::plan_drives(&env, &drives).await.unwrap(), ids);
        let second = folder.member(Role::StorageNode).unwrap();
        assert_eq!((second.node, second.membership.authority), (first.node, first.membership.authority));
    }
}
