//! Segments that lose what was durable: told from what a crash may take, whatever the index knows.

use bytes::Bytes;
use couronne_storage_node::disk::{Access, Disk};

use super::block_on;
use super::world::{World, get, put, shard};

/// What becomes of a segment file.
#[derive(Clone, Copy, Debug)]
enum Way {
    Gone,
    Zeroed,
    /// It ends so early, in bytes.
    Cut(u64),
}

const WAYS: [Way; 4] = [Way::Gone, Way::Zeroed, Way::Cut(4096), Way::Cut(0)];

async fn paths(disk: &dyn Disk, suffix: &str) -> Vec<String> {
    let names = disk.list("segments").await.unwrap();
    names.iter().filter(|name| name.ends_with(suffix)).map(|name| format!("segments/{name}")).collect()
}

async fn read(disk: &dyn Disk, path: &str) -> Bytes {
    let file = disk.open(path, Access::Buffered).await.unwrap();
    let len = file.len().await.unwrap();
    file.read(0, usize::try_from(len).unwrap()).await.unwrap()
}

/// Puts a file with these bytes in the place of one.
async fn replace(disk: &dyn Disk, path: &str, bytes: Bytes) {
    disk.remove(path).await.unwrap();
    let file = disk.create(path, bytes.len() as u64, Access::Buffered).await.unwrap();
    file.write(0, vec![bytes], true).await.unwrap();
    disk.sync_dir("segments").await.unwrap();
}

async fn spoil(disk: &dyn Disk, path: &str, way: Way) {
    let bytes = read(disk, path).await;
    match way {
        Way::Gone => {
            disk.remove(path).await.unwrap();
            disk.sync_dir("segments").await.unwrap();
        }
        Way::Zeroed => replace(disk, path, Bytes::from(vec![0; bytes.len()])).await,
        Way::Cut(end) => replace(disk, path, bytes.slice(..usize::try_from(end).unwrap())).await,
    }
}

/// A drive with small and large shards, its index flushed behind them or not.
async fn filled(seed: u64, is_flushed: bool) -> World {
    let world = World::new(seed, 64 << 20).await;
    for number in 0..8 {
        world.drive.put_shard(put(shard(number, 0))).await.unwrap();
    }
    if is_flushed {
        world.drive.flush().await.unwrap();
    }
    world
}

#[test]
fn a_segment_that_is_gone_zeroed_or_cut_off_is_a_loss_whatever_the_index_knows() {
    block_on(async {
        for (seed, way) in (1..).zip(WAYS) {
            for (suffix, is_flushed) in [(".large", false), (".large", true), (".small", false), (".small", true)] {
                let case = format!("{way:?} {suffix} {is_flushed}");
                let mut world = filled(seed, is_flushed).await;
                for path in paths(&world.disk, suffix).await {
                    spoil(&world.disk, &path, way).await;
                }
                for seed in 1..3 {
                    world.crash(seed, false).await;
                    assert!(world.drive.has_lost_segments(), "{case}: told until it is settled");
                }
                let read = get(&world.drive, shard(if suffix == ".large" { 3 } else { 0 }, 0)).await;
                assert!(read.is_err(), "{case}: {read:?}");
                world.drive.settle_losses().await.unwrap();
                assert!(!world.drive.has_lost_segments(), "{case}");
                world.crash(3, false).await;
                assert!(!world.drive.has_lost_segments(), "{case}: told once");
            }
        }
    });
}

/// Once what a lost segment held was written again, nothing is left of it.
#[test]
fn a_lost_segment_goes_once_its_shards_are_written_again() {
    block_on(async {
        for (seed, way) in (1..).zip(WAYS) {
            let mut world = filled(seed, true).await;
            let lost = paths(&world.disk, "").await;
            for path in &lost {
                spoil(&world.disk, path, way).await;
            }
            world.crash(seed, false).await;
            world.drive.settle_losses().await.unwrap();
            for number in 0..8 {
                world.drive.restore_shard(put(shard(number, 0))).await.unwrap();
            }
            world.drive.maintain().await.unwrap();
            world.crash(seed, false).await;
            assert!(!world.drive.has_lost_segments(), "{way:?}");
            for number in 0..8 {
                get(&world.drive, shard(number, 0)).await.unwrap();
            }
        }
    });
}

/// Files as they were before their last records were durable, of which the flushed index knows.
#[test]
fn segments_that_were_put_back_are_a_loss_and_a_crash_is_none() {
    block_on(async {
        for is_put_back in [false, true] {
            let mut world = filled(1, true).await;
            let mut copies = Vec::new();
            for path in paths(&world.disk, ".small").await {
                copies.push((path.clone(), read(&world.disk, &path).await));
            }
            world.drive.put_shard(put(shard(8, 0))).await.unwrap();
            world.drive.flush().await.unwrap();
            for (path, bytes) in copies.into_iter().filter(|_| is_put_back) {
                replace(&world.disk, &path, bytes).await;
            }
            world.crash(1, false).await;
            assert_eq!(world.drive.has_lost_segments(), is_put_back);
            assert_eq!(get(&world.drive, shard(8, 0)).await.is_err(), is_put_back);
            // Only its end is gone: the segment is sealed, and what is left of it counts.
            world.drive.settle_losses().await.unwrap();
            world.crash(2, false).await;
            assert!(!world.drive.has_lost_segments());
            get(&world.drive, shard(0, 0)).await.unwrap();
        }
    });
}

#[test]
fn segments_that_go_while_the_drive_serves_are_missed() {
    block_on(async {
        let mut world = filled(1, false).await;
        assert!(!world.drive.misses_segments().await);
        let path = paths(&world.disk, ".small").await.remove(0);
        spoil(&world.disk, &path, Way::Gone).await;
        assert!(world.drive.misses_segments().await);
        world.crash(1, false).await;
        assert!(world.drive.has_lost_segments());
    });
}
