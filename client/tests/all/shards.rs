//! One shard on exactly one drive.

use std::time::Duration;

use bytes::Bytes;
use couronne_base::testing::paused;
use couronne_client::testing::{DriveFault, FakeShape, FakeStorage};
use couronne_client::{Client, Settings};
use couronne_metadata::ids::BucketId;
use couronne_placement::frame::{FRAME_BYTES, seal};
use couronne_placement::{BlobId, ChunkId, Geometry, PolicyId, ShardId};
use couronne_protocol::shard::{Owner, PutShard, ShardError};
use couronne_ring::{DriveId, Epoch};

use super::support::{key, timed};

#[test]
fn a_shard_is_put_on_one_drive_and_read_back_verified_or_not_at_all() {
    paused().block_on(async {
        let storage = FakeStorage::new(&FakeShape::default());
        let client = Client::new(storage.components(), Settings::default());
        let geometry = Geometry::new(4, 2, 1 << 20).unwrap();
        let owner = Owner { bucket: BucketId::SYSTEM, key: key("k") };
        let blob = BlobId::new(1, [7; 10], owner.binding());
        let id = ShardId { chunk: ChunkId { blob, index: 0 }, number: 3 };
        let payload = Bytes::from(vec![5; FRAME_BYTES as usize + 9]);
        let request = || PutShard {
            shard: id,
            owner: owner.clone(),
            geometry,
            policy: PolicyId(0),
            class: owner.bucket.class(),
            epoch: Epoch(1),
            frames: seal(id, geometry, &payload),
            payload: payload.clone(),
        };
        let (here, elsewhere) = (DriveId(2), DriveId(3));
        client.put_shard(here, request).await.unwrap();
        assert_eq!(storage.drives.shards().len(), 1);
        assert_eq!(client.get_shard(here, id, geometry).await, Ok(payload.clone()));
        assert_eq!(client.get_shard(elsewhere, id, geometry).await, Err(ShardError::NotFound));
        let other = Geometry::new(5, 2, 1 << 20).unwrap();
        assert!(matches!(client.get_shard(here, id, other).await, Err(ShardError::Corrupt(_))));
        for fault in [DriveFault::Flips, DriveFault::Lies] {
            storage.drives.set_fault(here, Some(fault));
            assert!(matches!(client.get_shard(here, id, geometry).await, Err(ShardError::Corrupt(_))));
        }
        storage.drives.set_fault(here, Some(DriveFault::Stuck));
        let (read, took) = timed(client.get_shard(here, id, geometry)).await;
        assert!(matches!(read, Err(ShardError::Down(_))), "{read:?}");
        assert_eq!(took, Duration::from_secs(10));
        let (written, took) = timed(client.put_shard(here, request)).await;
        assert!(matches!(written, Err(ShardError::Down(_))), "{written:?}");
        assert_eq!(took, Duration::from_secs(10));
        storage.drives.set_fault(here, Some(DriveFault::Overloaded));
        assert_eq!(client.put_shard(here, request).await, Err(ShardError::Overloaded));
    });
}
