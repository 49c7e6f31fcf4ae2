//! The cluster map as its own group of replicas keeps it.
//!
//! ```text
//! magic "COURMAP4" | CRC-64/NVME of the body u64 | body:
//!   version u64 | cluster u128 | formation: flag u8 { nodes u16 | ranges u16 }
//!   nodes:    count { id u128 | role u8 (1 storage node, 2 gateway) | name | address | region | zone }
//!   drives:   count { id u128 | node u128 | boots u64 | incarnation u64 | weight u32
//!                     | down since u64 (milliseconds; 0: up) | intake u8 (0 open, 1 full, 2 leaving)
//!                     | emptied: times u64, last u64 (milliseconds) }
//!   policies: count { id u16 | name | redundancy | chunk, inline, copies bytes u32
//!                     | survives u8 (0: nothing demanded, 1 drive, 2 node, 3 zone, 4 region) | ring (empty: none yet) }
//!   default policy u16
//!   keepers:  a range
//!   ranges:   count { a range }
//!   next replica u64
//! range = id u64 | generation u64 | start | end | replicas: count { replica u64 | drive u128 } | founders: the same
//! ```
//! Strings and lists begin with a length of four bytes; all numbers are big-endian. "COURMAP3" had neither
//! incarnations nor what policies demand; it is read as if both were unset.
//! Promises: bytes of any origin give a map or [`Malformed`]. Must not know: who changes it, and when.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use couronne_metadata::ids::{Generation, RangeId};
use couronne_placement::{Policy, PolicyId, Redundancy};
use couronne_ring::{DriveId, FailureDomain, NodeId, RegionName, Ring, RingDrive, ZoneName};

use super::{ClusterMap, DriveState, MapDrive};
use crate::range::RangeDescriptor;
use crate::transport::Role;
use couronne_base::fixed::{Malformed, Reader, put_count, put_string};

const MAGIC: &[u8; 8] = b"COURMAP4";

/// What an earlier release wrote.
const MAGIC_3: &[u8; 8] = b"COURMAP3";

/// The range that keeps the map itself: a group of its own, not part of the keyspace.
pub const MAP_RANGE: RangeId = RangeId(0);

/// One replica of one range, on one drive. Never reused: a drive that forgot its past gets new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u64);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica {}", self.0)
    }
}

/// A process of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapNode {
    /// What it is.
    pub role: Role,
    /// What operators call it.
    pub name: Arc<str>,
    /// Where its peers reach it, as `host:port`; empty if there are none.
    pub address: Arc<str>,
    /// Its region.
    pub region: RegionName,
    /// Its zone.
    pub zone: ZoneName,
}

/// A drive, as the map keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDrive {
    /// Its node.
    pub node: NodeId,
    /// The highest count of starts it was seen with.
    pub boots: u64,
    /// What it was given when it was formatted; another one means that it was formatted anew. 0: not known.
    pub incarnation: u64,
    /// Its share in rings, in GiB of capacity.
    pub weight: u32,
    /// Since when it does not serve, in milliseconds since 1970; `None`: it serves.
    pub down_since_ms: Option<u64>,
    /// Whether it takes new shards.
    pub intake: Intake,
    /// How it lost what it held.
    pub emptied: Emptied,
}

/// Whether a drive that serves takes new shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intake {
    /// It does.
    #[default]
    Open,
    /// It has no space for them.
    Full,
    /// Its node is about to stop for a while.
    Leaving,
}

impl Intake {
    const fn number(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Full => 1,
            Self::Leaving => 2,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Open),
            1 => Some(Self::Full),
            2 => Some(Self::Leaving),
            _ => None,
        }
    }
}

/// How often a drive came back emptied or rolled back: what it had to hold then must be looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Emptied {
    /// How often.
    pub times: u64,
    /// When last, in milliseconds since 1970.
    pub last_ms: u64,
}

/// A policy, and its ring once the cluster is formed.
#[derive(Clone, Debug)]
pub struct MapPolicy {
    /// What it promises.
    pub policy: Policy,
    /// Where its chunks lie.
    pub ring: Option<Arc<Ring>>,
}

/// A range and the replicas it should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRange {
    /// The range.
    pub id: RangeId,
    /// How often its interval or replicas changed.
    pub generation: Generation,
    /// First position it owns.
    pub start: Bytes,
    /// First position it does not own; empty for the end of the keyspace.
    pub end: Bytes,
    /// Its replicas and their drives.
    pub replicas: BTreeMap<ReplicaId, DriveId>,
    /// The members it begins with; empty once it was led, and then none is ever made anew.
    pub founders: BTreeMap<ReplicaId, DriveId>,
}

/// What a cluster waits for before it is formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formation {
    /// How many storage nodes.
    pub nodes: u16,
    /// In how many ranges the keyspace will be cut.
    pub ranges: u16,
}

/// The map.
#[derive(Clone, Debug)]
pub struct MapState {
    /// Rises with every change.
    pub version: u64,
    /// The cluster's own random identity.
    pub cluster: u128,
    /// Set until there are rings and ranges.
    pub formation: Option<Formation>,
    /// The processes.
    pub nodes: BTreeMap<NodeId, MapNode>,
    /// The drives.
    pub drives: BTreeMap<DriveId, StoredDrive>,
    /// The policies.
    pub policies: BTreeMap<PolicyId, MapPolicy>,
    /// The policy of buckets that name none.
    pub default_policy: PolicyId,
    /// The group that keeps the map.
    pub keepers: MapRange,
    /// The ranges of the keyspace, in its order.
    pub ranges: Vec<MapRange>,
    /// The next replica id to give.
    pub next_replica: u64,
}

impl StoredDrive {
    /// A drive that was never started.
    pub const fn new(node: NodeId, weight: u32) -> Self {
        let emptied = Emptied { times: 0, last_ms: 0 };
        Self { node, boots: 0, incarnation: 0, weight, down_since_ms: None, intake: Intake::Open, emptied }
    }

    /// The drive as readers and writers of data look at it.
    const fn state(&self) -> DriveState {
        match (self.down_since_ms, self.intake) {
            (Some(_), _) => DriveState::Down,
            (None, Intake::Open) => DriveState::Up,
            (None, Intake::Full | Intake::Leaving) => DriveState::Closed,
        }
    }
}

impl MapRange {
    /// The range as gateways know it.
    pub fn descriptor(&self) -> RangeDescriptor {
        RangeDescriptor {
            id: self.id,
            generation: self.generation,
            start: self.start.clone(),
            end: self.end.clone(),
            replicas: self.replicas.values().copied().collect(),
        }
    }

    fn renew(&mut self, old: ReplicaId, new: ReplicaId) {
        if let Some(drive) = self.replicas.remove(&old) {
            self.replicas.insert(new, drive);
        }
    }
}

impl MapState {
    /// Every range, the keepers' first.
    pub fn all_ranges(&self) -> impl Iterator<Item = &MapRange> {
        std::iter::once(&self.keepers).chain(&self.ranges)
    }

    /// The range of this id.
    pub fn range(&self, id: RangeId) -> Option<&MapRange> {
        self.all_ranges().find(|range| range.id == id)
    }

    /// The range of this id, to be changed.
    pub fn range_mut(&mut self, id: RangeId) -> Option<&mut MapRange> {
        std::iter::once(&mut self.keepers).chain(&mut self.ranges).find(|range| range.id == id)
    }

    /// Every replica of every range, and its drive.
    pub fn places(&self) -> Vec<(ReplicaId, DriveId)> {
        self.all_ranges().flat_map(|range| range.replicas.iter().map(|(replica, drive)| (*replica, *drive))).collect()
    }

    /// A replica id that was never given before.
    pub const fn new_replica(&mut self) -> ReplicaId {
        let id = ReplicaId(self.next_replica);
        self.next_replica += 1;
        id
    }

    /// Gives a replica that cannot go on a new id on the same drive.
    pub fn renew_replica(&mut self, old: ReplicaId) {
        let new = self.new_replica();
        self.keepers.renew(old, new);
        self.ranges.iter_mut().for_each(|range| range.renew(old, new));
    }

    /// Takes every replica off a drive that forgot its past, and gives it new ones: the old ids never
    /// vote again. Returns those that went.
    pub fn renew_replicas(&mut self, drive: DriveId) -> Vec<ReplicaId> {
        let places = self.places().into_iter();
        let gone: Vec<ReplicaId> = places.filter(|(_, place)| *place == drive).map(|(id, _)| id).collect();
        gone.iter().for_each(|replica| self.renew_replica(*replica));
        gone
    }

    /// The storage nodes.
    pub fn storage_nodes(&self) -> impl Iterator<Item = (&NodeId, &MapNode)> {
        self.nodes.iter().filter(|(_, node)| node.role == Role::StorageNode)
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
                state: couronne_ring::DriveState::Active,
            })
        };
        self.drives.iter().filter_map(ring_drive).collect()
    }

    /// The redundancy of the default policy.
    pub fn redundancy(&self) -> Option<Redundancy> {
        self.policies.get(&self.default_policy).map(|policy| policy.policy.redundancy)
    }

    /// The map as readers and writers of data look at it.
    pub fn view(&self) -> ClusterMap {
        let map_drive = |(id, drive): (&DriveId, &StoredDrive)| {
            let node = self.nodes.get(&drive.node)?;
            let (zone, region, state) = (node.zone.clone(), node.region.clone(), drive.state());
            Some((*id, MapDrive { node: drive.node, zone, region, state }))
        };
        ClusterMap {
            version: self.version,
            cluster: self.cluster,
            drives: self.drives.iter().filter_map(map_drive).collect(),
            policies: self.policies.iter().map(|(id, policy)| (*id, policy.policy.clone())).collect(),
            rings: self.policies.iter().filter_map(|(id, policy)| Some((*id, policy.ring.clone()?))).collect(),
            default_policy: self.default_policy,
        }
    }

    /// The map's bytes.
    pub fn encode(&self) -> Bytes {
        let mut body = Vec::new();
        body.put_u64(self.version);
        body.put_u128(self.cluster);
        body.put_u8(u8::from(self.formation.is_some()));
        if let Some(Formation { nodes, ranges }) = self.formation {
            body.put_u16(nodes);
            body.put_u16(ranges);
        }
        put_count(&mut body, self.nodes.len());
        self.nodes.iter().for_each(|(id, node)| put_node(&mut body, *id, node));
        put_count(&mut body, self.drives.len());
        for (id, drive) in &self.drives {
            body.put_u128(id.0);
            body.put_u128(drive.node.0);
            body.put_u64(drive.boots);
            body.put_u64(drive.incarnation);
            body.put_u32(drive.weight);
            body.put_u64(drive.down_since_ms.map_or(0, |since| since.max(1)));
            body.put_u8(drive.intake.number());
            body.put_u64(drive.emptied.times);
            body.put_u64(drive.emptied.last_ms);
        }
        put_count(&mut body, self.policies.len());
        self.policies.values().for_each(|policy| put_policy(&mut body, policy));
        body.put_u16(self.default_policy.0);
        put_range(&mut body, &self.keepers);
        put_count(&mut body, self.ranges.len());
        self.ranges.iter().for_each(|range| put_range(&mut body, range));
        body.put_u64(self.next_replica);
        let mut file = MAGIC.to_vec();
        file.put_u64(checksum(&body));
        file.extend_from_slice(&body);
        file.into()
    }

    /// The map of these bytes.
    pub fn decode(mut file: Bytes) -> Result<Self, Malformed> {
        let is_earlier = file.starts_with(MAGIC_3);
        if !is_earlier && !file.starts_with(MAGIC) {
            return Err(Malformed("map"));
        }
        file.advance(MAGIC.len());
        let sum = Reader::new(&mut file, "map").u64()?;
        if checksum(&file) != sum {
            return Err(Malformed("map"));
        }
        let mut reader = Reader::new(&mut file, "map");
        let (version, cluster) = (reader.u64()?, reader.u128()?);
        let formation = match reader.flag()? {
            true => Some(Formation { nodes: reader.u16()?, ranges: reader.u16()? }),
            false => None,
        };
        let mut nodes = BTreeMap::new();
        for _ in 0..reader.count(33)? {
            let (id, node) = take_node(&mut reader)?;
            nodes.insert(id, node);
        }
        let mut drives = BTreeMap::new();
        for _ in 0..reader.count(68)? {
            let (id, node) = (DriveId(reader.u128()?), NodeId(reader.u128()?));
            let boots = reader.u64()?;
            let incarnation = if is_earlier { 0 } else { reader.u64()? };
            let (weight, down) = (reader.u32()?, reader.u64()?);
            let down_since_ms = (down > 0).then_some(down);
            let intake = if is_earlier { Intake::Open } else { take_intake(&mut reader)? };
            let emptied = Emptied { times: reader.u64()?, last_ms: reader.u64()? };
            drives.insert(id, StoredDrive { node, boots, incarnation, weight, down_since_ms, intake, emptied });
        }
        let mut policies = BTreeMap::new();
        for _ in 0..reader.count(26)? {
            let policy = take_policy(&mut reader, is_earlier)?;
            policies.insert(policy.policy.id, policy);
        }
        let default_policy = PolicyId(reader.u16()?);
        let keepers = take_range(&mut reader)?;
        let mut ranges = Vec::new();
        for _ in 0..reader.count(32)? {
            ranges.push(take_range(&mut reader)?);
        }
        let next_replica = reader.u64()?;
        if !reader.is_empty() {
            return Err(reader.malformed());
        }
        Ok(Self { version, cluster, formation, nodes, drives, policies, default_policy, keepers, ranges, next_replica })
    }
}

fn put_node(body: &mut Vec<u8>, id: NodeId, node: &MapNode) {
    body.put_u128(id.0);
    body.put_u8(if node.role == Role::Gateway { 2 } else { 1 });
    for text in [&node.name, &node.address, &node.region.0, &node.zone.0] {
        put_string(body, text.as_bytes());
    }
}

fn take_node(reader: &mut Reader<'_>) -> Result<(NodeId, MapNode), Malformed> {
    let id = NodeId(reader.u128()?);
    let role = match reader.u8()? {
        1 => Role::StorageNode,
        2 => Role::Gateway,
        _ => return Err(reader.malformed()),
    };
    let (name, address) = (reader.text()?.into(), reader.text()?.into());
    let (region, zone) = (RegionName(reader.text()?.into()), ZoneName(reader.text()?.into()));
    Ok((id, MapNode { role, name, address, region, zone }))
}

fn put_policy(body: &mut Vec<u8>, MapPolicy { policy, ring }: &MapPolicy) {
    body.put_u16(policy.id.0);
    put_string(body, policy.name.as_bytes());
    put_string(body, policy.redundancy.to_string().as_bytes());
    body.put_u32(policy.chunk_bytes);
    body.put_u32(policy.inline_bytes_max);
    body.put_u32(policy.copies_bytes_max);
    body.put_u8(policy.survives.map_or(0, |level| match level {
        FailureDomain::Drive => 1,
        FailureDomain::Node => 2,
        FailureDomain::Zone => 3,
        FailureDomain::Region => 4,
    }));
    put_string(body, &ring.as_ref().map(|ring| ring.to_bytes()).unwrap_or_default());
}

fn take_policy(reader: &mut Reader<'_>, is_earlier: bool) -> Result<MapPolicy, Malformed> {
    let id = PolicyId(reader.u16()?);
    let name = reader.text()?.into();
    let redundancy = reader.text()?.parse().map_err(|_| reader.malformed())?;
    let policy = Policy {
        id,
        name,
        redundancy,
        chunk_bytes: reader.u32()?,
        inline_bytes_max: reader.u32()?,
        copies_bytes_max: reader.u32()?,
        survives: if is_earlier { None } else { take_level(reader)? },
    };
    let ring = reader.string()?;
    let ring = match ring.is_empty() {
        true => None,
        false => Some(Arc::new(Ring::from_bytes(&ring).map_err(|_| reader.malformed())?)),
    };
    Ok(MapPolicy { policy, ring })
}

fn take_intake(reader: &mut Reader<'_>) -> Result<Intake, Malformed> {
    Intake::from_number(reader.u8()?).ok_or_else(|| reader.malformed())
}

fn take_level(reader: &mut Reader<'_>) -> Result<Option<FailureDomain>, Malformed> {
    Ok(match reader.u8()? {
        0 => None,
        1 => Some(FailureDomain::Drive),
        2 => Some(FailureDomain::Node),
        3 => Some(FailureDomain::Zone),
        4 => Some(FailureDomain::Region),
        _ => return Err(reader.malformed()),
    })
}

fn put_range(body: &mut Vec<u8>, range: &MapRange) {
    body.put_u64(range.id.0);
    body.put_u64(range.generation.0);
    put_string(body, &range.start);
    put_string(body, &range.end);
    for members in [&range.replicas, &range.founders] {
        put_count(body, members.len());
        for (replica, drive) in members {
            body.put_u64(replica.0);
            body.put_u128(drive.0);
        }
    }
}

fn take_range(reader: &mut Reader<'_>) -> Result<MapRange, Malformed> {
    let (id, generation) = (RangeId(reader.u64()?), Generation(reader.u64()?));
    let (start, end) = (reader.string()?, reader.string()?);
    let (start, end) = (Bytes::copy_from_slice(&start), Bytes::copy_from_slice(&end));
    let (replicas, founders) = (take_members(reader)?, take_members(reader)?);
    Ok(MapRange { id, generation, start, end, replicas, founders })
}

fn take_members(reader: &mut Reader<'_>) -> Result<BTreeMap<ReplicaId, DriveId>, Malformed> {
    let count = reader.count(24)?;
    (0..count).map(|_| Ok((ReplicaId(reader.u64()?), DriveId(reader.u128()?)))).collect()
}

fn checksum(bytes: &[u8]) -> u64 {
    couronne_base::crc::of(bytes)
}
