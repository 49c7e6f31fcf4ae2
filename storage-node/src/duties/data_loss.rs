//! What drives have lost: how many shards of a blob, by the ring.
//!
//! Pure. Must not know: rows, messages, how a chunk is repaired.

use std::collections::BTreeMap;
use std::sync::Arc;

use couronne_cluster::map::ClusterMap;
use couronne_metadata::record::BlobRef;
use couronne_placement::{ChunkId, PlaceError, place};
use couronne_ring::DriveId;
use thiserror::Error;

/// So many chunks of a blob are looked at. A longer one has shards on about every drive, and its length is what
/// a gateway says.
const CHUNKS_MAX: u64 = 1000;

/// What a loss took is not known.
#[derive(Clone, Debug, Error)]
pub(crate) enum LossError {
    /// The map has no ring for the blob.
    #[error("a blob's policy is unknown")]
    UnknownPolicy,
    /// The blob has more chunks than can be numbered.
    #[error("a blob has too many chunks")]
    ChunkNumber,
    /// The ring does not fit the blob.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// The losses that one version of the map knows: each by the version that first knew it.
pub(crate) struct DataLoss {
    map: Arc<ClusterMap>,
    losses: BTreeMap<DriveId, u64>,
}

impl DataLoss {
    /// The losses that this map knows.
    pub(crate) fn of(map: Arc<ClusterMap>) -> Self {
        let losses = map.drives.iter().map(|(id, drive)| (*id, drive.loss_version()));
        let losses = losses.filter(|(_, version)| *version > 0).collect();
        Self { map, losses }
    }

    /// The version of the map that the losses are told by.
    pub(crate) fn map_version(&self) -> u64 {
        self.map.version
    }

    /// The version of the map that first knew the newest loss; 0: there is none.
    pub(crate) fn newest(&self) -> u64 {
        self.map.loss_version()
    }

    /// How many shards of the blob's worst chunk the losses may have taken, as far as it is looked at; 0 if none has
    /// that is newer than what was swept.
    pub(crate) fn missing(&self, blob: &BlobRef, swept_version: u64) -> Result<u8, LossError> {
        let is_new = |drive: &DriveId| self.losses.get(drive).is_some_and(|version| *version > swept_version);
        if self.newest() <= swept_version {
            return Ok(0);
        }
        let policy = self.map.policies.get(&blob.policy);
        let ring = policy.and_then(|policy| policy.ring.as_deref()).ok_or(LossError::UnknownPolicy)?;
        let chunks = blob.geometry.chunks(blob.len);
        let (mut worst, mut is_concerned) = (1, chunks > CHUNKS_MAX);
        for index in 0..chunks.min(CHUNKS_MAX) {
            let index = u32::try_from(index).map_err(|_| LossError::ChunkNumber)?;
            let placement = place(ring, ChunkId { blob: blob.id, index }, &blob.geometry);
            let primaries = placement?.primaries;
            is_concerned |= primaries.iter().any(is_new);
            worst = worst.max(primaries.iter().filter(|drive| self.losses.contains_key(drive)).count());
        }
        Ok(if is_concerned { u8::try_from(worst).unwrap_or(u8::MAX) } else { 0 })
    }
}
