//! Writing one shard onto exactly one drive.
//!
//! Promises: what was answered is durable. Repeating it is harmless.
//! Must not know: where a shard belongs.

use std::time::Duration;

use couronne_protocol::shard::{PutShard, ShardError};
use couronne_ring::DriveId;
use tokio::time::{sleep, timeout};

use crate::client::Client;

/// How often a shard is offered to a drive that has too much queued, before it is given up: another
/// drive would only be loaded in its place.
const OVERLOADED_ATTEMPTS_MAX: u32 = 5;
/// The pause before a drive that has too much queued is asked again; it doubles.
const OVERLOADED_PAUSE: Duration = Duration::from_millis(20);

impl Client {
    /// Writes the shard that `request` makes onto this drive and no other. A drive that does not answer in time
    /// counts as down, and as slow for a while.
    pub async fn put_shard(&self, drive: DriveId, request: impl Fn() -> PutShard) -> Result<(), ShardError> {
        self.offer(drive, || self.components.shards.put_shard(drive, request())).await
    }

    /// Offers a shard to this drive and no other, in the way that `put` does it.
    pub async fn offer<P>(&self, drive: DriveId, put: impl Fn() -> P) -> Result<(), ShardError>
    where
        P: Future<Output = Result<(), ShardError>>,
    {
        let within = Duration::from_millis(self.settings.shard_write_timeout_ms);
        let mut pause = OVERLOADED_PAUSE;
        for attempt in 1.. {
            match timeout(within, put()).await {
                Ok(Err(ShardError::Overloaded)) if attempt < OVERLOADED_ATTEMPTS_MAX => {
                    sleep(pause).await;
                    pause *= 2;
                }
                Ok(answer) => {
                    self.slow_drives.answered(drive);
                    return answer;
                }
                Err(_) => {
                    self.slow_drives.timed_out(drive, self.now());
                    return Err(ShardError::Down("no answer in time".to_owned()));
                }
            }
        }
        Err(ShardError::Overloaded)
    }
}
