//! The cluster's secrets at a storage node: a founding node has its cluster keep them, others are given them.
//!
//! Promises: a founding node's file of them goes only after the cluster keeps them at a quorum.
//! Must not know: what they open.

use couronne_base::env::Env;
use couronne_storage_node::node::LocalNode;

use super::ServeError;
use crate::folder::secrets::Secrets;
use crate::folder::{DataFolder, Member};

/// The cluster's secrets; the founding node has the cluster keep them first.
pub(super) async fn of_cluster(folder: &DataFolder, member: &Member, node: &LocalNode) -> Result<Secrets, ServeError> {
    if let Some(founding) = folder.founding()?.filter(|founding| founding.cluster == member.membership.cluster) {
        let text = founding.secrets.text().as_bytes().to_vec();
        node.keep_secrets(text.into(), &founding.authority, &founding.authority_key).await?;
        folder.forget_founding()?;
    }
    let kept = node.secrets().await?;
    kept.and_then(|kept| Secrets::parse(&kept)).ok_or(ServeError::Cluster("secrets"))
}

/// The same at a lone server, with the root credentials that its operator wants.
pub(super) async fn of_lone(
    folder: &DataFolder,
    member: &Member,
    node: &LocalNode,
    env: &Env,
) -> Result<Secrets, ServeError> {
    let kept = of_cluster(folder, member, node).await?;
    let root = folder.root_credentials(&kept, env)?;
    if root == kept.root() {
        return Ok(kept);
    }
    let changed = Secrets { access_key: root.access_key, secret_key: root.secret_key, ..kept };
    node.change_secrets(changed.text().as_bytes().to_vec().into()).await?;
    tracing::info!(access_key = changed.access_key, "the root credentials were changed");
    Ok(changed)
}
