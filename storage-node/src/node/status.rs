//! What a node says of itself, for operators.
//!
//! Must not know: how it is shown.

use couronne_cluster::WriteState;
use couronne_cluster::map::MapRange;
use couronne_metadata::ids::RangeId;
use couronne_ring::DriveId;

use super::{HeardMember, LocalNode};
use crate::drive::Stats;
use crate::duties::{self, DutyCounters, RepairStatus, ScrubStatus};

/// A drive.
#[derive(Clone, Debug)]
pub struct DriveStatus {
    /// Its identity.
    pub id: DriveId,
    /// What operators call it; unknown for a drive that is not here.
    pub name: Option<String>,
    /// Why it does not serve, if it does not.
    pub down: Option<String>,
    /// Whether it has no space for new rows.
    pub is_full: bool,
    /// Its shard store, if it serves.
    pub stats: Option<Stats>,
    /// Bytes of log files in use, and of those kept to be used again.
    pub log_bytes: (u64, u64),
}

/// A range.
#[derive(Clone, Debug)]
pub struct RangeStatus {
    /// The range.
    pub id: RangeId,
    /// The drives its replicas live on.
    pub replicas: Vec<DriveId>,
    /// Those that serve.
    pub serving: Vec<DriveId>,
    /// The one that leads.
    pub leader: Option<DriveId>,
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
    /// Repair of the ranges that it leads.
    pub repair: RepairStatus,
    /// The scrubber's rounds over its drives and the ranges that it leads.
    pub scrub: ScrubStatus,
    /// What it heard of the cluster's members, if it leads the map's group.
    pub heard: Vec<HeardMember>,
    /// Ranges that none of them says that it leads, likewise.
    pub leaderless: u64,
}

impl LocalNode {
    /// How the node is.
    pub async fn status(&self) -> NodeStatus {
        let mut drives = Vec::new();
        for slot in self.slots() {
            let down = slot.down();
            let stats = if down.is_none() { slot.shards.stats().await.ok() } else { None };
            let (id, name, is_full) = (slot.id, Some(slot.name.clone()), slot.writes() == WriteState::Full);
            drives.push(DriveStatus { id, name, down, is_full, stats, log_bytes: slot.log.bytes() });
        }
        for id in &self.missing() {
            let down = Some("not here".to_owned());
            drives.push(DriveStatus { id: *id, name: None, down, is_full: false, stats: None, log_bytes: (0, 0) });
        }
        let (heard, leaderless) = self.heard_of();
        NodeStatus {
            cluster: self.map().cluster,
            drives,
            ranges: self.range_status(),
            duties: DutyCounters { halted: self.clock.halted(), ..self.duties.counters() },
            repair: duties::repair_status(self),
            scrub: duties::scrub_status(self),
            heard,
            leaderless,
        }
    }

    /// What the leader of the map's group heard of members and ranges; elsewhere nothing.
    fn heard_of(&self) -> (Vec<HeardMember>, u64) {
        if !self.leads_map() {
            return (Vec::new(), 0);
        }
        let (map, heard) = (self.map(), self.heard.lock());
        (heard.members(&map, self.id), heard.leaderless(&map))
    }

    /// How many replicas of its drives that serve are not to be counted on: they have ended, or a snapshot
    /// replaces their rows.
    pub(crate) fn replicas_wanting(&self) -> usize {
        let (map, servers) = (self.map(), self.servers.read());
        let serves = |drive: &DriveId| self.slot(*drive).is_some_and(|slot| slot.down().is_none());
        let is_whole =
            |place: &(RangeId, DriveId)| servers.get(place).is_some_and(|server| server.consensus().is_whole());
        let places = map.all_ranges().flat_map(|range| range.replicas.values().map(|drive| (range.id, *drive)));
        places.filter(|place| serves(&place.1) && !is_whole(place)).count()
    }

    fn range_status(&self) -> Vec<RangeStatus> {
        let (map, servers) = (self.map(), self.servers.read());
        let range_status = |range: &MapRange| {
            let replicas: Vec<DriveId> = range.replicas.values().copied().collect();
            let server = |drive: &DriveId| servers.get(&(range.id, *drive));
            let leads = |drive: &&DriveId| server(drive).is_some_and(|s| s.consensus().leadership().is_some());
            let leader = replicas.iter().find(leads).copied();
            let serves = |drive: &&DriveId| server(drive).is_some_and(|server| server.consensus().is_whole());
            let serving = replicas.iter().filter(serves).copied().collect();
            RangeStatus { id: range.id, replicas, serving, leader }
        };
        map.ranges.iter().map(range_status).collect()
    }
}
