//! The node's part in its cluster: its copy of the map, node reports and what they lead to, joining, bootstrap.
//!
//! Promises: a change of the map stands on this node's drives before anything here acts on it.
//! Must not know: requests, duties.

mod fetching;
mod file;
mod founding;
mod leaving;
mod map_store;
mod members;
mod ownership;
mod policies;
mod recollection;
mod registration;
mod remounting;
mod replacement;
mod reports;
mod survey;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_cluster::map::ClusterMap;
use couronne_cluster::report::CertificateReport;
use couronne_protocol::map::SharedMap;
use couronne_protocol::transport::Transport;
use couronne_ring::NodeId;
use parking_lot::Mutex;

use self::fetching::LastFetch;
pub(crate) use self::map_store::MapStore;
use self::members::{Challenges, MadeKey};
pub use self::members::{
    ClusterKey, ClusterKeys, KeepClusterKeys, TOKEN_JOINS_MAX, TOKEN_LIFETIME_MAX, TokenPlan, TokenRow,
};
pub use self::ownership::{DriveOwner, OwnerNode};
use self::reports::ReceivedReports;
pub use self::reports::{MemberLiveness, ReportedMembers};
pub(crate) use self::survey::survey;
use crate::clock::ClockGuard;
use crate::cluster_time::ClusterTime;
use crate::drives::Drives;
use crate::replicas::Replicas;
use crate::stop::StopSignal;
use crate::surroundings::Surroundings;

/// The node as a member of its cluster.
pub struct Membership {
    env: Env,
    id: NodeId,
    /// How long certificates serve that this node signs.
    certificate_lifetime: Duration,
    /// After how long a drive that is down is lost.
    repair_grace: Duration,
    drives: Arc<Drives>,
    replicas: Arc<Replicas>,
    /// The newest map known here.
    pub(crate) map: Arc<SharedMap>,
    pub(crate) map_store: Arc<MapStore>,
    /// The way to other nodes, if there are any.
    pub(crate) transport: Option<Arc<dyn Transport>>,
    reports: Mutex<ReceivedReports>,
    challenges: Challenges,
    /// What seals the secrets beside the map.
    cluster_keys: ClusterKeys,
    made_key: Mutex<Option<MadeKey>>,
    /// How this process stands to the certificate authorities, once it said so.
    certificate: Mutex<Option<CertificateReport>>,
    /// Held while another node is asked for a newer map.
    fetching: tokio::sync::Mutex<LastFetch>,
    pub(crate) clock: Arc<ClockGuard>,
    /// By which locks are judged.
    pub(crate) time: Arc<ClusterTime>,
    stop: Arc<StopSignal>,
}

impl Membership {
    /// The membership of a node that signs certificates for `certificate_lifetime`, takes a drive for lost that is down for
    /// `repair_grace`, and has these keys of the cluster.
    pub(crate) fn new(
        surroundings: Surroundings,
        drives: Arc<Drives>,
        replicas: Arc<Replicas>,
        map_store: Arc<MapStore>,
        (certificate_lifetime, repair_grace): (Duration, Duration),
        cluster_keys: ClusterKeys,
    ) -> Self {
        let Surroundings { env, id, map, transport, clock, time, stop } = surroundings;
        let (reports, challenges, fetching) = (Mutex::default(), Challenges::new(env.clone()), Default::default());
        Self {
            env,
            id,
            certificate_lifetime,
            repair_grace,
            drives,
            replicas,
            map,
            map_store,
            transport,
            reports,
            challenges,
            cluster_keys,
            made_key: Mutex::default(),
            certificate: Mutex::default(),
            fetching,
            clock,
            time,
            stop,
        }
    }

    /// The newest map known here.
    pub(crate) fn map(&self) -> Arc<ClusterMap> {
        self.map.state()
    }

    /// Whether there are no other nodes.
    pub(crate) const fn is_alone(&self) -> bool {
        self.transport.is_none()
    }

    /// What the members' node reports say. Nothing where the meta group is not led.
    pub(crate) fn reported_members(&self) -> ReportedMembers {
        if !self.leads_map() {
            return ReportedMembers::default();
        }
        let (map, reports) = (self.map(), self.reports.lock());
        let (members, leaderless) = (reports.members(&map, self.id), reports.leaderless(&map));
        ReportedMembers { members, leaderless, led: reports.led() }
    }
}
