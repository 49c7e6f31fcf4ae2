//! All secrets of a cluster are lost, its authority's key among them: another authority counts from now on, alone.
//!
//! Must not know: how members were made to believe it.

use bytes::Bytes;

use crate::map::{ClusterKeyName, ClusterMap};
use crate::role::Role;

/// The number that an authority has, or will have once it takes the place of those that are lost.
pub fn reset_number(map: &ClusterMap, certificate: &Bytes) -> u64 {
    let named = map.authorities.trusted.iter().find(|(_, trusted)| *trusted == certificate);
    named.map_or_else(|| map.authorities.newest().saturating_add(1), |(number, _)| *number)
}

/// The authority of this number and certificate is the only one that is believed, and the key of this name seals what is kept beside
/// the map. The storage nodes have other keys than before. Gateways are members no more: what they had was of the authority
/// that is lost.
pub fn reset_trust(map: &mut ClusterMap, number: u64, certificate: &Bytes, key: ClusterKeyName) {
    map.authorities.trusted.clear();
    map.authorities.trusted.insert(number, certificate.clone());
    map.authorities.signing = number;
    map.reset_cluster_key(key);
    map.nodes.retain(|_, node| node.role == Role::StorageNode);
    for node in map.nodes.keys() {
        map.keys.forget(*node);
    }
}
