//! Replicas with rotten rows: others have them, so such a replica leads no more and begins anew from these.
//!
//! Promises: a replica is renewed only while the range's voters are those that the map names, so one at a time, and only
//! once another leads. Must not know: how rows rot.

use std::collections::BTreeSet;
use std::sync::Arc;

use couronne_base::mutant;
use couronne_cluster::map::ReplicaId;

use super::{RangeServer, RenewReplicas, Replicas};

impl Replicas {
    /// Keeps a replica that stopped in mind if its rows were rotten: opened again it would stop again.
    pub(super) fn keep_if_rotten(&self, server: &Arc<RangeServer>) {
        if server.is_rotten() {
            self.rotten.lock().push(Arc::clone(server));
        }
    }

    /// Gives replicas with rotten rows new ids in the map, under which they begin empty.
    pub(super) async fn renew_rotten(&self, renew: &dyn RenewReplicas) {
        let named: BTreeSet<ReplicaId> = self.map.state().places().into_iter().map(|(replica, _)| replica).collect();
        self.rotten.lock().retain(|server| named.contains(&server.replica()));
        let stopped = self.rotten.lock().clone();
        let serving = self.all_servers().into_iter().filter(|server| server.is_rotten());
        for server in stopped.into_iter().chain(serving).filter(|_| !mutant!(KeepRottenReplica)).collect::<Vec<_>>() {
            self.renew(&server, renew).await;
        }
    }

    async fn renew(&self, server: &RangeServer, renew: &dyn RenewReplicas) {
        let (range, replica) = (server.descriptor().id, server.replica());
        if server.consensus().leadership().is_some() {
            server.give_way().await;
            return;
        }
        let Some((_, members)) = server.consensus().committed_members() else { return };
        let [voters] = &members.voters[..] else { return };
        let has_stopped = server.consensus().stopped().is_some();
        if voters.len() < 3 || !(has_stopped || self.is_followed(server)) {
            return;
        }
        match renew.renew_one(range, replica, voters).await {
            Ok(true) => tracing::warn!(range = range.0, %replica, "a replica with rotten rows begins anew"),
            Ok(false) => {}
            Err(error) => tracing::warn!(range = range.0, %replica, %error, "a replica with rotten rows waits"),
        }
    }
}
