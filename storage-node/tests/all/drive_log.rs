//! A drive's log over a simulated disk: many files, purges, crashes.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_base::env::Env;
use couronne_base::testing;
use couronne_cluster::map::LogEnd;
use couronne_ring::DriveId;
use couronne_storage_node::consensus::types::{Entry, Payload, Position, ReplicaId, Vote};
use couronne_storage_node::disk::simulated::{Fault, SimulatedDisk};
use couronne_storage_node::disk::{Access, Disk};
use couronne_storage_node::log::{DriveLog, LogError};
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

fn env(seed: u64) -> Env {
    testing::still_env(seed).0
}

/// Takes all the space that is left, as another program does.
async fn fill(disk: &SimulatedDisk) {
    let space = disk.space().await.unwrap();
    disk.set_capacity(space.total - space.free);
}

async fn open(disk: &SimulatedDisk, env: &Env) -> Result<DriveLog, LogError> {
    DriveLog::open(Arc::new(disk.clone()), DriveId(7), LogEnd::START, env).await
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

/// A log of three files that were all in use when the power went, each file named by its sequence.
async fn three_files(seed: u64) -> (SimulatedDisk, Env) {
    let env = env(seed);
    let disk = SimulatedDisk::new(seed, 1 << 30);
    for start in 0..3u64 {
        // A start never goes on with the file of the one before.
        let log = open(&disk, &env).await.unwrap();
        append(&log, 1, start).await;
        log.close("killed");
    }
    let disk = disk.crash();
    assert_eq!(disk.list("log").await.unwrap(), ["00000001", "00000002", "00000003"]);
    (disk, env)
}

async fn overwrite(disk: &SimulatedDisk, path: &str, bytes: Vec<u8>) {
    let file = disk.open(path, Access::Direct).await.unwrap();
    file.write(0, vec![Bytes::from(bytes)], true).await.unwrap();
}

async fn is_corrupt(disk: &SimulatedDisk, env: &Env) -> bool {
    match open(disk, env).await {
        Ok(_) => false,
        Err(LogError::Corrupt(_)) => true,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_log_whose_files_are_as_they_were_written_is_opened() {
    let (disk, env) = three_files(6).await;
    let log = open(&disk, &env).await.unwrap();
    assert_eq!(log.replica(ReplicaId(1)).unwrap().bounds().last.map(|last| last.index), Some(2));
}

#[tokio::test]
async fn a_rotten_header_is_corruption_whichever_file_has_it() {
    for file in 1..=3 {
        for byte in [0, 8, 9, 17, 25, 41, 49, 57, 63] {
            let (disk, env) = three_files(7).await;
            disk.flip_bit(&format!("log/0000000{file}"), byte, 2).unwrap();
            assert!(is_corrupt(&disk, &env).await, "file {file}, byte {byte}");
        }
    }
}

#[tokio::test]
async fn the_only_file_with_a_rotten_header_is_corruption_not_an_empty_log() {
    let env = env(8);
    let disk = SimulatedDisk::new(8, 1 << 30);
    append(&open(&disk, &env).await.unwrap(), 1, 0).await;
    let disk = disk.crash();
    disk.flip_bit("log/00000001", 8, 0).unwrap();
    assert!(is_corrupt(&disk, &env).await);
}

#[tokio::test]
async fn a_file_that_is_gone_or_reads_as_zeroes_is_corruption() {
    for file in 1..=3 {
        let path = format!("log/0000000{file}");
        let (disk, env) = three_files(9).await;
        disk.remove(&path).await.unwrap();
        assert!(is_corrupt(&disk, &env).await, "file {file} is gone");
        let (disk, env) = three_files(9).await;
        overwrite(&disk, &path, vec![0; 4096]).await;
        assert!(is_corrupt(&disk, &env).await, "file {file} reads as zeroes");
    }
    let (disk, env) = three_files(9).await;
    for file in 1..=3 {
        disk.remove(&format!("log/0000000{file}")).await.unwrap();
    }
    assert!(is_corrupt(&disk, &env).await, "all files are gone");
}

#[tokio::test]
async fn a_file_of_another_length_is_corruption() {
    for file in 1..=3 {
        let path = format!("log/0000000{file}");
        for len in [0, 4096, (8 << 20) - 4096] {
            let (disk, env) = three_files(10).await;
            let bytes = disk.open(&path, Access::Direct).await.unwrap().read(0, len).await.unwrap();
            disk.remove(&path).await.unwrap();
            disk.create(&path, len as u64, Access::Direct).await.unwrap();
            overwrite(&disk, &path, bytes.to_vec()).await;
            assert!(is_corrupt(&disk, &env).await, "file {file} has {len} bytes");
        }
    }
}

#[tokio::test]
async fn a_file_whose_making_was_cut_off_is_no_loss_and_a_lost_note_neither() {
    let (disk, env) = three_files(11).await;
    disk.create("log/00000004.new", 4096, Access::Direct).await.unwrap();
    for block in [0, 4096] {
        disk.flip_bit("log-newest", block + 30, 1).unwrap();
    }
    let log = open(&disk, &env).await.unwrap();
    assert_eq!(log.replica(ReplicaId(1)).unwrap().bounds().last.map(|last| last.index), Some(2));
    assert!(!disk.list("log").await.unwrap().contains(&"00000004.new".to_owned()));
    log.close("killed");
    drop(log);
    disk.remove("log-newest").await.unwrap();
    assert!(open(&disk, &env).await.is_ok());
}

#[tokio::test]
async fn a_log_may_be_removed_whole_and_begun_anew() {
    let (disk, env) = three_files(12).await;
    DriveLog::remove(&disk).await.unwrap();
    let log = open(&disk.crash(), &env).await.unwrap();
    assert_eq!(log.replica(ReplicaId(1)).unwrap().bounds().last, None);
}

#[tokio::test]
async fn a_log_that_ends_before_it_was_durable_is_corrupt() {
    let env = env(13);
    let disk = SimulatedDisk::new(13, 1 << 30);
    let reopen = async |disk: &SimulatedDisk, end| DriveLog::open(Arc::new(disk.clone()), DriveId(7), end, &env).await;
    let log = open(&disk, &env).await.unwrap();
    assert_eq!(log.recovered_end(), LogEnd::START);
    append(&log, 1, 0).await;
    let first = log.end();
    append(&log, 1, 1).await;
    let second = log.end();
    assert!(LogEnd::START < first && first < second && first.file == second.file);
    drop(log);
    let disk = disk.crash();
    let log = reopen(&disk, second).await.unwrap();
    assert_eq!(log.recovered_end(), second, "what was acknowledged is all there");
    assert!(log.end() > second, "a start goes on in another file");
    let third = log.end();
    drop(log);
    let disk = disk.crash();
    assert!(matches!(reopen(&disk, LogEnd { offset: third.offset + 1, ..third }).await, Err(LogError::Corrupt(_))));
    assert!(matches!(reopen(&disk, LogEnd { file: third.file + 1, offset: 0 }).await, Err(LogError::Corrupt(_))));
    assert!(reopen(&disk, third).await.is_ok());
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

#[tokio::test]
async fn a_note_with_one_rotten_block_still_tells_of_the_file_before() {
    for (block, gone) in [(4096, vec![3, 2]), (0, vec![3])] {
        let (disk, env) = three_files(14).await;
        disk.flip_bit("log-newest", block + 30, 1).unwrap();
        for file in gone {
            assert!(open(&disk.backup(), &env).await.is_ok(), "with the files that the note names");
            disk.remove(&format!("log/0000000{file}")).await.unwrap();
        }
        assert!(is_corrupt(&disk, &env).await, "block at {block}");
    }
}

#[tokio::test]
async fn a_full_drive_goes_on_with_the_log_files_that_it_has() {
    let env = env(15);
    let disk = SimulatedDisk::new(15, 1 << 30);
    let log = open(&disk, &env).await.unwrap();
    let mut index = 0;
    let mut append_and_purge = async || {
        append(&log, 1, index).await;
        log.replica(ReplicaId(1)).unwrap().purge(Position { term: 1, index }).unwrap();
        index += 1;
    };
    while log.bytes().1 == 0 {
        append_and_purge().await;
    }
    let space = disk.space().await.unwrap();
    disk.set_capacity(space.total - space.free);
    let full_at = log.end().file;
    while log.end().file == full_at {
        append_and_purge().await;
    }
}

/// Another program has taken all space: the next file is made once there is some, and nothing is lost by the wait.
#[tokio::test(start_paused = true)]
async fn a_log_waits_while_no_space_is_left_for_its_next_file() {
    let env = env(6);
    let disk = SimulatedDisk::new(3, 1 << 30);
    let log = open(&disk, &env).await.unwrap();
    fill(&disk).await;
    // More than fits the file in use.
    {
        let mut appended = pin!(join_all((0..120).map(|index| append(&log, 0, index))));
        assert!(timeout(Duration::from_secs(60), &mut appended).await.is_err(), "there is no space for them");
        disk.set_capacity(1 << 30);
        timeout(Duration::from_secs(60), appended).await.unwrap();
    }
    drop(log);
    let log = open(&disk.crash(), &env).await.unwrap();
    let entries = log.replica(ReplicaId(0)).unwrap().entries(0, u64::MAX, usize::MAX);
    assert_eq!(entries, (0..120).map(|index| entry(0, index)).collect::<Vec<_>>());
}

/// One that is closed meanwhile waits no more: its files are free for the next start.
#[tokio::test(start_paused = true)]
async fn a_log_that_is_closed_waits_for_no_space() {
    let (env, disk) = (env(7), SimulatedDisk::new(3, 1 << 30));
    let log = open(&disk, &env).await.unwrap();
    fill(&disk).await;
    let replica = log.replica(ReplicaId(0)).unwrap();
    let mut answers = Vec::new();
    for index in 0..60 {
        let (to, done) = oneshot::channel();
        let answer = move |result| drop(to.send(result));
        replica.append([entry(0, index)], Box::new(answer)).unwrap();
        answers.push(done);
    }
    sleep(Duration::from_secs(5)).await;
    log.close("the drive is replaced");
    let answers = timeout(Duration::from_secs(5), join_all(answers)).await.unwrap();
    assert!(answers.into_iter().any(|answer| answer.unwrap().is_err()));
    assert!(matches!(log.failed().await, LogError::Closed(_)) && !log.found_no_space(), "the first reason counts");
}
