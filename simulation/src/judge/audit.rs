//! The audit: once all is quiet, every shard of every chunk stands on the drive that the ring names, with
//! the bytes that its chunk has; no drive holds anything else; all replicas of a range hold the same rows, by which no
//! blob is named twice ([`super::names`]).
//!
//! Must not know: how that came about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::testing::WALL_START_US;
use couronne_cluster::map::{ClusterMap, MAP_RANGE, MapView};
use couronne_metadata::ids::{BucketId, RangeId};
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::BlobRef;
use couronne_metadata::store::View;
use couronne_placement::erasure::Codec;
use couronne_placement::frame;
use couronne_placement::{BlobId, ChunkId, ShardId, place};
use couronne_protocol::map::MapSource;
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient};
use couronne_protocol::shard::{GetShard, ShardClient, ShardError, ShardFrames};
use couronne_ring::{DriveId, NodeId};
use couronne_storage_node::node::{LocalNode, NodeStatus, Stores, replica_store};
use couronne_storage_node::replicas::applied_row;
use thiserror::Error;

use super::names::check_names;
use crate::world::World;

/// How long a node may take to answer, in milliseconds.
const ANSWER_MS_MAX: u64 = 60_000;

/// What is to be reaped within this time, in milliseconds, may be on its way out already: clocks differ by less.
const GOING_MS: u64 = 10_000;

/// A duty may write at any time: within this time followers have applied it, in milliseconds.
const FOLLOW_MS_MAX: u64 = 10_000;

/// Blobs and shards listed at a time.
const PAGE: u32 = 500;

/// Why the audit could not be carried out.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct AuditError(String);

impl AuditError {
    fn of(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl From<&str> for AuditError {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

/// What every storage node says of itself.
pub fn statuses(world: &mut World) -> Option<BTreeMap<NodeId, NodeStatus>> {
    let nodes: Vec<NodeId> = world.shape.storage_nodes().collect();
    let mut statuses = BTreeMap::new();
    for id in nodes {
        let node = world.node(id)?;
        let status = world.ask(id, ANSWER_MS_MAX, async move { node.status().await })?;
        statuses.insert(id, status);
    }
    Some(statuses)
}

/// What keeps the cluster from being at rest, by what its nodes say; empty if nothing does.
pub fn unrest(statuses: &BTreeMap<NodeId, NodeStatus>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, status) in statuses {
        let repair = &status.repair;
        let pending = repair.pending_blobs + repair.pending_chunks + repair.pending_ranges + repair.parked_blobs;
        if pending + status.duties.reports_waiting > 0 {
            found.push(format!("{id}: {repair:?}, {} reports wait", status.duties.reports_waiting));
        }
        let down = status.drives.iter().filter_map(|drive| drive.down.as_ref());
        found.extend(down.map(|reason| format!("{id}: drive is down: {reason}")));
    }
    let led: BTreeSet<RangeId> = leaders(statuses).map(|(_, range, _)| range).collect();
    let all: BTreeSet<RangeId> =
        statuses.values().flat_map(|status| status.ranges.iter().map(|range| range.id)).collect();
    found.extend(all.difference(&led).map(|range| format!("range {} has no leader", range.0)));
    found
}

/// The drives whose stores are rotten.
pub fn rotten_stores(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for (id, drive) in &world.drives {
        found.extend(drive.stores.rot().map(|what| format!("stores of {id} are rotten: {what}")));
        let rows = drive.stores.names().into_iter().map(|name| (drive.stores.rotten_rows(&name), name));
        let rotten = rows.filter(|(count, _)| *count > 0);
        found.extend(rotten.map(|(count, name)| format!("{count} rows of {name} on {id} are rotten")));
    }
    found
}

fn leaders(statuses: &BTreeMap<NodeId, NodeStatus>) -> impl Iterator<Item = (NodeId, RangeId, DriveId)> {
    statuses
        .iter()
        .flat_map(|(id, status)| status.ranges.iter().filter_map(|range| Some((*id, range.id, range.leader?))))
}

/// Audits a cluster that is at rest; what it found wrong. With `strict`, nothing may be on the drives that
/// no row names.
pub fn audit(world: &mut World, strict: bool) -> Result<Vec<String>, AuditError> {
    let statuses = statuses(world).ok_or("a node does not say how it is")?;
    let first = statuses.keys().next().and_then(|id| world.node(*id)).ok_or("there is no node")?;
    let (map, view) = (first.map(), first.current());
    let mut wrong = Vec::new();
    for node in statuses.keys().filter_map(|id| world.node(*id)) {
        let (version, wanted) = (node.map().version, map.version);
        if version != wanted {
            wrong.push(format!("{} knows version {version} of the map, another {wanted}", node.id()));
        }
    }
    let mut blobs = BTreeMap::new();
    // The meta group names no blobs.
    for (id, range, drive) in leaders(&statuses).filter(|(_, range, _)| *range != MAP_RANGE) {
        let node = world.node(id).ok_or("a node is gone")?;
        let generation = map.range(range).ok_or("the map does not know a range")?.generation;
        let address = RangeAddress { range, generation, replica: drive };
        let going_ms = WALL_START_US / 1000 + world.now_ms() + GOING_MS;
        let listed = world.ask(id, ANSWER_MS_MAX, list_blobs(node, address, going_ms)).ok_or("blobs are not listed")?;
        blobs.extend(listed?.into_iter().map(|blob| (blob.id, blob)));
    }
    let wanted = wanted_shards(&view, blobs.values())?;
    let found = read_shards(world, &view, &wanted)?;
    for blob in blobs.values() {
        check_blob(blob, &found, &mut wrong)?;
    }
    if strict {
        find_strays(world, &view, &wanted, &mut wrong)?;
    }
    let until_ms = world.now_ms() + FOLLOW_MS_MAX;
    loop {
        let Compared { differing, uneven, misnamed } = compare_replicas(world, &map);
        if uneven.is_empty() || !differing.is_empty() || world.now_ms() >= until_ms {
            wrong.extend(differing.into_iter().chain(uneven).chain(misnamed));
            return Ok(wrong);
        }
        world.tick();
    }
}

/// The blobs that a range names, but for the parts of uploads that were dropped and are due to go by `going_ms`:
/// their rows outlast their shards.
async fn list_blobs(node: Arc<LocalNode>, address: RangeAddress, going_ms: u64) -> Result<Vec<BlobRef>, AuditError> {
    let ask =
        |query| node.routes().query(address, QueryRequest { bucket: BucketId::SYSTEM, rules_version: None, query });
    let going: BTreeSet<BlobId> = match ask(Query::Reap { now_ms: going_ms, limit: PAGE }).await {
        Ok(Answer::Reap(rows)) => rows.into_iter().flat_map(|(_, _, parts)| parts).map(|part| part.id).collect(),
        other => return Err(AuditError(format!("what is to be reaped is not listed: {other:?}"))),
    };
    let (mut blobs, mut after) = (Vec::new(), None);
    loop {
        match ask(Query::Blobs { after, limit: PAGE }).await {
            Ok(Answer::Blobs(page, next)) => {
                blobs.extend(page.into_iter().map(|(_, _, blob)| blob).filter(|blob| !going.contains(&blob.id)));
                after = next;
                if after.is_none() {
                    return Ok(blobs);
                }
            }
            other => return Err(AuditError(format!("blobs are not listed: {other:?}"))),
        }
    }
}

type Shards = BTreeMap<ShardId, DriveId>;

/// Every shard there should be, and its drive.
fn wanted_shards<'a>(map: &MapView, blobs: impl Iterator<Item = &'a BlobRef>) -> Result<Shards, AuditError> {
    let mut wanted = Shards::new();
    for blob in blobs {
        let ring = map.rings.get(&blob.policy).ok_or("a blob's policy has no ring")?;
        for chunk in chunks(blob) {
            let placed = place(ring, chunk, &blob.geometry).map_err(AuditError::of)?;
            let placement = placed.made_up_for(ring, &map.gone);
            wanted.extend((0..).zip(placement.primaries).map(|(number, drive)| (ShardId { chunk, number }, drive)));
        }
    }
    Ok(wanted)
}

fn chunks(blob: &BlobRef) -> impl Iterator<Item = ChunkId> {
    let (id, count) = (blob.id, u32::try_from(blob.geometry.chunks(blob.len)).unwrap_or(u32::MAX));
    (0..count).map(move |index| ChunkId { blob: id, index })
}

type Read = Result<ShardFrames, ShardError>;

/// Reads every shard on its own drive.
fn read_shards(world: &mut World, map: &MapView, wanted: &Shards) -> Result<BTreeMap<ShardId, Read>, AuditError> {
    let mut by_node: BTreeMap<NodeId, Vec<(ShardId, DriveId)>> = BTreeMap::new();
    for (shard, drive) in wanted {
        let node = map.drives.get(drive).ok_or("the map does not know a drive")?.node;
        by_node.entry(node).or_default().push((*shard, *drive));
    }
    let mut found = BTreeMap::new();
    for (id, shards) in by_node {
        let node = world.node(id).ok_or("a node is gone")?;
        let reading = async move {
            let mut read = Vec::new();
            for (shard, drive) in shards {
                let whole = GetShard { shard, first_frame: 0, frames: u32::MAX };
                read.push((shard, node.local().get_shard(drive, whole).await));
            }
            read
        };
        found.extend(world.ask(id, ANSWER_MS_MAX, reading).ok_or("shards are not read in time")?);
    }
    Ok(found)
}

/// Every shard of a blob verifies, and the parity is that of its data.
fn check_blob(blob: &BlobRef, found: &BTreeMap<ShardId, Read>, wrong: &mut Vec<String>) -> Result<(), AuditError> {
    let codec = Codec::of(&blob.geometry).map_err(AuditError::of)?;
    for chunk in chunks(blob) {
        let mut stripe = Vec::new();
        for number in 0..blob.geometry.shards() {
            let shard = ShardId { chunk, number };
            match found.get(&shard) {
                Some(Ok(read)) => {
                    let verified = frame::verify(shard, read.geometry, 0, &read.checksums, &read.payload);
                    if read.geometry == blob.geometry && verified.is_ok() {
                        stripe.push(read.payload.clone());
                    } else {
                        wrong.push(format!("{shard:?} does not verify on its drive"));
                    }
                }
                Some(Err(error)) => wrong.push(format!("{shard:?} is not on its drive: {error}")),
                None => wrong.push(format!("{shard:?} was not read")),
            }
        }
        if stripe.len() == usize::from(blob.geometry.shards()) {
            let parity = stripe.split_off(usize::from(blob.geometry.k()));
            if codec.encode(&stripe).map_err(AuditError::of)? != parity {
                wrong.push(format!("the parity of {chunk:?} is not that of its data"));
            }
        }
    }
    Ok(())
}

/// Looks for shards that nobody names, or that stand on another drive than theirs.
fn find_strays(world: &World, map: &MapView, wanted: &Shards, wrong: &mut Vec<String>) -> Result<(), AuditError> {
    for (drive, placed) in &map.drives {
        let node = world.node(placed.node).ok_or("a node is gone")?;
        let mut after = None;
        loop {
            let page = world.by_hand(node.list_shards(*drive, after, 500)).map_err(AuditError::of)?;
            let Some(last) = page.last() else { break };
            after = Some(last.shard);
            let strays = page.iter().filter(|listed| wanted.get(&listed.shard) != Some(drive));
            wrong.extend(strays.map(|listed| format!("{:?} of {:?} strays on {drive}", listed.shard, listed.owner)));
        }
    }
    Ok(())
}

/// How the replicas of all ranges stand to each other.
#[derive(Default)]
struct Compared {
    /// Replicas that have applied the same entries and hold different rows, or cannot be read.
    differing: Vec<String>,
    /// Ranges whose replicas have not applied the same entries.
    uneven: Vec<String>,
    /// What is wrong with the names of blobs, by any replica.
    misnamed: BTreeSet<String>,
}

/// The rows of a replica, but for what it keeps of itself.
struct Rows {
    /// Up to which entry it has applied, as it keeps that.
    applied: Bytes,
    digest: [u8; 32],
    count: usize,
}

/// Compares the replicas of each range: with the same entries applied they hold the same rows.
fn compare_replicas(world: &World, map: &ClusterMap) -> Compared {
    let mut compared = Compared::default();
    for range in map.all_ranges() {
        let mut parties: BTreeMap<Bytes, BTreeMap<[u8; 32], Vec<String>>> = BTreeMap::new();
        for (replica, drive) in &range.replicas {
            let rows = world.drives.get(drive).map(|drive| {
                let store = drive.stores.open(&replica_store(*replica)).map_err(AuditError::of)?;
                compared.misnamed.extend(check_names(&*store.view()).map_err(AuditError::of)?);
                rows_of(&*store.view())
            });
            match rows {
                Some(Ok(Rows { applied, digest, count })) => {
                    let alike = parties.entry(applied).or_default().entry(digest).or_default();
                    alike.push(format!("{replica} on {drive}: {count} rows"));
                }
                Some(Err(error)) => compared.differing.push(format!("{replica} cannot be read: {error}")),
                None => compared.differing.push(format!("{replica} has no drive")),
            }
        }
        for alike in parties.values().filter(|alike| alike.len() > 1) {
            let line = format!("the replicas of range {} hold different rows: {:?}", range.id.0, alike.values());
            compared.differing.push(line);
        }
        if parties.len() > 1 {
            let all: Vec<&Vec<String>> = parties.values().flat_map(BTreeMap::values).collect();
            compared.uneven.push(format!("not all replicas of range {} have applied all: {all:?}", range.id.0));
        }
    }
    compared
}

/// The rows of a replica.
fn rows_of(view: &dyn View) -> Result<Rows, AuditError> {
    let own = key::of_range(RowKind::Replica, b"");
    let applied = view.get(&applied_row()).map_err(AuditError::of)?;
    let applied = applied.ok_or("it has applied nothing")?;
    let mut rows = view.scan(Bound::Unbounded, Bound::Unbounded, false);
    let (mut hasher, mut count) = (blake3::Hasher::new(), 0);
    while let Some((row, value)) = rows.next().map_err(AuditError::of)? {
        if !row.starts_with(&own) {
            count += 1;
            for bytes in [&row, &value] {
                hasher.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
                hasher.update(bytes);
            }
        }
    }
    Ok(Rows { applied, digest: hasher.finalize().into(), count })
}
