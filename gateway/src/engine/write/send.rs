//! Sending a chunk's shards: all at once, each to its primary or, if that fails, to spares.

use std::sync::Arc;
use std::time::Duration;

use couronne_base::mutant;
use couronne_cluster::map::ClusterMap;
use couronne_placement::{Placement, ShardFate};
use couronne_protocol::shard::{PutShard, ShardError};
use couronne_ring::{DriveId, Epoch, Ring};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::encode::EncodedShard;
use super::spares::Spares;
use super::{ChunkToWrite, Shared};

/// How often a shard is offered to a drive that has too much queued, before it is given up: another
/// drive would only be loaded in its place.
const OVERLOADED_ATTEMPTS_MAX: u32 = 5;
/// The pause before a drive that has too much queued is asked again; it doubles.
const OVERLOADED_PAUSE: Duration = Duration::from_millis(20);

/// What became of a shard.
pub(super) enum Sent {
    Durable(DriveId),
    /// The drive has this epoch; what was placed under another is not stored.
    Stale(Epoch),
    /// No drive took it.
    Nowhere {
        primary_down: bool,
        /// The last drive's reason.
        error: Option<ShardError>,
        full: bool,
    },
}

impl Sent {
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
    shared: &'a Shared,
    map: &'a ClusterMap,
    chunk: &'a ChunkToWrite,
    placement: &'a Placement,
    spares: Mutex<Spares<'a>>,
}

impl<'a> Sending<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        map: &'a Arc<ClusterMap>,
        ring: &Ring,
        chunk: &'a ChunkToWrite,
        placement: &'a Placement,
    ) -> Self {
        Self { shared, map, chunk, placement, spares: Mutex::new(Spares::new(map, ring, placement)) }
    }

    /// Sends all shards in parallel; the answers are in shard order.
    pub(super) async fn send_all(&self, shards: &[EncodedShard]) -> Vec<Sent> {
        let sending = shards.iter().zip(&self.placement.primaries);
        join_all(sending.map(|(shard, primary)| self.send(shard, *primary))).await
    }

    async fn send(&self, shard: &EncodedShard, primary: DriveId) -> Sent {
        if mutant!(AcknowledgeOneEarly) && usize::from(shard.id.number) + 1 == self.placement.primaries.len() {
            return Sent::Durable(primary);
        }
        let state = self.map.drive_state(primary);
        let primary_down = !state.is_up();
        let mut next = match () {
            () if primary_down => self.spare(),
            () if state.is_writable() && !self.shared.suspects(primary) => Some(primary),
            () => self.spare().or(Some(primary)),
        };
        let (mut last, mut full) = (None, false);
        while let Some(drive) = next {
            let error = match self.put(shard, drive).await {
                Ok(()) => return Sent::Durable(drive),
                Err(ShardError::StaleEpoch(epoch)) => return Sent::Stale(epoch),
                Err(error) => error,
            };
            tracing::warn!(%drive, shard = ?shard.id, %error, "a drive did not take a shard");
            full |= error == ShardError::Full;
            let overloaded = error == ShardError::Overloaded;
            last = Some(error);
            if overloaded {
                break;
            }
            self.spares.lock().fail(drive);
            next = self.spare();
        }
        Sent::Nowhere { primary_down, error: last, full }
    }

    fn spare(&self) -> Option<DriveId> {
        self.spares.lock().next(|drive| self.shared.suspects(drive))
    }

    async fn put(&self, shard: &EncodedShard, drive: DriveId) -> Result<(), ShardError> {
        let within = Duration::from_millis(self.shared.settings.shard_write_timeout_ms);
        let mut pause = OVERLOADED_PAUSE;
        for attempt in 1.. {
            let put = self.shared.components.shards.put_shard(drive, self.request(shard));
            match timeout(within, put).await {
                Ok(Err(ShardError::Overloaded)) if attempt < OVERLOADED_ATTEMPTS_MAX => {
                    sleep(pause).await;
                    pause *= 2;
                }
                Ok(answer) => {
                    self.shared.suspects.answered(drive);
                    return answer;
                }
                Err(_) => {
                    self.shared.suspects.timed_out(drive, self.shared.components.env.clock.steady());
                    return Err(ShardError::Down("no answer in time".to_owned()));
                }
            }
        }
        Err(ShardError::Overloaded)
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
