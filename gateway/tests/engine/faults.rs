//! Drives that fail: what may be acknowledged, and what is still read.

use std::time::Duration;

use bytes::Bytes;
use couronne_base::testing::paused;
use couronne_client::Settings as ClientSettings;
use couronne_cluster::{DriveState, WriteState};
use couronne_gateway::engine::{BytesBody, EngineError, PutObjectRequest, Settings};
use couronne_gateway::testing::{DriveFault, FakeCluster, FakeShape};
use couronne_metadata::command::{Command, CommandRequest, EtagSet, NewData, Precondition};
use couronne_metadata::ids::CommitId;
use couronne_placement::Redundancy;
use couronne_protocol::map::MapSource;
use couronne_ring::DriveId;
use futures_util::future::join;
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use super::support::*;

fn shape(drives: u8) -> FakeShape {
    FakeShape {
        redundancy: Redundancy::Erasure { k: 4, m: 2 },
        drives,
        ranges: 2,
        chunk_bytes: 256 << 10,
        inline_bytes_max: 1 << 10,
        copies_bytes_max: 16 << 10,
        seed: 5,
        ..FakeShape::default()
    }
}

fn with_client(client: ClientSettings) -> Settings {
    Settings { client, ..Settings::default() }
}

fn read_fault(choice: u8) -> DriveFault {
    match choice % 8 {
        0 => DriveFault::Down,
        1 => DriveFault::Late(Duration::from_secs(3)),
        2 => DriveFault::Stuck,
        3 => DriveFault::Overloaded,
        4 => DriveFault::Forgets,
        5 => DriveFault::Flips,
        6 => DriveFault::Misdirects,
        _ => DriveFault::Lies,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_m_drives_may_fail_while_reading(
        k in 1u8..6, m in 1u8..4, len in 2_000usize..700_000, at in any::<(u32, u32)>(), seed: u64,
        faults in proptest::collection::vec(any::<u8>(), 3), first: u8,
    ) {
        let redundancy = if k == 1 { Redundancy::Replicated(m + 1) } else { Redundancy::Erasure { k, m } };
        let drives = k + m;
        let shape = FakeShape { redundancy, seed, ..shape(drives) };
        paused().block_on(async {
            let cluster = FakeCluster::new(&shape);
            let bucket = bucket(&cluster.engine, "bucket").await;
            let body = bytes(seed, len);
            put(&cluster.engine, &bucket, "k", &body).await.unwrap();
            for number in 0..m {
                let drive = DriveId(u128::from((first.wrapping_add(number)) % drives) + 1);
                cluster.drives.set_fault(drive, Some(read_fault(faults[usize::from(number)])));
            }
            let (start, end) = (at.0 as usize % (len + 1), at.1 as usize % (len + 1));
            let (start, end) = (start.min(end), start.max(end));
            let handle = cluster.engine.open(&bucket, &key("k"), None).await.unwrap();
            prop_assert_eq!(read(&handle, start as u64..end as u64).await.unwrap(), body.slice(start..end));
            prop_assert_eq!(read(&handle, 0..len as u64).await.unwrap(), body);
            Ok(())
        })?;
    }

    /// Whatever drives do while writing, what was acknowledged survives the loss of any m drives after.
    #[test]
    fn what_was_acknowledged_survives(
        drives in 6u8..9, len in 2_000usize..600_000, seed: u64, down in 0u8..4,
        faults in proptest::collection::vec((any::<u8>(), any::<u8>()), 0..4), lost in any::<(u8, u8)>(),
    ) {
        paused().block_on(async {
            let cluster = FakeCluster::new(&FakeShape { seed, ..shape(drives) });
            let bucket = bucket(&cluster.engine, "bucket").await;
            for number in 0..down {
                let drive = DriveId(u128::from(number) + 1);
                cluster.map.set_state(drive, DriveState::DOWN);
                cluster.drives.set_fault(drive, Some(DriveFault::Down));
            }
            for (drive, fault) in &faults {
                let fault = match fault % 5 {
                    0 => DriveFault::Down,
                    1 => DriveFault::Late(Duration::from_secs(2)),
                    2 => DriveFault::Stuck,
                    3 => DriveFault::Overloaded,
                    _ => DriveFault::Full,
                };
                cluster.drives.set_fault(DriveId(u128::from(drive % drives) + 1), Some(fault));
            }
            let body = bytes(seed, len);
            let written = put(&cluster.engine, &bucket, "k", &body).await;
            if written.is_ok() {
                // All shards were placed: now the faults end, and two drives of those that hold shards go.
                let holders: Vec<DriveId> = {
                    let mut holders: Vec<DriveId> = cluster.drives.shards().iter().map(|(drive, _)| *drive).collect();
                    holders.sort_unstable();
                    holders.dedup();
                    holders
                };
                for drive in cluster.drives.ids() {
                    cluster.drives.set_fault(drive, None);
                    cluster.map.set_state(drive, DriveState::WRITABLE);
                }
                // One drive may be lost whatever happened while writing; with nothing doubled up, m may.
                let one = holders[usize::from(lost.0) % holders.len()];
                cluster.drives.wipe(one);
                if down == 0 && faults.is_empty() {
                    cluster.drives.wipe(holders[usize::from(lost.1) % holders.len()]);
                }
                prop_assert_eq!(get(&cluster.engine, &bucket, "k").await.unwrap(), body);
            } else {
                for drive in cluster.drives.ids() {
                    cluster.drives.set_fault(drive, None);
                    cluster.map.set_state(drive, DriveState::WRITABLE);
                }
                prop_assert!(get(&cluster.engine, &bucket, "k").await.is_err());
            }
            Ok(())
        })?;
    }
}

#[test]
fn two_of_six_drives_may_be_dead_and_writes_go_on() {
    paused().block_on(async {
        let cluster = FakeCluster::new(&shape(6));
        let bucket = bucket(&cluster.engine, "bucket").await;
        for drive in [DriveId(2), DriveId(5)] {
            cluster.map.set_state(drive, DriveState::DOWN);
            cluster.drives.set_fault(drive, Some(DriveFault::Down));
        }
        let body = bytes(1, 1_000_000);
        put(&cluster.engine, &bucket, "k", &body).await.unwrap();
        // And one more may go after that.
        cluster.drives.wipe(DriveId(1));
        assert_eq!(get(&cluster.engine, &bucket, "k").await.unwrap(), body);
        // With two left, no shard may be doubled up so that losing one of them leaves enough.
        for drive in [DriveId(3), DriveId(4)] {
            cluster.map.set_state(drive, DriveState::DOWN);
            cluster.drives.set_fault(drive, Some(DriveFault::Down));
        }
        let refused = put(&cluster.engine, &bucket, "l", &body).await;
        assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{refused:?}");
    });
}

#[test]
fn a_drive_that_comes_back_within_seconds_is_waited_for_when_too_few_are_left() {
    paused().block_on(async {
        let cluster = FakeCluster::new(&shape(6));
        let bucket = bucket(&cluster.engine, "bucket").await;
        let body = bytes(1, 1_000_000);
        put(&cluster.engine, &bucket, "k", &body).await.unwrap();
        let set = |drive: DriveId, is_up: bool| {
            cluster.map.set_state(drive, if is_up { DriveState::WRITABLE } else { DriveState::DOWN });
            cluster.drives.set_fault(drive, (!is_up).then_some(DriveFault::Down));
        };
        [DriveId(1), DriveId(2), DriveId(3)].iter().for_each(|drive| set(*drive, false));
        let back = async {
            sleep(Duration::from_secs(1)).await;
            set(DriveId(1), true);
        };
        let (read, ()) = join(get(&cluster.engine, &bucket, "k"), back).await;
        assert_eq!(read.unwrap(), body);

        // A write does with three drives, two shards on each.
        [DriveId(1), DriveId(4)].iter().for_each(|drive| set(*drive, false));
        let back = async {
            sleep(Duration::from_secs(1)).await;
            set(DriveId(1), true);
        };
        let (written, ()) = join(put(&cluster.engine, &bucket, "l", &body), back).await;
        written.unwrap();

        // But not for ever.
        set(DriveId(1), false);
        let began = Instant::now();
        assert!(matches!(get(&cluster.engine, &bucket, "k").await, Err(EngineError::Unavailable(_))));
        assert!(matches!(put(&cluster.engine, &bucket, "m", &body).await, Err(EngineError::Unavailable(_))));
        assert!(began.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn a_commit_says_how_many_shards_of_its_worst_chunk_are_off_their_primaries() {
    paused().block_on(async {
        for (lost, missing) in [(vec![], 0), (vec![DriveId(4)], 1), (vec![DriveId(2), DriveId(5)], 2)] {
            let cluster = FakeCluster::new(&shape(6));
            let bucket = bucket(&cluster.engine, "bucket").await;
            for drive in lost {
                cluster.map.set_state(drive, DriveState::DOWN);
                cluster.drives.set_fault(drive, Some(DriveFault::Down));
            }
            put(&cluster.engine, &bucket, "k", &bytes(1, 1_000_000)).await.unwrap();
            let said = cluster.ranges.commands().into_iter().find_map(|request| match request.command {
                Command::Put { data: NewData::Blob(_, missing, placed_by), .. } => Some((missing, placed_by)),
                _ => None,
            });
            assert_eq!(said, Some((missing, Some(cluster.map.current().version))));
        }
    });
}

#[test]
fn a_drive_that_fails_without_being_down_costs_the_write_only_if_no_other_takes_its_shard() {
    paused().block_on(async {
        for (drives, fault) in [(7, DriveFault::Stuck), (7, DriveFault::Full), (6, DriveFault::Down)] {
            let cluster = FakeCluster::new(&shape(drives));
            let bucket = bucket(&cluster.engine, "bucket").await;
            cluster.drives.set_fault(DriveId(3), Some(fault));
            let body = bytes(1, 600_000);
            put(&cluster.engine, &bucket, "k", &body).await.unwrap();
            assert_eq!(get(&cluster.engine, &bucket, "k").await.unwrap(), body);
        }
    });
}

#[test]
fn a_closed_drive_is_read_and_given_nothing_new_unless_all_are_closed() {
    paused().block_on(async {
        let cluster = FakeCluster::new(&shape(7));
        let bucket = bucket(&cluster.engine, "bucket").await;
        let body = bytes(1, 600_000);
        put(&cluster.engine, &bucket, "before", &body).await.unwrap();
        let held = |drive: DriveId| cluster.drives.shards().iter().filter(|(holder, _)| *holder == drive).count();
        for drive in cluster.drives.ids() {
            let before = held(drive);
            cluster.map.set_state(drive, DriveState::up(WriteState::Full));
            put(&cluster.engine, &bucket, "k", &body).await.unwrap();
            assert_eq!(held(drive), before);
            cluster.map.set_state(drive, DriveState::WRITABLE);
        }
        cluster
            .drives
            .ids()
            .into_iter()
            .for_each(|drive| cluster.map.set_state(drive, DriveState::up(WriteState::Full)));
        // What is closed may yet have room: it is asked before the write is refused.
        put(&cluster.engine, &bucket, "l", &body).await.unwrap();
        for key in ["before", "k", "l"] {
            assert_eq!(get(&cluster.engine, &bucket, key).await.unwrap(), body);
        }
    });
}

#[test]
fn full_drives_are_said_to_be_full_and_reads_go_on() {
    paused().block_on(async {
        let cluster = FakeCluster::new(&shape(6));
        let bucket = bucket(&cluster.engine, "bucket").await;
        let body = bytes(1, 600_000);
        put(&cluster.engine, &bucket, "k", &body).await.unwrap();
        for drive in cluster.drives.ids() {
            cluster.drives.set_fault(drive, Some(DriveFault::Full));
        }
        assert!(matches!(put(&cluster.engine, &bucket, "l", &body).await, Err(EngineError::Full)));
        assert_eq!(get(&cluster.engine, &bucket, "k").await.unwrap(), body);
        for drive in cluster.drives.ids() {
            cluster.drives.set_fault(drive, Some(DriveFault::Overloaded));
        }
        assert!(matches!(put(&cluster.engine, &bucket, "l", &body).await, Err(EngineError::SlowDown(_))));
    });
}

#[test]
fn a_chunk_lies_under_one_epoch() {
    paused().block_on(async {
        let cluster = FakeCluster::new(&shape(6));
        let bucket = bucket(&cluster.engine, "bucket").await;
        // One drive is ahead of the map; the map follows while the write waits.
        let old = cluster.map.current().rings.values().next().unwrap().epoch();
        let new = couronne_ring::Epoch(old.0 + 1);
        cluster.drives.set_fault(DriveId(4), Some(DriveFault::Epoch(new)));
        let map = cluster.map.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            map.next_epoch();
        });
        let body = bytes(1, 200_000);
        put(&cluster.engine, &bucket, "k", &body).await.unwrap();
        assert!(cluster.drives.shards().iter().all(|(_, shard)| shard.epoch == new));
        assert_eq!(get(&cluster.engine, &bucket, "k").await.unwrap(), body);
    });
}

#[test]
fn a_flipped_bit_is_healed_with_parity_and_a_clear_error_without() {
    paused().block_on(async {
        let body = bytes(1, 300_000);
        let cluster = FakeCluster::new(&shape(6));
        let home = bucket(&cluster.engine, "bucket").await;
        put(&cluster.engine, &home, "k", &body).await.unwrap();
        cluster.drives.set_fault(DriveId(1), Some(DriveFault::Flips));
        assert_eq!(get(&cluster.engine, &home, "k").await.unwrap(), body);
        tokio::task::yield_now().await;
        assert!(cluster.drives.reports().iter().all(|(drive, _, owner)| {
            *drive == DriveId(1) && owner.bucket == home.entry.id && owner.key == key("k")
        }));

        let cluster = FakeCluster::new(&FakeShape { redundancy: Redundancy::Single, ..shape(1) });
        let home = bucket(&cluster.engine, "bucket").await;
        put(&cluster.engine, &home, "k", &body).await.unwrap();
        cluster.drives.set_fault(DriveId(1), Some(DriveFault::Flips));
        let lost = get(&cluster.engine, &home, "k").await;
        assert!(matches!(lost, Err(EngineError::Unreadable(_))), "{lost:?}");
    });
}

/// Every frame verifies, and yet they are not the bytes that the row means.
#[test]
fn a_blob_that_is_not_what_its_row_says_is_unreadable_as_a_whole() {
    paused().block_on(async {
        for lost in [None, Some(DriveId(2))] {
            let cluster = FakeCluster::new(&shape(6));
            let bucket = bucket(&cluster.engine, "bucket").await;
            let body = bytes(1, 2_500_000);
            // Its commit is refused, so that another may name the blob.
            let staged = cluster.engine.stage(&bucket, &key("k"), &mut BytesBody::new(body.clone())).await.unwrap();
            let existing = Precondition { if_match: Some(EtagSet::Any), ..Precondition::default() };
            let asked = PutObjectRequest { condition: existing, ..PutObjectRequest::default() };
            cluster.engine.put_object(&bucket, &staged, asked).await.unwrap_err();
            let is_put = |sent: &CommandRequest| matches!(sent.command, Command::Put { .. });
            let mut other = cluster.ranges.commands().into_iter().rfind(is_put).unwrap();
            let Command::Put { data: NewData::Blob(blob, ..), condition, .. } = &mut other.command else {
                panic!("no blob")
            };
            blob.crc64 ^= 1 << 17;
            *condition = Precondition::default();
            other.commit = CommitId::new(other.deadline_ms, [9; 10]);
            cluster.ranges.arrive(other).await.unwrap();
            lost.into_iter().for_each(|drive| cluster.drives.set_fault(drive, Some(DriveFault::Down)));
            let whole = get(&cluster.engine, &bucket, "k").await;
            assert!(matches!(whole, Err(EngineError::Unreadable(_))), "{:?}", whole.map(|bytes| bytes.len()));
            let handle = cluster.engine.open(&bucket, &key("k"), None).await.unwrap();
            assert_eq!(read(&handle, 5..700_000).await.unwrap(), body.slice(5..700_000));
        }
    });
}

#[test]
fn an_object_replaced_and_reaped_under_a_reader_is_said_to_have_changed() {
    paused().block_on(async {
        let cluster = FakeCluster::new(&shape(6));
        let bucket = bucket(&cluster.engine, "bucket").await;
        put(&cluster.engine, &bucket, "k", &bytes(1, 300_000)).await.unwrap();
        let handle = cluster.engine.open(&bucket, &key("k"), None).await.unwrap();
        for drive in cluster.drives.ids() {
            cluster.drives.wipe(drive);
        }
        let gone = handle.read(0..300_000).await.err();
        assert!(matches!(gone, Some(EngineError::Unreadable(_))), "{gone:?}");
        put(&cluster.engine, &bucket, "k", &bytes(2, 300_000)).await.unwrap();
        let changed = handle.read(0..300_000).await.err();
        assert!(matches!(changed, Some(EngineError::ObjectChanged)), "{changed:?}");
    });
}

#[test]
fn a_late_shard_does_not_make_a_read_late() {
    paused().block_on(async {
        let cluster = FakeCluster::new(&shape(6));
        let bucket = bucket(&cluster.engine, "bucket").await;
        let body = bytes(1, 250_000);
        put(&cluster.engine, &bucket, "k", &body).await.unwrap();
        for drive in [DriveId(1), DriveId(2)] {
            cluster.drives.set_fault(drive, Some(DriveFault::Late(Duration::from_secs(9))));
        }
        let before = tokio::time::Instant::now();
        assert_eq!(get(&cluster.engine, &bucket, "k").await.unwrap(), body);
        assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    });
}

#[tokio::test]
async fn memory_for_bodies_is_bounded() {
    let settings = with_client(ClientSettings { write_buffer_bytes_max: 3 << 20, ..ClientSettings::default() });
    let cluster = FakeCluster::with_settings(&shape(6), settings);
    let bucket = bucket(&cluster.engine, "bucket").await;
    for drive in cluster.drives.ids() {
        cluster.drives.set_fault(drive, Some(DriveFault::Late(Duration::from_millis(5))));
    }
    let body: Bytes = bytes(1, 1 << 20);
    let puts = (0..32).map(|number| {
        let (engine, bucket, body) = (cluster.engine.clone(), bucket.clone(), body.clone());
        tokio::spawn(async move {
            let at = format!("k{number}");
            let mut source = Pieces::cut(&body, 50_000, Some(1 << 20));
            let staged = engine.stage(&bucket, &key(&at), &mut source).await.unwrap();
            engine.put_object(&bucket, &staged, PutObjectRequest::default()).await.unwrap();
            assert_eq!(get(&engine, &bucket, &at).await.unwrap(), body);
        })
    });
    for put in puts.collect::<Vec<_>>() {
        put.await.unwrap();
    }
    assert!(cluster.drives.writing_bytes_peak() <= 3 << 20, "{}", cluster.drives.writing_bytes_peak());
}

#[test]
fn without_memory_a_request_is_told_to_slow_down() {
    paused().block_on(async {
        let settings = with_client(ClientSettings { write_buffer_bytes_max: 1 << 20, ..ClientSettings::default() });
        let cluster = FakeCluster::with_settings(&shape(6), settings);
        let bucket = bucket(&cluster.engine, "bucket").await;
        for drive in cluster.drives.ids() {
            cluster.drives.set_fault(drive, Some(DriveFault::Late(Duration::from_secs(9))));
        }
        let body = bytes(1, 250_000);
        let puts = (0..8).map(|number| {
            let (engine, bucket, body) = (cluster.engine.clone(), bucket.clone(), body.clone());
            tokio::spawn(async move { put(&engine, &bucket, &format!("k{number}"), &body).await })
        });
        let mut slowed = 0;
        for put in puts.collect::<Vec<_>>() {
            slowed += usize::from(matches!(put.await.unwrap(), Err(EngineError::SlowDown(_))));
        }
        assert!((1..8).contains(&slowed), "{slowed}");
    });
}

#[test]
fn slow_receivers_leave_room_for_others() {
    paused().block_on(async {
        let settings = with_client(ClientSettings { read_buffer_bytes_max: 6 << 20, ..ClientSettings::default() });
        let shape = FakeShape { chunk_bytes: 1 << 20, ..shape(6) };
        let cluster = FakeCluster::with_settings(&shape, settings);
        let bucket = bucket(&cluster.engine, "bucket").await;
        let body = bytes(1, 3 << 20);
        put(&cluster.engine, &bucket, "k", &body).await.unwrap();
        let handle = cluster.engine.open(&bucket, &key("k"), None).await.unwrap();
        // Receivers that take a first piece and no more.
        let mut stalled = Vec::new();
        for _ in 0..4 {
            let mut reader = handle.read(0..3 << 20).await.unwrap();
            reader.next().await.unwrap();
            stalled.push(reader);
        }
        assert_eq!(get(&cluster.engine, &bucket, "k").await.unwrap(), body);
    });
}

#[test]
fn a_stuck_drive_costs_a_few_requests_their_time_and_not_every_one() {
    paused().block_on(async {
        let cluster = FakeCluster::new(&shape(6));
        let bucket = bucket(&cluster.engine, "bucket").await;
        let body = bytes(1, 8 << 20);
        put(&cluster.engine, &bucket, "k", &body).await.unwrap();
        cluster.drives.set_fault(DriveId(3), Some(DriveFault::Stuck));
        // 32 chunks each: a time-out of 10 s, or a hedge of 150 ms, for every one would be minutes.
        let before = tokio::time::Instant::now();
        assert_eq!(get(&cluster.engine, &bucket, "k").await.unwrap(), body);
        assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
        tokio::time::sleep(Duration::from_secs(11)).await;
        let before = tokio::time::Instant::now();
        put(&cluster.engine, &bucket, "l", &body).await.unwrap();
        assert!(before.elapsed() < Duration::from_secs(25), "{:?}", before.elapsed());
        cluster.drives.set_fault(DriveId(3), None);
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(get(&cluster.engine, &bucket, "l").await.unwrap(), body);
    });
}
