//! The two kinds of processes, started as the binary starts them: storage nodes and gateways.
//!
//! Must not know: the world, faults.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use couronne_base::env::Env;
use couronne_client::{Member, REPORT_EVERY, Reporter};
use couronne_cluster::map::ClusterMap;
use couronne_cluster::report::NodeReport;
use couronne_gateway::engine::{Components, Engine, Settings};
use couronne_metadata::evaluate;
use couronne_protocol::map::SharedMap;
use couronne_protocol::net::certificates::MEMBER_LIFETIME;
use couronne_protocol::remote::{RemoteRanges, RemoteShards};
use couronne_protocol::transport::Transport;
use couronne_ring::NodeId;
use couronne_storage_node::consensus::ConsensusSettings;
use couronne_storage_node::duties::DutySettings;
use couronne_storage_node::node::{
    ClusterKeys, Connect, DriveNotes, LocalNode, Membership, NodeDrive, NodeError, NodeSettings, ReadPolicy,
};
use tokio::time::sleep;

use crate::world::process::Seat;

/// How long dropped blobs are kept for readers, in milliseconds.
pub const REAP_DELAY_MS: u64 = 30_000;

/// How old a blob must be before it may be disowned, in milliseconds.
pub const DISOWN_AGE_MS: u64 = 300_000;

/// So many unflushed bytes of rows, and entries behind them, are kept: few, so that logs are purged, and that
/// replicas which fell behind are sent all rows.
const FLUSH_BYTES: u64 = 64 << 10;
const LAG_ENTRIES: u64 = 20;

/// The settings of every node: as in a real cluster, but days are minutes and megabytes are kilobytes.
pub fn node_settings(scrubbed: bool) -> NodeSettings {
    NodeSettings {
        redundancy: None,
        consensus: ConsensusSettings { own_time: true, lag_entries: LAG_ENTRIES, ..ConsensusSettings::default() },
        evaluation: evaluate::Settings { reap_delay_ms: REAP_DELAY_MS },
        reads: ReadPolicy::default(),
        duties: DutySettings {
            reap_interval: Duration::from_secs(5),
            repair_grace: Duration::from_secs(15),
            watermarks_interval: Duration::from_secs(20),
            disown_age_ms: DISOWN_AGE_MS,
            commit_memory_ms: 120_000,
            scrub_interval: if scrubbed { Duration::from_secs(40) } else { Duration::ZERO },
            flush_bytes: FLUSH_BYTES,
            ..DutySettings::default()
        },
        certificate_lifetime: MEMBER_LIFETIME,
        node: None,
        noted: DriveNotes::default(),
        cluster_keys: ClusterKeys::default(),
    }
}

/// A storage node's life.
pub struct StorageNode {
    /// Its identity.
    pub id: NodeId,
    /// Its drives.
    pub drives: Vec<NodeDrive>,
    /// The map it finds the cluster by if its drives were emptied.
    pub known: ClusterMap,
    /// Whether it scrubs.
    pub scrubbed: bool,
    /// The way to the others.
    pub transport: Arc<dyn Transport>,
}

impl StorageNode {
    /// Lives.
    pub async fn run(self, env: Env, seat: Arc<Seat>) {
        if let Err(error) = self.start(env, &seat).await {
            *seat.failed.lock() = Some(error.to_string());
        }
    }

    async fn start(self, env: Env, seat: &Seat) -> Result<(), NodeError> {
        let Self { id, drives, known, scrubbed, transport } = self;
        Membership::prepare_drives_again(&env, &drives, id, &known, Some(&*transport), &DriveNotes::default()).await?;
        let connect: Connect = Box::new(move |_, _| transport);
        let node = LocalNode::prepare(env, drives, node_settings(scrubbed), Some(connect)).await?;
        *seat.service.lock() = Some(Arc::new(node.service()));
        *seat.node.lock() = Some(Arc::clone(&node));
        node.begin().await?;
        seat.begun.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// A gateway's life.
pub struct Gateway {
    /// The map it finds the cluster by.
    pub known: ClusterMap,
    /// The way to the storage nodes.
    pub transport: Arc<dyn Transport>,
}

impl Gateway {
    /// Lives.
    pub async fn run(self, env: Env, seat: Arc<Seat>) {
        let Self { known, transport } = self;
        let map = Arc::new(SharedMap::new(known));
        let components = Components {
            shards: Arc::new(RemoteShards::new(Arc::clone(&transport), Arc::<SharedMap>::clone(&map))),
            ranges: Arc::new(RemoteRanges::new(Arc::clone(&transport), Arc::<SharedMap>::clone(&map))),
            map: Arc::<SharedMap>::clone(&map),
            env,
        };
        *seat.engine.lock() = Some(Engine::new(components, Settings::default()));
        let mut reporter = Reporter::new(Some(transport), Arc::clone(&map), None);
        let reports = Reports(Arc::clone(&map));
        loop {
            reporter.report_once(&reports).await;
            seat.begun.store(map.state().bootstrap.is_none(), Ordering::Relaxed);
            sleep(REPORT_EVERY).await;
        }
    }
}

/// A gateway as those that keep the map see it.
struct Reports(Arc<SharedMap>);

#[async_trait]
impl Member for Reports {
    fn own_report(&self) -> NodeReport {
        NodeReport { map_version: self.0.state().version, ..NodeReport::default() }
    }

    async fn learn(&self, map: ClusterMap) {
        let view = map.view();
        self.0.learn(map, view);
    }
}
