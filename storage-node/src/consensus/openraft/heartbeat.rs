//! The heartbeat timer of a replica that keeps its own time: a leader's heartbeats, and when the library is to tick.
//!
//! The library's ticks wake every replica twenty-five times a second, whatever goes on. Here they run only
//! while a replica hears no leader, for then its timer for elections counts. A leader beats on a rhythm
//! that all replicas of a process share, so that what goes to the same peer goes together.
//! Promises: a follower whose lease has run out ticks; a leader beats once in `heartbeat` or more often.
//! Must not know: rows, messages.

use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Clock;
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::LibraryRaft;
use crate::consensus::ConsensusSettings;

/// When a replica last took a message of its leader.
#[derive(Clone, Default)]
pub(super) struct LeaderContact(Arc<Mutex<Option<Instant>>>);

impl LeaderContact {
    /// Takes note of a message.
    pub(super) fn now(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    fn last(&self) -> Option<Instant> {
        *self.0.lock()
    }
}

/// A heartbeat timer; it ends when this is dropped.
pub(super) struct HeartbeatTimer(AbortHandle);

impl HeartbeatTimer {
    /// Begins to beat for a replica.
    pub(super) fn begin(
        raft: LibraryRaft,
        leader_contact: LeaderContact,
        clock: Arc<dyn Clock>,
        settings: &ConsensusSettings,
    ) -> Self {
        let (heartbeat, lease) = (settings.heartbeat, settings.election_max);
        Self(tokio::spawn(beat(raft, leader_contact, clock, heartbeat, lease)).abort_handle())
    }
}

impl Drop for HeartbeatTimer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn beat(
    raft: LibraryRaft,
    leader_contact: LeaderContact,
    clock: Arc<dyn Clock>,
    heartbeat: Duration,
    lease: Duration,
) {
    let library = raft.runtime_config();
    loop {
        if raft.metrics().borrow_watched().state == ServerState::Leader {
            library.tick(false);
            sleep(until_next(clock.steady(), heartbeat)).await;
            if raft.trigger().heartbeat().await.is_err() {
                return;
            }
            continue;
        }
        match leader_contact.last().map(|at| at + lease).filter(|end| Instant::now() < *end) {
            Some(end) => {
                library.tick(false);
                sleep_until(end).await;
            }
            None => {
                library.tick(true);
                sleep(heartbeat).await;
            }
        }
        if raft.metrics().borrow_watched().running_state.is_err() {
            return;
        }
    }
}

/// How long from `now` until the next whole multiple of `period`.
fn until_next(now: Duration, period: Duration) -> Duration {
    let past = now.as_nanos().checked_rem(period.as_nanos()).unwrap_or(0);
    period.saturating_sub(Duration::from_nanos(u64::try_from(past).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_fall_on_multiples() {
        let millis = Duration::from_millis;
        assert_eq!(until_next(millis(0), millis(200)), millis(200));
        assert_eq!(until_next(millis(1150), millis(200)), millis(50));
        assert_eq!(until_next(millis(1200), millis(200)), millis(200));
        assert_eq!(until_next(millis(7), Duration::ZERO), Duration::ZERO);
    }
}
