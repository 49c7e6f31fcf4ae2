//! A node over simulated drives: restarts, lost drives, wiped drives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // Tests fail by panicking.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_metadata::command::{Command, Envelope, Expect, Outcome};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey};
use couronne_metadata::query::{Answer, Query};
use couronne_placement::{Policy, PolicyId};
use couronne_protocol::env::{Clock, Env, Random};
use couronne_protocol::range::{QueryEnvelope, RangeAddress, RangeClient, RangeError};
use couronne_ring::DriveId;
use couronne_storage_node::consensus::ConsensusSettings;
use couronne_storage_node::disk::simulated::{Fault, SimulatedDisk};
use couronne_storage_node::disk::{Disk, Space};
use couronne_storage_node::drive::{Identity, Settings as DriveSettings};
use couronne_storage_node::node::{LocalNode, MemoryStores, NodeDrive, NodeSettings};
use parking_lot::Mutex;

struct TestClock(tokio::time::Instant);

impl Clock for TestClock {
    fn wall_us(&self) -> u64 {
        1_800_000_000_000_000 + u64::try_from(self.0.elapsed().as_micros()).unwrap()
    }
    fn steady(&self) -> Duration {
        self.0.elapsed()
    }
}

/// SplitMix64: repeatable, and good enough for ids in a test.
struct TestRandom(Mutex<u64>);

impl Random for TestRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.0.lock();
        for chunk in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

#[derive(Clone)]
struct TestDrive {
    disk: SimulatedDisk,
    stores: Arc<MemoryStores>,
}

struct Rig {
    env: Env,
    policy: &'static str,
    drives: Vec<TestDrive>,
}

impl Rig {
    fn new(seed: u64, policy: &'static str, drives: u64) -> Self {
        let clock = Arc::new(TestClock(tokio::time::Instant::now()));
        let env = Env { clock, random: Arc::new(TestRandom(Mutex::new(seed))) };
        let drive = |number| TestDrive { disk: SimulatedDisk::new(seed + number, 1 << 30), stores: Arc::default() };
        Self { env, policy, drives: (0..drives).map(drive).collect() }
    }

    async fn start(&self) -> Arc<LocalNode> {
        self.start_with(|_| true).await
    }

    async fn start_with(&self, here: impl Fn(usize) -> bool) -> Arc<LocalNode> {
        let drives = self.drives.iter().enumerate().filter(|(number, _)| here(*number));
        let drives = drives.map(|(number, drive)| NodeDrive {
            name: format!("drive {number}"),
            disk: Arc::new(drive.disk.clone()),
            stores: drive.stores.clone(),
            settings: Some(DriveSettings {
                large_segment_bytes: 4 << 20,
                small_segment_bytes: 2 << 20,
                ..DriveSettings::for_space(Space { total: 1 << 30, free: 1 << 30 })
            }),
        });
        let settings = NodeSettings {
            policy: Policy {
                id: PolicyId(0),
                name: "standard".into(),
                redundancy: self.policy.parse().unwrap(),
                chunk_bytes: 1 << 20,
                inline_bytes_max: 16 << 10,
                copies_bytes_max: 128 << 10,
            },
            range_count: 3,
            consensus: ConsensusSettings::default(),
            evaluation: couronne_metadata::evaluate::Settings::default(),
            duties: couronne_storage_node::duties::DutySettings::default(),
        };
        LocalNode::open(self.env.clone(), drives.collect(), settings).await.unwrap()
    }

    /// Kills the process and loses what a power loss may lose.
    async fn crash(&mut self, node: Arc<LocalNode>, seed: u64) {
        node.abandon().await;
        drop(node);
        for (number, drive) in (0..).zip(&mut self.drives) {
            drive.disk = drive.disk.crash();
            drive.stores.crash(seed * 31 + number);
        }
    }

    async fn number_of(&self, wanted: DriveId) -> usize {
        for (number, drive) in self.drives.iter().enumerate() {
            let disk: Arc<dyn Disk> = Arc::new(drive.disk.clone());
            if Identity::read(&disk).await.unwrap().drive == wanted {
                return number;
            }
        }
        panic!("no such drive");
    }

    fn wipe(&mut self, number: usize) {
        self.drives[number] =
            TestDrive { disk: SimulatedDisk::new(99 + number as u64, 1 << 30), stores: Arc::default() };
    }
}

/// Writes system rows of many keys through whichever replica leads.
async fn write(env: &Env, node: &LocalNode, key: &str, value: &str, commit: [u8; 10]) -> Result<Outcome, RangeError> {
    let key = ObjectKey::new(key.to_owned()).unwrap();
    let deadline_ms = env.clock.wall_ms() + 20_000;
    let envelope = Envelope {
        commit: CommitId::new(1_800_000_000_000, commit),
        deadline_ms,
        bucket: BucketId::SYSTEM,
        rules_version: 0,
        key,
        command: Command::SystemWrite { expect: Expect::Any, value: Some(Bytes::from(value.to_owned())) },
    };
    loop {
        let address = leader(node).await;
        match node.execute(address, envelope.clone()).await {
            Err(RangeError::NotLeader(_) | RangeError::Overloaded | RangeError::Unavailable { .. })
                if env.clock.wall_ms() < deadline_ms =>
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => return other,
        }
    }
}

async fn leader(node: &LocalNode) -> RangeAddress {
    let range = node.describe(Bytes::new(), Bytes::new()).await.unwrap().remove(0);
    let replica = node.leader_hint(range.id).unwrap_or(range.replicas[0]);
    RangeAddress { range: range.id, generation: range.generation, replica }
}

async fn read(env: &Env, node: &LocalNode, key: &str) -> Option<Bytes> {
    let query = Query::SystemGet { key: ObjectKey::new(key.to_owned()).unwrap() };
    let until = env.clock.wall_ms() + 20_000;
    loop {
        let envelope = QueryEnvelope { bucket: BucketId::SYSTEM, rules_version: None, query: query.clone() };
        match node.query(leader(node).await, envelope).await {
            Ok(Answer::SystemGet(row)) => return row.map(|row| row.value),
            Ok(other) => panic!("{other:?}"),
            Err(error) if env.clock.wall_ms() > until => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

fn commit(number: u64) -> [u8; 10] {
    let mut id = [0; 10];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id
}

#[tokio::test]
async fn acknowledged_rows_survive_crashes_and_repeats_give_the_first_result() {
    for (seed, policy, drives) in [(1, "single", 1), (2, "single", 3), (3, "ec:4+2", 6), (4, "replicated:2", 3)] {
        let mut rig = Rig::new(seed, policy, drives);
        let mut first = Vec::new();
        for round in 0..4u64 {
            let node = rig.start().await;
            for (number, outcome) in (0u64..).zip(&first) {
                let value = read(&rig.env, &node, &format!("key{number}")).await.unwrap();
                assert_eq!(value, format!("value{number}"));
                let again = write(&rig.env, &node, &format!("key{number}"), "other", commit(number)).await.unwrap();
                assert_eq!(&again, outcome, "{policy}: a repeat gives the first result");
            }
            for number in first.len() as u64..(round + 1) * 10 {
                let value = format!("value{number}");
                let outcome = write(&rig.env, &node, &format!("key{number}"), &value, commit(number)).await.unwrap();
                first.push(outcome);
            }
            rig.crash(node, seed * 100 + round).await;
        }
    }
}

#[tokio::test]
async fn any_two_drives_of_five_replicas_may_be_lost_and_come_back_empty() {
    for (one, two) in [(0, 1), (2, 5), (3, 4)] {
        let mut rig = Rig::new(7, "ec:4+2", 6);
        let node = rig.start().await;
        for number in 0..20 {
            write(&rig.env, &node, &format!("key{number}"), "before", commit(number)).await.unwrap();
        }
        rig.crash(node, 1).await;
        let node = rig.start_with(|number| number != one && number != two).await;
        for number in 0..20 {
            assert_eq!(read(&rig.env, &node, &format!("key{number}")).await.unwrap(), "before");
            write(&rig.env, &node, &format!("key{number}"), "after", commit(100 + number)).await.unwrap();
        }
        rig.crash(node, 2).await;
        // Both come back wiped; they are rebuilt from their peers, and then two others may be lost.
        rig.wipe(one);
        rig.wipe(two);
        let node = rig.start().await;
        let whole = async {
            while !node.is_whole() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let whole = tokio::time::timeout(Duration::from_secs(60), whole).await;
        assert!(whole.is_ok(), "the wiped drives' replicas are voters again");
        rig.crash(node, 3).await;
        let (one, two) = ((one + 1) % 6, (two + 1) % 6);
        let node = rig.start_with(|number| number != one && number != two).await;
        for number in 0..20 {
            assert_eq!(read(&rig.env, &node, &format!("key{number}")).await.unwrap(), "after");
        }
        node.shutdown().await;
    }
}

#[tokio::test]
async fn a_leader_whose_log_fails_is_replaced_and_a_vanished_drive_is_left_out() {
    let rig = Rig::new(11, "ec:4+2", 6);
    let node = rig.start().await;
    for number in 0..10 {
        write(&rig.env, &node, &format!("key{number}"), "before", commit(number)).await.unwrap();
    }
    for failure in 0..2u64 {
        // The drive of the first range's leader reports EIO at its next sync.
        let lost = leader(&node).await.replica;
        let number = rig.number_of(lost).await;
        rig.drives[number].disk.inject(Fault::FailSync, 0);
        for number in 0..10 {
            let id = commit(100 + failure * 100 + number);
            write(&rig.env, &node, &format!("key{number}"), "after", id).await.unwrap();
        }
        for number in 0..10 {
            assert_eq!(read(&rig.env, &node, &format!("key{number}")).await.unwrap(), "after");
        }
        let status = node.status().await;
        let down = status.drives.iter().find(|drive| drive.id == lost).unwrap();
        assert!(down.down.is_some(), "the drive is out of service: {status:?}");
    }
    node.shutdown().await;
}
