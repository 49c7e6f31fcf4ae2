//! The cluster map: nodes, drives, policies with their rings, and where the replicas of ranges live. Small, and the
//! same for everyone at one version.
//!
//! [`ClusterMap`] is what the meta group keeps and what travels; [`MapView`] is what readers and
//! writers of data look at.
//! Must not know: which process changes it, and when.

mod authorities;
mod bootstrap;
mod cluster_key;
mod drive;
mod member_keys;
mod members;
mod node;
mod policy;
mod quorum;
mod range;
mod replica;
mod spread;
mod view;

use std::collections::BTreeMap;

use couronne_metadata::ids::RangeId;
use couronne_placement::{PolicyId, Redundancy};
use couronne_ring::{DriveId, NodeId, RingDrive, RingMembership};

use crate::role::Role;
pub use authorities::Authorities;
pub use bootstrap::Bootstrap;
pub use cluster_key::{ClusterKeyName, ClusterKeyState};
pub use drive::{DriveStart, Emptied, LogEnd, StoredDrive};
pub use member_keys::{MemberKey, MemberKeys};
pub use members::CommittedMembers;
pub use node::MapNode;
pub use policy::MapPolicy;
pub use range::{MAP_RANGE, MapRange};
pub use replica::ReplicaId;
pub use spread::Crowded;
pub use view::{MapDrive, MapView};

/// The map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterMap {
    /// Rises with every change.
    pub version: u64,
    /// The cluster's own random identity.
    pub cluster: u128,
    /// Set until there are rings and ranges.
    pub bootstrap: Option<Bootstrap>,
    /// The processes.
    pub nodes: BTreeMap<NodeId, MapNode>,
    /// The drives.
    pub drives: BTreeMap<DriveId, StoredDrive>,
    /// The policies, each under its own number.
    pub policies: BTreeMap<PolicyId, MapPolicy>,
    /// The policy of buckets that name none.
    pub default_policy: PolicyId,
    /// The group that keeps the map.
    pub meta_group: MapRange,
    /// The ranges of the keyspace, in its order.
    pub ranges: Vec<MapRange>,
    /// The next replica id to give; above all that were given.
    pub next_replica: u64,
    /// The cluster time as it was last noted, in milliseconds since 1970: it only rises, and stands still while the
    /// cluster is off.
    pub time_ms: u64,
    /// The members that were expelled, each with the time, in milliseconds since 1970. None of them is ever a member
    /// again. A storage node stays among `nodes`, for its drives have places in rings.
    pub expelled: BTreeMap<NodeId, u64>,
    /// Rises whenever the cluster's secrets change: then each member has itself told them again.
    pub secrets_version: u64,
    /// Which key seals what the meta group keeps beside the map.
    pub cluster_key: ClusterKeyState,
    /// Whose certificates are believed.
    pub authorities: Authorities,
    /// Whose key counts as which member's.
    pub keys: MemberKeys,
}

impl ClusterMap {
    /// Every range, the meta group first.
    pub fn all_ranges(&self) -> impl Iterator<Item = &MapRange> {
        std::iter::once(&self.meta_group).chain(&self.ranges)
    }

    /// Every range, to be changed.
    pub(crate) fn all_ranges_mut(&mut self) -> impl Iterator<Item = &mut MapRange> {
        std::iter::once(&mut self.meta_group).chain(&mut self.ranges)
    }

    /// The range of this id.
    pub fn range(&self, id: RangeId) -> Option<&MapRange> {
        self.all_ranges().find(|range| range.id == id)
    }

    /// Every replica of every range that runs, and its drive.
    pub fn places(&self) -> Vec<(ReplicaId, DriveId)> {
        self.all_ranges().flat_map(MapRange::places).collect()
    }

    /// Whether a replica may be spoken to by another one: both are members of one range, and the sender lives on a drive of
    /// the node that sends.
    pub fn hears(&self, recipient: ReplicaId, (node, drive, sender): (NodeId, DriveId, ReplicaId)) -> bool {
        let is_its_drive = self.drives.get(&drive).is_some_and(|known| known.node == node) && !self.is_expelled(node);
        let has_recipient = |range: &&MapRange| {
            range.replicas.contains_key(&recipient) || range.initial_voters.contains_key(&recipient)
        };
        is_its_drive && self.all_ranges().find(has_recipient).is_some_and(|range| range.has_member(sender, drive))
    }

    /// Whether a node has a replica of a range: wanted, joining or leaving. Of nobody else's word of the range's group
    /// anything follows.
    pub fn has_replica(&self, node: NodeId, range: RangeId) -> bool {
        let is_its_drive = |drive: &DriveId| self.drives.get(drive).is_some_and(|known| known.node == node);
        !self.is_expelled(node) && self.range(range).is_some_and(|range| range.member_drives().any(is_its_drive))
    }

    /// Notes that the cluster's secrets are others: thereby every member is told.
    pub const fn announce_secrets(&mut self) {
        self.secrets_version = self.secrets_version.saturating_add(1);
    }

    /// A replica id that was never given before.
    pub(crate) const fn new_replica(&mut self) -> ReplicaId {
        let id = ReplicaId(self.next_replica);
        self.next_replica += 1;
        id
    }

    /// Whether a process is a member in this role. A certificate alone does not make it one: the map decides.
    pub fn is_member(&self, node: NodeId, role: Role) -> bool {
        !self.is_expelled(node) && self.nodes.get(&node).is_some_and(|known| known.role == role)
    }

    /// Whether a member was expelled.
    pub fn is_expelled(&self, node: NodeId) -> bool {
        self.expelled.contains_key(&node)
    }

    /// Whether a drive is lost at a time, in milliseconds since 1970: it does not serve for longer than the grace, or never
    /// will again, for its node was expelled.
    pub fn is_lost_at(&self, drive: &StoredDrive, now_ms: u64, grace_ms: u64) -> bool {
        let is_waited_for = !self.is_expelled(drive.node);
        drive.lost_since_ms(now_ms, if is_waited_for { grace_ms } else { 0 }).is_some()
    }

    /// The drives that never come back, for they are lost and their nodes were expelled, and the versions of the map that
    /// first knew it.
    pub fn gone_drives(&self) -> impl Iterator<Item = (DriveId, u64)> {
        let expelled = self.drives.iter().filter(|(_, drive)| self.is_expelled(drive.node));
        expelled.filter_map(|(id, drive)| Some((*id, drive.lost_version?)))
    }

    /// The storage nodes, but for those that were expelled.
    pub fn storage_nodes(&self) -> impl Iterator<Item = (&NodeId, &MapNode)> {
        self.nodes.iter().filter(|(id, node)| node.role == Role::StorageNode && !self.is_expelled(**id))
    }

    /// What an operator calls a node: its name, and its id.
    pub fn name_of(&self, node: NodeId) -> String {
        self.nodes.get(&node).map_or_else(|| format!("node {node}"), |known| format!("node {} ({node})", known.name))
    }

    /// The version of the map that first knew of the newest loss of what a drive holds: the drive was lost, emptied,
    /// rolled back or replaced; 0: there was none.
    pub fn loss_version(&self) -> u64 {
        self.drives.values().map(StoredDrive::loss_version).max().unwrap_or(0)
    }

    /// A node's drives.
    pub fn drives_of(&self, node: NodeId) -> impl Iterator<Item = DriveId> {
        self.drives.iter().filter(move |(_, drive)| drive.node == node).map(|(id, _)| *id)
    }

    /// The drives as rings and placement see them.
    pub fn ring_drives(&self) -> Vec<RingDrive> {
        let ring_drive = |(id, drive): (&DriveId, &StoredDrive)| {
            let node = self.nodes.get(&drive.node)?;
            Some(RingDrive {
                id: *id,
                node: drive.node,
                zone: node.zone.clone(),
                region: node.region.clone(),
                weight: drive.weight,
                membership: RingMembership::Active,
            })
        };
        self.drives.iter().filter_map(ring_drive).collect()
    }

    /// How many losses metadata must survive: as many as the data of each policy.
    pub fn metadata_losses(&self) -> usize {
        let losses = self.policies.values().map(|policy| policy.policy.redundancy.losses());
        usize::from(losses.max().unwrap_or(0))
    }

    /// How many replicas a range ought to have: most of them remain after these losses.
    pub fn metadata_replicas(&self) -> usize {
        2 * self.metadata_losses() + 1
    }

    /// The redundancy of the default policy.
    pub fn redundancy(&self) -> Option<Redundancy> {
        self.policies.get(&self.default_policy).map(|policy| policy.policy.redundancy)
    }

    /// The map as readers and writers of data look at it.
    pub fn view(&self) -> MapView {
        let map_drive = |(id, drive): (&DriveId, &StoredDrive)| {
            let node = self.nodes.get(&drive.node)?;
            let (zone, region, state) = (node.zone.clone(), node.region.clone(), drive.state());
            Some((*id, MapDrive { node: drive.node, zone, region, state }))
        };
        MapView {
            version: self.version,
            cluster: self.cluster,
            drives: self.drives.iter().filter_map(map_drive).collect(),
            gone: self.gone_drives().map(|(id, _)| id).collect(),
            policies: self.policies.iter().map(|(id, policy)| (*id, policy.policy.clone())).collect(),
            rings: self.policies.iter().filter_map(|(id, policy)| Some((*id, policy.ring.clone()?))).collect(),
            default_policy: self.default_policy,
        }
    }
}
