//! A member that is started with another name, address, region or zone.
//!
//! Promises: no two members have one name; region and zone stay once there are other storage nodes, for rings and
//! replicas were spread by them. Must not know: how a member is reached.

use couronne_ring::NodeId;

use super::join::check_name_is_free;
use crate::error::MapError;
use crate::map::{ClusterMap, MapNode};

/// Gives a member this name, address, region and zone.
pub fn relocate(map: &mut ClusterMap, id: NodeId, place: &MapNode) -> Result<(), MapError> {
    if map.is_expelled(id) {
        return Err(MapError::Expelled);
    }
    check_name_is_free(map, id, &place.name)?;
    let is_spread = map.storage_nodes().count() > 1;
    let known = map.nodes.get_mut(&id).ok_or(MapError::UnknownMember)?;
    if known.role != place.role {
        return Err(MapError::OtherRole);
    }
    if is_spread && (&known.region, &known.zone) != (&place.region, &place.zone) {
        let (region, zone) = (known.region.0.to_string(), known.zone.0.to_string());
        return Err(MapError::Spread { region, zone });
    }
    known.clone_from(place);
    Ok(())
}
