//! The node's map: which drives there are, which ranges, and where their replicas live.
//!
//! It stands on every drive of the node; the newest copy counts. (In a cluster it becomes the state
//! of a group of its own; until then one process owns all drives.)
//! ```text
//! magic "COURMAP1" | body length u32 | CRC-64/NVME of the body u64 | body:
//!   version u64 | cluster u128 | node u128 | flags u8 (1: every range has had a leader)
//!   policies: count { id u16 | name | redundancy | chunk, inline, copies bytes u32 | ring }  (strings with length u32)
//!   default policy u16
//!   drives:   count { id u128 | boots u64 }
//!   ranges:   count { id u64 | generation u64 | start | end | count { replica u64 | drive u128 } }
//!   next replica u64 | wall clock when last noted, milliseconds u64
//! ```
//! Must not know: where folders are, who leads.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use couronne_metadata::ids::{Generation, RangeId};
use couronne_placement::{Policy, PolicyId};
use couronne_protocol::range::RangeDescriptor;
use couronne_ring::{DriveId, NodeId, Ring};

use crate::codec::{Malformed, Reader, put_count, put_string};
use crate::consensus::types::ReplicaId;
use crate::disk::{Access, Disk};

const PATH: &str = "map";
const NEW_PATH: &str = "map.new";
const MAGIC: &[u8; 8] = b"COURMAP1";
const BYTES_MAX: u64 = 64 << 20;

/// A policy of the map, with its ring.
#[derive(Clone, Debug)]
pub(super) struct MapPolicy {
    pub(super) policy: Policy,
    pub(super) ring: Arc<Ring>,
}

/// A range and the replicas it should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MapRange {
    pub(super) id: RangeId,
    pub(super) generation: Generation,
    pub(super) start: Bytes,
    pub(super) end: Bytes,
    pub(super) replicas: BTreeMap<ReplicaId, DriveId>,
}

/// The node's map.
#[derive(Clone, Debug)]
pub(super) struct NodeMap {
    pub(super) version: u64,
    pub(super) cluster: u128,
    pub(super) node: NodeId,
    pub(super) born: bool,
    pub(super) policies: BTreeMap<PolicyId, MapPolicy>,
    pub(super) default_policy: PolicyId,
    /// Every drive and the highest boot count it was seen with.
    pub(super) drives: BTreeMap<DriveId, u64>,
    pub(super) ranges: Vec<MapRange>,
    pub(super) next_replica: u64,
    /// What the wall clock said when it was last noted (milliseconds since 1970).
    pub(super) seen_ms: u64,
}

impl MapRange {
    /// The range as gateways know it.
    pub(super) fn descriptor(&self) -> RangeDescriptor {
        RangeDescriptor {
            id: self.id,
            generation: self.generation,
            start: self.start.clone(),
            end: self.end.clone(),
            replicas: self.replicas.values().copied().collect(),
        }
    }
}

impl NodeMap {
    /// A replica id that was never given before.
    pub(super) fn new_replica(&mut self) -> ReplicaId {
        let id = ReplicaId(self.next_replica);
        self.next_replica += 1;
        id
    }

    /// Gives a replica that cannot go on a new id on the same drive.
    pub(super) fn renew_replica(&mut self, old: ReplicaId) {
        let new = self.new_replica();
        for range in &mut self.ranges {
            if let Some(drive) = range.replicas.remove(&old) {
                range.replicas.insert(new, drive);
            }
        }
    }

    /// Takes every replica off a drive that forgot its past, and gives it new ones: the old ids never
    /// vote again. Returns those that went.
    pub(super) fn renew_replicas(&mut self, drive: DriveId) -> Vec<ReplicaId> {
        let places = self.ranges.iter().flat_map(|range| &range.replicas);
        let gone: Vec<ReplicaId> = places.filter(|(_, place)| **place == drive).map(|(id, _)| *id).collect();
        gone.iter().for_each(|replica| self.renew_replica(*replica));
        gone
    }

    /// Reads the map of a drive; `None` if there is none or it does not verify.
    pub(super) async fn read(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let file = match disk.open(PATH, Access::Buffered).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let len = file.len().await?.min(BYTES_MAX);
        let bytes = file.read(0, usize::try_from(len).map_err(io::Error::other)?).await?;
        let map = Self::decode(bytes);
        if let Err(error) = &map {
            tracing::warn!(%error, "a drive's map does not verify; another drive's copy is wanted");
        }
        Ok(map.ok())
    }

    /// Writes the map to a drive: whole and durably, or not at all.
    pub(super) async fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        match disk.remove(NEW_PATH).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.create(NEW_PATH, 0, Access::Buffered).await?;
        file.write(0, vec![self.encode()], true).await?;
        disk.rename(NEW_PATH, PATH).await?;
        disk.sync_dir("").await
    }

    fn encode(&self) -> Bytes {
        let mut body = Vec::new();
        body.put_u64(self.version);
        body.put_u128(self.cluster);
        body.put_u128(self.node.0);
        body.put_u8(u8::from(self.born));
        put_count(&mut body, self.policies.len());
        for MapPolicy { policy, ring } in self.policies.values() {
            body.put_u16(policy.id.0);
            put_string(&mut body, policy.name.as_bytes());
            put_string(&mut body, policy.redundancy.to_string().as_bytes());
            body.put_u32(policy.chunk_bytes);
            body.put_u32(policy.inline_bytes_max);
            body.put_u32(policy.copies_bytes_max);
            put_string(&mut body, &ring.to_bytes());
        }
        body.put_u16(self.default_policy.0);
        put_count(&mut body, self.drives.len());
        for (drive, boots) in &self.drives {
            body.put_u128(drive.0);
            body.put_u64(*boots);
        }
        put_count(&mut body, self.ranges.len());
        for range in &self.ranges {
            body.put_u64(range.id.0);
            body.put_u64(range.generation.0);
            put_string(&mut body, &range.start);
            put_string(&mut body, &range.end);
            put_count(&mut body, range.replicas.len());
            for (replica, drive) in &range.replicas {
                body.put_u64(replica.0);
                body.put_u128(drive.0);
            }
        }
        body.put_u64(self.next_replica);
        body.put_u64(self.seen_ms);
        let mut file = MAGIC.to_vec();
        put_count(&mut file, body.len());
        file.put_u64(checksum(&body));
        file.extend_from_slice(&body);
        file.into()
    }

    fn decode(mut file: Bytes) -> Result<Self, Malformed> {
        if !file.starts_with(MAGIC) {
            return Err(Malformed("map"));
        }
        file.advance(MAGIC.len());
        let mut reader = Reader::new(&mut file, "map");
        let (len, sum) = (reader.u32()?, reader.u64()?);
        if usize::try_from(len) != Ok(file.len()) || checksum(&file) != sum {
            return Err(Malformed("map"));
        }
        let mut reader = Reader::new(&mut file, "map");
        let (version, cluster) = (reader.u64()?, reader.u128()?);
        let (node, born) = (NodeId(reader.u128()?), reader.flag()?);
        let mut policies = BTreeMap::new();
        for _ in 0..reader.count(30)? {
            let policy = decode_policy(&mut reader)?;
            policies.insert(policy.policy.id, policy);
        }
        let default_policy = PolicyId(reader.u16()?);
        let mut drives = BTreeMap::new();
        for _ in 0..reader.count(24)? {
            drives.insert(DriveId(reader.u128()?), reader.u64()?);
        }
        let mut ranges = Vec::new();
        for _ in 0..reader.count(28)? {
            ranges.push(decode_range(&mut reader)?);
        }
        let (next_replica, seen_ms) = (reader.u64()?, reader.u64()?);
        Ok(Self { version, cluster, node, born, policies, default_policy, drives, ranges, next_replica, seen_ms })
    }
}

fn decode_policy(reader: &mut Reader<'_>) -> Result<MapPolicy, Malformed> {
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
    };
    let ring = Ring::from_bytes(&reader.string()?).map_err(|_| reader.malformed())?;
    Ok(MapPolicy { policy, ring: Arc::new(ring) })
}

fn decode_range(reader: &mut Reader<'_>) -> Result<MapRange, Malformed> {
    let (id, generation) = (RangeId(reader.u64()?), Generation(reader.u64()?));
    let (start, end) = (reader.string()?, reader.string()?);
    let (start, end) = (Bytes::copy_from_slice(&start), Bytes::copy_from_slice(&end));
    let mut replicas = BTreeMap::new();
    for _ in 0..reader.count(24)? {
        replicas.insert(ReplicaId(reader.u64()?), DriveId(reader.u128()?));
    }
    Ok(MapRange { id, generation, start, end, replicas })
}

fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
}
