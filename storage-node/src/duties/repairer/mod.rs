//! The repairer: makes blobs as good as they can be with the drives that serve, most endangered first.
//!
//! A round: what readers reported; then, for every range led here, a sweep if drives were lost or
//! emptied since the last one, and the repair rows, those with the most missing shards first over all
//! ranges. The map wakes it: a drive that is up again, or one that is lost; so does an operator that
//! has every blob looked for once more.
//! Promises: as [`rows`] and [`sweep`] say; a report is believed only for a blob that its owner still names.
//! Must not know: how a chunk is repaired.

mod listing;
mod rows;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couronne_base::{mutant, watch};
use couronne_client::BucketView;
use couronne_cluster::changes;
use couronne_cluster::map::{ClusterMap, ReplicaId};
use couronne_metadata::command::Command;
use couronne_metadata::ids::RangeId;
use couronne_metadata::query::{Answer, Ownership, Query};
use couronne_metadata::record::RepairRecord;
use couronne_placement::{BlobId, ChunkId, Geometry, SHARDS_MAX, ShardId};
use couronne_protocol::map::MapSource;
use couronne_protocol::shard::{Owner, ShardDuties, ShardError};
use couronne_ring::DriveId;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

pub(crate) use listing::list;
pub use listing::{UnrepairedObject, UnrepairedPage, UnrepairedQuery};
pub(super) use sweep::mark;

use super::chunk::{self, Chunk, Target};
use super::error::DutyError;
use super::progress::{RepairStatus, terms};
use super::settings::DutySettings;
use super::snapshot::DriveSnapshot;
use super::{Duty, DutyContext, ask_owner, count, policy_of, scrubber};
use crate::drives::DamageReport;
use crate::replicas::RangeServer;
use rows::RepairRows;

/// The shortest rest between two rounds, however often the map changes.
const REST_MIN: Duration = Duration::from_millis(200);

/// A round over many rows rests for so many times as long as it took.
const REST_FACTOR: u32 = 4;

/// The repairer.
pub(crate) struct Repairer {
    versions: watch::Receiver<u64>,
    started: Arc<Notify>,
    /// How long the last round took.
    took: Duration,
}

impl Repairer {
    pub(super) fn of(context: &DutyContext) -> Self {
        Self { versions: context.map.follow(), started: Arc::clone(&context.repair_started), took: Duration::ZERO }
    }
}

#[async_trait]
impl Duty for Repairer {
    const NAME: &'static str = "repairer";

    type Status = RepairStatus;

    fn status(context: &DutyContext) -> RepairStatus {
        status(context)
    }

    fn interval(settings: &DutySettings) -> Duration {
        settings.repair_interval
    }

    fn rest(&self, context: &DutyContext) -> Duration {
        let rest = Self::interval(&context.settings).max(self.took.saturating_mul(REST_FACTOR));
        REST_MIN.min(rest).saturating_add(rest)
    }

    /// The map changed, or an operator wants a round.
    async fn woken(&mut self) {
        sleep(REST_MIN).await;
        tokio::select! {
            biased;
            () = self.started.notified() => {}
            changed = self.versions.changed() => if changed.is_err() { pending().await },
        }
    }

    async fn round(&mut self, context: &DutyContext) {
        let began = Instant::now();
        round(context).await;
        self.took = began.elapsed();
    }
}

/// What a pass over the rows goes by; when it holds no longer, others may be the most endangered.
struct RepairContext {
    snapshot: Arc<DriveSnapshot>,
    /// The ranges that are led here, and in which terms.
    led: BTreeMap<RangeId, u64>,
}

impl RepairContext {
    fn of(context: &DutyContext) -> Self {
        Self { snapshot: Arc::new(context.drive_snapshot()), led: terms(&context.replicas.leaders()) }
    }

    fn holds(&self, context: &DutyContext) -> bool {
        context.drive_snapshot() == *self.snapshot
            && terms(&context.replicas.leaders()) == self.led
            && context.clock.differs().is_none()
    }
}

/// How repair of the ranges led by a node gets on.
fn status(context: &DutyContext) -> RepairStatus {
    let (snapshot, now) = (context.drive_snapshot(), context.env.clock.steady());
    let led = terms(&context.replicas.leaders());
    let mut status = context.repair.status(led, &snapshot, now, context.settings.repair_bytes_per_second);
    status.pending_blobs += context.drives.damage.open();
    let servers = context.replicas.all_servers();
    let leading = servers.iter().filter(|server| server.consensus().leadership().is_some());
    let lacking = leading.filter(|leader| lacks_members(context, leader, &snapshot)).count();
    let pending = lacking + context.replicas.wanting() + to_be_placed(context, &servers);
    status.pending_ranges = u64::try_from(pending).unwrap_or(u64::MAX);
    status.grace_s = context.settings.repair_grace.as_secs();
    status
}

/// How many replicas of ranges that are led here the map is still to give another place, or a place at all.
fn to_be_placed(context: &DutyContext, servers: &[Arc<RangeServer>]) -> usize {
    let leading = servers.iter().filter(|server| server.consensus().leadership().is_some());
    let led: BTreeSet<RangeId> = leading.map(|leader| leader.descriptor().id).collect();
    let grace_ms = u64::try_from(context.settings.repair_grace.as_millis()).unwrap_or(u64::MAX);
    let mut map = ClusterMap::clone(&context.map.state());
    changes::place_replicas(&mut map, |range| led.contains(&range), context.env.clock.wall_ms(), grace_ms).len()
}

/// Whether members of a range are still to be exchanged, and can be: its rows do not survive yet what its blobs do.
fn lacks_members(context: &DutyContext, leader: &RangeServer, snapshot: &DriveSnapshot) -> bool {
    let map = context.map.state();
    let Some(range) = map.range(leader.descriptor().id) else { return false };
    let Some((_, members)) = leader.consensus().committed_members() else { return false };
    let [voters] = &members.voters[..] else { return true };
    let is_joining =
        |(replica, drive): (&ReplicaId, &DriveId)| !voters.contains(replica) && snapshot.up.contains(drive);
    range.replicas.iter().any(is_joining) || voters.len() > range.replicas.len()
}

async fn round(context: &DutyContext) {
    while context.clock.differs().is_none() {
        let Some((report, _under_way)) = context.drives.damage.take() else { break };
        if let Err(error) = repair_reported(context, &report).await {
            tracing::warn!(shard = ?report.1, %error, "reported shard is looked at again later");
            let (drive, shard, owner) = report;
            context.drives.damage.add(drive, shard, owner);
            break;
        }
    }
    while context.clock.differs().is_none() {
        let pass = RepairContext::of(context);
        repair_ranges(context, &pass).await;
        if pass.holds(context) && !look_for_all(context, &pass).await {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Looks for every shard of every blob where an operator wants it, and repairs what it can on the way;
/// whether there may be rows to be looked at since.
async fn look_for_all(context: &DutyContext, pass: &RepairContext) -> bool {
    let is_started = |leader: &&Arc<RangeServer>| context.repair.range(leader.descriptor().id, |r| r.is_started);
    let leaders = context.replicas.leaders();
    let mut looked = false;
    for leader in leaders.iter().filter(is_started) {
        match scrubber::look(context, leader, || pass.holds(context), || ()).await {
            Ok(true) => context.repair.range(leader.descriptor().id, |range| {
                range.is_started = false;
                range.snapshot = None;
                looked = true;
            }),
            Ok(false) => return true,
            Err(error) => {
                tracing::warn!(range = leader.descriptor().id.0, %error, "looking for every shard goes on later")
            }
        }
    }
    looked
}

async fn repair_ranges(context: &DutyContext, pass: &RepairContext) {
    let progress = &context.repair;
    progress.keep_only(&pass.led);
    let was_idle = progress.is_idle();
    let leaders = context.replicas.leaders();
    let mut listed = Vec::new();
    for leader in leaders.iter().filter(|leader| pass.led.contains_key(&leader.descriptor().id)) {
        let rows = RepairRows { context, leader, pass };
        match prepare(context, leader, &rows).await {
            Ok(levels) => listed.push((rows, levels)),
            Err(error) => tracing::warn!(range = leader.descriptor().id.0, %error, "repair goes on later"),
        }
    }
    progress.begin(context.env.clock.steady(), was_idle);
    let levels: BTreeSet<u8> = listed.iter().flat_map(|(_, levels)| levels.iter().copied()).collect();
    for level in levels.into_iter().rev() {
        for (rows, _) in listed.iter().filter(|(_, levels)| levels.contains(&level)) {
            if let Err(error) = rows.repair(level).await {
                tracing::warn!(range = rows.leader.descriptor().id.0, %error, "repair goes on later");
            }
            if !pass.holds(context) {
                return;
            }
        }
    }
}

/// Sweeps a range if that is due, and lists its rows: the numbers of missing shards that they name. The rows that there
/// are do not wait for a sweep that failed.
async fn prepare(
    context: &DutyContext,
    leader: &RangeServer,
    rows: &RepairRows<'_>,
) -> Result<BTreeSet<u8>, DutyError> {
    if let Err(error) = sweep::sweep(context, leader).await {
        tracing::warn!(range = leader.descriptor().id.0, %error, "the sweep goes on later");
    }
    rows.list().await
}

/// Repairs the chunk of a shard that was missing or wrong; `None` if nothing names it, or nothing of it was found. Of a
/// chunk that is not whole then a repair row is left: until that is gone not all is safe. An error says that this is
/// still to be done.
pub(super) async fn repair_reported(context: &DutyContext, report: &DamageReport) -> Result<Option<Chunk>, DutyError> {
    let (_, ShardId { chunk: ChunkId { blob, .. }, .. }, owner) = report;
    let query = Query::OwnsBlob { key: owner.key.clone(), blob: *blob };
    if ask_owner(context, owner, query).await? != Answer::OwnsBlob(Ownership::Owned) {
        return Ok(None);
    }
    count(&context.counters.shards_damaged, 1);
    let repaired = repair_chunk(context, report).await;
    let missing = match &repaired {
        Ok((chunk, _)) if chunk.whole || mutant!(ForgetUnrepaired) => return Ok(Some(*chunk)),
        Ok((chunk, geometry)) => i16::from(geometry.m()).saturating_sub(chunk.survives),
        Err(error) => {
            tracing::warn!(shard = ?report.1, %error, "damaged shard is left to the repairer");
            1
        }
    };
    leave_row(context, owner, *blob, u8::try_from(missing).unwrap_or(0).max(1)).await?;
    Ok(repaired.ok().map(|(chunk, _)| chunk))
}

async fn repair_chunk(
    context: &DutyContext,
    (drive, shard, owner): &DamageReport,
) -> Result<(Chunk, Geometry), DutyError> {
    let (snapshot, map) = (context.drive_snapshot(), context.map.current());
    let policy = policy_of(context, owner).await?;
    let width = map.rings.get(&policy).map_or(SHARDS_MAX, |ring| ring.width());
    // Any shard of the chunk tells how it is encoded.
    let geometry = chunk::geometry_of(context, &snapshot, shard.chunk, width).await;
    let geometry = geometry.ok_or(DutyError::NoShard)?;
    // It is wrong only if it is there and does not verify; else it is missing, or was put back since.
    let verified = context.routes.verify_shard(*drive, *shard).await;
    let wrong = matches!(verified, Err(ShardError::Corrupt(_))).then_some((*drive, shard.number));
    let target = Target { owner, chunk: shard.chunk, geometry, policy, wrong, strays: true, is_read_back: false };
    let chunk = chunk::repair(context, &snapshot, &target).await?;
    count(&context.counters.chunks_repaired, u64::from(chunk.bytes > 0));
    context.repair_rate.take(chunk.bytes).await;
    Ok((chunk, geometry))
}

/// Has the owner's range leave a repair row of a blob, if it still names it.
async fn leave_row(context: &DutyContext, owner: &Owner, blob: BlobId, missing: u8) -> Result<(), DutyError> {
    let query = Query::Blobs { after: blob.before(), limit: 1 };
    let Answer::Blobs(found, _) = ask_owner(context, owner, query).await? else { return Err(DutyError::WrongAnswer) };
    for (bucket, key, found) in found.into_iter().filter(|(.., found)| found.id == blob) {
        let row = RepairRecord::new(found, bucket, key.clone(), missing);
        let view = BucketView { id: bucket, rules_version: 0, seen: None };
        context.client.router().execute(view, &key, Command::MarkDegraded { blobs: vec![row] }).await?;
    }
    Ok(())
}
