//! Watching mounted drives: whether each still writes, is there and has space.
//!
//! Promises: a drive that failed or vanished is out of service within about a second, one whose segment files are gone
//! within some. One that hangs is known as slow
//! soon after its calls are overdue, and as well again when they come back.
//! Must not know: what lives on a drive besides its shards.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use couronne_protocol::shard::ShardError;

use super::{Drives, MountedDrive};
use crate::disk::Access;
use crate::rounds::{self, Rounds};
use crate::stop::{StopSignal, Stopped};

/// How often a drive is looked at.
const ROUND: Duration = Duration::from_secs(1);

/// Among so many rounds one looks whether the segment files are there.
const ROUNDS_PER_LIST: u64 = 10;

/// A file that a drive always has: gone, the folder was deleted.
const IDENTITY: &str = "drive";

/// How often is looked whether a drive's calls come back: no call to the drive is made for that.
const LOOK_AT_CALLS: Duration = Duration::from_millis(500);

/// Takes drives out of service, and what lives on them; and leads nothing on those that hang.
#[async_trait]
pub(crate) trait OnFailure: Send + Sync + 'static {
    /// A drive failed, or is not there any more.
    async fn drive_failed(&self, drive: &MountedDrive, reason: &str);

    /// A drive is slow, or is so no longer. Said again and again.
    async fn drive_is_slow(&self, drive: &MountedDrive, is_slow: bool);
}

/// Begins to watch a drive, until it is out of service.
pub(crate) fn watch(
    drives: &Arc<Drives>,
    drive: &Arc<MountedDrive>,
    on_failure: Weak<dyn OnFailure>,
    stop: &StopSignal,
) {
    tokio::spawn(watch_log(Arc::clone(drive), Weak::clone(&on_failure), stop.watch()));
    let calls = CallRounds { drive: Arc::clone(drive), on_failure: Weak::clone(&on_failure) };
    rounds::begin(drives, stop, calls);
    rounds::begin(drives, stop, SpaceRounds(Arc::clone(drive)));
    rounds::begin(drives, stop, DriveRounds { drive: Arc::clone(drive), rounds: 0, on_failure });
}

async fn watch_log(drive: Arc<MountedDrive>, on_failure: Weak<dyn OnFailure>, mut stopped: Stopped) {
    let error = tokio::select! {
        biased;
        () = stopped.wait() => return,
        error = drive.log.failed() => error,
    };
    if let Some(on_failure) = on_failure.upgrade() {
        on_failure.drive_failed(&drive, &error.to_string()).await;
    }
}

/// Looks whether the calls to a drive come back. The rounds below make some each second, which hang with it.
struct CallRounds {
    drive: Arc<MountedDrive>,
    on_failure: Weak<dyn OnFailure>,
}

#[async_trait]
impl Rounds for CallRounds {
    type Of = Drives;

    fn rest(&self, _: &Drives) -> Duration {
        LOOK_AT_CALLS
    }

    async fn round(&mut self, drives: &Arc<Drives>) -> bool {
        let drive = &self.drive;
        if drive.down().is_some() {
            return false;
        }
        let (has_changed, is_slow) = (drive.look_at_calls(), drive.is_slow());
        if has_changed {
            match is_slow {
                true => tracing::error!(drive = drive.name, id = %drive.id, "calls to the drive do not come back"),
                false => tracing::warn!(drive = drive.name, id = %drive.id, "calls to the drive come back again"),
            }
            drives.show();
        }
        if (has_changed || is_slow)
            && let Some(on_failure) = self.on_failure.upgrade()
        {
            on_failure.drive_is_slow(drive, is_slow).await;
        }
        true
    }
}

/// Looks at the space of a drive. What the rounds below do may wait for the space that these give them.
struct SpaceRounds(Arc<MountedDrive>);

#[async_trait]
impl Rounds for SpaceRounds {
    type Of = Drives;

    fn rest(&self, _: &Drives) -> Duration {
        ROUND
    }

    async fn round(&mut self, drives: &Arc<Drives>) -> bool {
        let Self(drive) = self;
        if drive.down().is_some() {
            return false;
        }
        if drive.look_at_space().await {
            tracing::warn!(drive = drive.name, writes = ?drive.writes(), "the drive's space for new data changes");
            drives.show();
        }
        true
    }
}

struct DriveRounds {
    drive: Arc<MountedDrive>,
    rounds: u64,
    on_failure: Weak<dyn OnFailure>,
}

impl DriveRounds {
    async fn fail(&self, reason: &str) {
        if let Some(on_failure) = self.on_failure.upgrade() {
            on_failure.drive_failed(&self.drive, reason).await;
        }
    }
}

#[async_trait]
impl Rounds for DriveRounds {
    type Of = Drives;

    fn rest(&self, _: &Drives) -> Duration {
        ROUND
    }

    async fn round(&mut self, _: &Arc<Drives>) -> bool {
        let drive = &self.drive;
        if drive.down().is_some() {
            return false;
        }
        if let Err(error) = drive.disk.open(IDENTITY, Access::Buffered).await
            && error.kind() == io::ErrorKind::NotFound
        {
            self.fail("its folder is gone").await;
            return false;
        }
        if let Some(reason) = drive.look_for_rot().await {
            self.fail(&reason).await;
            return false;
        }
        self.rounds = self.rounds.wrapping_add(1);
        if self.rounds.is_multiple_of(ROUNDS_PER_LIST) && drive.shards.misses_segments().await {
            self.fail("segment files are gone").await;
            return false;
        }
        match drive.shards.maintain().await {
            // Deletions make room, or the program that filled the disk does.
            Ok(_) | Err(ShardError::Full) => {}
            Err(ShardError::Down(reason)) => {
                // What took the index down may be rot that was met since: the drive is mounted again then.
                let reason = drive.look_for_rot().await.unwrap_or(reason);
                self.fail(&reason).await;
                return false;
            }
            Err(error) => tracing::warn!(drive = drive.name, %error, "housekeeping of a drive failed"),
        }
        true
    }
}
