//! The drive against a small model, in a world that tears, loses, fills up and fails.

mod faults;
mod files;
mod lost;
mod rot;
mod world;

use proptest::prelude::*;

use couronne_storage_node::disk::simulated::Fault;
use world::{Known, World, blob, get, owner, put, shard};

#[derive(Clone, Debug)]
enum DriveStep {
    /// Puts of these shards at once.
    Put(Vec<(u8, u32)>),
    Delete(u8),
    DeleteShard(u8, u32),
    Maintain,
    Flush,
    Check,
    Crash {
        seed: u64,
        rebuild: bool,
    },
    /// Reads of all there is while maintenance moves it and a blob is deleted.
    ReadAmid {
        delete: u8,
    },
    /// Puts, a deletion and maintenance at once, and a crash after some turns.
    CrashAmid {
        puts: Vec<(u8, u32)>,
        delete: u8,
        turns: u32,
        seed: u64,
    },
    Fail {
        sync: bool,
        after: u32,
    },
}

fn step() -> impl Strategy<Value = DriveStep> {
    let id = || (0u8..12, 0u32..4);
    let ids = || proptest::collection::vec(id(), 1..10);
    prop_oneof![
        8 => ids().prop_map(DriveStep::Put),
        4 => (0u8..12).prop_map(DriveStep::Delete),
        1 => id().prop_map(|(blob, chunk)| DriveStep::DeleteShard(blob, chunk)),
        6 => Just(DriveStep::Maintain),
        1 => Just(DriveStep::Flush),
        1 => Just(DriveStep::Check),
        2 => (any::<u64>(), any::<bool>()).prop_map(|(seed, rebuild)| DriveStep::Crash { seed, rebuild }),
        2 => (0u8..12).prop_map(|delete| DriveStep::ReadAmid { delete }),
        2 => (ids(), 0u8..12, 0u32..60, any::<u64>())
            .prop_map(|(puts, delete, turns, seed)| DriveStep::CrashAmid { puts, delete, turns, seed }),
        1 => (any::<bool>(), 0u32..6).prop_map(|(sync, after)| DriveStep::Fail { sync, after }),
    ]
}

async fn run(seed: u64, steps: Vec<DriveStep>) {
    let mut world = World::new(seed, 64 << 20).await;
    for step in steps {
        match step {
            DriveStep::Put(ids) => put_all(&mut world, &ids).await,
            DriveStep::Delete(number) => {
                let deleted = world.drive.delete_blob(blob(number), &owner(number)).await;
                world.learn_delete(blob(number), deleted.is_ok());
            }
            DriveStep::DeleteShard(number, chunk) => {
                let id = shard(number, chunk);
                let deleted = world.drive.delete_shard(id, &owner(number)).await;
                let known = world.known.entry(id).or_insert(Known::Absent);
                match deleted {
                    Ok(_) => *known = Known::Absent,
                    Err(_) if *known == Known::Present => *known = Known::Either,
                    Err(_) => {}
                }
            }
            DriveStep::Maintain => drop(world.drive.maintain().await),
            DriveStep::Flush => drop(world.drive.flush().await),
            DriveStep::Check => world.check().await,
            DriveStep::Crash { seed, rebuild } => {
                world.crash(seed, rebuild).await;
                assert!(!world.drive.has_lost_segments(), "a crash takes nothing that was durable");
                world.check().await;
            }
            DriveStep::ReadAmid { delete } => read_amid(&mut world, delete).await,
            DriveStep::CrashAmid { puts, delete, turns, seed } => {
                crash_amid(&mut world, &puts, delete, turns, seed).await
            }
            DriveStep::Fail { sync, after } => {
                world.failing = true;
                world.disk.inject(if sync { Fault::FailSync } else { Fault::FailWrite }, after);
            }
        }
    }
    world.check().await;
    world.crash(seed, false).await;
    world.check().await;
    world.crash(seed, true).await;
    world.check().await;
}

async fn put_all(world: &mut World, ids: &[(u8, u32)]) {
    let puts = ids.iter().map(|(number, chunk)| {
        let (drive, id) = (world.drive.clone(), shard(*number, *chunk));
        tokio::spawn(async move { (id, drive.put_shard(put(id)).await) })
    });
    for done in puts.collect::<Vec<_>>() {
        let (id, answer) = done.await.unwrap();
        world.learn_put(id, answer.is_ok());
    }
}

async fn read_amid(world: &mut World, delete: u8) {
    let drive = world.drive.clone();
    let deletion = tokio::spawn(async move { drive.delete_blob(blob(delete), &owner(delete)).await });
    let drive = world.drive.clone();
    let maintenance = tokio::spawn(async move {
        for _ in 0..3 {
            let _ = drive.maintain().await;
        }
    });
    let kept = world.known.iter().filter(|(id, known)| id.chunk.blob != blob(delete) && **known == Known::Present);
    let reads = kept.map(|(id, _)| {
        let (drive, id) = (world.drive.clone(), *id);
        tokio::spawn(async move { (id, get(&drive, id).await) })
    });
    for read in reads.collect::<Vec<_>>() {
        let (id, found) = read.await.unwrap();
        assert_eq!(found, Ok(()), "{id:?} was read while it was moved");
    }
    maintenance.await.unwrap();
    world.learn_delete(blob(delete), deletion.await.unwrap().is_ok());
}

async fn crash_amid(world: &mut World, puts: &[(u8, u32)], delete: u8, turns: u32, seed: u64) {
    // A put and the deletion of the same blob at once may end either way.
    let puts: Vec<_> = puts.iter().filter(|(number, _)| *number != delete).map(|(n, c)| shard(*n, *c)).collect();
    let puts: Vec<_> = puts
        .into_iter()
        .map(|id| {
            let drive = world.drive.clone();
            (id, tokio::spawn(async move { drive.put_shard(put(id)).await }))
        })
        .collect();
    let drive = world.drive.clone();
    let deletion = tokio::spawn(async move { drive.delete_blob(blob(delete), &owner(delete)).await });
    let drive = world.drive.clone();
    let maintenance = tokio::spawn(async move { drop(drive.maintain().await) });
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    world.crash(seed, false).await;
    for (id, answer) in puts {
        world.learn_put(id, answer.await.unwrap().is_ok());
    }
    world.learn_delete(blob(delete), deletion.await.unwrap().is_ok());
    maintenance.await.unwrap();
    world.check().await;
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    #[test]
    fn acknowledged_is_there_and_deleted_stays_away(seed: u64, steps in proptest::collection::vec(step(), 1..60)) {
        block_on(run(seed, steps));
    }
}

/// How many cases: a few in every run, as many as asked for at night.
fn cases() -> u32 {
    std::env::var("COURONNE_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}
