//! The policy of buckets that name none.
//!
//! Promises: a bucket keeps the policy of its birth. Must not know: buckets.

use crate::error::{MapError, PolicyRefusal};
use crate::map::ClusterMap;

/// Makes the policy of this name the one of new buckets that name none; whether that changed the map.
pub fn set_default_policy(map: &mut ClusterMap, name: &str) -> Result<bool, MapError> {
    let named = map.policies.values().find(|known| &*known.policy.name == name);
    let id = named.ok_or_else(|| MapError::Policy(name.to_owned(), PolicyRefusal::Unknown))?.policy.id;
    let changed = map.default_policy != id;
    map.default_policy = id;
    Ok(changed)
}
