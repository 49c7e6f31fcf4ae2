//! The drive on real files.

use std::sync::Arc;

use couronne_metadata::memory::MemoryStore;
use couronne_protocol::shard::{GetShard, ShardError};
use couronne_storage_node::disk::Disk;
use couronne_storage_node::disk::files::FileDisk;
use couronne_storage_node::drives::{Drive, Identity, Parts, StoreThreads};

use super::block_on;
use super::world::{CLUSTER, blob, env, get, owner, payload, put, settings, shard};

async fn open(folder: &std::path::Path, index: Arc<MemoryStore>) -> Drive {
    let disk: Arc<dyn Disk> = loop {
        // The tasks of a closed drive let go of the folder a moment later.
        match FileDisk::open(folder).await {
            Ok(disk) => break Arc::new(disk),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    if matches!(Identity::read(&disk).await, Err(couronne_storage_node::drives::IdentityError::Absent)) {
        Identity::format(&disk, &env(1), CLUSTER).await.unwrap();
    }
    Drive::open(Parts { disk, index, threads: StoreThreads::default(), env: env(1), settings: settings() }, CLUSTER)
        .await
        .unwrap()
}

#[test]
fn shards_survive_restarts_with_and_without_the_index() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let index = Arc::new(MemoryStore::new());
        let drive = open(folder.path(), index.clone()).await;
        for number in 0..12 {
            for chunk in 0..3 {
                drive.put_shard(put(shard(number, chunk))).await.unwrap();
            }
        }
        drive.delete_blob(blob(5), &owner(5)).await.unwrap();
        for _ in 0..4 {
            drive.maintain().await.unwrap();
        }
        drop(drive);
        for index in [index, Arc::new(MemoryStore::new())] {
            let drive = open(folder.path(), index).await;
            for number in 0..12 {
                for chunk in 0..3 {
                    let expected = if number == 5 { Err(ShardError::NotFound) } else { Ok(()) };
                    assert_eq!(get(&drive, shard(number, chunk)).await, expected);
                }
            }
        }
    });
}

#[test]
fn a_read_gives_the_frames_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let drive = open(folder.path(), Arc::default()).await;
        let id = shard(7, 0);
        drive.put_shard(put(id)).await.unwrap();
        let whole = payload(id);
        for (first_frame, frames, expected) in
            [(0, 1, 0..65536), (1, 1, 65536..whole.len()), (1, 9, 65536..whole.len()), (2, 1, 0..0), (0, 0, 0..0)]
        {
            let read = drive.get_shard(GetShard { shard: id, first_frame, frames }).await.unwrap();
            assert_eq!(read.payload, whole.slice(expected), "{first_frame} {frames}");
            assert_eq!(read.checksums.len(), read.payload.len().div_ceil(65536));
        }
    });
}
