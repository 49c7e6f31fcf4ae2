//! The scrubber, both ways: from shards to their owners, and from owners to their shards.
//!
//! Promises: every shard is read and checked once a round, at a bounded rate that lets a round end in time; a shard is deleted only
//! when the leader that owns its key disowns its blob; a blob that a row names and whose shards are
//! missing is rebuilt, or left to the repairer. A node reads its own drives; looking for missing shards
//! is the leaders'. In doubt nothing is deleted.
//! Must not know: how a chunk is rebuilt.

mod progress;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_metadata::query::{Answer, Ownership, Query};
use couronne_metadata::record::{BlobRef, RepairRecord};
use couronne_placement::{BlobId, ChunkId, ShardId, place};
use couronne_protocol::map::MapSource;
use couronne_protocol::shard::{GetShard, Owner, ShardError};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::time::sleep;

pub(super) use progress::ScrubProgress;
pub use progress::{DriveScrub, ScrubStatus};

use super::chunk::{self, Target};
use super::pace::Pace;
use super::standing::Standing;
use super::{Report, ask, ask_owner, count, policy_of, repairer, some_key};
use crate::drive::ListedShard;
use crate::node::{LocalNode, Slot};
use crate::range_server::RangeServer;

/// Shards listed at a time.
const SHARDS: usize = 256;

/// Blobs listed at a time.
const BLOBS: u32 = 256;

/// Blobs looked for at a time.
const BLOBS_AT_A_TIME: usize = 4;

/// Between two pages of blobs.
const REST: Duration = Duration::from_millis(50);

/// Begins to scrub, for as long as the node runs: with a rest before each round, which an operator may cut.
pub(super) fn begin(node: &Arc<LocalNode>) {
    let rest = node.duties.settings.scrub_interval;
    if rest.is_zero() {
        return;
    }
    let (started, node) = (Arc::clone(&node.duties.scrub_started), Arc::downgrade(node));
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = sleep(rest) => {}
                () = started.notified() => {}
            }
            let Some(node) = node.upgrade().filter(|node| !node.is_stopping()) else { return };
            tokio::select! {
                () = round(&node) => {}
                () = node.stopped() => return,
            }
        }
    });
}

/// One round over all drives and all ranges led here.
async fn round(node: &LocalNode) {
    let mut drives = Vec::new();
    for slot in node.slots() {
        let Ok(drive) = slot.serving() else { continue };
        if let Ok(stats) = drive.stats().await {
            drives.push((Arc::clone(&slot), stats.live_bytes));
        }
    }
    let progress = &node.duties.scrub;
    progress.begin(node.env().clock.steady(), drives.iter().map(|(slot, bytes)| (slot.id, *bytes)));
    join_all(drives.iter().map(|(slot, bytes)| scrub_drive(node, slot, pace_for(node, *bytes)))).await;
    for leader in node.leaders().into_iter().filter(|_| node.clock.differs().is_none()) {
        let goes_on = |blobs| {
            progress.looked(blobs);
            true
        };
        if let Err(error) = look(node, &leader, goes_on).await {
            tracing::warn!(range = leader.descriptor().id.0, error, "scrubbing a range goes on next round");
        }
    }
    progress.end(node.env().clock.wall_ms());
    count(&node.duties.counters.scrub_rounds, 1);
}

/// The scrubber's rate on a drive with so many bytes: what is set, or more if a round would take too long.
fn pace_for(node: &LocalNode, bytes: u64) -> Pace {
    let settings = &node.duties.settings;
    let in_time = bytes / settings.scrub_round_max.as_secs().max(1);
    Pace::new(settings.scrub_bytes_per_second.max(in_time))
}

async fn scrub_drive(node: &LocalNode, slot: &Slot, pace: Pace) {
    read_drive(node, slot, pace).await;
    node.duties.scrub.drive_read(slot.id, node.env().clock.steady());
}

async fn read_drive(node: &LocalNode, slot: &Slot, pace: Pace) {
    let mut after: Option<ShardId> = None;
    let mut disowned: Option<(BlobId, bool)> = None;
    loop {
        let Ok(drive) = slot.serving() else { return };
        let page = match drive.list(after, SHARDS) {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(drive = slot.name, %error, "scrubbing a drive goes on next round");
                return;
            }
        };
        let Some(last) = page.last() else { return };
        after = Some(last.shard);
        for listed in page {
            let blob = listed.shard.chunk.blob;
            let is_disowned = match disowned {
                Some((known, is_disowned)) if known == blob => is_disowned,
                _ => owner_disowns(node, &listed).await,
            };
            disowned = Some((blob, is_disowned));
            if is_disowned {
                delete_orphan(node, slot, &listed).await;
            } else {
                scrub_shard(node, slot, &listed).await;
            }
            node.duties.scrub.read(slot.id, u64::from(listed.shard_len));
            pace.take(u64::from(listed.shard_len)).await;
        }
    }
}

/// Only a leader's clear "no" counts.
async fn owner_disowns(node: &LocalNode, listed: &ListedShard) -> bool {
    let query = Query::OwnsBlob { key: listed.owner.key.clone(), blob: listed.shard.chunk.blob };
    let answer = ask_owner(node, &listed.owner, query).await;
    matches!(answer, Ok(Answer::OwnsBlob(Ownership::Disowned)))
}

async fn delete_orphan(node: &LocalNode, slot: &Slot, listed: &ListedShard) {
    let Ok(drive) = slot.serving() else { return };
    if !node.clock.trusts() {
        return;
    }
    match drive.delete_shard(listed.shard).await {
        Ok(deleted) => count(&node.duties.counters.orphans_deleted, u64::from(deleted)),
        Err(error) => tracing::warn!(drive = slot.name, %error, "orphan stays until the next round"),
    }
}

async fn scrub_shard(node: &LocalNode, slot: &Slot, listed: &ListedShard) {
    let Ok(drive) = slot.serving() else { return };
    count(&node.duties.counters.shards_scrubbed, 1);
    match drive.verify(listed.shard).await {
        Ok(_) => send_home(node, slot, listed).await,
        Err(ShardError::NotFound | ShardError::Down(_)) => {}
        Err(error) => {
            tracing::warn!(drive = slot.name, shard = ?listed.shard, %error, "shard does not verify");
            let report = (slot.id, listed.shard, listed.owner.clone());
            let healed = repair(node, &report).await;
            node.duties.scrub.found(1, u64::from(healed));
        }
    }
}

/// A shard off its primary that serves is a copy that was left behind: repair moves it home or drops it.
async fn send_home(node: &LocalNode, slot: &Slot, listed: &ListedShard) {
    let Ok(drive) = slot.serving() else { return };
    let request = GetShard { shard: listed.shard, first_frame: 0, frames: 0 };
    let Ok(found) = drive.get_shard(request).await else { return };
    let Ok(policy) = policy_of(node, &listed.owner).await else { return };
    let ring = node.current().rings.get(&policy).cloned();
    let placement = ring.and_then(|ring| place(&ring, listed.shard.chunk, &found.geometry).ok());
    let primary = placement.and_then(|placed| placed.primaries.get(usize::from(listed.shard.number)).copied());
    if primary.is_some_and(|primary| primary != slot.id && Standing::of(node).up.contains(&primary)) {
        repair(node, &(slot.id, listed.shard, listed.owner.clone())).await;
    }
}

/// Repairs a shard's chunk; whether a shard of it was put back.
async fn repair(node: &LocalNode, report: &Report) -> bool {
    match repairer::repair_reported(node, report).await {
        Ok(chunk) => chunk.is_some_and(|chunk| chunk.bytes > 0),
        Err(error) => {
            tracing::warn!(shard = ?report.1, error, "shard is not repaired");
            false
        }
    }
}

/// Looks for every shard of a blob and rebuilds what is missing; what is to be told to the repairer.
async fn scrub_blob(node: &LocalNode, owner: Owner, blob: BlobRef) -> Result<Option<RepairRecord>, String> {
    let mut worst = 0;
    for index in 0..blob.geometry.chunks(blob.len) {
        let index = u32::try_from(index).map_err(|error| error.to_string())?;
        let (chunk, geometry, policy) = (ChunkId { blob: blob.id, index }, blob.geometry, blob.policy);
        let target = Target { owner: &owner, chunk, geometry, policy, wrong: None, strays: false };
        let chunk = chunk::repair(node, &Standing::of(node), &target).await?;
        count(&node.duties.counters.shards_damaged, u64::from(chunk.bytes > 0));
        node.duties.scrub.found(u64::from(chunk.bytes > 0), u64::from(chunk.bytes > 0));
        node.duties.repair_pace.take(chunk.bytes).await;
        if !chunk.whole {
            let lost = i16::from(geometry.m()).saturating_sub(chunk.survives);
            worst = worst.max(u8::try_from(lost).unwrap_or(0).max(1));
        }
    }
    let Owner { bucket, key } = owner;
    Ok((worst > 0).then_some(RepairRecord { blob, bucket, key, missing: worst }))
}

/// Looks for every shard of every blob that the range names. `goes_on` is told of each page how many blobs
/// it has; `false` if it cut that short.
pub(super) async fn look(
    node: &LocalNode,
    leader: &RangeServer,
    goes_on: impl Fn(u64) -> bool,
) -> Result<bool, String> {
    let mut after = Bytes::new();
    loop {
        let query = Query::Blobs { after: after.clone(), limit: BLOBS };
        let answer = ask(leader, query).await.map_err(|error| error.to_string())?;
        let Answer::Blobs(blobs, next) = answer else { return Err("wrong answer".to_owned()) };
        if !goes_on(u64::try_from(blobs.len()).unwrap_or(u64::MAX)) {
            return Ok(false);
        }
        let looks = blobs.into_iter().map(|(bucket, key, blob)| scrub_blob(node, Owner { bucket, key }, blob));
        let looked: Vec<_> = stream::iter(looks).buffer_unordered(BLOBS_AT_A_TIME).collect().await;
        let mut wanting = Vec::new();
        for looked in looked {
            match looked {
                Ok(found) => wanting.extend(found),
                Err(error) => tracing::warn!(error, "a blob's shards are looked for next round"),
            }
        }
        repairer::mark(node, leader, some_key(leader.descriptor()).ok_or("the range has no key")?, wanting).await?;
        match next {
            Some(next) => after = next,
            None => return Ok(true),
        }
        sleep(REST).await;
    }
}
