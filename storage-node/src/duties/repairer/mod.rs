//! The repairer: makes blobs as good as they can be with the drives that serve, most endangered first.
//!
//! A round: what readers reported; then, for every range led here, a sweep if drives were lost or
//! emptied since the last one, and the repair rows, those with the most missing shards first over all
//! ranges. The map wakes it: a drive that is up again, or one whose grace is over; so does an operator, who
//! has every blob looked for once more.
//! Promises: as [`rows`] and [`sweep`] say; a report is believed only for a blob that its owner still names.
//! Must not know: how a chunk is repaired.

mod progress;
mod rows;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use couronne_base::watch;
use couronne_metadata::ids::RangeId;
use couronne_metadata::query::{Answer, Ownership, Query};
use couronne_placement::SHARDS_MAX;
use couronne_protocol::map::MapSource;
use couronne_protocol::shard::{ShardDuties, ShardError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

pub use progress::{Degraded, RepairStatus};
pub(super) use progress::{Progress, status};
pub(super) use sweep::mark;

use super::chunk::{self, Chunk, Target};
use super::standing::{Standing, until_next_loss};
use super::{Report, ask_owner, count, policy_of, scrubber};
use crate::node::LocalNode;
use crate::range_server::RangeServer;
use rows::Rows;

/// The shortest rest between two rounds, however often the map changes.
const REST_MIN: Duration = Duration::from_millis(200);

/// A round over many rows rests for so many times as long as it took.
const REST_FACTOR: u32 = 4;

/// Begins to repair, for as long as the node runs.
pub(super) fn begin(node: &Arc<LocalNode>) {
    let interval = node.duties.settings.repair_interval;
    if interval.is_zero() {
        return;
    }
    let (versions, started) = (node.shared_map().follow(), Arc::clone(&node.duties.repair_started));
    tokio::spawn(run(Arc::downgrade(node), versions, started, interval));
}

/// Has every blob of the ranges led here looked for, and everything that waits tried again.
pub(super) fn start(node: &LocalNode) {
    node.duties.repair.start(terms(&node.leaders()));
    node.duties.repair_started.notify_one();
}

/// What a pass over the rows goes by; when it holds no longer, others may be the most endangered.
struct Scene {
    standing: Arc<Standing>,
    /// The ranges that are led here, and in which terms.
    led: BTreeMap<RangeId, u64>,
}

impl Scene {
    fn of(node: &LocalNode) -> Self {
        Self { standing: Arc::new(Standing::of(node)), led: terms(&node.leaders()) }
    }

    fn holds(&self, node: &LocalNode) -> bool {
        Standing::of(node) == *self.standing && terms(&node.leaders()) == self.led && node.clock.differs().is_none()
    }
}

/// The terms in which ranges are led here.
fn terms(leaders: &[Arc<RangeServer>]) -> BTreeMap<RangeId, u64> {
    let term = |leader: &Arc<RangeServer>| Some((leader.descriptor().id, leader.consensus().leadership()?.term));
    leaders.iter().filter_map(term).collect()
}

async fn run(node: Weak<LocalNode>, mut versions: watch::Receiver<u64>, started: Arc<Notify>, interval: Duration) {
    let mut took = Duration::ZERO;
    loop {
        let Some(loss) = node.upgrade().map(|node| until_next_loss(&node)) else { return };
        let rest = interval.max(took.saturating_mul(REST_FACTOR));
        sleep(REST_MIN.min(rest)).await;
        tokio::select! {
            biased;
            () = sleep(loss.map_or(rest, |loss| loss.min(rest))) => {}
            () = started.notified() => {}
            changed = versions.changed() => if changed.is_err() { return },
        }
        let Some(node) = node.upgrade().filter(|node| !node.is_stopping()) else { return };
        let began = Instant::now();
        let stop = Arc::clone(&node);
        tokio::select! {
            biased;
            () = stop.stopped() => return,
            () = round(&node) => {}
        }
        took = began.elapsed();
    }
}

async fn round(node: &LocalNode) {
    while node.clock.differs().is_none() {
        let report = node.duties.reports.lock().pop_front();
        let Some(report) = report else { break };
        if let Err(error) = repair_reported(node, &report).await {
            tracing::warn!(shard = ?report.1, error, "reported shard is not repaired");
        }
    }
    while node.clock.differs().is_none() {
        let scene = Scene::of(node);
        repair_ranges(node, &scene).await;
        if scene.holds(node) && !look_for_all(node, &scene).await {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Looks for every shard of every blob where an operator wants it, and repairs what it can on the way;
/// whether there may be rows to be looked at since.
async fn look_for_all(node: &LocalNode, scene: &Scene) -> bool {
    let is_started = |leader: &&Arc<RangeServer>| node.duties.repair.range(leader.descriptor().id, |r| r.is_started);
    let leaders = node.leaders();
    let mut looked = false;
    for leader in leaders.iter().filter(is_started) {
        match scrubber::look(node, leader, || scene.holds(node), || ()).await {
            Ok(true) => node.duties.repair.range(leader.descriptor().id, |range| {
                range.is_started = false;
                range.standing = None;
                looked = true;
            }),
            Ok(false) => return true,
            Err(error) => tracing::warn!(range = leader.descriptor().id.0, error, "blobs are looked for later"),
        }
    }
    looked
}

async fn repair_ranges(node: &LocalNode, scene: &Scene) {
    let progress = &node.duties.repair;
    progress.keep_only(&scene.led);
    let was_idle = progress.is_idle();
    let leaders = node.leaders();
    let mut listed = Vec::new();
    for leader in leaders.iter().filter(|leader| scene.led.contains_key(&leader.descriptor().id)) {
        let rows = Rows { node, leader, scene };
        match prepare(node, leader, &rows).await {
            Ok(levels) => listed.push((rows, levels)),
            Err(error) => tracing::warn!(range = leader.descriptor().id.0, error, "repair goes on later"),
        }
    }
    progress.begin(node.env().clock.steady(), was_idle);
    let levels: BTreeSet<u8> = listed.iter().flat_map(|(_, levels)| levels.iter().copied()).collect();
    for level in levels.into_iter().rev() {
        for (rows, _) in listed.iter().filter(|(_, levels)| levels.contains(&level)) {
            if let Err(error) = rows.repair(level).await {
                tracing::warn!(range = rows.leader.descriptor().id.0, error, "repair goes on later");
            }
            if !scene.holds(node) {
                return;
            }
        }
    }
}

/// Sweeps a range if that is due, and lists its rows: the numbers of missing shards that they name.
async fn prepare(node: &LocalNode, leader: &RangeServer, rows: &Rows<'_>) -> Result<BTreeSet<u8>, String> {
    sweep::sweep(node, leader, &rows.scene.standing.causes()).await?;
    rows.list().await
}

/// Repairs the chunk of a shard that was missing or wrong; `None` if nothing names it.
pub(super) async fn repair_reported(node: &LocalNode, (drive, shard, owner): &Report) -> Result<Option<Chunk>, String> {
    let query = Query::OwnsBlob { key: owner.key.clone(), blob: shard.chunk.blob };
    let answer = ask_owner(node, owner, query).await.map_err(|error| error.to_string())?;
    if answer != Answer::OwnsBlob(Ownership::Owned) {
        return Ok(None);
    }
    count(&node.duties.counters.shards_damaged, 1);
    let (standing, map) = (Standing::of(node), node.current());
    let policy = policy_of(node, owner).await?;
    let width = map.rings.get(&policy).map_or(SHARDS_MAX, |ring| ring.width());
    // Any shard of the chunk tells how it is encoded.
    let geometry = chunk::geometry_of(node, &standing, shard.chunk, width).await;
    let geometry = geometry.ok_or("no shard of its chunk was found")?;
    // It is wrong only if it is there and does not verify; else it is missing, or was put back since.
    let verified = node.routes().verify_shard(*drive, *shard).await;
    let wrong = matches!(verified, Err(ShardError::Corrupt(_))).then_some((*drive, shard.number));
    let target = Target { owner, chunk: shard.chunk, geometry, policy, wrong, strays: true };
    let chunk = chunk::repair(node, &standing, &target).await?;
    count(&node.duties.counters.chunks_repaired, u64::from(chunk.bytes > 0));
    node.duties.repair_pace.take(chunk.bytes).await;
    Ok(Some(chunk))
}
