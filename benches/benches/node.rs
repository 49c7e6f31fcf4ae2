//! What commands and idleness cost on real drives. `POLICY`, `COUNT` and `PLACE` change what is measured;
//! with `PLACE` it ends as a kill would, and a second run there shows the start. With `BLOBS` the puts name blobs, of
//! which there are no shards: what a change of leadership costs with many blobs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail, and prints"
)]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use couronne_base::env::{self, Env};
use couronne_cluster::map::{Bootstrap, MapNode};
use couronne_cluster::{RangeDescriptor, Role};
use couronne_metadata::command::{Command, CommandRequest, NewData, Outcome, Precondition};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey, binding};
use couronne_metadata::record::{Attributes, BlobRef, BucketRules, BucketState, Etag, Versioning};
use couronne_metadata::rocks::RocksSettings;
use couronne_placement::{BlobId, Geometry, Policy, PolicyId};
use couronne_protocol::net::certificates::MEMBER_LIFETIME;
use couronne_protocol::range::{RangeAddress, RangeClient, RangeError};
use couronne_ring::{NodeId, RegionName, ZoneName};
use couronne_storage_node::consensus::ConsensusSettings;
use couronne_storage_node::duties::DutySettings;
use couronne_storage_node::node::{
    ClusterKeys, DriveNotes, LocalNode, Membership, NodeSettings, ReadPolicy, open_folders,
};
use rustix::time::{ClockId, clock_gettime};

fn now(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

fn cpu() -> f64 {
    now(ClockId::ProcessCPUTime).as_secs_f64()
}

fn request(env: &Env, bucket: BucketId, rules_version: u64, key: &str, command: Command) -> CommandRequest {
    let now_ms = env.clock.wall_ms();
    CommandRequest {
        commit: CommitId::new(now_ms, env.random_bytes()),
        deadline_ms: now_ms + 30_000,
        bucket,
        rules_version,
        key: ObjectKey::new(key.to_owned()).unwrap(),
        command,
        seen: None,
        is_repeat: false,
    }
}

async fn execute(node: &LocalNode, request: CommandRequest) {
    try_execute(node, request).await.unwrap();
}

async fn try_execute(node: &LocalNode, request: CommandRequest) -> Result<Outcome, RangeError> {
    let position = RangeDescriptor::position(request.bucket, request.key.as_bytes());
    let ranges = node.local().describe(position.clone(), Bytes::new()).await.unwrap();
    let range = ranges.into_iter().find(|range| range.contains(&position)).unwrap();
    let replica = node.local().leader_hint(range.id).unwrap();
    let address = RangeAddress { range: range.id, generation: range.generation, replica };
    node.local().execute(address, request).await
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure());
}

fn inline(number: u64) -> NewData {
    NewData::Inline(Bytes::from(vec![u8::try_from(number % 251).unwrap(); 4096]), 1)
}

/// A blob that no drive has a shard of.
fn blob(env: &Env, bucket: BucketId, key: &str) -> NewData {
    let key = ObjectKey::new(key.to_owned()).unwrap();
    let id = BlobId::new(env.clock.wall_ms(), env.random_bytes(), binding(bucket, &key));
    let geometry = Geometry::new(4, 2, 1 << 20).unwrap();
    NewData::Blob(BlobRef { id, len: 4096, policy: PolicyId(0), geometry, crc64: 1 }, 0, Some(u64::MAX))
}

fn place_alone() -> MapNode {
    MapNode {
        role: Role::StorageNode,
        name: "alone".into(),
        address: "".into(),
        region: RegionName("region".into()),
        zone: ZoneName("zone".into()),
    }
}

async fn measure() {
    let env = env::system();
    let policy = std::env::var("POLICY").unwrap_or_else(|_| "ec:4+2".to_owned());
    let drives = if policy == "single" { 1 } else { 6 };
    let temporary = tempfile::tempdir().unwrap();
    let place = std::env::var_os("PLACE").map_or_else(|| temporary.path().to_owned(), std::path::PathBuf::from);
    let folders: Vec<_> = (0..drives).map(|number| place.join(format!("d{number}"))).collect();
    let policy = Policy {
        id: PolicyId(0),
        name: "standard".into(),
        redundancy: policy.parse().unwrap(),
        chunk_bytes: 1 << 20,
        inline_bytes_max: 16 << 10,
        copies_bytes_max: 128 << 10,
        survives: None,
    };
    let settings = NodeSettings {
        redundancy: None,
        consensus: ConsensusSettings::default(),
        evaluation: couronne_metadata::evaluate::Settings::default(),
        reads: ReadPolicy::default(),
        duties: DutySettings::default(),
        certificate_lifetime: MEMBER_LIFETIME,
        node: None,
        noted: DriveNotes::default(),
        cluster_keys: ClusterKeys::default(),
    };
    let began = Instant::now();
    let opened = open_folders(&folders, &RocksSettings::default(), &DriveNotes::default()).await.unwrap();
    if Membership::owner(&opened, None).await.unwrap().is_none() {
        let planned = Membership::plan_drives(&env, &opened).await.unwrap();
        let founding_node = (1, NodeId(1), place_alone());
        let bootstrap = Bootstrap { nodes: 1, ranges: 8 };
        Membership::found(&env, &opened, &planned, founding_node, &policy, bootstrap).await.unwrap();
    }
    let node = LocalNode::open(env.clone(), opened, settings.clone()).await.unwrap();
    println!("start: {:?}, cpu {:.3}", began.elapsed(), cpu());
    let before = cpu();
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("idle: {:.4} CPU-seconds a second", (cpu() - before) / 5.0);

    let mut buckets = Vec::new();
    for number in 0..8u8 {
        let random = [number * 32 + 5, 7, 7, 7];
        let bucket = BucketId::new(couronne_placement::ResidencyClass(0), random, "b");
        let rules = BucketRules {
            version: 1,
            state: BucketState::Live,
            versioning: Versioning::Off,
            object_lock: None,
            policy: PolicyId(0),
            account: "account".into(),
            quota: None,
            extra: Vec::new(),
        };
        let put_rules = request(&env, bucket, 0, "\u{1}", Command::PutRules { name: "b".into(), rules });
        // The second run finds them there.
        drop(try_execute(&node, put_rules).await);
        buckets.push(bucket);
    }
    let count: u64 = std::env::var("COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let blobs = std::env::var_os("BLOBS").is_some();
    let next = Arc::new(AtomicU64::new(0));
    let (began, before) = (Instant::now(), cpu());
    let writers = (0..64).map(|_| {
        let (node, env, next, buckets) = (node.clone(), env.clone(), next.clone(), buckets.clone());
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                let bucket = buckets[usize::try_from(number % 8).unwrap()];
                let key = format!("key{number:08}");
                let put = Command::Put {
                    data: if blobs { blob(&env, bucket, &key) } else { inline(number) },
                    size: 4096,
                    etag: Etag { digest: [1; 16], parts: None },
                    checksum: None,
                    attributes: Attributes::default(),
                    condition: Precondition::default(),
                };
                execute(&node, request(&env, bucket, 1, &key, put)).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let (took, used) = (began.elapsed().as_secs_f64(), cpu() - before);
    let rate = count as f64 / took;
    println!("{count} puts of 4 KiB: {rate:.0}/s, {:.3} CPU-seconds per 1,000", used * 1000.0 / count as f64);
    println!("{:?}", node.status().await.duties);

    let before = cpu();
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("idle again: {:.4} CPU-seconds a second", (cpu() - before) / 5.0);
    println!(
        "{}",
        std::fs::read_to_string("/proc/self/status").unwrap().lines().find(|l| l.contains("VmRSS")).unwrap()
    );

    if std::env::var("PLACE").is_ok() {
        // As after a kill: run it again with the same PLACE to see the start.
        std::process::exit(0);
    }
    node.shutdown().await;
}
