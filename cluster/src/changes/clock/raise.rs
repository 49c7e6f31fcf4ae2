//! The cluster time, as it is noted in the map.
//!
//! Promises: it only rises. Must not know: how it is counted between two notes, what is judged by it.

use crate::map::ClusterMap;

/// The cluster time is not noted for less than this, in milliseconds.
const NOTED_MS_MIN: u64 = 1000;

/// Notes the cluster time, in milliseconds since 1970; whether that changed the map.
pub const fn raise_time(map: &mut ClusterMap, time_ms: u64) -> bool {
    let rises = time_ms >= map.time_ms.saturating_add(NOTED_MS_MIN);
    if rises {
        map.time_ms = time_ms;
    }
    rises
}
