//! Writing a chunk: encode, place, send all shards, and say whether it may be acknowledged.
//!
//! The steps: [`encode`] makes the `k + m` sealed shards; `place` finds their drives under the
//! current ring; [`send`] writes each to its primary or a handoff; the quorum rule decides. If a drive
//! has another epoch than the map the chunk was placed by, all of it is placed and sent again, so
//! that one chunk lies under one epoch.
//! Must not know: bodies, rows.

mod encode;
mod send;
mod spares;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_cluster::map::ClusterMap;
use couronne_placement::{ChunkId, Geometry, PolicyId, Quorum, ShardFate, place};
use couronne_protocol::shard::Owner;
use couronne_ring::{DriveId, Epoch};
use tokio::time::sleep;

use super::{EngineError, Shared};
use encode::encode;
use send::{Sending, Sent};

/// How often a chunk is placed anew before the write is given up.
const PLACEMENTS_MAX: u32 = 6;
/// The pause before the map is looked at again; it doubles.
const MAP_PAUSE: Duration = Duration::from_millis(20);

/// A chunk to write.
pub(crate) struct ChunkToWrite {
    pub(crate) owner: Owner,
    pub(crate) chunk: ChunkId,
    pub(crate) geometry: Geometry,
    pub(crate) policy: PolicyId,
    pub(crate) bytes: Bytes,
}

/// A chunk that may be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkWritten {
    /// How many of its shards lie off their primaries or were left out.
    pub(crate) missing: u8,
    /// The version of the map it was placed by.
    pub(crate) placed_by: u64,
}

impl ChunkWritten {
    /// Both: the worse of them, and the older map.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { missing: self.missing.max(other.missing), placed_by: self.placed_by.min(other.placed_by) }
    }
}

/// Writes a chunk durably.
pub(crate) async fn write_chunk(shared: &Shared, chunk: ChunkToWrite) -> Result<ChunkWritten, EngineError> {
    let shards = encode(&chunk)?;
    let mut pause = MAP_PAUSE;
    for _ in 0..PLACEMENTS_MAX {
        let map = shared.components.map.current();
        match attempt(shared, &map, &chunk, &shards).await? {
            Attempt::Written(written) => return Ok(written),
            Attempt::Stale(epoch) => {
                tracing::debug!(?epoch, map = map.version, "placing a chunk again");
                sleep(pause).await;
                pause *= 2;
            }
        }
    }
    Err(EngineError::Unavailable("the ring keeps changing".to_owned()))
}

enum Attempt {
    Written(ChunkWritten),
    /// A drive has this epoch.
    Stale(Epoch),
}

async fn attempt(
    shared: &Shared,
    map: &Arc<ClusterMap>,
    chunk: &ChunkToWrite,
    shards: &[encode::EncodedShard],
) -> Result<Attempt, EngineError> {
    let unavailable = |what: &dyn std::fmt::Display| EngineError::Unavailable(format!("writing a chunk: {what}"));
    let ring = map.rings.get(&chunk.policy).ok_or_else(|| unavailable(&"the policy has no ring"))?;
    let placement = place(ring, chunk.chunk, &chunk.geometry).map_err(|error| unavailable(&error))?;
    let demanded = map.policies.get(&chunk.policy).and_then(|policy| policy.survives);
    let quorum = Quorum::new(ring, &placement.primaries, &chunk.geometry, demanded);
    let quorum = quorum.map_err(|error| unavailable(&error))?;
    let sent = Sending::new(shared, map, ring, chunk, &placement).send_all(shards).await;
    if let Some(epoch) = sent.iter().find_map(|sent| sent.stale_epoch()) {
        return Ok(Attempt::Stale(epoch));
    }
    let fates: Vec<ShardFate> = sent.iter().map(Sent::fate).collect();
    if let Err(refused) = quorum.check(ring, &fates) {
        return Err(why(&sent).unwrap_or_else(|| unavailable(&refused)));
    }
    let displaced = |(fate, primary): &(&ShardFate, &DriveId)| **fate != ShardFate::Durable(**primary);
    let missing = fates.iter().zip(&placement.primaries).filter(displaced).count();
    let missing = u8::try_from(missing).unwrap_or(u8::MAX);
    Ok(Attempt::Written(ChunkWritten { missing, placed_by: map.version }))
}

/// The cause that a client can act on, if there is one: no space, or too much at once.
fn why(sent: &[Sent]) -> Option<EngineError> {
    if sent.iter().any(Sent::is_full) {
        return Some(EngineError::Full);
    }
    sent.iter().any(Sent::is_overloaded).then_some(EngineError::SlowDown("the drives have too much queued"))
}
