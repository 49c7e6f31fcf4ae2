//! The cluster's secrets at a storage node: a founding node has its cluster keep them, others are given them.
//!
//! Promises: a founding node's file of them goes only after the cluster keeps them at a quorum.
//! Must not know: what they open.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_gateway::identity::Identity;
use couronne_storage_node::node::{LocalNode, NodeError};
use tokio::time::sleep;

use super::ServeError;
use super::operators::Operators;
use crate::folder::credentials::Credentials;
use crate::folder::secrets::Secrets;
use crate::folder::{DataFolder, Member};

/// The pause after secrets that were changed could not be read.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// The cluster's secrets; the founding node has the cluster keep them first. Others wait for them as long as nobody who
/// answers has the key that sealed them.
pub(super) async fn of_cluster(folder: &DataFolder, member: &Member, node: &LocalNode) -> Result<Secrets, ServeError> {
    if let Some(founding) = folder.founding()?.filter(|founding| founding.cluster == member.membership.cluster) {
        let (secrets, authority, key) = (founding.secrets.bytes(), &founding.authority, &founding.authority_key);
        if !founding.is_reset {
            node.keep_secrets(secrets, authority, key).await?;
            folder.forget_founding()?;
        } else if node.reset_secrets(secrets, authority, key).await? {
            // The file goes once users' keys were seen to as well.
            tracing::warn!("the cluster's secrets and its authority are new ones");
        }
    }
    let mut is_told = false;
    let kept = loop {
        match node.secrets().await {
            Err(error @ NodeError::NoClusterKey) if node.transport().is_some() => {
                if !is_told {
                    tracing::warn!(%error, "waiting for the cluster's secrets");
                }
                is_told = true;
                sleep(READ_AGAIN).await;
            }
            kept => break kept?,
        }
    };
    kept.and_then(|kept| Secrets::parse(&kept)).ok_or(ServeError::Cluster("secrets"))
}

/// Ends a reset of the secrets, if there was one: access keys go whose secret keys were lost by it.
pub(super) async fn end_reset(folder: &DataFolder, identity: &Identity) -> Result<(), ServeError> {
    if folder.founding()?.is_some_and(|founding| founding.is_reset) {
        let lost = identity.delete_unopened_keys().await?;
        tracing::warn!(keys = lost, "access keys are deleted whose secret keys were lost with the secrets");
        folder.forget_founding()?;
    }
    Ok(())
}

/// The same at a lone server: with the root credentials that `preset` has, if it has any. Only the environment presets
/// them; no file does, which may be there by accident.
pub(super) async fn of_lone(
    folder: &DataFolder,
    member: &Member,
    node: &LocalNode,
    preset: Option<Credentials>,
) -> Result<Secrets, ServeError> {
    let mut secrets = of_cluster(folder, member, node).await?;
    if let Some(root) = preset.filter(|preset| *preset != secrets.root()) {
        let preset = |kept: &Bytes| -> Result<Bytes, ServeError> {
            let kept = Secrets::parse(kept).ok_or(ServeError::Cluster("secrets"))?;
            let Credentials { access_key, secret_key } = root.clone();
            Ok(Secrets { access_key, secret_key, ..kept }.bytes())
        };
        node.change_secrets(preset).await?;
        secrets = Secrets { access_key: root.access_key.clone(), secret_key: root.secret_key.clone(), ..secrets };
        tracing::info!(access_key = secrets.access_key, "the root credentials are others now");
    }
    folder.keep_for_operator(&secrets)?;
    Ok(secrets)
}

/// Follows the cluster's secrets at a storage node, for as long as the process runs: whenever the map says that they were
/// changed they are read again, and count from then on.
pub(super) async fn follow(node: Arc<LocalNode>, operators: Operators, folder: Arc<DataFolder>, mut known: u64) {
    let mut versions = node.shared_map().follow();
    loop {
        let told = node.map().secrets_version;
        if told != known {
            let kept = node.secrets().await.ok().flatten().and_then(|kept| Secrets::parse(&kept));
            let changed = kept.map(|secrets| operators.change(&folder, &secrets));
            match changed {
                Some(Ok(())) => known = told,
                Some(Err(error)) => tracing::error!(%error, "the cluster's new secrets cannot be kept"),
                None => tracing::warn!("the cluster's new secrets cannot be read yet"),
            }
        }
        let is_told = known == told;
        tokio::select! {
            biased;
            changed = versions.changed() => if changed.is_err() { return },
            () = sleep(READ_AGAIN), if !is_told => {}
        }
    }
}
