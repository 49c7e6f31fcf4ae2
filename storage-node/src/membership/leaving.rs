//! What a node does before it stops, so that nobody misses it.
//!
//! Its drives are closed in the map, then it waits until the writers have learnt of that, then whatever it
//! leads is led by others. It serves all the while.
//! Promises: it ends in time: a node whose leaderships nobody can take leaves all the same.
//! Must not know: signals, listeners.

use std::sync::Arc;
use std::time::Duration;

use couronne_cluster::WriteState;
use tokio::time::{Instant, sleep, timeout};

use super::Membership;
use crate::replicas::RangeServer;

/// How long the map may take to say that the drives are closed.
const CLOSING_WAIT: Duration = Duration::from_secs(3);

/// How long others may take to be elected: longer than an election without help.
const FOLLOWED_WAIT: Duration = Duration::from_secs(3);

/// How often is looked whether it is done.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Storage nodes ask for newer maps twice a second, and gateways ask them: in so long all have asked.
const LEARNT_AFTER: Duration = Duration::from_millis(1200);

impl Membership {
    /// Makes ready to stop: to be called before the doors close.
    pub(crate) async fn leave(&self) {
        if self.is_alone() {
            return;
        }
        self.drives.mounted().for_each(|drive| drive.leave());
        self.drives.show();
        let servers = self.replicas.all_servers();
        servers.iter().for_each(|server| server.consensus().stop_campaigning());
        if timeout(CLOSING_WAIT, self.close_in_the_map()).await.is_err() {
            tracing::warn!("the map does not show the drives of this node as stopping yet");
        }
        sleep(LEARNT_AFTER).await;
        let leaders: Vec<Arc<RangeServer>> =
            servers.into_iter().filter(|server| server.consensus().leadership().is_some()).collect();
        for leader in &leaders {
            self.replicas.transfer_leadership(leader).await;
        }
        let began = Instant::now();
        while began.elapsed() < FOLLOWED_WAIT && !leaders.iter().all(|leader| self.replicas.is_followed(leader)) {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Says that the drives take nothing new, until the map says so too: for ever, if nobody leads its group.
    async fn close_in_the_map(&self) {
        let mut reporter = self.reporter();
        loop {
            reporter.report_once(self).await;
            if self.leads_map() {
                self.keep_map().await;
            }
            let map = self.map();
            let mut drives = map.drives.values().filter(|drive| drive.node == self.id);
            if drives.all(|drive| drive.writes == WriteState::Stopping || drive.down_since_ms.is_some()) {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
