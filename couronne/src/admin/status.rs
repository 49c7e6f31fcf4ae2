//! What the server is doing, as the admin API says it, and the one thing an operator may settle there.
//!
//! Must not know: how it is asked for or shown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use couronne_protocol::env::Env;
use couronne_ring::DriveId;
use couronne_storage_node::node::{DriveStatus, LocalNode, RangeStatus};

use super::messages::{DriveMessage, RangeMessage, StatusMessage};

/// Where the status comes from.
pub(crate) struct StatusSource {
    node: Arc<LocalNode>,
    env: Env,
    started: Duration,
    policy: String,
    s3_listen: SocketAddr,
}

impl StatusSource {
    /// The status of a server that starts now.
    pub(crate) fn new(node: Arc<LocalNode>, env: Env, policy: String, s3_listen: SocketAddr) -> Self {
        let started = env.clock.steady();
        Self { node, env, started, policy, s3_listen }
    }

    /// Confirms the clock; why duties were halted until now, if they were.
    pub(crate) async fn confirm_clock(&self) -> Option<String> {
        let halted = self.node.status().await.duties.halted;
        self.node.confirm_clock().await;
        halted
    }

    /// What the server is doing now.
    pub(crate) async fn read(&self) -> StatusMessage {
        let status = self.node.status().await;
        StatusMessage {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: format!("{:032x}", status.cluster),
            policy: self.policy.clone(),
            uptime_s: self.env.clock.steady().saturating_sub(self.started).as_secs(),
            s3_listen: self.s3_listen.to_string(),
            drives: status.drives.into_iter().map(drive_message).collect(),
            ranges: status.ranges.iter().map(range_message).collect(),
            halted: status.duties.halted.clone(),
            background: status.duties.figures().into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect(),
        }
    }
}

/// A drive.
fn drive_message(drive: DriveStatus) -> DriveMessage {
    let stats = drive.stats;
    let figure = |read: fn(&couronne_storage_node::drive::Stats) -> u64| stats.as_ref().map_or(0, read);
    DriveMessage {
        id: hexadecimal(drive.id),
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

/// A drive's identity as people copy it.
fn hexadecimal(drive: DriveId) -> String {
    format!("{:032x}", drive.0)
}
