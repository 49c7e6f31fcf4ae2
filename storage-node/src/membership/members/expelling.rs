//! Members that are expelled, as an operator orders it.
//!
//! Promises: every member that reaches the leader of the meta group knows within about a second, by its next report, and
//! refuses what the expelled one asks from then on; nobody signs its certificate anew; and the key of the cluster that a
//! storage node has gives way to another one.
//! Must not know: which members may not be done without.

use couronne_cluster::changes;
use couronne_ring::NodeId;

use crate::error::NodeError;
use crate::membership::Membership;

impl Membership {
    /// Expels a member; whether it was one. Forced: although data is lost or in danger by it.
    pub(crate) async fn expel(&self, node: NodeId, is_forced: bool) -> Result<bool, NodeError> {
        if node == self.id {
            let why = "a storage node does not expel itself: ask another one";
            return Err(NodeError::Place(why.to_owned()));
        }
        let now_ms = self.env.clock.wall_ms();
        let mut is_expelled = false;
        let expelled = self.map_store.update(|map| {
            is_expelled = changes::expel(map, node, is_forced, now_ms)?;
            Ok(is_expelled)
        });
        expelled.await?;
        if is_expelled {
            tracing::warn!(%node, "a member was expelled");
        }
        if self.map().cluster_key.is_changing()
            && let Err(error) = self.change_cluster_key().await
        {
            // The leader of the meta group goes on with it, again and again.
            tracing::warn!(%error, "the cluster's key is changed later");
        }
        Ok(is_expelled)
    }
}
