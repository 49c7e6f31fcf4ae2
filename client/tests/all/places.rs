//! Where the shards of a chunk are written and looked for while drives are away, or gone for good.

use std::sync::Arc;

use bytes::Bytes;
use couronne_base::testing::paused;
use couronne_client::testing::{FakeShape, FakeStorage};
use couronne_client::{ChunkRead, ChunkToWrite, Client, Settings};
use couronne_cluster::DriveState;
use couronne_metadata::ids::BucketId;
use couronne_metadata::record::BlobRef;
use couronne_placement::{BlobId, ChunkId, Geometry, Placement, PolicyId, place};
use couronne_protocol::map::MapSource as _;
use couronne_protocol::shard::Owner;
use couronne_ring::{DriveId, Ring};

use super::support::key;

const LEN: u32 = 300_000;

/// A cluster of drives, and one blob of one chunk that is placed on it.
struct Chunk {
    storage: FakeStorage,
    client: Client,
    ring: Arc<Ring>,
    owner: Owner,
    blob: BlobRef,
    placed: Placement,
}

impl Chunk {
    /// The first chunk of which this is true.
    fn of(shape: &FakeShape, is_meant: impl Fn(&Placement, &Ring) -> bool) -> Self {
        let storage = FakeStorage::new(shape);
        let client = Client::new(storage.components(), Settings::default());
        let ring = storage.map.current().rings[&PolicyId(0)].clone();
        let owner = Owner { bucket: BucketId::SYSTEM, key: key("k") };
        let geometry = Geometry::new(4, 2, 1 << 20).unwrap();
        let blobs = (0..20_000).map(|birth| BlobId::new(birth, [7; 10], owner.binding()));
        let mut placed = blobs.map(|id| (id, place(&ring, ChunkId { blob: id, index: 0 }, &geometry).unwrap()));
        let (id, placed) = placed.find(|(_, placed)| is_meant(placed, &ring)).unwrap();
        let blob = BlobRef { id, len: LEN.into(), policy: PolicyId(0), geometry, crc64: 0 };
        Self { storage, client, ring, owner, blob, placed }
    }

    fn bytes() -> Bytes {
        (0..LEN).map(|at| (at % 251) as u8).collect::<Vec<u8>>().into()
    }

    /// Writes it; how many of its shards are missing.
    async fn write(&self) -> u8 {
        let chunk = ChunkToWrite {
            owner: self.owner.clone(),
            chunk: ChunkId { blob: self.blob.id, index: 0 },
            geometry: self.blob.geometry,
            policy: PolicyId(0),
            bytes: Self::bytes(),
        };
        self.client.write_chunk(chunk).await.unwrap().missing
    }

    async fn is_read(&self) -> bool {
        let layout = self.blob.geometry.chunk(self.blob.len, 0).unwrap();
        let read = ChunkRead { blob: Arc::new(self.blob.clone()), index: 0, layout, range: 0..LEN };
        let slices = self.client.read_chunk(&read, &self.owner).await;
        slices.is_ok_and(|slices| slices.iter().flat_map(|slice| slice.bytes.clone()).eq(Self::bytes()))
    }

    /// Empties drives: what they hold is missing from here on.
    fn wipe(&self, drives: &[DriveId]) {
        drives.iter().for_each(|drive| self.storage.drives.wipe(*drive));
    }

    fn drives_of(&self, number: u8) -> Vec<DriveId> {
        let shards = self.storage.drives.shards();
        shards.iter().filter(|(_, put)| put.shard.number == number).map(|(drive, _)| *drive).collect()
    }
}

/// Fifty zones of two nodes: the other node of a drive's zone makes up for it although writers would come by it last.
fn wide() -> FakeShape {
    FakeShape { drives: 100, zones: 50, ..FakeShape::default() }
}

/// The drive that makes up for the third primary.
fn stand_in(placed: &Placement, ring: &Ring) -> DriveId {
    placed.made_up_for(ring, &placed.primaries[2..3]).primaries[2]
}

fn is_far(placed: &Placement, ring: &Ring) -> bool {
    let stand_in = stand_in(placed, ring);
    placed.handoffs(ring).take(40).all(|drive| drive != stand_in)
}

#[test]
fn what_makes_up_for_a_gone_drive_is_written_and_read_as_a_primary() {
    paused().block_on(async {
        let chunk = Chunk::of(&wide(), is_far);
        let stand_in = stand_in(&chunk.placed, &chunk.ring);
        chunk.storage.map.set_gone(chunk.placed.primaries[2]);
        assert_eq!(chunk.write().await, 0, "nothing is left to repair");
        assert_eq!(chunk.drives_of(2), [stand_in]);
        chunk.wipe(&chunk.placed.primaries[4..]);
        assert!(chunk.is_read().await, "each shard that is left was needed");
        assert_eq!(chunk.storage.drives.reports(), [], "none was missed where it ought to be");
        chunk.wipe(&[stand_in]);
        assert!(!chunk.is_read().await);
    });
}

/// What was on a drive that is lost lies where repair put it, for as long as the drive is away.
#[test]
fn what_repair_put_elsewhere_is_found() {
    paused().block_on(async {
        let chunk = Chunk::of(&wide(), is_far);
        assert_eq!(chunk.write().await, 0);
        let primary = chunk.placed.primaries[2];
        let shards = chunk.storage.drives.shards();
        let (_, shard) = shards.into_iter().find(|(drive, _)| *drive == primary).unwrap();
        let by_repair = chunk.placed.handoffs_without(&chunk.ring, &[primary]).next().unwrap();
        chunk.client.put_shard(by_repair, || shard.clone()).await.unwrap();
        chunk.wipe(&[primary]);
        chunk.storage.map.set_state(primary, DriveState::LOST);
        chunk.wipe(&chunk.placed.primaries[4..]);
        assert!(chunk.is_read().await, "each shard that is left was needed");
    });
}

/// Six nodes of two drives each for six shards: without one of the nodes another holds two, and not as many may be lost.
#[test]
fn what_is_less_safe_than_the_ring_meant_is_left_to_repair() {
    paused().block_on(async {
        let shape = FakeShape { drives: 12, drives_per_node: 2, ..FakeShape::default() };
        let chunk = Chunk::of(&shape, |placed, ring| placed.is_spread(ring));
        let map = chunk.storage.map.current();
        let gone = map.drives[&chunk.placed.primaries[2]].node;
        let drives = map.drives.iter().filter(|(_, drive)| drive.node == gone);
        drives.for_each(|(id, _)| chunk.storage.map.set_gone(*id));
        assert_eq!(chunk.write().await, 1);
        assert_eq!(chunk.storage.drives.shards().len(), 6);
        chunk.wipe(&chunk.placed.primaries[4..]);
        assert!(chunk.is_read().await);
    });
}
