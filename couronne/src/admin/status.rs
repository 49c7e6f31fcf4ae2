//! What the server is doing, as the admin API says it, and the one thing an operator may settle there.
//!
//! Must not know: how it is asked for or shown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use couronne_protocol::env::Env;
use couronne_protocol::map::SharedMap;
use couronne_ring::DriveId;
use couronne_storage_node::duties::RepairStatus;
use couronne_storage_node::node::{DriveStatus, LocalNode, NodeStatus, RangeStatus};

use super::messages::{DriveMessage, RangeMessage, RepairMessage, StatusMessage};

/// Where the status comes from.
pub(crate) struct StatusSource {
    node: Option<Arc<LocalNode>>,
    map: Arc<SharedMap>,
    env: Env,
    started: Duration,
    listen: SocketAddr,
}

impl StatusSource {
    /// The status of a server that starts now.
    pub(crate) fn new(node: Arc<LocalNode>, env: Env, listen: SocketAddr) -> Self {
        let started = env.clock.steady();
        Self { map: Arc::clone(node.shared_map()), node: Some(node), env, started, listen }
    }

    /// The status of a gateway that starts now.
    pub(crate) fn of_gateway(map: Arc<SharedMap>, env: Env, listen: SocketAddr) -> Self {
        let started = env.clock.steady();
        Self { map, node: None, env, started, listen }
    }

    /// Confirms the clock; why duties were halted until now, if they were.
    pub(crate) async fn confirm_clock(&self) -> Option<String> {
        let node = self.node.as_ref()?;
        let halted = node.status().await.duties.halted;
        node.confirm_clock().await;
        halted
    }

    /// What the server is doing now.
    pub(crate) async fn read(&self) -> StatusMessage {
        let map = self.map.state();
        let status = match &self.node {
            Some(node) => node.status().await,
            None => NodeStatus { cluster: map.cluster, ..NodeStatus::default() },
        };
        let scrub = [("scrub_read_bytes", status.scrub.read_bytes), ("scrub_total_bytes", status.scrub.total_bytes)];
        let figures = status.duties.figures().into_iter().chain(scrub);
        StatusMessage {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: format!("{:032x}", status.cluster),
            policy: map.redundancy().map_or_else(String::new, |redundancy| redundancy.to_string()),
            uptime_s: self.env.clock.steady().saturating_sub(self.started).as_secs(),
            listen: self.listen.to_string(),
            nodes: Vec::new(),
            drives: status.drives.into_iter().map(drive_message).collect(),
            ranges: status.ranges.iter().map(range_message).collect(),
            halted: status.duties.halted.clone(),
            background: figures.map(|(name, figure)| (name.to_owned(), figure)).collect(),
            repair: repair_message(&status.repair),
        }
    }
}

/// A drive.
fn drive_message(drive: DriveStatus) -> DriveMessage {
    let stats = drive.stats;
    let figure = |read: fn(&couronne_storage_node::drive::Stats) -> u64| stats.as_ref().map_or(0, read);
    DriveMessage {
        id: hexadecimal(drive.id),
        node: String::new(),
        folder: drive.name,
        total_bytes: figure(|stats| stats.space.total),
        free_bytes: figure(|stats| stats.space.free),
        live_bytes: figure(|stats| stats.live_bytes),
        dead_bytes: figure(|stats| stats.dead_bytes),
        down: drive.down.or_else(|| stats.as_ref().and_then(|stats| stats.down.clone())),
        log_bytes: drive.log_bytes.0,
    }
}

/// A range.
fn range_message(range: &RangeStatus) -> RangeMessage {
    let names = |drives: &[DriveId]| drives.iter().copied().map(hexadecimal).collect();
    RangeMessage {
        range: range.id.0,
        replicas: names(&range.replicas),
        serving: names(&range.serving),
        leader: range.leader.map(hexadecimal),
    }
}

/// Repair.
const fn repair_message(repair: &RepairStatus) -> RepairMessage {
    RepairMessage {
        pending: repair.pending_blobs.saturating_add(repair.pending_ranges),
        pending_chunks: repair.pending_chunks,
        parked: repair.parked_blobs,
        rebuilt_bytes: repair.rebuilt_bytes,
        bytes_per_second: repair.bytes_per_second,
        seconds_left: repair.seconds_left,
        survives: repair.survives,
    }
}

/// A drive's identity as people copy it.
fn hexadecimal(drive: DriveId) -> String {
    format!("{:032x}", drive.0)
}
