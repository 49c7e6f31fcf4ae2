//! A drive's log over a simulated disk: many files, purges, crashes.

use std::sync::Arc;

use bytes::Bytes;
use couronne_base::env::Env;
use couronne_base::testing;
use couronne_ring::DriveId;
use couronne_storage_node::consensus::types::{Entry, Payload, Position, ReplicaId, Vote};
use couronne_storage_node::disk::simulated::{Fault, SimulatedDisk};
use couronne_storage_node::log::{DriveLog, LogError};
use tokio::sync::oneshot;

fn env(seed: u64) -> Env {
    testing::still_env(seed).0
}

async fn open(disk: &SimulatedDisk, env: &Env) -> Result<DriveLog, LogError> {
    DriveLog::open(Arc::new(disk.clone()), DriveId(7), env).await
}

fn entry(replica: u64, index: u64) -> Entry {
    let byte = u8::try_from((replica * 31 + index) % 251).unwrap();
    let payload = Payload::Effects(Bytes::from(vec![byte; 200_000 + usize::try_from(index % 7).unwrap() * 9_000]));
    Entry { position: Position { term: 1, index }, payload }
}

async fn append(log: &DriveLog, replica: u64, index: u64) {
    let (to, done) = oneshot::channel();
    let answer = move |result| drop(to.send(result));
    log.replica(ReplicaId(replica)).unwrap().append([entry(replica, index)], Box::new(answer)).unwrap();
    done.await.unwrap().unwrap();
}

#[tokio::test]
async fn entries_come_back_over_many_files_purges_and_crashes() {
    let env = env(1);
    let mut disk = SimulatedDisk::new(3, 1 << 30);
    let (mut next, mut purged) = ([0u64; 3], [None::<u64>; 3]);
    for round in 0..6u64 {
        let log = open(&disk, &env).await.unwrap();
        for replica in 0..3u64 {
            let at = usize::try_from(replica).unwrap();
            let bounds = log.replica(ReplicaId(replica)).unwrap().bounds();
            assert_eq!(bounds.last.map(|last| last.index), next[at].checked_sub(1), "round {round}");
            let from = bounds.purged.map_or(0, |purged| purged.index + 1);
            assert!(bounds.purged.map(|at| at.index) <= purged[at], "never purged beyond what was asked");
            let entries = log.replica(ReplicaId(replica)).unwrap().entries(from, u64::MAX, usize::MAX);
            assert!(entries.iter().zip(from..).all(|(found, index)| *found == entry(replica, index)));
            assert_eq!(u64::try_from(entries.len()).unwrap(), next[at] - from);
        }
        // About five files a round; the third replica writes seldom and is purged late.
        for step in 0..60u64 {
            for replica in 0..3u64 {
                if replica == 2 && step % 20 != 0 {
                    continue;
                }
                let at = usize::try_from(replica).unwrap();
                append(&log, replica, next[at]).await;
                next[at] += 1;
                if step % 8 == 7 || (replica == 2 && round % 2 == 1) {
                    let upto = next[at].saturating_sub(3);
                    log.replica(ReplicaId(replica)).unwrap().purge(Position { term: 1, index: upto }).unwrap();
                    purged[at] = Some(upto);
                }
            }
        }
        let vote = Vote { term: round, candidate: ReplicaId(1), committed: true };
        log.replica(ReplicaId(1)).unwrap().save_vote(vote).await.unwrap();
        log.close("killed");
        drop(log);
        disk = disk.crash();
        let again = open(&disk, &env).await.unwrap();
        assert_eq!(again.replica(ReplicaId(1)).unwrap().bounds().vote, Some(vote));
        drop(again);
        disk = disk.crash();
    }
}

#[tokio::test]
async fn a_destroyed_replica_stays_destroyed() {
    let env = env(2);
    let disk = SimulatedDisk::new(4, 1 << 30);
    let log = open(&disk, &env).await.unwrap();
    append(&log, 5, 0).await;
    log.replica(ReplicaId(5)).unwrap().destroy().await.unwrap();
    drop(log);
    let disk = disk.crash();
    let log = open(&disk, &env).await.unwrap();
    assert!(matches!(log.replica(ReplicaId(5)), Err(LogError::Destroyed)));
}

#[tokio::test]
async fn a_flipped_bit_before_durable_batches_is_corruption_not_a_torn_tail() {
    let env = env(3);
    let disk = SimulatedDisk::new(5, 1 << 30);
    let log = open(&disk, &env).await.unwrap();
    for index in 0..4 {
        append(&log, 1, index).await;
    }
    drop(log);
    let disk = disk.crash();
    disk.flip_bit("log/00000001", 300_000, 3).unwrap();
    assert!(matches!(open(&disk, &env).await, Err(LogError::Corrupt(_))));
}

#[tokio::test(start_paused = true)]
async fn a_log_waits_while_no_descriptor_is_left_for_its_next_file() {
    let env = env(5);
    let disk = SimulatedDisk::new(3, 1 << 30);
    let log = open(&disk, &env).await.unwrap();
    for index in 0..120 {
        if index < 60 {
            (0..3).for_each(|_| disk.inject(Fault::OutOfFiles, 0));
        }
        append(&log, 0, index).await;
    }
    drop(log);
    let log = open(&disk.crash(), &env).await.unwrap();
    assert_eq!(log.replica(ReplicaId(0)).unwrap().bounds().last.map(|last| last.index), Some(119));
}
