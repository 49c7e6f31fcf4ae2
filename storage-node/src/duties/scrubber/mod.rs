//! The scrubber, both ways: from shards to their owners, and from owners to their shards.
//!
//! A round does both side by side, and counts first what there is, to tell how long it will take.
//! Promises: every shard is read and checked once a round, at a bounded rate that lets a round end in time; a shard is deleted only
//! when the leader that owns its key disowns its blob; a blob that a row names and whose shards are
//! missing is rebuilt, or left to the repairer. A node reads its own drives; looking for missing shards
//! is the leaders'. In doubt nothing is deleted.
//! Must not know: how a chunk is rebuilt.

mod stores;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_cluster::map::Emptied;
use couronne_metadata::command::Command;
use couronne_metadata::ids::{BucketId, ObjectKey};
use couronne_metadata::query::{Answer, Ownership, Query};
use couronne_metadata::record::{BlobRef, RepairRecord};
use couronne_placement::{BlobId, ChunkId, ShardId, place};
use couronne_protocol::map::MapSource;
use couronne_protocol::shard::{GetShard, Owner, ShardError};
use couronne_ring::DriveId;
use futures_util::future::{join, join_all};
use futures_util::stream::{self, StreamExt};
use tokio::sync::Notify;
use tokio::time::sleep;

pub(crate) use self::stores::StoreScrubber;

use super::chunk::{self, Target};
use super::error::DutyError;
use super::eta::WorkEstimate;
use super::progress::{Of, ScrubStatus};
use super::rate_limiter::RateLimiter;
use super::settings::DutySettings;
use super::walk::BlobWalk;
use super::{Duty, DutyContext, ask, ask_owner, count, execute, policy_of, repairer, some_key};
use crate::drives::{DamageReport, ListedShard, MountedDrive};
use crate::replicas::RangeServer;

/// Shards listed at a time.
const SHARDS: usize = 256;

/// Blobs listed at a time.
const BLOBS: u32 = 256;

/// Blobs looked for at a time.
const BLOBS_AT_A_TIME: usize = 4;

/// What it costs to ask whose a shard is and where it belongs, in bytes that could be read and checked instead.
const ASK_BYTES: u64 = 256 << 10;

/// Looking for a chunk's shards.
const LOOK: WorkEstimate = WorkEstimate { items: 1, cost: 1, paced: 0 };

/// So often the pages that failed are tried in one look.
const LOOK_ROUNDS: usize = 3;

/// How long a node rests before it scrubs while one of its drives was never read through.
const FIRST_REST: Duration = Duration::from_secs(600);

/// Between two pages of blobs.
const REST: Duration = Duration::from_millis(50);

/// The scrubber.
pub(crate) struct Scrubber {
    started: Arc<Notify>,
}

impl Scrubber {
    pub(super) fn of(context: &DutyContext) -> Self {
        Self { started: Arc::clone(&context.scrub_started) }
    }
}

#[async_trait]
impl Duty for Scrubber {
    const NAME: &'static str = "scrubber";

    type Status = ScrubStatus;

    fn status(context: &DutyContext) -> ScrubStatus {
        let status = context.scrub.status(context.env.clock.steady());
        ScrubStatus { cycle_s: context.settings.scrub_cycle.as_secs(), ..status }
    }

    fn interval(settings: &DutySettings) -> Duration {
        settings.scrub_interval
    }

    /// A drive that was never read through does not wait so long.
    fn rest(&self, context: &DutyContext) -> Duration {
        let is_new = |mounted: Arc<MountedDrive>| {
            mounted.is_well() && mounted.scrub_note(emptied(context, mounted.id)).ended_ms.is_none()
        };
        let rest = Self::interval(&context.settings);
        if context.drives.mounted().any(is_new) { rest.min(FIRST_REST) } else { rest }
    }

    /// An operator may cut the rest.
    async fn woken(&mut self) {
        self.started.notified().await;
    }

    async fn round(&mut self, context: &DutyContext) {
        round(context).await;
    }
}

/// One round over all drives and all ranges led here.
async fn round(context: &DutyContext) {
    let drives: Vec<Arc<MountedDrive>> = context.drives.mounted().filter(|mounted| mounted.serving().is_ok()).collect();
    let progress = &context.scrub;
    progress.begin(context.env.clock.steady(), drives.iter().map(|mounted| mounted.id));
    let read = join_all(drives.iter().map(|mounted| scrub_drive(context, mounted)));
    join(read, look_for_all(context)).await;
    progress.end(context.env.clock.wall_ms());
    count(&context.counters.scrub_rounds, 1);
}

async fn look_for_all(context: &DutyContext) {
    let (progress, leaders) = (&context.scrub, context.replicas.leaders());
    let mut total = WorkEstimate::default();
    for leader in &leaders {
        match count_chunks(leader).await {
            Ok(chunks) => total = total + LOOK.times(chunks),
            Err(error) => tracing::warn!(range = leader.descriptor().id.0, %error, "a range's chunks are not counted"),
        }
    }
    let now = || context.env.clock.steady();
    progress.counted(Of::Look, now(), total, 0);
    for leader in leaders.into_iter().filter(|_| context.clock.differs().is_none()) {
        if let Err(error) = look(context, &leader, || true, || progress.done(Of::Look, now(), LOOK)).await {
            tracing::warn!(range = leader.descriptor().id.0, %error, "scrubbing a range goes on next round");
        }
    }
    progress.part_ended(Of::Look);
}

async fn count_chunks(leader: &RangeServer) -> Result<u64, DutyError> {
    let (mut after, mut chunks) = (None, 0_u64);
    loop {
        let (blobs, next) = blobs_after(leader, after).await?;
        let counted = blobs.iter().map(|(.., blob)| blob.geometry.chunks(blob.len));
        chunks = counted.fold(chunks, u64::saturating_add);
        after = next;
        if after.is_none() {
            return Ok(chunks);
        }
    }
}

/// The scrubber's rate on a drive with so many bytes: what is set, or more if a round would take too long.
fn pace_for(context: &DutyContext, bytes: u64) -> u64 {
    let settings = &context.settings;
    let in_time = bytes / settings.scrub_round_max.as_secs().max(1);
    settings.scrub_bytes_per_second.max(in_time)
}

async fn scrub_drive(context: &DutyContext, mounted: &MountedDrive) {
    let began = mounted.scrub_note(emptied(context, mounted.id));
    match read_drive(context, mounted).await {
        Ok(0) => {
            let now_ms = context.env.clock.wall_ms();
            if let Err(error) = mounted.note_scrubbed(began, emptied(context, mounted.id), now_ms).await {
                tracing::warn!(drive = mounted.name, %error, "that a drive was scrubbed is not noted");
            }
        }
        Ok(left) => tracing::warn!(drive = mounted.name, left, "damaged shards could not be healed yet"),
        Err(error) => tracing::warn!(drive = mounted.name, %error, "scrubbing a drive goes on next round"),
    }
    context.scrub.part_ended(Of::Drive(mounted.id));
}

/// How a drive lost what it held, as the map known here says.
fn emptied(context: &DutyContext, drive: DriveId) -> Emptied {
    context.map.state().drives.get(&drive).map(|known| known.emptied).unwrap_or_default()
}

/// Reading and checking a shard.
fn reading(listed: &ListedShard) -> WorkEstimate {
    let bytes = u64::from(listed.shard_len);
    WorkEstimate { items: 1, cost: ASK_BYTES + bytes, paced: bytes }
}

async fn count_shards(mounted: &MountedDrive) -> Result<WorkEstimate, ShardError> {
    let (mut total, mut after) = (WorkEstimate::default(), None);
    loop {
        let page = mounted.serving()?.list(after, SHARDS).await?;
        let Some(last) = page.last() else { return Ok(total) };
        after = Some(last.shard);
        total = page.iter().map(reading).fold(total, |total, shard| total + shard);
        tokio::task::yield_now().await;
    }
}

/// Reads the whole index of a drive. One that is rotten is made anew from the segments.
async fn check_index(mounted: &MountedDrive, pace: &RateLimiter) -> Result<(), ShardError> {
    let mut start = Some(Bytes::new());
    while let Some(from) = start {
        let (bytes, next) = mounted.serving()?.check_index(from).await?;
        pace.take(bytes).await;
        start = next;
    }
    Ok(())
}

/// Reads every shard of a drive; how many were not found sound and were not made so.
async fn read_drive(context: &DutyContext, mounted: &MountedDrive) -> Result<u64, ShardError> {
    let mut left = 0;
    let (progress, total) = (&context.scrub, count_shards(mounted).await?);
    let bytes_per_second = pace_for(context, total.paced);
    progress.counted(Of::Drive(mounted.id), context.env.clock.steady(), total, bytes_per_second);
    let pace = RateLimiter::new(bytes_per_second);
    check_index(mounted, &pace).await?;
    let mut after: Option<ShardId> = None;
    let mut disowned: Option<(BlobId, bool)> = None;
    loop {
        if mounted.is_slow() {
            return Err(ShardError::Down("it is slow".to_owned()));
        }
        let page = mounted.serving()?.list(after, SHARDS).await?;
        let Some(last) = page.last() else { return Ok(left) };
        after = Some(last.shard);
        for listed in page {
            let blob = listed.shard.chunk.blob;
            let is_disowned = match disowned {
                Some((known, is_disowned)) if known == blob => is_disowned,
                _ => owner_says(context, &listed, Ownership::Disowned).await,
            };
            disowned = Some((blob, is_disowned));
            if is_disowned {
                delete_orphan(context, mounted, &listed).await;
            } else if !scrub_shard(context, mounted, &listed).await {
                left += 1;
            }
            progress.done(Of::Drive(mounted.id), context.env.clock.steady(), reading(&listed));
            pace.take(u64::from(listed.shard_len)).await;
        }
    }
}

/// Whether the leader of the owner's range says so of the shard's blob: only a clear answer counts.
async fn owner_says(context: &DutyContext, listed: &ListedShard, ownership: Ownership) -> bool {
    let query = Query::OwnsBlob { key: listed.owner.key.clone(), blob: listed.shard.chunk.blob };
    let answer = ask_owner(context, &listed.owner, query).await;
    answer.is_ok_and(|answer| answer == Answer::OwnsBlob(ownership))
}

async fn delete_orphan(context: &DutyContext, mounted: &MountedDrive, listed: &ListedShard) {
    let Ok(drive) = mounted.serving() else { return };
    if !context.clock.trusts() {
        return;
    }
    match drive.delete_shard(listed.shard, &listed.owner).await {
        Ok(deleted) => count(&context.counters.orphans_deleted, u64::from(deleted)),
        Err(error) => tracing::warn!(drive = mounted.name, %error, "orphan stays until the next round"),
    }
}

/// Reads and checks a shard; whether it is sound then, gone, or of a blob that waits for the reaper.
async fn scrub_shard(context: &DutyContext, mounted: &MountedDrive, listed: &ListedShard) -> bool {
    let Ok(drive) = mounted.serving() else { return false };
    count(&context.counters.shards_scrubbed, 1);
    match drive.verify(listed.shard).await {
        Ok(_) => {
            send_home(context, mounted, listed).await;
            true
        }
        Err(ShardError::NotFound) => true,
        Err(ShardError::Down(_)) => false,
        Err(error) => {
            tracing::warn!(drive = mounted.name, shard = ?listed.shard, %error, "shard does not verify");
            let report = (mounted.id, listed.shard, listed.owner.clone());
            let healed = repair(context, &report).await;
            context.scrub.found(1, u64::from(healed));
            matches!(drive.verify(listed.shard).await, Ok(_) | Err(ShardError::NotFound))
                || owner_says(context, listed, Ownership::Dropped).await
        }
    }
}

/// A shard off its primary that serves is a copy that was left behind: repair moves it home or drops it.
async fn send_home(context: &DutyContext, mounted: &MountedDrive, listed: &ListedShard) {
    let Ok(drive) = mounted.serving() else { return };
    let request = GetShard { shard: listed.shard, first_frame: 0, frames: 0 };
    let Ok(found) = drive.get_shard(request).await else { return };
    let Ok(policy) = policy_of(context, &listed.owner).await else { return };
    let map = context.map.current();
    let Some(ring) = map.rings.get(&policy) else { return };
    let Ok(placed) = place(ring, listed.shard.chunk, &found.geometry) else { return };
    let placement = placed.made_up_for(ring, &map.gone);
    let primary = placement.primaries.get(usize::from(listed.shard.number)).copied();
    if primary.is_some_and(|primary| primary != mounted.id && context.drive_snapshot().up.contains(&primary)) {
        repair(context, &(mounted.id, listed.shard, listed.owner.clone())).await;
    }
}

/// Repairs a shard's chunk, or leaves it to the repairer; whether a shard of it was put back.
async fn repair(context: &DutyContext, report: &DamageReport) -> bool {
    let _under_way = context.drives.damage.begin();
    match repairer::repair_reported(context, report).await {
        Ok(chunk) => chunk.is_some_and(|chunk| chunk.bytes > 0),
        Err(error) => {
            tracing::warn!(shard = ?report.1, %error, "shard is not repaired");
            let (drive, shard, owner) = report.clone();
            context.drives.damage.add(drive, shard, owner);
            false
        }
    }
}

/// Looks for every shard of a blob and rebuilds what is missing, while `looked` says of each chunk that this goes on; what
/// is to be told to the repairer.
async fn scrub_blob(
    context: &DutyContext,
    owner: Owner,
    blob: BlobRef,
    looked: impl Fn() -> bool,
) -> Option<RepairRecord> {
    let missing = look_for_blob(context, &owner, &blob, looked).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "a blob's shards are left to the repairer");
        1
    });
    let Owner { bucket, key } = owner;
    (missing > 0).then(|| RepairRecord::new(blob, bucket, key, missing))
}

/// The same; how many shards its worst chunk lacks then.
async fn look_for_blob(
    context: &DutyContext,
    owner: &Owner,
    blob: &BlobRef,
    looked: impl Fn() -> bool,
) -> Result<u8, DutyError> {
    let mut worst = 0;
    for index in 0..blob.geometry.chunks(blob.len) {
        let index = u32::try_from(index)?;
        let (chunk, geometry, policy) = (ChunkId { blob: blob.id, index }, blob.geometry, blob.policy);
        let target = Target { owner, chunk, geometry, policy, wrong: None, strays: false, is_read_back: false };
        let chunk = chunk::repair(context, &context.drive_snapshot(), &target).await?;
        count(&context.counters.shards_damaged, u64::from(chunk.bytes > 0));
        context.scrub.found(u64::from(chunk.bytes > 0), u64::from(chunk.bytes > 0));
        context.repair_rate.take(chunk.bytes).await;
        if !chunk.whole {
            let lost = i16::from(geometry.m()).saturating_sub(chunk.survives);
            worst = worst.max(u8::try_from(lost).unwrap_or(0).max(1));
        }
        if !looked() {
            break;
        }
    }
    Ok(worst)
}

/// Some of the blobs that the range names, and where those after them begin.
async fn blobs_after(
    leader: &RangeServer,
    after: Option<BlobId>,
) -> Result<(Vec<(BucketId, ObjectKey, BlobRef)>, Option<BlobId>), DutyError> {
    let answer = ask(leader, Query::Blobs { after, limit: BLOBS }).await?;
    let Answer::Blobs(blobs, next) = answer else { return Err(DutyError::WrongAnswer) };
    Ok((blobs, next))
}

/// Looks for every shard of every blob that the range names, while `goes_on`; `false` if that cut it short.
/// `looked` is told of each chunk. A page that fails is tried again when the others are done; an error if one still
/// fails then.
pub(super) async fn look(
    context: &DutyContext,
    leader: &RangeServer,
    goes_on: impl Fn() -> bool,
    looked: impl Fn(),
) -> Result<bool, DutyError> {
    let (mut walk, mut failed) = (BlobWalk::new(), None);
    for _ in 0..LOOK_ROUNDS {
        walk.begin_round();
        while let Some(page) = walk.next(leader, BLOBS).await {
            if !goes_on() {
                return Ok(false);
            }
            let marked = match page {
                Ok(page) => {
                    let looked = || {
                        looked();
                        goes_on()
                    };
                    let looks = page.blobs.clone().into_iter();
                    let looks =
                        looks.map(|(bucket, key, blob)| scrub_blob(context, Owner { bucket, key }, blob, &looked));
                    let found: Vec<_> = stream::iter(looks).buffer_unordered(BLOBS_AT_A_TIME).collect().await;
                    let marked = repairer::mark(context, leader, found.into_iter().flatten().collect()).await;
                    if !goes_on() {
                        return marked.map(|()| false);
                    }
                    if marked.is_err() {
                        walk.leave(page);
                    }
                    marked
                }
                Err(error) => Err(error),
            };
            failed = marked.err().or(failed);
            sleep(REST).await;
        }
        if walk.is_done() {
            let key = some_key(leader.descriptor()).ok_or(DutyError::NoKey)?;
            execute(context, leader, key, Command::EndLook { ended_ms: context.env.clock.wall_ms() }).await?;
            return Ok(true);
        }
    }
    failed.map_or(Ok(true), Err)
}
