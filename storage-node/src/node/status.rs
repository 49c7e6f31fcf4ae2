//! What a node says of itself, for operators.
//!
//! Must not know: how it is shown.

use std::time::Duration;

use couronne_cluster::WriteState;
use couronne_cluster::map::Emptied;
use couronne_ring::DriveId;
use tokio::time::timeout;

use super::{LocalNode, RangeStatus, ReportedMembers};
use crate::drives::{ScrubNote, Stats};
use crate::duties::{Duty, DutyCounters, RepairStatus, Repairer, ScrubStatus, Scrubber};

/// How long a drive may take to say how it is.
const STATS_WAIT: Duration = Duration::from_millis(500);

/// A drive.
#[derive(Clone, Debug)]
pub struct DriveStatus {
    /// Its identity.
    pub id: DriveId,
    /// What operators call it; unknown for a drive that is not here.
    pub name: Option<String>,
    /// Why it does not serve, if it does not.
    pub down: Option<String>,
    /// Whether calls to it do not come back in time.
    pub is_slow: bool,
    /// Whether it takes no new shards for want of space.
    pub is_full: bool,
    /// Its shard store, if it serves.
    pub stats: Option<Stats>,
    /// Bytes of log files in use, and of those kept to be used again.
    pub log_bytes: (u64, u64),
    /// When it was last read through; unset: it is not here.
    pub scrub: Option<ScrubNote>,
}

/// A node.
#[derive(Clone, Debug, Default)]
pub struct NodeStatus {
    /// The cluster's identity.
    pub cluster: u128,
    /// The drives.
    pub drives: Vec<DriveStatus>,
    /// The ranges.
    pub ranges: Vec<RangeStatus>,
    /// Background work.
    pub duties: DutyCounters,
    /// How far the cluster time is behind its clock, in milliseconds.
    pub time_lag_ms: u64,
    /// Repair of the ranges that it leads.
    pub repair: RepairStatus,
    /// The scrubber's rounds over its drives and the ranges that it leads.
    pub scrub: ScrubStatus,
    /// The cluster's members, if it leads the meta group.
    pub reported: ReportedMembers,
}

impl LocalNode {
    /// How the node is.
    pub async fn status(&self) -> NodeStatus {
        let (mut drives, map) = (Vec::new(), self.map());
        let emptied = |id: &DriveId| map.drives.get(id).map_or_else(Emptied::default, |known| known.emptied);
        for drive in self.drives.mounted() {
            let down = drive.down();
            let is_slow = drive.is_slow();
            // A drive that hangs, known as slow or not yet, holds up no status.
            let asked = async { timeout(STATS_WAIT, drive.shards.stats()).await.ok()?.ok() };
            let stats = if down.is_none() && !is_slow { asked.await } else { None };
            let (id, name, is_full) = (drive.id, Some(drive.name.clone()), drive.writes() == WriteState::Full);
            let (log_bytes, scrub) = (drive.log.bytes(), Some(drive.scrub_note(emptied(&drive.id))));
            drives.push(DriveStatus { id, name, down, is_slow, is_full, stats, log_bytes, scrub });
        }
        for id in &self.drives.missing() {
            let down = Some("not here".to_owned());
            let (is_slow, is_full, log_bytes) = (false, false, (0, 0));
            let (name, stats, scrub) = (None, None, None);
            drives.push(DriveStatus { id: *id, name, down, is_slow, is_full, stats, log_bytes, scrub });
        }
        NodeStatus {
            cluster: self.map().cluster,
            drives,
            ranges: self.replicas.range_status().await,
            duties: self.duties.counters(),
            time_lag_ms: self.membership.time.lag_ms(),
            repair: Repairer::status(&self.duties),
            scrub: Scrubber::status(&self.duties),
            reported: self.membership.reported_members(),
        }
    }
}
