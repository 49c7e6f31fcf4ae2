//! What a put and a get of a shard cost on real files, in CPU time. Each line is one size through one
//! class of segments. `COURONNE_MEASURE_DIR` says where, `COURONNE_MEASURE_BYTES` picks one size.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement may fail, and prints")]

use std::sync::Arc;

use bytes::Bytes;
use couronne_base::buffer::AlignedBuffer;
use couronne_base::env::Env;
use couronne_base::testing;
use couronne_metadata::ids::{BucketId, ObjectKey};
use couronne_metadata::rocks::{RocksDrive, RocksSettings};
use couronne_placement::frame;
use couronne_placement::{BlobId, ChunkId, Geometry, PolicyId, ResidencyClass, ShardId};
use couronne_protocol::shard::{GetShard, Owner, PutShard};
use couronne_ring::Epoch;
use couronne_storage_node::disk::Disk;
use couronne_storage_node::disk::files::FileDisk;
use couronne_storage_node::drives::{Drive, Identity, Parts, Settings, StoreThreads};

const CLUSTER: u128 = 77;
const NOW_MS: u64 = testing::WALL_START_US / 1000;

fn env() -> Env {
    testing::still_env(1).0
}

/// CPU seconds this process has used.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn owner() -> Owner {
    Owner { bucket: BucketId::SYSTEM, key: ObjectKey::new("key").unwrap() }
}

fn id(number: u32) -> ShardId {
    ShardId { chunk: ChunkId { blob: BlobId::new(NOW_MS, [7; 10], owner().binding()), index: number }, number: 0 }
}

async fn each<F: Future<Output = ()> + Send>(
    count: u32,
    at_once: u32,
    work: impl Fn(u32) -> F + Send + Sync + Clone + 'static,
) -> (f64, f64) {
    let (cpu, start) = (cpu_seconds(), tokio::time::Instant::now());
    let tasks = (0..at_once).map(|first| {
        let work = work.clone();
        tokio::spawn(async move {
            for number in (first..count).step_by(at_once as usize) {
                work(number).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    (cpu_seconds() - cpu, start.elapsed().as_secs_f64())
}

async fn measure(size: usize, small: bool, count: u32, at_once: u32) {
    let folder = tempfile::tempdir_in(std::env::var("COURONNE_MEASURE_DIR").unwrap_or(".".to_owned())).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::open(folder.path()).await.unwrap());
    Identity::format(&disk, &env(), CLUSTER).await.unwrap();
    let mut settings = Settings::for_space(disk.space().await.unwrap());
    settings.small_bytes_max = if small { u32::MAX } else { 0 };
    let database = RocksDrive::open(&folder.path().join("index"), &RocksSettings::default()).unwrap();
    let index = Arc::new(database.store("shards").unwrap());
    let parts = Parts { disk, index, threads: StoreThreads::default(), env: env(), settings };
    let drive = Drive::open(parts, CLUSTER).await.unwrap();
    let geometry = Geometry::new(1, 0, 16 << 20).unwrap();
    let mut buffer = AlignedBuffer::with_capacity(size);
    buffer.extend_from_slice(&vec![5; size]);
    let payload: Bytes = buffer.freeze();
    let owner = Owner {
        bucket: BucketId::new(ResidencyClass(0), [1; 4], "b"),
        key: ObjectKey::new("a/key/of/some/length").unwrap(),
    };
    let writer = drive.clone();
    let (put_cpu, put_time) = each(count, at_once, move |number| {
        let (drive, payload, owner) = (writer.clone(), payload.clone(), owner.clone());
        async move {
            let frames = frame::seal(id(number), geometry, &payload);
            let (policy, class, epoch) = (PolicyId(1), ResidencyClass(0), Epoch(1));
            let request = PutShard { shard: id(number), owner, geometry, policy, class, epoch, frames, payload };
            drive.put_shard(request).await.unwrap();
        }
    })
    .await;
    let reader = drive.clone();
    let (get_cpu, get_time) = each(count, at_once, move |number| {
        let drive = reader.clone();
        async move {
            drive.get_shard(GetShard { shard: id(number), first_frame: 0, frames: u32::MAX }).await.unwrap();
        }
    })
    .await;
    let micros = |seconds: f64| seconds * 1e6 / f64::from(count);
    let per_gb = |seconds: f64| seconds * 1e9 / (f64::from(count) * size as f64);
    println!(
        "{size:>8} B {} x{count} at {at_once:>3}: put {:7.1} us CPU ({:.2} s/GB, {:.0}/s)  get {:6.1} us CPU ({:.2} s/GB, {:.0}/s)",
        if small { "small" } else { "large" },
        micros(put_cpu),
        per_gb(put_cpu),
        f64::from(count) / put_time,
        micros(get_cpu),
        per_gb(get_cpu),
        f64::from(count) / get_time,
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let only: Option<usize> = std::env::var("COURONNE_MEASURE_BYTES").ok().and_then(|text| text.parse().ok());
        let sizes = [
            (4 << 10, 20_000),
            (16 << 10, 10_000),
            (32 << 10, 8_000),
            (64 << 10, 4_000),
            (256 << 10, 1_000),
            (1 << 20, 500),
        ];
        for (size, count) in sizes.into_iter().filter(|(size, _)| only.is_none_or(|only| only == *size)) {
            for small in [true, false] {
                measure(size, small, count, 64).await;
                if only.is_some() {
                    measure(size, small, count, 8).await;
                }
            }
        }
        measure(4 << 10, true, 300, 1).await;
    });
}
