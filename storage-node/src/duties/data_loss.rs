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
}

/// How many shards losses may have taken of the blob's worst chunk, as far as it is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Those that are newer than what was swept; 0 if none of these concerns the blob.
    pub(crate) new: u8,
    /// All of them, whatever was put back since.
    pub(crate) all: u8,
}

impl DataLoss {
    /// The losses that this map knows; the range was swept for those up to a version.
    pub(crate) fn since(map: Arc<ClusterMap>, swept_version: u64) -> Self {
        let losses = map.drives.iter().map(|(id, drive)| (*id, drive.loss_version()));
        let losses = losses.filter(|(_, version)| *version > 0).collect();
        let gone = map.gone_drives().filter(|(_, version)| *version <= swept_version).map(|(id, _)| id).collect();
        Self { map, losses, swept_version, gone }
    }

    /// The version of the map that the losses are told by.
    pub(crate) fn map_version(&self) -> u64 {
        self.map.version
    }

    /// The version of the map that first knew the newest loss; 0: there is none.
    pub(crate) fn newest(&self) -> u64 {
        self.map.loss_version()
    }

    /// How many shards of the blob the losses may have taken.
    pub(crate) fn missing(&self, blob: &BlobRef) -> Result<Missing, LossError> {
        let version = |drive: &&DriveId| self.losses.get(drive).copied().unwrap_or(0);
        if self.newest() <= self.swept_version {
            return Ok(Missing::default());
        }
        let policy = self.map.policies.get(&blob.policy);
        let ring = policy.and_then(|policy| policy.ring.as_deref()).ok_or(LossError::UnknownPolicy)?;
        let chunks = blob.geometry.chunks(blob.len);
        // What is not looked at counts as one.
        let unseen = u8::from(chunks > CHUNKS_MAX);
        let mut worst = Missing { new: unseen, all: unseen };
        for index in 0..chunks.min(CHUNKS_MAX) {
            let index = u32::try_from(index).map_err(|_| LossError::ChunkNumber)?;
            let placement = place(ring, ChunkId { blob: blob.id, index }, &blob.geometry)?;
            let primaries = placement.made_up_for(ring, &self.gone).primaries;
            let count = |is_counted: &dyn Fn(u64) -> bool| {
                let counted = primaries.iter().filter(|drive| is_counted(version(drive))).count();
                u8::try_from(counted).unwrap_or(u8::MAX)
            };
            worst.new = worst.new.max(count(&|version| version > self.swept_version));
            worst.all = worst.all.max(count(&|version| version > 0));
        }
        Ok(worst)
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
        let missing = |swept| DataLoss::since(Arc::clone(&map), swept).missing(&blob).unwrap();
        assert_eq!(
            missing(22),
            Missing { new: 1, all: 4 },
            "of three of the four a row says more, or nothing is missing"
        );
        assert_eq!(missing(0), Missing { new: 4, all: 4 });
        assert_eq!(missing(23), Missing::default());
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
        let missing = |map: &ClusterMap| DataLoss::since(Arc::new(map.clone()), 25).missing(&blob).unwrap().new;
        assert_eq!(missing(&map), 0, "it is waited for: its shard has a repair row");
        map.expelled.insert(node, 1);
        assert_eq!(missing(&map), 1);
    }
}
