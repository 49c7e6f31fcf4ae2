//! What drives have lost: how many shards of a blob, by the ring.
//!
//! Pure. Must not know: rows, messages, how a chunk is repaired.

use std::collections::BTreeMap;
use std::sync::Arc;

use couronne_cluster::map::ClusterMap;
use couronne_metadata::record::BlobRef;
use couronne_placement::{ChunkId, PlaceError, place};
use couronne_ring::DriveId;
use thiserror::Error;

/// So many chunks of a blob are looked at. A longer one has shards on about every drive, and its length is what
/// a gateway says.
const CHUNKS_MAX: u64 = 1000;

/// What a loss took is not known.
#[derive(Clone, Debug, Error)]
pub(crate) enum LossError {
    /// The map has no ring for the blob.
    #[error("a blob's policy is unknown")]
    UnknownPolicy,
    /// The blob has more chunks than can be numbered.
    #[error("a blob has too many chunks")]
    ChunkNumber,
    /// The ring does not fit the blob.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// The losses that one version of the map knows, for a range that was swept for some of them.
pub(crate) struct DataLoss {
    map: Arc<ClusterMap>,
    /// Each by the version that first knew it.
    losses: BTreeMap<DriveId, u64>,
    swept_version: u64,
    /// The drives that were gone for good by then: what they held is elsewhere.
    gone: Vec<DriveId>,
    /// Whether the range has repair rows: what older losses took may still be missing.
    has_rows: bool,
}

impl DataLoss {
    /// The losses that this map knows; the range was swept for those up to a version, and has repair rows or none.
    pub(crate) fn since(map: Arc<ClusterMap>, swept_version: u64, has_rows: bool) -> Self {
        let losses = map.drives.iter().map(|(id, drive)| (*id, drive.loss_version()));
        let losses = losses.filter(|(_, version)| *version > 0).collect();
        let gone = map.gone_drives().filter(|(_, version)| *version <= swept_version).map(|(id, _)| id).collect();
        Self { map, losses, swept_version, gone, has_rows }
    }

    /// The version of the map that the losses are told by.
    pub(crate) fn map_version(&self) -> u64 {
        self.map.version
    }

    /// The version of the map that first knew the newest loss; 0: there is none.
    pub(crate) fn newest(&self) -> u64 {
        self.map.loss_version()
    }

    /// How many shards of the blob's worst chunk the losses may have taken, as far as it is looked at; 0 if none has
    /// that is newer than what was swept.
    pub(crate) fn missing(&self, blob: &BlobRef) -> Result<u8, LossError> {
        let version = |drive: &DriveId| self.losses.get(drive).copied().unwrap_or(0);
        let is_new = |drive: &&DriveId| version(drive) > self.swept_version;
        // Without repair rows what older losses took was put back.
        let is_counted = |drive: &&DriveId| is_new(drive) || (self.has_rows && version(drive) > 0);
        if self.newest() <= self.swept_version {
            return Ok(0);
        }
        let policy = self.map.policies.get(&blob.policy);
        let ring = policy.and_then(|policy| policy.ring.as_deref()).ok_or(LossError::UnknownPolicy)?;
        let chunks = blob.geometry.chunks(blob.len);
        let (mut worst, mut is_concerned) = (1, chunks > CHUNKS_MAX);
        for index in 0..chunks.min(CHUNKS_MAX) {
            let index = u32::try_from(index).map_err(|_| LossError::ChunkNumber)?;
            let placement = place(ring, ChunkId { blob: blob.id, index }, &blob.geometry)?;
            let primaries = placement.made_up_for(ring, &self.gone).primaries;
            is_concerned |= primaries.iter().any(|drive| is_new(&drive));
            worst = worst.max(primaries.iter().filter(is_counted).count());
        }
        Ok(if is_concerned { u8::try_from(worst).unwrap_or(u8::MAX) } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use couronne_cluster::Role;
    use couronne_cluster::changes::{self, Founding};
    use couronne_cluster::map::{Bootstrap, MapNode};
    use couronne_placement::{Binding, BlobId, Geometry, Policy, PolicyId};
    use couronne_ring::{NodeId, RegionName, ZoneName};

    use super::*;

    const NODES: u16 = 7;

    /// Seven nodes of a drive each, with the policy `ec:4+2`.
    fn map() -> ClusterMap {
        let node = |number: u128| MapNode {
            role: Role::StorageNode,
            name: format!("n{number}").into(),
            address: format!("127.0.0.1:{number}").into(),
            region: RegionName("region".into()),
            zone: ZoneName("zone".into()),
        };
        let mut map = changes::found(Founding {
            cluster: 9,
            id: NodeId(1),
            node: node(1),
            drives: vec![(DriveId(1), 1)],
            policy: Policy {
                id: PolicyId(0),
                name: "default".into(),
                redundancy: "ec:4+2".parse().unwrap(),
                chunk_bytes: 1 << 20,
                inline_bytes_max: 0,
                copies_bytes_max: 0,
                survives: None,
            },
            bootstrap: Bootstrap { nodes: NODES, ranges: 1 },
            now_ms: 0,
        })
        .unwrap();
        for number in 2..=u128::from(NODES) {
            changes::join(&mut map, NodeId(number), node(number), &[(DriveId(number), 1)]).unwrap();
        }
        changes::complete_meta_group(&mut map).unwrap();
        changes::form(&mut map).unwrap();
        map.version = 100;
        map
    }

    fn blob(seed: u8) -> BlobRef {
        let id = BlobId::new(1, [seed; 10], Binding::to(b"bucket", b"key"));
        BlobRef { id, len: 1 << 20, policy: PolicyId(0), geometry: Geometry::new(4, 2, 1 << 20).unwrap(), crc64: 0 }
    }

    fn primaries(map: &ClusterMap, blob: &BlobRef) -> Vec<DriveId> {
        let ring = map.policies[&blob.policy].ring.clone().unwrap();
        place(&ring, ChunkId { blob: blob.id, index: 0 }, &blob.geometry).unwrap().primaries
    }

    fn emptied(map: &mut ClusterMap, drive: DriveId, version: u64) {
        map.drives.get_mut(&drive).unwrap().emptied.version = version;
    }

    #[test]
    fn what_was_put_back_counts_no_more() {
        let (mut map, blob) = (map(), blob(1));
        let drives = primaries(&map, &blob);
        (20..).zip(&drives[..4]).for_each(|(version, drive)| emptied(&mut map, *drive, version));
        let map = Arc::new(map);
        let missing = |swept, has_rows| DataLoss::since(Arc::clone(&map), swept, has_rows).missing(&blob).unwrap();
        assert_eq!(missing(22, false), 1, "three were refilled");
        assert_eq!(missing(22, true), 4, "they may still be refilled");
        assert_eq!(missing(0, false), 4);
        assert_eq!(missing(23, true), 0);
    }

    /// What an expelled node's drive held is on others: their losses concern it.
    #[test]
    fn the_loss_of_a_drive_that_made_up_for_another_is_one_of_its_blobs() {
        let (mut map, blob) = (map(), blob(1));
        let drives = primaries(&map, &blob);
        let spare = map.drives.keys().copied().find(|drive| !drives.contains(drive)).unwrap();
        let gone = map.drives.get_mut(&drives[0]).unwrap();
        (gone.lost_version, gone.down_since_ms) = (Some(20), Some(1));
        let node = gone.node;
        emptied(&mut map, spare, 30);
        let missing = |map: &ClusterMap| DataLoss::since(Arc::new(map.clone()), 25, false).missing(&blob).unwrap();
        assert_eq!(missing(&map), 0, "it is waited for: its shard has a repair row");
        map.expelled.insert(node, 1);
        assert_eq!(missing(&map), 1);
    }
}
