//! A new member: its place in the map, and its drives'.
//!
//! Promises: the same member again changes nothing but what it says of itself; an identity has one role for life, and one
//! that was expelled never joins again; no two members have one name, and no drive two nodes. Must not know: tokens, certificates.

use couronne_ring::{DriveId, NodeId, WEIGHT_MAX};

use crate::error::MapError;
use crate::map::{ClusterMap, MapNode, StoredDrive};
use crate::role::Role;

/// The longest name of a member, region or zone, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// The longest address of a member, in bytes.
const ADDRESS_BYTES_MAX: usize = 300;

/// Whether a text can be the name of a member, a region or a zone.
pub fn is_member_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Refuses a name that another member has. Those that were expelled need theirs no more.
pub(super) fn check_name_is_free(map: &ClusterMap, id: NodeId, name: &str) -> Result<(), MapError> {
    match map.nodes.iter().any(|(other, node)| *other != id && &*node.name == name && !map.is_expelled(*other)) {
        true => Err(MapError::NameTaken(name.to_owned())),
        false => Ok(()),
    }
}

/// Gives a member its place in the map, with its drives and their weights. The drives of a storage node that joins a
/// cluster that has begun are in none of its rings; the ring of a policy that is created later includes them.
pub fn join(map: &mut ClusterMap, id: NodeId, node: MapNode, drives: &[(DriveId, u32)]) -> Result<(), MapError> {
    if map.is_expelled(id) {
        return Err(MapError::Expelled);
    }
    check(&node, drives)?;
    check_name_is_free(map, id, &node.name)?;
    if map.nodes.get(&id).is_some_and(|known| known.role != node.role) {
        return Err(MapError::OtherRole);
    }
    let is_storage = node.role == Role::StorageNode;
    let drives = if is_storage { drives } else { &[] };
    let is_anothers = |(drive, _): &(DriveId, u32)| map.drives.get(drive).is_some_and(|known| known.node != id);
    if drives.iter().any(is_anothers) {
        return Err(MapError::DriveOfAnother);
    }
    map.nodes.insert(id, node);
    for (drive, weight) in drives {
        map.drives.entry(*drive).or_insert(StoredDrive::new(id, (*weight).clamp(1, WEIGHT_MAX)));
    }
    Ok(())
}

fn check(node: &MapNode, drives: &[(DriveId, u32)]) -> Result<(), MapError> {
    if ![&*node.name, &*node.region.0, &*node.zone.0].into_iter().all(is_member_name) {
        return Err(MapError::MemberName);
    }
    let is_reached = node.address.contains(':') && node.address.len() <= ADDRESS_BYTES_MAX;
    if node.role == Role::StorageNode && (drives.is_empty() || !is_reached) {
        return Err(MapError::NothingToServe);
    }
    Ok(())
}
