//! What drives have lost: how many shards of a blob, by the ring.
//!
//! Pure. Must not know: rows, messages, how a chunk is repaired.

use std::collections::BTreeSet;
use std::sync::Arc;

use couronne_cluster::map::MapView;
use couronne_metadata::record::{BlobRef, LossEvent};
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

/// The drive that lost something.
const fn drive_of(event: LossEvent) -> DriveId {
    match event {
        LossEvent::Lost(drive, _) | LossEvent::Emptied(drive, _) => drive,
    }
}

/// What was lost by the time of a map.
pub(crate) struct DataLoss {
    events: BTreeSet<LossEvent>,
    map: Arc<MapView>,
}

impl DataLoss {
    /// The losses of these events, all of which `map` knows of.
    pub(crate) const fn new(events: BTreeSet<LossEvent>, map: Arc<MapView>) -> Self {
        Self { events, map }
    }

    /// The version of the map that the losses are told by.
    pub(crate) fn map_version(&self) -> u64 {
        self.map.version
    }

    /// How many shards of the blob's worst chunk the events may have taken, as far as it is looked at; 0 if none
    /// of `news` has.
    pub(crate) fn missing(&self, blob: &BlobRef, news: &BTreeSet<LossEvent>) -> Result<u8, LossError> {
        let drives = |events: &BTreeSet<LossEvent>| events.iter().map(|event| drive_of(*event)).collect();
        let (all, new): (BTreeSet<DriveId>, BTreeSet<DriveId>) = (drives(&self.events), drives(news));
        if new.is_empty() {
            return Ok(0);
        }
        let ring = self.map.rings.get(&blob.policy).ok_or(LossError::UnknownPolicy)?;
        let chunks = blob.geometry.chunks(blob.len);
        let (mut worst, mut is_new) = (1, chunks > CHUNKS_MAX);
        for index in 0..chunks.min(CHUNKS_MAX) {
            let index = u32::try_from(index).map_err(|_| LossError::ChunkNumber)?;
            let placement = place(ring, ChunkId { blob: blob.id, index }, &blob.geometry);
            let primaries = placement?.primaries;
            is_new |= primaries.iter().any(|drive| new.contains(drive));
            worst = worst.max(primaries.iter().filter(|drive| all.contains(drive)).count());
        }
        Ok(if is_new { u8::try_from(worst).unwrap_or(u8::MAX) } else { 0 })
    }
}
