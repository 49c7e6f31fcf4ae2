//! How much space a drive has: whether it is full, and its ballast.
//!
//! Other programs may fill the drive's file system to its last byte. RocksDB cannot be opened then, and nothing can be
//! deleted, for that takes rows, log and tombstones. So each drive holds some space in a file, the ballast, which it gives
//! up when hardly any is left. By that a full drive starts, serves and deletes; it is made again once there is room.
//!
//! ```text
//! free beside the ballast     new shards     new rows      ballast
//!   the reserve                   |             |             |
//!   half of the reserve        refused          |         made again
//!   half of the ballast           |          refused          |
//!   none                          |             |          given up
//! ```
//! Promises: the ballast takes no space that makes the drive full; what is left of it after a crash counts for nothing
//! unless it is whole. Where the file system cannot allocate ahead the ballast holds nothing.
//! Must not know: what needs space.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Settings;
use crate::disk::{Access, Disk, Space};

/// The file that holds the ballast.
const BALLAST: &str = "ballast";

/// The most that a ballast holds, in bytes: a segment for tombstones, a few log files, and what RocksDB wants to see free
/// before it takes writes again (`write_buffer_size`).
const BALLAST_BYTES_MAX: u64 = 128 << 20;

/// What is known of a drive's space.
#[derive(Default)]
pub(super) struct DriveSpace {
    full: AtomicBool,
}

/// Gives up the ballast if hardly any space is left: before a drive's stores are opened.
pub(super) async fn give_up_if_short(name: &str, disk: &dyn Disk) -> io::Result<()> {
    let space = disk.space().await?;
    let bytes = ballast_bytes(space);
    if is_short(space, bytes) {
        give_up(name, disk, space).await?;
    }
    Ok(())
}

impl DriveSpace {
    /// Whether the drive takes no new data.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Looks how much space is left, and gives the ballast up or makes it again. New data is refused once half of what
    /// shards must leave free is gone: the rest is for the log, for deletions and for compaction. Whether that changed.
    pub(super) async fn look(&self, name: &str, disk: &dyn Disk) -> io::Result<bool> {
        let space = disk.space().await?;
        let (bytes, wanted) = (ballast_bytes(space), Settings::for_space(space).reserve_bytes / 2);
        let held = held(disk).await?;
        if held.is_some() && is_short(space, bytes) {
            give_up(name, disk, space).await?;
        } else if held.is_some_and(|held| held != bytes) {
            remove(disk).await?;
        } else if held.is_none() && space.free >= bytes.saturating_add(wanted) {
            make(name, disk, bytes).await?;
        }
        // What the ballast is to hold again is not free for anything else.
        let beside = if held.is_some() { space.free } else { space.free.saturating_sub(bytes) };
        let full = beside < wanted;
        Ok(self.full.swap(full, Ordering::Relaxed) != full)
    }
}

/// How much the ballast of a drive holds, in bytes.
fn ballast_bytes(space: Space) -> u64 {
    (Settings::for_space(space).reserve_bytes / 2).min(BALLAST_BYTES_MAX)
}

/// Whether so little is free that the ballast is needed.
const fn is_short(space: Space, ballast_bytes: u64) -> bool {
    space.free < ballast_bytes / 2
}

/// How much the ballast holds, in bytes; `None` if there is none.
async fn held(disk: &dyn Disk) -> io::Result<Option<u64>> {
    match disk.open(BALLAST, Access::Buffered).await {
        Ok(file) => file.len().await.map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn make(name: &str, disk: &dyn Disk, bytes: u64) -> io::Result<()> {
    disk.create(BALLAST, bytes, Access::Buffered).await?;
    tracing::debug!(drive = name, bytes, "the drive holds space in reserve");
    Ok(())
}

async fn give_up(name: &str, disk: &dyn Disk, space: Space) -> io::Result<()> {
    if remove(disk).await? {
        let free = space.free;
        tracing::warn!(drive = name, free, "hardly any space is left: the drive gives up its ballast");
    }
    Ok(())
}

/// Removes the ballast; whether there was one. Its space is free when this returns.
async fn remove(disk: &dyn Disk) -> io::Result<bool> {
    match disk.remove(BALLAST).await {
        Ok(()) => disk.sync_dir("").await.map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;
    use crate::disk::simulated::SimulatedDisk;

    const MIB: u64 = 1 << 20;

    async fn held_mib(disk: &SimulatedDisk) -> Option<u64> {
        held(disk).await.unwrap().map(|bytes| bytes / MIB)
    }

    /// On 1 GiB 128 MiB are reserved: 64 of these are ballast, and with less than 64 beside it the drive is full.
    #[tokio::test]
    async fn the_ballast_is_given_up_on_a_full_disk_and_made_again_once_there_is_room() {
        let (disk, space) = (SimulatedDisk::new(1, 1024 * MIB), DriveSpace::default());
        give_up_if_short("drive", &disk).await.unwrap();
        // What is full, whether that changed, and what is held, when another program has taken so much.
        let mut steps = vec![
            (0, false, false, Some(64)),
            (890, false, false, Some(64)),
            (900, true, true, Some(64)),
            (924, true, false, Some(64)),
            (930, true, false, None),
            (960, true, false, None),
            (900, true, false, None),
            (897, true, false, None),
            (896, false, true, Some(64)),
            (896, false, false, Some(64)),
        ];
        steps.extend([(960, true, true, None), (0, false, true, Some(64))]);
        for (taken, full, changes, holds) in steps {
            let filler = disk.create("filler", taken * MIB, Access::Buffered).await.unwrap();
            let changed = space.look("drive", &disk).await.unwrap();
            assert_eq!((space.is_full(), changed, held_mib(&disk).await), (full, changes, holds), "{taken} MiB");
            drop(filler);
            disk.remove("filler").await.unwrap();
            disk.sync_dir("").await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_start_gives_up_the_ballast_and_one_that_was_cut_short_counts_for_nothing() {
        let disk = SimulatedDisk::new(1, 1024 * MIB);
        disk.create(BALLAST, 3 * MIB, Access::Buffered).await.unwrap();
        give_up_if_short("drive", &disk).await.unwrap();
        assert_eq!(held_mib(&disk).await, Some(3), "there is space enough");
        let space = DriveSpace::default();
        space.look("drive", &disk).await.unwrap();
        assert_eq!(held_mib(&disk).await, None);
        space.look("drive", &disk).await.unwrap();
        assert_eq!(held_mib(&disk).await, Some(64));
        disk.create("filler", 960 * MIB, Access::Buffered).await.unwrap();
        assert_eq!(disk.space().await.unwrap().free, 0);
        give_up_if_short("drive", &disk).await.unwrap();
        assert_eq!(held_mib(&disk).await, None);
    }
}
