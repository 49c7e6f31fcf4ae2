//! Making one chunk whole: find its shards wherever they are, rebuild what is gone, put it on its primaries.
//!
//! Promises: only verified bytes are rebuilt from or copied; a shard on a handoff is deleted only after
//! its primary has it durably.
//! Must not know: who asked.

use bytes::Bytes;
use couronne_placement::erasure::{Codec, Wanted};
use couronne_placement::{ChunkId, Geometry, Placement, PolicyId, ShardId, place};
use couronne_protocol::frame;
use couronne_protocol::map::MapSource;
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardError};
use couronne_ring::DriveId;

use super::count;
use crate::drive::Drive;
use crate::node::LocalNode;

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// All its shards are on their primaries, as far as the drives' indexes say.
    Whole,
    /// A shard was put back, and now it is whole.
    Repaired,
    /// Not yet: a primary is away, or too few shards are left.
    Wanting,
}

/// Which bytes to repair.
pub(super) struct Target<'a> {
    pub(super) owner: &'a Owner,
    pub(super) chunk: ChunkId,
    pub(super) geometry: Geometry,
    pub(super) policy: PolicyId,
    /// A shard on a drive that is there but wrong.
    pub(super) wrong: Option<(DriveId, u8)>,
}

/// Makes a chunk whole if it can be.
pub(super) async fn repair(node: &LocalNode, target: &Target<'_>) -> Result<Chunk, String> {
    let map = node.current();
    let ring = map.rings.get(&target.policy).ok_or("the blob's policy is unknown")?;
    let placement = place(ring, target.chunk, &target.geometry).map_err(|error| error.to_string())?;
    let missing: Vec<u8> = missing(node, target, &placement).await;
    if missing.is_empty() {
        return Ok(Chunk::Whole);
    }
    let primary = |number: &u8| placement.primaries.get(usize::from(*number)).copied();
    if !missing.iter().filter_map(primary).any(|primary| serving(node, primary).is_some()) {
        // Nothing could be put back: do not read for it.
        return Ok(Chunk::Wanting);
    }
    let Some(shards) = gather(node, target, &placement, &missing).await? else {
        count(&node.duties.counters.chunks_unrepaired, 1);
        return Ok(Chunk::Wanting);
    };
    let mut whole = true;
    for number in missing {
        let place = usize::from(number);
        let (Some(primary), Some(Some(payload))) = (placement.primaries.get(place), shards.get(place)) else {
            whole = false;
            continue;
        };
        whole &= put(node, target, &placement, *primary, number, payload.clone()).await;
    }
    if !whole {
        count(&node.duties.counters.chunks_unrepaired, 1);
        return Ok(Chunk::Wanting);
    }
    drop_strays(node, target, &placement).await;
    count(&node.duties.counters.chunks_repaired, 1);
    Ok(Chunk::Repaired)
}

fn serving(node: &LocalNode, drive: DriveId) -> Option<&Drive> {
    node.slot(drive).and_then(|slot| slot.serving().ok())
}

fn shard(target: &Target<'_>, number: u8) -> ShardId {
    ShardId { chunk: target.chunk, number }
}

/// The shards that are not, or not sound, on their primaries. Asking for no frames costs no read.
async fn missing(node: &LocalNode, target: &Target<'_>, placement: &Placement) -> Vec<u8> {
    let mut missing = Vec::new();
    for (number, primary) in (0..target.geometry.shards()).zip(&placement.primaries) {
        let request = GetShard { shard: shard(target, number), first_frame: 0, frames: 0 };
        let there = match serving(node, *primary) {
            Some(drive) => drive.get_shard(request).await.is_ok(),
            None => false,
        };
        if !there || target.wrong == Some((*primary, number)) {
            missing.push(number);
        }
    }
    missing
}

/// All shards of the chunk, from their primaries, from wherever else they are, or rebuilt; `None` if
/// too few are left.
async fn gather(
    node: &LocalNode,
    target: &Target<'_>,
    placement: &Placement,
    missing: &[u8],
) -> Result<Option<Vec<Option<Bytes>>>, String> {
    let mut shards: Vec<Option<Bytes>> = vec![None; usize::from(target.geometry.shards())];
    let mut found = 0usize;
    for number in 0..target.geometry.shards() {
        // Enough to rebuild the missing ones, and every missing one that still is somewhere.
        let needed = missing.contains(&number) || found < usize::from(target.geometry.k());
        let Some(place) = shards.get_mut(usize::from(number)).filter(|_| needed) else { continue };
        *place = fetch(node, target, placement, number).await;
        found += usize::from(place.is_some());
    }
    let mut number = 0;
    while found < usize::from(target.geometry.k()) && number < target.geometry.shards() {
        if let Some(place) = shards.get_mut(usize::from(number)).filter(|place| place.is_none()) {
            *place = fetch(node, target, placement, number).await;
            found += usize::from(place.is_some());
        }
        number += 1;
    }
    if found < usize::from(target.geometry.k()) {
        return Ok(None);
    }
    let codec = Codec::of(&target.geometry).map_err(|error| error.to_string())?;
    codec.reconstruct(&mut shards, Wanted::All).map_err(|error| error.to_string())?;
    Ok(Some(shards))
}

/// A shard's verified bytes, from its primary or any other drive.
async fn fetch(node: &LocalNode, target: &Target<'_>, placement: &Placement, number: u8) -> Option<Bytes> {
    let primary = placement.primaries.get(usize::from(number)).copied();
    let others = node.slots().map(|slot| slot.id).filter(|drive| Some(*drive) != primary);
    let id = shard(target, number);
    for drive in primary.into_iter().chain(others) {
        if target.wrong == Some((drive, number)) {
            continue;
        }
        let Some(drive) = serving(node, drive) else { continue };
        let Ok(frames) = drive.get_shard(GetShard { shard: id, first_frame: 0, frames: u32::MAX }).await else {
            continue;
        };
        let sound = frames.geometry == target.geometry
            && frame::verify(id, frames.geometry, 0, &frames.checksums, &frames.payload).is_ok();
        if sound {
            return Some(frames.payload);
        }
    }
    None
}

async fn put(
    node: &LocalNode,
    target: &Target<'_>,
    placement: &Placement,
    drive: DriveId,
    number: u8,
    payload: Bytes,
) -> bool {
    let Some(drive) = serving(node, drive) else { return false };
    let id = shard(target, number);
    let request = PutShard {
        shard: id,
        owner: target.owner.clone(),
        geometry: target.geometry,
        policy: target.policy,
        class: target.owner.bucket.class(),
        epoch: placement.epoch,
        frames: frame::seal(id, target.geometry, &payload),
        payload,
    };
    match drive.put_shard(request).await {
        Ok(()) => true,
        Err(ShardError::Down(_)) => false,
        Err(error) => {
            tracing::warn!(shard = ?id, %error, "shard could not be put back");
            false
        }
    }
}

/// Deletes shards of the chunk that lie on drives other than their primaries.
async fn drop_strays(node: &LocalNode, target: &Target<'_>, placement: &Placement) {
    for (number, primary) in (0..target.geometry.shards()).zip(&placement.primaries) {
        for slot in node.slots().filter(|slot| slot.id != *primary) {
            let Ok(drive) = slot.serving() else { continue };
            if let Err(error) = drive.delete_shard(shard(target, number)).await {
                tracing::debug!(drive = slot.name, %error, "stray shard stays");
            }
        }
    }
}
