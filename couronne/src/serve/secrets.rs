//! The cluster's secrets at a storage node: a founding node has its cluster keep them, others are given them.
//!
//! Promises: a founding node's file of them goes only after the cluster keeps them at a quorum.
//! Must not know: what they open.

use couronne_storage_node::node::LocalNode;

use super::ServeError;
use crate::folder::credentials::Credentials;
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
        secrets = Secrets { access_key: root.access_key, secret_key: root.secret_key, ..secrets };
        node.change_secrets(secrets.text().as_bytes().to_vec().into()).await?;
        tracing::info!(access_key = secrets.access_key, "the root credentials are others now");
    }
    folder.show_credentials(&secrets)?;
    Ok(secrets)
}
