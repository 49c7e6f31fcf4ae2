//! The cluster map and join tokens, as the admin API gives them.
//!
//! Must not know: how they are asked for or shown.

use std::sync::Arc;
use std::time::Duration;

use couronne_protocol::map::{MapRange, SharedMap};
use couronne_protocol::transport::Role;
use couronne_storage_node::node::LocalNode;
use http::StatusCode;

use super::messages::{MakeTokenMessage, MapDriveMessage, MapMessage, MapNodeMessage, MapRangeMessage, TokenMessage};

/// Where they come from.
pub(crate) struct ClusterSource {
    /// The newest map known here.
    pub(crate) map: Arc<SharedMap>,
    /// The storage node of this process, if it has one: only they make tokens.
    pub(crate) node: Option<Arc<LocalNode>>,
}

impl ClusterSource {
    /// The map.
    pub(crate) fn map_message(&self) -> MapMessage {
        let map = self.map.state();
        let nodes = map.nodes.iter().map(|(id, node)| MapNodeMessage {
            id: id.to_string(),
            name: node.name.to_string(),
            role: if node.role == Role::Gateway { "gateway" } else { "storage node" }.to_owned(),
            address: node.address.to_string(),
            region: node.region.0.to_string(),
            zone: node.zone.0.to_string(),
        });
        let name = |id| map.nodes.get(&id).map_or_else(String::new, |node| node.name.to_string());
        let drives = map.drives.iter().map(|(id, drive)| MapDriveMessage {
            id: id.to_string(),
            node: name(drive.node),
            weight: drive.weight,
            down_since_ms: drive.down_since_ms,
        });
        let range = |range: &MapRange| MapRangeMessage {
            range: range.id.0,
            replicas: range.replicas.values().map(ToString::to_string).collect(),
        };
        MapMessage {
            cluster: format!("{:032x}", map.cluster),
            version: map.version,
            formed: map.formation.is_none(),
            policy: map.redundancy().map_or_else(String::new, |redundancy| redundancy.to_string()),
            nodes: nodes.collect(),
            drives: drives.collect(),
            ranges: map.all_ranges().map(range).collect(),
        }
    }

    /// A token with which others join.
    pub(crate) async fn make_token(&self, message: &MakeTokenMessage) -> Result<TokenMessage, (StatusCode, String)> {
        let Some(node) = &self.node else {
            return Err((StatusCode::NOT_IMPLEMENTED, "tokens are made by storage nodes: ask one of them".to_owned()));
        };
        let role = if message.gateway { Role::Gateway } else { Role::StorageNode };
        let lifetime = Duration::from_secs(u64::from(message.minutes) * 60);
        let made = node.make_token(role, lifetime).await;
        let token = made.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
        Ok(TokenMessage { token: token.text().to_string() })
    }
}
