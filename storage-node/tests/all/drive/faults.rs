//! Faults of the medium, one at a time.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use couronne_metadata::evaluate::COMMIT_AGE_MS_MAX;
use couronne_placement::{BlobId, ShardId, frame};
use couronne_protocol::shard::{PutShard, ShardError};
use couronne_storage_node::disk::Disk;
use couronne_storage_node::disk::simulated::Fault;
use couronne_storage_node::drives::{BIRTH_AHEAD_MS_MAX, BIRTH_BEHIND_MS_MAX, Drive, Identity, IdentityError};
use futures_util::future::join_all;
use proptest::prelude::*;
use tokio::time::timeout;

use super::block_on;
use super::world::{CLUSTER, FAILURES_MAX, NOW_MS, World, blob, env, get, owner, put, shard};

async fn filled(seed: u64) -> World {
    let mut world = World::new(seed, 64 << 20).await;
    for number in 0..12 {
        for chunk in 0..3 {
            world.drive.put_shard(put(shard(number, chunk))).await.unwrap();
            world.learn_put(shard(number, chunk), true);
        }
    }
    world
}

/// Every read gives the right bytes, or says that it cannot.
async fn never_wrong(drive: &Drive) -> usize {
    let mut bad = 0;
    for number in 0..12 {
        for chunk in 0..3 {
            bad += usize::from(get(drive, shard(number, chunk)).await.is_err());
        }
    }
    bad
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn flipped_bits_never_pass(seed: u64, flips in proptest::collection::vec((any::<usize>(), any::<u64>(), 0u8..8), 1..20)) {
        block_on(async {
            let mut world = filled(seed).await;
            let names = world.disk.list("segments").await.unwrap();
            for (file, at, bit) in flips {
                let path = format!("segments/{}", names[file % names.len()]);
                world.disk.flip_bit(&path, at % (64 << 10), bit).unwrap();
            }
            never_wrong(&world.drive).await;
            let _ = world.drive.maintain().await;
            never_wrong(&world.drive).await;
            for rebuild in [false, true] {
                world.crash(seed | 1, rebuild).await;
                never_wrong(&world.drive).await;
            }
        });
    }

    #[test]
    fn what_lands_or_is_read_elsewhere_never_passes(seed: u64, read: bool, after in 0u32..30) {
        block_on(async {
            let world = filled(seed).await;
            world.disk.inject(if read { Fault::MisdirectRead } else { Fault::MisdirectWrite }, after);
            for number in 0..12 {
                world.drive.put_shard(put(shard(number, 3))).await.unwrap();
            }
            let _ = never_wrong(&world.drive).await;
            for _ in 0..5 {
                let _ = world.drive.maintain().await;
            }
            let _ = never_wrong(&world.drive).await;
            for number in 0..12 {
                let _ = get(&world.drive, shard(number, 3)).await;
            }
        });
    }

    #[test]
    fn a_lying_sync_loses_but_never_serves_wrong_bytes(seed: u64, after in 0u32..20) {
        block_on(async {
            let mut world = World::new(seed, 64 << 20).await;
            world.disk.inject(Fault::LoseSync, after);
            for number in 0..12 {
                for chunk in 0..3 {
                    world.drive.put_shard(put(shard(number, chunk))).await.unwrap();
                }
            }
            world.crash(seed, false).await;
            never_wrong(&world.drive).await;
        });
    }
}

#[test]
fn scrub_sees_a_flipped_bit_and_a_new_put_heals_it() {
    block_on(async {
        let world = filled(5).await;
        let id = shard(3, 1);
        let expected = put(id).payload.len() as u32;
        assert_eq!(world.drive.verify(id).await, Ok(expected));
        let mut seen = 0;
        for name in world.disk.list("segments").await.unwrap() {
            for page in (0..60).map(|page| page * 4096 + 2000) {
                world.disk.flip_bit(&format!("segments/{name}"), page, 3).unwrap();
                seen += usize::from(matches!(world.drive.verify(id).await, Err(ShardError::Corrupt(_))));
            }
        }
        assert!(seen > 0);
        assert!(matches!(world.drive.verify(id).await, Err(ShardError::Corrupt(_))));
        let answer = world.drive.put_shard(put(id)).await;
        assert!(matches!(answer, Err(ShardError::Corrupt(_))), "no gateway replaces what is there: {answer:?}");
        world.drive.restore_shard(put(id)).await.unwrap();
        assert_eq!(world.drive.verify(id).await, Ok(expected), "repair does");
    });
}

/// Other bytes of a shard, with checksums that verify.
fn forged(id: ShardId) -> PutShard {
    let sound = put(id);
    let payload: Bytes = sound.payload.iter().map(|byte| byte ^ 0x11).collect::<Vec<u8>>().into();
    PutShard { frames: frame::seal(id, sound.geometry, &payload), payload, ..sound }
}

#[test]
fn what_is_there_and_sound_is_never_written_over() {
    block_on(async {
        let mut world = World::new(7, 64 << 20).await;
        for id in [shard(0, 1), shard(3, 1)] {
            world.drive.put_shard(put(id)).await.unwrap();
            let used = world.drive.stats().await.unwrap().live_bytes;
            assert_eq!(world.drive.put_shard(put(id)).await, Ok(()), "a repeat");
            assert_eq!(world.drive.stats().await.unwrap().live_bytes, used);
            assert_eq!(world.drive.put_shard(forged(id)).await, Err(ShardError::Conflict));
            assert_eq!(world.drive.restore_shard(forged(id)).await, Err(ShardError::Conflict));
            assert_eq!(get(&world.drive, id).await, Ok(()));
        }
        for rebuild in [false, true] {
            world.crash(9, rebuild).await;
            assert_eq!((get(&world.drive, shard(0, 1)).await, get(&world.drive, shard(3, 1)).await), (Ok(()), Ok(())));
        }
        // Of two that come at once the first counts, also if nobody waits for its answer.
        for id in [shard(4, 1), shard(7, 1)] {
            let (first, second) = (world.drive.clone(), world.drive.clone());
            let first = tokio::spawn(async move { first.put_shard(put(id)).await });
            tokio::task::yield_now().await;
            let second = tokio::spawn(async move { second.put_shard(forged(id)).await });
            tokio::task::yield_now().await;
            first.abort();
            assert_eq!(second.await.unwrap(), Err(ShardError::Conflict));
            assert_eq!(get(&world.drive, id).await, Ok(()));
        }
    });
}

#[test]
fn a_blob_is_its_owners_alone_and_gateways_write_it_for_a_day() {
    block_on(async {
        let world = World::new(8, 64 << 20).await;
        let good = put(shard(1, 1));
        let foreign = PutShard { owner: owner(2), ..good.clone() };
        for answer in [world.drive.put_shard(foreign.clone()).await, world.drive.restore_shard(foreign).await] {
            assert!(matches!(answer, Err(ShardError::Refused(_))), "{answer:?}");
        }
        world.drive.put_shard(good).await.unwrap();
        assert!(world.drive.delete_blob(blob(1), &owner(2)).await.is_err());
        assert!(world.drive.delete_shard(shard(1, 1), &owner(2)).await.is_err());
        assert_eq!(get(&world.drive, shard(1, 1)).await, Ok(()));
        let born = |birth_ms: u64| {
            let blob = BlobId::new(birth_ms, [1; 10], owner(1).binding());
            let mut request = put(shard(1, 1));
            request.shard.chunk.blob = blob;
            request.frames = frame::seal(request.shard, request.geometry, &request.payload);
            request
        };
        let (oldest_ms, newest_ms) = (NOW_MS - BIRTH_BEHIND_MS_MAX, NOW_MS + BIRTH_AHEAD_MS_MAX);
        for (within_ms, beyond_ms) in [(oldest_ms, oldest_ms - 1), (newest_ms, newest_ms + 1)] {
            assert_eq!(world.drive.put_shard(born(within_ms)).await, Ok(()));
            let refused = world.drive.put_shard(born(beyond_ms)).await;
            assert!(matches!(refused, Err(ShardError::Refused(_))), "{refused:?}");
            // Repair writes what a row names, be it that clocks were wrong when it was put.
            assert_eq!(world.drive.restore_shard(born(beyond_ms)).await, Ok(()));
        }
        // What may still be committed may still be written, with room for clocks that differ.
        const { assert!(COMMIT_AGE_MS_MAX + 1_000_000 < BIRTH_BEHIND_MS_MAX) };
    });
}

#[test]
fn a_drive_with_too_much_waiting_refuses_the_rest_and_goes_on() {
    block_on(async {
        let mut world = World::new(6, 64 << 20).await;
        // 140 small shards for a queue of 64 records, and as many of 70 KB for two of 64 records and 1 MiB.
        let ids: Vec<_> =
            [8, 3].into_iter().flat_map(|number| (0..140).map(move |chunk| shard(number, chunk))).collect();
        let answers = join_all(ids.iter().map(|id| world.drive.put_shard(put(*id)))).await;
        for (id, answer) in ids.iter().zip(&answers) {
            match answer {
                Ok(()) => world.learn_put(*id, true),
                Err(error) => assert_eq!(*error, ShardError::Overloaded),
            }
        }
        for class in answers.chunks(140) {
            let refused = class.iter().filter(|answer| answer.is_err()).count();
            assert!((1..140).contains(&refused), "{refused} of 140 were refused");
        }
        for (id, answer) in ids.iter().zip(&answers) {
            assert_eq!(get(&world.drive, *id).await, answer.clone().map_err(|_| ShardError::NotFound));
        }
        // What was refused is taken once the rest is written.
        for id in ids.iter().zip(&answers).filter(|(_, answer)| answer.is_err()).map(|(id, _)| *id) {
            world.drive.put_shard(put(id)).await.unwrap();
            world.learn_put(id, true);
        }
        world.check().await;
    });
}

/// The database finds no space for the rows of what is durable: that is waited out, and what is stored is read meanwhile.
#[tokio::test(start_paused = true)]
async fn want_of_space_for_the_index_is_no_fault_of_the_drive() {
    let mut world = filled(8).await;
    world.stores.set_full(true);
    let drive = world.drive.clone();
    let mut puts = pin!(join_all((0..6).map(|chunk| drive.put_shard(put(shard(20, chunk))))));
    let (gone, its_owner) = (blob(2), owner(2));
    let mut deletion = pin!(drive.delete_blob(gone, &its_owner));
    let wait = Duration::from_secs(60);
    assert!(timeout(wait, &mut puts).await.is_err() && timeout(wait, &mut deletion).await.is_err());
    assert_eq!(never_wrong(&drive).await, 0);
    // What compaction copies may wait, too.
    let maintained = timeout(wait, drive.maintain()).await;
    assert!(!matches!(maintained, Ok(Err(ShardError::Down(_)))), "{maintained:?}");
    assert_eq!(drive.stats().await.unwrap().down, None);
    world.stores.set_full(false);
    for (chunk, answer) in (0..).zip(timeout(wait, puts).await.unwrap()) {
        assert_eq!(answer, Ok(()));
        world.learn_put(shard(20, chunk), true);
    }
    assert_eq!(timeout(wait, deletion).await.unwrap(), Ok(3));
    world.learn_delete(gone, true);
    world.check().await;
    let before = drive.stats().await.unwrap().live_bytes;
    world.crash(2, true).await;
    world.check().await;
    assert_eq!(world.drive.stats().await.unwrap().live_bytes, before, "each change was counted once");
}

#[test]
fn a_full_drive_refuses_puts_and_goes_on_deleting() {
    block_on(async {
        let mut world = World::new(9, 2 << 20).await;
        let mut numbers = 0u8..;
        let full = loop {
            let number = numbers.next().unwrap();
            let mut answers = Vec::new();
            for chunk in 0..3 {
                let answer = world.drive.put_shard(put(shard(number, chunk))).await;
                world.learn_put(shard(number, chunk), answer.is_ok());
                answers.push(answer);
            }
            if let Some(Err(error)) = answers.into_iter().find(Result::is_err) {
                break error;
            }
        };
        assert_eq!(full, ShardError::Full);
        world.check().await;
        let last = numbers.next().unwrap();
        for number in (0..last).filter(|number| number % 4 != 0) {
            let deleted = world.drive.delete_blob(blob(number), &owner(number)).await;
            assert!(deleted.is_ok(), "{number}: {deleted:?}");
            world.learn_delete(blob(number), true);
            world.drive.maintain().await.unwrap();
        }
        for _ in 0..20 {
            world.drive.maintain().await.unwrap();
        }
        world.check().await;
        for chunk in 0..3 {
            world.drive.put_shard(put(shard(3, chunk))).await.unwrap();
            world.learn_put(shard(3, chunk), true);
        }
        world.crash(1, true).await;
        world.check().await;
    });
}

#[test]
fn space_of_deleted_blobs_comes_back_and_tombstones_go() {
    block_on(async {
        let mut world = World::new(4, 8 << 20).await;
        // Many times the disk's size passes through it.
        for round in 0..60u32 {
            for number in 0..12 {
                for chunk in 0..3 {
                    let id = shard(number, round * 3 + chunk);
                    world.drive.put_shard(put(id)).await.unwrap();
                }
                world.drive.delete_blob(blob(number), &owner(number)).await.unwrap();
            }
            for _ in 0..6 {
                world.drive.maintain().await.unwrap();
            }
        }
        for _ in 0..40 {
            world.drive.maintain().await.unwrap();
        }
        let stats = world.drive.stats().await.unwrap();
        // The last tombstones stay for as long as what they name stands in open segments.
        assert!(stats.live_bytes <= 12 * 4096, "{stats:?}");
        assert!(stats.segments <= 4, "{stats:?}");
        world.crash(8, true).await;
        assert_eq!(world.drive.list(None, 10).await.unwrap(), []);
    });
}

#[test]
fn requests_that_contradict_themselves_are_refused() {
    block_on(async {
        let world = World::new(2, 8 << 20).await;
        let good = put(shard(1, 1));
        let ahead = BlobId::new(NOW_MS + 3_700_000, [0; 10], owner(0).binding());
        let mut future = good.clone();
        future.shard.chunk.blob = ahead;
        let bad = [
            PutShard { payload: good.payload.slice(1..), ..good.clone() },
            PutShard { payload: bytes::Bytes::new(), frames: Vec::new(), ..good.clone() },
            PutShard { frames: Vec::new(), ..good.clone() },
            PutShard { frames: vec![0], ..good.clone() },
            PutShard { shard: ShardId { number: 9, ..good.shard }, ..good.clone() },
            PutShard { payload: vec![0; 2 << 20].into(), ..good.clone() },
            future,
        ];
        for request in bad {
            let answer = world.drive.put_shard(request).await;
            assert!(matches!(answer, Err(ShardError::Refused(_))), "{answer:?}");
        }
        world.drive.put_shard(good).await.unwrap();
    });
}

#[test]
fn a_drive_of_another_cluster_is_refused_and_boots_are_counted() {
    block_on(async {
        let mut world = World::new(6, 8 << 20).await;
        let before = world.drive.identity().boots;
        world.crash(1, false).await;
        assert_eq!(world.drive.identity().boots, before + 1);
        let disk: std::sync::Arc<dyn Disk> = std::sync::Arc::new(world.disk.clone());
        assert!(matches!(Identity::boot(&disk, CLUSTER + 1).await, Err(IdentityError::Cluster { .. })));
        assert!(matches!(Identity::format(&disk, &env(1), CLUSTER).await, Err(IdentityError::Present)));
    });
}

#[test]
fn a_failed_sync_costs_one_segment_and_too_many_the_drive() {
    block_on(async {
        let mut world = World::new(11, 64 << 20).await;
        for number in 0..FAILURES_MAX as u8 * 2 {
            world.failing = true;
            world.disk.inject(Fault::FailSync, 0);
            let failed = world.drive.put_shard(put(shard(number, 0))).await;
            assert!(matches!(failed, Err(ShardError::Down(_))), "{failed:?}");
            world.learn_put(shard(number, 0), false);
            assert_eq!(get(&world.drive, shard(number, 0)).await, Err(ShardError::NotFound));
            world.drive.put_shard(put(shard(number, 1))).await.unwrap();
            world.learn_put(shard(number, 1), true);
        }
        world.check().await;
        for _ in 0..20 {
            world.drive.maintain().await.unwrap();
        }
        world.check().await;
        for _ in 0..FAILURES_MAX {
            world.disk.inject(Fault::FailSync, 0);
            world.drive.put_shard(put(shard(100, 0))).await.unwrap_err();
        }
        let down = world.drive.put_shard(put(shard(100, 0))).await;
        assert!(matches!(down, Err(ShardError::Down(_))), "{down:?}");
        assert!(world.drive.stats().await.unwrap().down.is_some());
        get(&world.drive, shard(3, 1)).await.unwrap();
        world.crash(3, false).await;
        world.drive.put_shard(put(shard(100, 0))).await.unwrap();
    });
}

#[test]
fn puts_at_once_share_syncs() {
    block_on(async {
        let world = World::new(6, 64 << 20).await;
        world.drive.put_shard(put(shard(1, 0))).await.unwrap();
        let before = world.disk.syncs();
        let puts = (1..50).map(|chunk| {
            let drive = world.drive.clone();
            tokio::spawn(async move { drive.put_shard(put(shard(4, chunk))).await })
        });
        for done in puts.collect::<Vec<_>>() {
            done.await.unwrap().unwrap();
        }
        let syncs = world.disk.syncs() - before;
        assert!(syncs <= 8, "{syncs} syncs for 49 puts");
    });
}

#[test]
fn want_of_descriptors_is_no_fault_of_the_drive() {
    block_on(async {
        let mut world = filled(7).await;
        // Reads: segments are opened anew, since only four may be open.
        let (mut refused, mut read) = (0, 0);
        for round in 0..20 {
            (0..round % 3).for_each(|after| world.disk.inject(Fault::OutOfFiles, after));
            for number in 0..12 {
                match get(&world.drive, shard(number, 1)).await {
                    Ok(_) => read += 1,
                    Err(error) => {
                        assert_eq!(error, ShardError::Overloaded);
                        refused += 1;
                    }
                }
            }
        }
        assert!(refused > 0 && read > 0, "{refused} refused, {read} read");
        // Writes: more often in a row than the drive bears of failures.
        let (mut full, mut next) = (0, 0);
        while full < FAILURES_MAX + 5 {
            (0..4).for_each(|_| world.disk.inject(Fault::OutOfFiles, 0));
            let id = shard(3, 100 + next);
            next += 1;
            match world.drive.put_shard(put(id)).await {
                Ok(()) => world.learn_put(id, true),
                Err(error) => {
                    assert_eq!(error, ShardError::Overloaded);
                    full += 1;
                }
            }
            let _ = world.drive.maintain().await;
        }
        assert_eq!(world.drive.stats().await.unwrap().down, None);
    });
}

/// A deletion fails, and its record may be on the disk all the same. What is written after it is there after a restart,
/// although the very same was still there when it was written.
#[test]
fn what_is_written_after_a_deletion_that_failed_outlasts_it() {
    for seed in 0..40 {
        block_on(async {
            let mut world = World::new(seed, 64 << 20).await;
            let id = shard(0, 0);
            world.drive.put_shard(put(id)).await.unwrap();
            let fault = if seed.is_multiple_of(2) { Fault::FailWrite } else { Fault::FailSync };
            world.disk.inject(fault, 0);
            assert!(world.drive.delete_blob(blob(0), &owner(0)).await.is_err());
            world.drive.put_shard(put(id)).await.unwrap();
            for turn in 0..2 {
                world.crash(seed + turn, false).await;
                assert_eq!(get(&world.drive, id).await, Ok(()), "seed {seed}");
            }
        });
    }
}
