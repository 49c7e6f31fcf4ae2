//! Leaderships that lie elsewhere than where the map wants them are transferred, so that all nodes lead about as many.
//!
//! After a death or a restart leaderships lie where they fell. Every leader works out from the map which replica is to
//! lead its range, and comes to what all others come to; it transfers leadership once the drives have stood as they do
//! for a while.
//! Promises: a node transfers one leadership at a time, to a replica that lacks hardly anything, and does not soon
//! try again what did not help.
//! Must not know: how leadership is transferred.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use couronne_cluster::changes::wanted_leaders;
use couronne_cluster::map::ReplicaId;
use couronne_metadata::ids::RangeId;
use couronne_protocol::map::MapSource;
use tokio::time::Instant;

use super::{RangeServer, Replicas};

/// How long the drives must have stood as they do.
const STEADY_FOR: Duration = Duration::from_secs(20);

/// How long a range whose leadership was transferred, or was to be, is left alone.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(60);

/// What a node remembers from one look to the next.
#[derive(Default)]
pub(super) struct Balance {
    wanted: BTreeMap<RangeId, ReplicaId>,
    /// Since when that is wanted.
    since: Option<Instant>,
    tried: BTreeMap<RangeId, Instant>,
}

impl Balance {
    /// A range that is led here and ought to be led by another replica.
    pub(super) fn next(&mut self, replicas: &Replicas) -> Option<(Arc<RangeServer>, ReplicaId)> {
        let wanted = wanted_leaders(&replicas.map.state(), &replicas.map.current());
        if wanted != self.wanted {
            (self.wanted, self.since) = (wanted, Some(Instant::now()));
        }
        if self.since.is_none_or(|since| since.elapsed() < STEADY_FOR) {
            return None;
        }
        self.tried.retain(|_, at| at.elapsed() < LEFT_ALONE_FOR);
        let leaders = replicas.all_servers().into_iter().filter(|server| server.is_ready());
        let (leader, to) = leaders
            .filter(|leader| !self.tried.contains_key(&leader.descriptor().id))
            .filter_map(|leader| self.wanted.get(&leader.descriptor().id).map(|to| (leader, *to)))
            .find(|(leader, to)| leader.replica() != *to)?;
        self.tried.insert(leader.descriptor().id, Instant::now());
        Some((leader, to))
    }
}
