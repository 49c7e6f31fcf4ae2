//! A drive in a world that fails on purpose: its disk, its index, its clock, and what may be known of
//! each shard.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::env::Env;
use couronne_base::testing;
use couronne_metadata::ids::{BucketId, ObjectKey};
use couronne_placement::frame;
use couronne_placement::{BlobId, ChunkId, Geometry, PolicyId, ResidencyClass, ShardId};
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardError};
use couronne_ring::Epoch;
use couronne_storage_node::disk::Disk;
use couronne_storage_node::disk::simulated::SimulatedDisk;
use couronne_storage_node::drives::{Drive, Identity, MemoryStores, Parts, Settings, StoreThreads, Stores};

pub(crate) const CLUSTER: u128 = 77;
/// So many that only a test that means it takes the drive down.
pub(crate) const FAILURES_MAX: u32 = 20;
pub(crate) const NOW_MS: u64 = testing::WALL_START_US / 1000;

pub(crate) fn env(seed: u64) -> Env {
    testing::still_env(seed).0
}

pub(crate) fn settings() -> Settings {
    Settings {
        small_bytes_max: 8 << 10,
        small_segment_bytes: 64 << 10,
        large_segment_bytes: 256 << 10,
        large_writers: 2,
        prepare_bytes: 16 << 10,
        queue_records_max: 64,
        queue_bytes_max: 1 << 20,
        batch_bytes_max: 64 << 10,
        reserve_bytes: 512 << 10,
        compact_live_percent: 50,
        replay_records_max: 20,
        unflushed_bytes_max: 16 << 10,
        open_files_max: 4,
        spare_segments: 2,
        failures_max: FAILURES_MAX,
    }
}

/// Whose blob it is.
pub(crate) fn owner(number: u8) -> Owner {
    let key = ObjectKey::new(format!("key of {number}")).unwrap();
    Owner { bucket: BucketId::new(ResidencyClass(0), [3; 4], "b"), key }
}

pub(crate) fn blob(number: u8) -> BlobId {
    BlobId::new(NOW_MS, [number; 10], owner(number).binding())
}

fn number_of(blob: BlobId) -> u8 {
    blob.to_bytes()[6]
}

pub(crate) fn shard(number: u8, chunk: u32) -> ShardId {
    ShardId { chunk: ChunkId { blob: blob(number), index: chunk }, number: chunk as u8 % 3 }
}

/// What a shard's bytes are: its id decides.
pub(crate) fn payload(shard: ShardId) -> Bytes {
    let last = number_of(shard.chunk.blob);
    let len = match last % 4 {
        0 => 100 + usize::from(last),
        1 => 4096,
        2 => 9000,
        _ => 70_000 + usize::from(last),
    };
    (0..len).map(|at| (at as u8) ^ last ^ (shard.chunk.index as u8).wrapping_mul(31)).collect::<Vec<u8>>().into()
}

pub(crate) fn put(shard: ShardId) -> PutShard {
    let geometry = Geometry::new(2, 1, 1 << 20).unwrap();
    let payload = payload(shard);
    PutShard {
        shard,
        owner: owner(number_of(shard.chunk.blob)),
        geometry,
        policy: PolicyId(1),
        class: ResidencyClass(0),
        epoch: Epoch(1),
        frames: frame::seal(shard, geometry, &payload),
        payload,
    }
}

/// Reads a shard as a gateway does; `Err(Corrupt)` if a frame does not verify. Panics on wrong bytes.
pub(crate) async fn get(drive: &Drive, shard: ShardId) -> Result<(), ShardError> {
    let read = drive.get_shard(GetShard { shard, first_frame: 0, frames: u32::MAX }).await?;
    frame::verify(shard, read.geometry, 0, &read.checksums, &read.payload)
        .map_err(|error| ShardError::Corrupt(error.to_string()))?;
    assert_eq!(read.payload, payload(shard), "wrong bytes of {shard:?}");
    assert_eq!(read.shard_len as usize, read.payload.len());
    Ok(())
}

/// What may be known of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Acknowledged, and not deleted since.
    Present,
    /// Never asked for, or its deletion was acknowledged.
    Absent,
    /// An answer was not yes.
    Either,
}

/// A machine with one drive.
pub(crate) struct World {
    pub(crate) disk: SimulatedDisk,
    pub(crate) drive: Drive,
    pub(crate) known: BTreeMap<ShardId, Known>,
    /// A write or sync failed once: what it asked for may yet turn out done, when its segment is read
    /// again.
    pub(crate) failing: bool,
    pub(crate) stores: MemoryStores,
    env: Env,
}

impl World {
    pub(crate) async fn new(seed: u64, capacity: u64) -> Self {
        let disk = SimulatedDisk::new(seed, capacity);
        let env = env(seed);
        Identity::format(&(Arc::new(disk.clone()) as Arc<dyn Disk>), &env, CLUSTER).await.unwrap();
        let stores = MemoryStores::default();
        let drive = start(&disk, &stores, &env, false).await;
        Self { disk, drive, known: BTreeMap::new(), failing: false, stores, env }
    }

    /// Loses power and starts again; with `rebuild`, the index is gone too.
    pub(crate) async fn crash(&mut self, seed: u64, rebuild: bool) {
        self.disk = self.disk.crash();
        self.stores = self.stores.crash(seed);
        if rebuild && seed.is_multiple_of(2) {
            self.stores = MemoryStores::default();
        }
        self.drive = start(&self.disk, &self.stores, &self.env, rebuild && seed % 2 == 1).await;
    }

    /// Takes an answer to a put into account.
    pub(crate) fn learn_put(&mut self, shard: ShardId, acknowledged: bool) {
        let known = self.known.entry(shard).or_insert(Known::Absent);
        match (acknowledged, *known) {
            (true, _) => *known = Known::Present,
            (false, Known::Absent) => *known = Known::Either,
            (false, _) => {}
        }
    }

    /// Takes an answer to the deletion of a blob into account.
    pub(crate) fn learn_delete(&mut self, blob: BlobId, acknowledged: bool) {
        for (_, known) in self.known.iter_mut().filter(|(shard, _)| shard.chunk.blob == blob) {
            *known = match (acknowledged, *known) {
                (true, _) => Known::Absent,
                (false, Known::Present) => Known::Either,
                (false, known) => known,
            };
        }
    }

    /// Reads everything and compares with what is known.
    pub(crate) async fn check(&mut self) {
        let mut present = Vec::new();
        for (shard, known) in &mut self.known {
            match (get(&self.drive, *shard).await, *known) {
                (Ok(()), Known::Present | Known::Either) => {
                    if !self.failing {
                        *known = Known::Present;
                    }
                    present.push(*shard);
                }
                (Err(ShardError::NotFound), Known::Absent | Known::Either) => {}
                (found, known) => panic!("{shard:?} should be {known:?}, but: {found:?}"),
            }
        }
        let mut listed = Vec::new();
        loop {
            let page = self.drive.list(listed.last().copied(), 3).await.unwrap();
            if page.is_empty() {
                break;
            }
            listed.extend(page.into_iter().map(|listed| listed.shard));
        }
        assert_eq!(listed, present, "the listing is what can be read");
    }
}

async fn start(disk: &SimulatedDisk, stores: &MemoryStores, env: &Env, rebuild: bool) -> Drive {
    let index = stores.open("index").unwrap();
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let identity = Identity::boot(&disk, CLUSTER).await.unwrap();
    let parts = Parts { disk, index, threads: StoreThreads::default(), env: env.clone(), settings: settings() };
    Drive::start(parts, identity, rebuild).await.unwrap()
}
