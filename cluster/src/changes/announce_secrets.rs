//! The cluster's secrets were changed: the map says so, and thereby every member is told.
//!
//! Must not know: the secrets.

use crate::map::ClusterMap;

/// Notes that the secrets are others.
pub const fn announce_secrets(map: &mut ClusterMap) {
    map.secrets_version = map.secrets_version.saturating_add(1);
}
