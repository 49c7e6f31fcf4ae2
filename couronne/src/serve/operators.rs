//! What operators reach of a storage node: its status, the orders that it carries out, its admin API. The API is that of
//! the whole cluster, asked at this node.
//!
//! Orders may come before the cluster's secrets are known here: until then none is carried out.
//! Must not know: listeners.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use couronne_admin::server::{AdminApi, AdminTokens, TokenDigests};
use couronne_gateway::front::Gateway;
use couronne_gateway::s3::S3;
use couronne_storage_node::node::LocalNode;

use super::ServeError;
use crate::admin::{self, AdminActions, AdminForwarder, ClusterStatusSource, LastHeard, StatusSource};
use crate::folder::DataFolder;
use crate::folder::secrets::Secrets;

/// What operators reach of a storage node. Cheap to clone.
#[derive(Clone)]
pub(super) struct Operators {
    /// How the process is.
    pub(super) own: Arc<StatusSource>,
    /// What carries orders out.
    pub(super) actions: Arc<AdminActions>,
}

impl Operators {
    /// Those of a node whose drives have these folders; no order is carried out yet.
    pub(super) fn new(
        node: &Arc<LocalNode>,
        folder: &Arc<DataFolder>,
        folders: Vec<PathBuf>,
        own: StatusSource,
    ) -> Self {
        let own = Arc::new(own);
        let status = Arc::new(ClusterStatusSource {
            own: Arc::clone(&own),
            id: Some(node.id()),
            map: Arc::clone(node.shared_map()),
            transport: node.transport().cloned(),
            heard: LastHeard::default(),
        });
        let (node, folder, tokens) = (Arc::clone(node), Arc::clone(folder), Arc::new(AdminTokens::new(None)));
        Self {
            own,
            actions: Arc::new(AdminActions { node, folder, folders, tokens, status, identity: OnceLock::new() }),
        }
    }

    /// Opens to the cluster's admin token, which is kept for the operator; the API.
    pub(super) fn open(
        &self,
        folder: &DataFolder,
        secrets: &Secrets,
        gateway: &Gateway<S3>,
    ) -> Result<Arc<AdminApi>, ServeError> {
        let actions = &self.actions;
        // Set once: a node is opened once.
        let _ = actions.identity.set(gateway.identity.clone());
        self.open_to(folder, secrets)?;
        let (map, transport) = (Arc::clone(actions.node.shared_map()), actions.node.transport().cloned());
        let forwarder = AdminForwarder { here: Some(Arc::clone(actions)), map, transport };
        Ok(admin::api(Arc::clone(&actions.tokens), gateway, Arc::clone(&actions.status), forwarder))
    }

    /// From now on these secrets of the cluster count.
    pub(super) fn change(&self, folder: &DataFolder, secrets: &Secrets) -> Result<(), ServeError> {
        let identities = secrets.shared().identities().ok_or(ServeError::Cluster("sealing secret"))?;
        if let Some(identity) = self.actions.identity.get() {
            identity.change_secrets(identities)?;
        }
        self.open_to(folder, secrets)
    }

    fn open_to(&self, folder: &DataFolder, secrets: &Secrets) -> Result<(), ServeError> {
        folder.keep_for_operator(secrets)?;
        self.actions.tokens.change(TokenDigests::of(&secrets.admin_token));
        Ok(())
    }
}
