//! What drives have lost, as the leader of a range knows it.
//!
//! A blob's shards are written before its row. A drive may be lost or emptied in between, and the sweep for
//! the blobs it held may have passed before the row is there: then the commit itself asks for repair.
//! Promises: a blob whose shards were written before a loss has a repair row as soon as a row names it, or the
//! sweep for that loss finds it. Pure. Must not know: rows, messages, how a chunk is repaired.

use std::collections::BTreeSet;
use std::sync::Arc;

use couronne_base::mutant;
use couronne_cluster::map::MapView;
use couronne_metadata::command::{Command, NewData};
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
    /// Commands under way did not end in time, so that some may not know of the loss.
    #[error("latches are held too long")]
    Latches,
}

/// Why shards on a drive may be gone. A drive that is lost or emptied again is another cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LossEvent {
    /// The drive is lost, since then (milliseconds since 1970).
    Lost(DriveId, u64),
    /// The drive came back emptied, and this version of the map was the first to know it.
    Emptied(DriveId, u64),
}

impl LossEvent {
    pub(crate) const fn drive(self) -> DriveId {
        match self {
            Self::Lost(drive, _) | Self::Emptied(drive, _) => drive,
        }
    }

    /// Whether a blob that was placed by this version of the map may have lost shards there; unset: that is not known.
    /// No time is asked for: the clocks of nodes and gateways may be off.
    fn concerns(self, placed_by: Option<u64>) -> bool {
        match self {
            Self::Lost(..) => true,
            Self::Emptied(_, version) => placed_by.is_none_or(|placed_by| placed_by < version),
        }
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

    /// How many shards of the blob's worst chunk the events may have taken, as far as it is looked at; 0 if none
    /// of `news` has.
    pub(crate) fn missing(&self, blob: &BlobRef, news: &BTreeSet<LossEvent>) -> Result<u8, LossError> {
        let drives = |events: &BTreeSet<LossEvent>| events.iter().map(|event| event.drive()).collect();
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

    /// Has a commit ask for repair if its blob may have been placed before these losses were known.
    pub(crate) fn note(&self, command: &mut Command) {
        let Some(NewData::Blob(blob, missing, placed_by)) = command.data_mut() else { return };
        if placed_by.is_some_and(|version| version >= self.map.version) || mutant!(CommitBehindSweep) {
            return;
        }
        let concerning = self.events.iter().filter(|event| event.concerns(*placed_by)).copied().collect();
        // What cannot be told is looked at.
        *missing = (*missing).max(self.missing(blob, &concerning).unwrap_or(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_emptied_drive_lost_is_what_was_placed_by_an_earlier_map() {
        let emptied = LossEvent::Emptied(DriveId(1), 7);
        assert!(emptied.concerns(Some(6)) && !emptied.concerns(Some(7)) && !emptied.concerns(Some(8)));
        assert!(emptied.concerns(None), "what is not known is looked at");
        assert!(LossEvent::Lost(DriveId(1), 7).concerns(Some(8)), "since when the map knows of it is not kept");
    }
}
