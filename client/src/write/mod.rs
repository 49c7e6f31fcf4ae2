//! Writing a chunk: encode, place, send all shards, and say whether it may be acknowledged.
//!
//! The steps: [`encode`] makes the `k + m` sealed shards; `place` finds their drives under the
//! current ring; [`send`] writes each to its primary or a handoff; the quorum rule decides. If a drive
//! has another epoch than the map the chunk was placed by, or too few drives could be reached, all of it is placed and
//! sent again, so that one chunk lies under one epoch.
//! Must not know: bodies, rows.

mod encode;
mod handoffs;
mod send;
mod shard;

use std::sync::Arc;

use bytes::Bytes;
use couronne_cluster::map::MapView;
use couronne_placement::{ChunkId, Geometry, PolicyId, Quorum, ShardFate, place};
use couronne_protocol::shard::Owner;
use couronne_ring::{DriveId, Epoch};

use crate::client::Client;
use crate::error::ClientError;
use encode::encode;
use send::{SendOutcome, Sending};

/// A chunk to write.
pub struct ChunkToWrite {
    /// The object that it belongs to.
    pub owner: Owner,
    /// The chunk.
    pub chunk: ChunkId,
    /// The blob's geometry.
    pub geometry: Geometry,
    /// The policy by whose ring it is placed.
    pub policy: PolicyId,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A chunk that may be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkWritten {
    /// How many of its shards lie off their primaries or were left out.
    pub missing: u8,
    /// The version of the map it was placed by.
    pub placed_by: u64,
}

impl ChunkWritten {
    /// Both: the worse of them, and the older map.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { missing: self.missing.max(other.missing), placed_by: self.placed_by.min(other.placed_by) }
    }
}

impl Client {
    /// Writes a chunk durably: enough of its shards are on drives that it may be acknowledged.
    ///
    /// While a drive knows a newer ring, or too few drives can be reached, it is placed anew, by the newest map, for a
    /// bounded time.
    pub async fn write_chunk(&self, chunk: ChunkToWrite) -> Result<ChunkWritten, ClientError> {
        let shards = encode(&chunk)?;
        let mut pauses = self.chunk_pauses();
        loop {
            let map = self.map().current();
            let refused = match attempt(self, &map, &chunk, &shards).await {
                Ok(Attempt::Written(written)) => return Ok(written),
                Ok(Attempt::Stale(epoch)) => ClientError::Unavailable(format!("drives are at {epoch:?} of the ring")),
                Err(refused) => refused,
            };
            if pauses.left().is_none() || !matches!(refused, ClientError::Unavailable(_)) {
                return Err(refused);
            }
            tracing::debug!(%refused, map = map.version, "writing a chunk again");
            pauses.pause().await;
        }
    }
}

enum Attempt {
    Written(ChunkWritten),
    /// A drive has this epoch.
    Stale(Epoch),
}

async fn attempt(
    client: &Client,
    map: &Arc<MapView>,
    chunk: &ChunkToWrite,
    shards: &[encode::EncodedShard],
) -> Result<Attempt, ClientError> {
    let unavailable = |what: &dyn std::fmt::Display| ClientError::Unavailable(format!("writing a chunk: {what}"));
    let ring = map.rings.get(&chunk.policy).ok_or_else(|| unavailable(&"the policy has no ring"))?;
    let placed = place(ring, chunk.chunk, &chunk.geometry).map_err(|error| unavailable(&error))?;
    let demanded = map.policies.get(&chunk.policy).and_then(|policy| policy.survives);
    let quorum = Quorum::new(ring, &placed.primaries, &chunk.geometry, demanded);
    let quorum = quorum.map_err(|error| unavailable(&error))?;
    let placement = placed.made_up_for(ring, &map.gone);
    let sent = Sending::new(client, map, ring, chunk, &placement).send_all(shards).await;
    if let Some(epoch) = sent.iter().find_map(|sent| sent.stale_epoch()) {
        return Ok(Attempt::Stale(epoch));
    }
    let fates: Vec<ShardFate> = sent.iter().map(SendOutcome::fate).collect();
    if let Err(refused) = quorum.check(ring, &fates) {
        return Err(why(&sent).unwrap_or_else(|| unavailable(&refused)));
    }
    // What makes up for drives that are gone is where shards belong only if it is as safe as they were.
    let wanted = if placement.is_as_safe_as(&placed, ring) { &placement } else { &placed };
    let displaced = |(fate, primary): &(&ShardFate, &DriveId)| **fate != ShardFate::Durable(**primary);
    let missing = fates.iter().zip(&wanted.primaries).filter(displaced).count();
    let missing = u8::try_from(missing).unwrap_or(u8::MAX);
    Ok(Attempt::Written(ChunkWritten { missing, placed_by: map.version }))
}

/// The cause that a client can act on, if there is one: no space, or too much at once.
fn why(sent: &[SendOutcome]) -> Option<ClientError> {
    if sent.iter().any(SendOutcome::is_full) {
        return Some(ClientError::Full);
    }
    sent.iter().any(SendOutcome::is_overloaded).then_some(ClientError::Overloaded("the drives have too much queued"))
}
