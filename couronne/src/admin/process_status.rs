//! How this process is, as it tells other processes.
//!
//! Must not know: how it is asked for or shown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use couronne_admin::types::{DegradedChunks, Range, RangeFacts, Repair, Scrub, ScrubDrive};
use couronne_base::env::Env;
use couronne_protocol::map::SharedMap;
use couronne_ring::DriveId;
use couronne_storage_node::duties::{RepairStatus, ScrubStatus};
use couronne_storage_node::node::{DriveStatus, LeaderFacts, LocalNode, MemberLiveness, NodeStatus, RangeStatus};

use super::messages::{DriveMessage, MemberMessage, StatusMessage};

/// Why a slow drive does not serve, for a person.
const HANGS: &str = "calls to its disk do not come back in time";

/// Where the status of this process comes from.
pub(crate) struct StatusSource {
    node: Option<Arc<LocalNode>>,
    map: Arc<SharedMap>,
    env: Env,
    started: Duration,
    listen: SocketAddr,
}

impl StatusSource {
    /// The status of a server that starts now.
    pub(crate) fn new(node: Arc<LocalNode>, env: Env, listen: SocketAddr) -> Self {
        let started = env.clock.steady();
        Self { map: Arc::clone(node.shared_map()), node: Some(node), env, started, listen }
    }

    /// The status of a gateway that starts now.
    pub(crate) fn of_gateway(map: Arc<SharedMap>, env: Env, listen: SocketAddr) -> Self {
        let started = env.clock.steady();
        Self { map, node: None, env, started, listen }
    }

    /// Seconds since the start.
    pub(super) fn uptime_s(&self) -> u64 {
        self.env.clock.steady().saturating_sub(self.started).as_secs()
    }

    /// The clock of this process, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> u64 {
        self.env.clock.wall_ms()
    }

    /// The S3 listener; of a storage node, the one for its peers.
    pub(super) const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// How the process is now.
    pub(crate) async fn read(&self) -> StatusMessage {
        // Read first: what is judged meanwhile is judged by this one or a newer one.
        let map = self.map.state();
        let status = match &self.node {
            Some(node) => node.status().await,
            None => NodeStatus::default(),
        };
        let own = self.node.as_ref().and_then(|node| map.nodes.get(&node.id()));
        let name = own.map_or_else(String::new, |node| node.name.to_string());
        let metrics = status.duties.metrics().into_iter();
        StatusMessage {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            map_version: map.version,
            loss_version: map.loss_version(),
            drives: status.drives.into_iter().map(drive_message).collect(),
            ranges: status.ranges.iter().map(range).collect(),
            halted: status.duties.halted.clone(),
            time_lag_ms: status.time_lag_ms,
            background: metrics.map(|(name, value)| (name.to_owned(), value)).collect(),
            repair: repair(&status.repair),
            scrub: scrub(&status.scrub, &name, status.duties.orphans_deleted),
            members: status.reported.members.into_iter().map(member_message).collect(),
            leaderless: status.reported.leaderless,
            led_ago_ms: status.reported.led.iter().map(|(range, ago)| (range.0, whole_ms(*ago))).collect(),
        }
    }
}

/// A drive.
fn drive_message(drive: DriveStatus) -> DriveMessage {
    let stats = drive.stats;
    let space = |read: fn(&couronne_storage_node::drives::Stats) -> u64| stats.as_ref().map_or(0, read);
    DriveMessage {
        id: drive.id.to_string(),
        folder: drive.name,
        slow: drive.is_slow,
        full: drive.is_full,
        total_bytes: space(|stats| stats.space.total),
        free_bytes: space(|stats| stats.space.free),
        live_bytes: space(|stats| stats.live_bytes),
        dead_bytes: space(|stats| stats.dead_bytes),
        down_reason: drive
            .down
            .or_else(|| drive.is_slow.then(|| HANGS.to_owned()))
            .or_else(|| stats.as_ref().and_then(|stats| stats.down.clone())),
        log_bytes: drive.log_bytes.0,
        scrubbed_ms: drive.scrub.and_then(|note| note.ended_ms),
        unscrubbed_since_ms: drive.scrub.map(|note| note.since_ms),
    }
}

/// A range as this process sees it.
pub(super) fn range(range: &RangeStatus) -> Range {
    let names = |drives: &[DriveId]| drives.iter().map(DriveId::to_string).collect();
    Range {
        range: range.id.0,
        replicas: names(&range.replicas),
        voters: names(&range.voters),
        wanted: range.wanted,
        serving: names(&range.serving),
        leader: range.leader.map(|drive| drive.to_string()),
        settled: range.is_settled,
        facts: range.facts.map(range_facts),
        silent_since_ms: None,
    }
}

/// What a leader says of its range.
fn range_facts(facts: LeaderFacts) -> RangeFacts {
    RangeFacts {
        term: facts.term,
        swept_version: facts.rows.marks.swept_version,
        repair_rows: facts.rows.repair_rows,
        looked_ms: facts.rows.marks.looked_ms,
        stores_scrubbed_ms: facts.stores_scrubbed_ms,
        stores_unresolved_ms: facts.stores_unresolved_ms,
    }
}

/// Repair.
fn repair(repair: &RepairStatus) -> Repair {
    Repair {
        pending: repair.pending_blobs.saturating_add(repair.pending_ranges),
        pending_chunks: repair.pending_chunks,
        parked: repair.parked_blobs,
        rebuilt_bytes: repair.rebuilt_bytes,
        bytes_per_second: repair.bytes_per_second,
        remaining_s: repair.seconds_left,
        survives: repair.survives,
        done_chunks: repair.done_chunks,
        elapsed_s: repair.seconds_passed,
        degraded: repair
            .degraded
            .iter()
            .map(|(survives, level)| DegradedChunks { survives: *survives, blobs: level.blobs, chunks: level.chunks })
            .collect(),
        listed: repair.listed_rows,
        unlisted_ranges: repair.unlisted.iter().map(|range| range.0).collect(),
        grace_s: repair.grace_s,
    }
}

/// Scrubbing.
fn scrub(scrub: &ScrubStatus, node: &str, orphans: u64) -> Scrub {
    let drives = scrub.drives.iter().map(|drive| ScrubDrive {
        drive: drive.drive.to_string(),
        node: node.to_owned(),
        read_bytes: drive.read_bytes,
        total_bytes: drive.total_bytes,
    });
    Scrub {
        running: scrub.is_running,
        rounds: scrub.rounds,
        ended_ms: scrub.ended_ms,
        drives: drives.collect(),
        looked_chunks: scrub.looked_chunks,
        total_chunks: scrub.total_chunks,
        bytes_per_second: scrub.bytes_per_second,
        elapsed_s: scrub.seconds_passed,
        remaining_s: scrub.seconds_left,
        found: scrub.found,
        healed: scrub.healed,
        orphans,
        cycle_s: scrub.cycle_s,
    }
}

/// A member as the leader of the meta group knows it.
fn member_message(member: MemberLiveness) -> MemberMessage {
    MemberMessage {
        id: member.node.to_string(),
        report_age_ms: whole_ms(member.ago),
        version: member.build,
        clock_offset_ms: member.clock_ms,
        certificate: member.certificate.map(|said| (said.trusted, said.signed_by)),
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
