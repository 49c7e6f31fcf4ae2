//! Sending a chunk's shards: all at once, each to its primary or, if that fails, to handoffs.

use std::sync::Arc;

use couronne_base::mutant;
use couronne_cluster::map::MapView;
use couronne_placement::{Placement, ShardFate};
use couronne_protocol::shard::{PutShard, ShardError};
use couronne_ring::{DriveId, Epoch, Ring};
use futures_util::future::join_all;
use parking_lot::Mutex;

use super::ChunkToWrite;
use super::encode::EncodedShard;
use super::handoffs::HandoffPicker;
use crate::client::Client;

/// What became of a shard.
pub(super) enum SendOutcome {
    Durable(DriveId),
    /// The drive has this epoch; what was placed under another is not stored.
    Stale(Epoch),
    /// No drive took the shard.
    Nowhere {
        primary_down: bool,
        /// The last drive's reason.
        error: Option<ShardError>,
        full: bool,
    },
}

impl SendOutcome {
    pub(super) const fn fate(&self) -> ShardFate {
        match self {
            Self::Durable(drive) => ShardFate::Durable(*drive),
            Self::Nowhere { primary_down: true, .. } => ShardFate::DriveDown,
            Self::Nowhere { .. } | Self::Stale(_) => ShardFate::Missing,
        }
    }

    pub(super) const fn stale_epoch(&self) -> Option<Epoch> {
        if let Self::Stale(epoch) = self { Some(*epoch) } else { None }
    }

    pub(super) const fn is_full(&self) -> bool {
        matches!(self, Self::Nowhere { full: true, .. })
    }

    pub(super) const fn is_overloaded(&self) -> bool {
        matches!(self, Self::Nowhere { error: Some(ShardError::Overloaded), .. })
    }
}

/// One chunk on its way to the drives of one placement.
pub(super) struct Sending<'a> {
    client: &'a Client,
    map: &'a MapView,
    chunk: &'a ChunkToWrite,
    placement: &'a Placement,
    handoffs: Mutex<HandoffPicker<'a>>,
}

impl<'a> Sending<'a> {
    pub(super) fn new(
        client: &'a Client,
        map: &'a Arc<MapView>,
        ring: &Ring,
        chunk: &'a ChunkToWrite,
        placement: &'a Placement,
    ) -> Self {
        Self { client, map, chunk, placement, handoffs: Mutex::new(HandoffPicker::new(map, ring, placement)) }
    }

    /// Sends all shards in parallel; the answers are in shard order.
    pub(super) async fn send_all(&self, shards: &[EncodedShard]) -> Vec<SendOutcome> {
        let sending = shards.iter().zip(&self.placement.primaries);
        join_all(sending.map(|(shard, primary)| self.send(shard, *primary))).await
    }

    async fn send(&self, shard: &EncodedShard, primary: DriveId) -> SendOutcome {
        if mutant!(AcknowledgeOneEarly) && usize::from(shard.id.number) + 1 == self.placement.primaries.len() {
            return SendOutcome::Durable(primary);
        }
        let state = self.map.drive_state(primary);
        let primary_down = !state.is_up();
        let mut next = match () {
            () if primary_down => self.handoff(),
            () if state.is_writable() && !self.client.is_slow(primary) => Some(primary),
            () => self.handoff().or(Some(primary)),
        };
        let (mut last, mut full) = (None, false);
        while let Some(drive) = next {
            let error = match self.client.put_shard(drive, || self.request(shard)).await {
                Ok(()) => return SendOutcome::Durable(drive),
                Err(ShardError::StaleEpoch(epoch)) => return SendOutcome::Stale(epoch),
                Err(error) => error,
            };
            tracing::warn!(%drive, shard = ?shard.id, %error, "a drive did not take a shard");
            full |= error == ShardError::Full;
            let overloaded = error == ShardError::Overloaded;
            last = Some(error);
            if overloaded {
                break;
            }
            self.handoffs.lock().fail(drive);
            next = self.handoff();
        }
        SendOutcome::Nowhere { primary_down, error: last, full }
    }

    fn handoff(&self) -> Option<DriveId> {
        self.handoffs.lock().next(|drive| self.client.is_slow(drive))
    }

    fn request(&self, shard: &EncodedShard) -> PutShard {
        PutShard {
            shard: shard.id,
            owner: self.chunk.owner.clone(),
            geometry: self.chunk.geometry,
            policy: self.chunk.policy,
            class: self.chunk.owner.bucket.class(),
            epoch: self.placement.epoch,
            frames: shard.frames.clone(),
            payload: shard.payload.clone(),
        }
    }
}
