//! What a member does all the time: keeps the map where its group is led, opens the replicas that the map names here
//! and makes them members, watches its drives, reports.
//!
//! Promises: what the map says anew of a range is looked at in the same round in which it was said.
//! Must not know: what reports say.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couronne_base::watch;
use couronne_client::report;

use super::Membership;
use super::members::KeyRounds;
use super::remounting::Remounting;
use crate::drives::{self, MountedDrive, OnFailure};
use crate::replicas::Supervision;
use crate::rounds::{self, Rounds};

/// How often the map and the replicas are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// How often the map's replicas are looked for although it did not change.
const FOLLOW_AGAIN: Duration = Duration::from_secs(3600);

impl Membership {
    /// Begins to watch over drives and replicas, and to report. The tasks end with the node.
    pub(crate) fn watch(self: &Arc<Self>) {
        self.drives.mounted().for_each(|drive| self.watch_drive(&drive));
        rounds::begin(self, &self.stop, MemberRounds::default());
        self.replicas.keep_leaders();
        tokio::spawn(report(Arc::downgrade(self), self.reporter()));
    }

    /// Begins to open replicas as the map changes, to look after the cluster's key, and to mount drives again whose stores
    /// rot: a node that has not registered may not know yet which of its drives forgot something.
    pub(crate) fn follow_map(self: &Arc<Self>) {
        rounds::begin(self, &self.stop, MapFollowing(self.map.follow()));
        rounds::begin(self, &self.stop, KeyRounds);
        rounds::begin(self, &self.stop, Remounting::default());
    }

    /// Begins to watch a drive.
    pub(super) fn watch_drive(&self, drive: &Arc<MountedDrive>) {
        let replicas: Arc<dyn OnFailure> = Arc::clone(&self.replicas) as Arc<dyn OnFailure>;
        drives::watch(&self.drives, drive, Arc::downgrade(&replicas), &self.stop);
    }
}

/// Has the map say how its members are, where the meta group is led; then looks after the replicas here.
#[derive(Default)]
struct MemberRounds {
    replicas: Supervision,
}

#[async_trait]
impl Rounds for MemberRounds {
    type Of = Membership;

    fn rest(&self, _: &Membership) -> Duration {
        ROUND
    }

    async fn round(&mut self, membership: &Arc<Membership>) -> bool {
        if membership.leads_map() {
            membership.keep_map().await;
        }
        self.replicas.round(&membership.replicas, &*membership.map_store).await;
        true
    }
}

/// Opens the replicas that the map names here, whenever it changes.
struct MapFollowing(watch::Receiver<u64>);

#[async_trait]
impl Rounds for MapFollowing {
    type Of = Membership;

    fn rest(&self, _: &Membership) -> Duration {
        FOLLOW_AGAIN
    }

    async fn woken(&mut self) {
        if self.0.changed().await.is_err() {
            pending().await
        }
    }

    async fn round(&mut self, membership: &Arc<Membership>) -> bool {
        membership.replicas.forget_unnamed().await;
        membership.replicas.try_open_assigned(&*membership.map_store).await;
        true
    }
}
