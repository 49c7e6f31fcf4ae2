//! Where the shards of a chunk go.
//!
//! `BLAKE3(blob, chunk index)` picks a partition of the policy's ring, and the partition lists the
//! drives in shard order. The same hash orders the handoffs. Both orders are a format: a
//! process that looks for a shard must come by the same drives as the one that wrote it, in any release.

use std::collections::BTreeSet;

use couronne_ring::{DomainPath, DriveId, Epoch, FailureDomain, Partition, Ring};
use thiserror::Error;

use crate::blob::ChunkId;
use crate::geometry::Geometry;
use crate::spread::Crowd;

/// Drives, in the order of handoffs, that are searched for a shard that is not on its primary.
const SEARCHED_DRIVES_MAX: usize = 24;

/// The drives of one chunk under one epoch of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The epoch it holds for.
    pub epoch: Epoch,
    /// The ring's partition it falls in.
    pub partition: Partition,
    /// The drive of each shard, in shard order.
    pub primaries: Vec<DriveId>,
    seed: u64,
}

/// Why a chunk has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// The ring lists fewer drives in a partition than the chunk has shards.
    #[error("a chunk of {shards} shards does not fit a ring of width {width}")]
    RingTooNarrow {
        /// Shards of the chunk.
        shards: u8,
        /// Drives in each partition.
        width: u8,
    },
}

/// Places a chunk.
///
/// A chunk of fewer shards than the ring is wide (the copies of a small blob) takes those of its
/// partition's drives that share the fewest failure domains, starting at a slot of its own: so
/// the first slots carry no more than the others.
pub fn place(ring: &Ring, chunk: ChunkId, geometry: &Geometry) -> Result<Placement, PlaceError> {
    if geometry.shards() > ring.width() {
        return Err(PlaceError::RingTooNarrow { shards: geometry.shards(), width: ring.width() });
    }
    let [partition_hash, seed] = chunk_hash(chunk);
    let partition = ring.partition_of(partition_hash);
    let members = ring.drives(partition);
    let primaries = if geometry.shards() == ring.width() {
        members.to_vec()
    } else {
        spread_apart(ring, members, usize::from(geometry.shards()), seed)
    };
    Ok(Placement { epoch: ring.epoch(), partition, primaries, seed })
}

impl Placement {
    /// The placement where drives are `gone` for good: a shard of theirs belongs on a drive of its own instead, the first
    /// of the handoffs that holds none of the chunk; where there is none it stays theirs. Writers, readers and repair go
    /// by it alike.
    #[must_use]
    pub fn made_up_for(&self, ring: &Ring, gone: &[DriveId]) -> Self {
        let mut made_up_for = self.clone();
        if !self.primaries.iter().any(|primary| gone.contains(primary)) {
            return made_up_for;
        }
        let mut free = self.handoffs_without(ring, gone).filter(|drive| !self.primaries.contains(drive));
        for primary in made_up_for.primaries.iter_mut().filter(|primary| gone.contains(primary)) {
            *primary = free.next().unwrap_or(*primary);
        }
        made_up_for
    }

    /// Whether each shard is on a node of its own.
    pub fn is_spread(&self, ring: &Ring) -> bool {
        let domains = self.primaries.iter().map(|drive| ring.domains(*drive).map(|path| path.at(FailureDomain::Node)));
        domains.collect::<BTreeSet<_>>().len() == self.primaries.len()
    }

    /// Whether it survives the loss of as many nodes as another placement of the same chunk.
    pub fn is_as_safe_as(&self, other: &Self, ring: &Ring) -> bool {
        self == other || self.is_spread(ring) || !other.is_spread(ring)
    }

    /// The drives where a shard may be that is not on its primary, likeliest first, each once: where repair puts what
    /// drives that are `away` held, then where writers put what a primary does not take. A bounded number of each.
    pub fn searched(&self, ring: &Ring, away: &[DriveId]) -> Vec<DriveId> {
        let by_repair = self.handoffs_without(ring, away).take(SEARCHED_DRIVES_MAX);
        let mut searched: Vec<DriveId> = by_repair.collect();
        if !away.is_empty() {
            let by_writers = self.handoffs(ring).take(SEARCHED_DRIVES_MAX);
            let others: Vec<DriveId> = by_writers.filter(|drive| !searched.contains(drive)).collect();
            searched.extend(others);
        }
        searched
    }

    /// The drives where a shard may be that is not on its primary, best first: those in the
    /// domains with the fewest shards of this chunk before others, and last the primaries
    /// themselves, each once, which then hold two of its shards. `ring` is the one the chunk was
    /// placed by.
    pub fn handoffs(&self, ring: &Ring) -> Handoffs {
        self.handoffs_without(ring, &[])
    }

    /// The same drives without those in `lost`, ordered as if these had never held a shard: what repair tries. So six
    /// shards find a place on four drives that are left of six, and a shard of a dead drive goes to the other drive of
    /// its node rather than to a third on the next. Writers go by [`Placement::handoffs`].
    pub fn handoffs_without(&self, ring: &Ring, lost: &[DriveId]) -> Handoffs {
        let mut crowd = Crowd::default();
        let kept = self.primaries.iter().filter(|id| !lost.contains(id));
        for path in kept.filter_map(|id| ring.domains(*id)) {
            crowd.add(path);
        }
        let mut candidates: Vec<Candidate> = ring
            .all_drives()
            .filter(|(drive, _)| drive.is_eligible() && !lost.contains(&drive.id))
            .map(|(drive, path)| Candidate { order: drive_hash(self.seed, drive.id), id: drive.id, path })
            .collect();
        candidates.sort_unstable_by_key(|candidate| (candidate.order, candidate.id));
        Handoffs { candidates, crowd }
    }
}

/// The handoffs of a chunk, computed as they are asked for. Made by [`Placement::handoffs`].
#[derive(Clone, Debug)]
pub struct Handoffs {
    candidates: Vec<Candidate>,
    crowd: Crowd,
}

#[derive(Clone, Debug)]
struct Candidate {
    order: u64,
    id: DriveId,
    path: DomainPath,
}

impl Iterator for Handoffs {
    type Item = DriveId;

    fn next(&mut self) -> Option<DriveId> {
        let crowd = &self.crowd;
        let (best, _) = self.candidates.iter().enumerate().min_by_key(|(_, candidate)| crowd.around(candidate.path))?;
        let candidate = self.candidates.remove(best);
        self.crowd.add(candidate.path);
        Some(candidate.id)
    }
}

/// Chooses `count` of a partition's drives, beginning at the slot that `seed` names.
fn spread_apart(ring: &Ring, members: &[DriveId], count: usize, seed: u64) -> Vec<DriveId> {
    let first = usize::try_from(seed % members.len().max(1) as u64).unwrap_or(0);
    let mut left: Vec<(DriveId, DomainPath)> = members
        .iter()
        .cycle()
        .skip(first)
        .take(members.len())
        .filter_map(|id| Some((*id, ring.domains(*id)?)))
        .collect();
    let mut crowd = Crowd::default();
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count {
        let Some((best, _)) = left.iter().enumerate().min_by_key(|(_, (_, path))| crowd.around(*path)) else { break };
        let (id, path) = left.remove(best);
        crowd.add(path);
        chosen.push(id);
    }
    chosen
}

/// Two independent 64-bit numbers of a chunk: the first names its partition.
fn chunk_hash(chunk: ChunkId) -> [u64; 2] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&chunk.blob.to_bytes());
    hasher.update(&chunk.index.to_be_bytes());
    first_words(hasher.finalize())
}

/// Orders drives for one seed.
pub(crate) fn drive_hash(seed: u64, drive: DriveId) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_be_bytes());
    hasher.update(&drive.0.to_be_bytes());
    let [word, _] = first_words(hasher.finalize());
    word
}

fn first_words(hash: blake3::Hash) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = *hash.as_bytes();
    [u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p])]
}
