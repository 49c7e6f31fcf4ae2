//! Founding a cluster: its first map.
//!
//! Promises: a cluster of one node is formed at once. Must not know: folders, secrets.

use std::collections::BTreeMap;

use bytes::Bytes;
use couronne_metadata::ids::Generation;
use couronne_placement::Policy;
use couronne_ring::{DriveId, NodeId};

use super::form::{complete_meta_group, form};
use crate::error::MapError;
use crate::map::{
    Authorities, Bootstrap, ClusterKeyState, ClusterMap, MAP_RANGE, MapNode, MapPolicy, MapRange, MemberKeys,
    ReplicaId, StoredDrive,
};

/// What a cluster begins with.
#[derive(Clone, Debug)]
pub struct Founding {
    /// The cluster's own random identity.
    pub cluster: u128,
    /// Its first node.
    pub id: NodeId,
    /// What the map says of that node.
    pub node: MapNode,
    /// That node's drives, with their weights.
    pub drives: Vec<(DriveId, u32)>,
    /// Its first policy.
    pub policy: Policy,
    /// What the cluster waits for.
    pub bootstrap: Bootstrap,
    /// What the founding node's wall clock says, in milliseconds since 1970: the cluster time begins there.
    pub now_ms: u64,
}

/// The first map, of one node and its drives.
pub fn found(founding: Founding) -> Result<ClusterMap, MapError> {
    let Founding { cluster, id, node, drives, policy, bootstrap, now_ms } = founding;
    let (first, _) = drives.first().ok_or(MapError::NoDrive)?;
    let voters = BTreeMap::from([(ReplicaId(1), *first)]);
    let mut map = ClusterMap {
        version: 1,
        cluster,
        bootstrap: Some(bootstrap),
        nodes: BTreeMap::from([(id, node)]),
        drives: drives.iter().map(|(drive, weight)| (*drive, StoredDrive::new(id, *weight))).collect(),
        default_policy: policy.id,
        policies: BTreeMap::from([(policy.id, MapPolicy { policy, ring: None })]),
        meta_group: MapRange {
            id: MAP_RANGE,
            generation: Generation(1),
            start: Bytes::new(),
            end: Bytes::new(),
            replicas: voters.clone(),
            leaving: BTreeMap::new(),
            members: None,
            initial_voters: voters,
        },
        ranges: Vec::new(),
        expelled: BTreeMap::new(),
        secrets_version: 1,
        cluster_key: ClusterKeyState::default(),
        authorities: Authorities::default(),
        keys: MemberKeys::default(),
        next_replica: 2,
        time_ms: now_ms,
    };
    if bootstrap.nodes <= 1 {
        complete_meta_group(&mut map)?;
        form(&mut map)?;
        // Nobody has begun yet: all its replicas are initial voters.
        map.meta_group.initial_voters.clone_from(&map.meta_group.replicas);
    }
    Ok(map)
}
