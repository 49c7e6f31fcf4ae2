//! `couronne node list`, `drive list`, `policy list`, `cluster token list`.

use super::durability::promise;
use super::text::{Table, duration, fill, many};
use super::{drive_state, node_state, used};
use couronne_admin::types::{ClusterStatus, Policy, TokenDetail};

/// The processes.
pub(crate) fn nodes(status: &ClusterStatus) -> Vec<String> {
    let mut table = Table::default();
    for node in status.nodes.iter().chain(&status.gateways) {
        let report =
            node.report_age_ms.map_or_else(String::new, |ago_ms| format!("reported {} ago", duration(ago_ms / 1000)));
        let clock = node.clock_offset_ms.map_or_else(String::new, |clock_ms| format!("clock {clock_ms:+} ms"));
        let drives = match node.drives {
            0 => String::new(),
            drives => many(u64::try_from(drives).unwrap_or(u64::MAX), "drive", "drives"),
        };
        table.row([
            node.name.clone(),
            node.role.name().to_owned(),
            format!("{}/{}", node.region, node.zone),
            node.address.clone(),
            node.version.clone().unwrap_or_else(|| "version not known".to_owned()),
            node_state(node, status.now_ms),
            report,
            clock,
            drives,
            node.id.clone(),
        ]);
    }
    table.lines()
}

/// The drives.
pub(crate) fn drives(status: &ClusterStatus) -> Vec<String> {
    let mut table = Table::default();
    for drive in &status.drives {
        table.row([
            drive.id.clone(),
            drive.node.clone(),
            drive.zone.clone(),
            drive_state(drive, status.now_ms),
            fill(used(drive), drive.total_bytes),
            drive.folder.clone().unwrap_or_default(),
            drive.down_reason.clone().unwrap_or_default(),
        ]);
    }
    table.lines()
}

/// The policies.
pub(crate) fn policies(policies: &[Policy]) -> Vec<String> {
    let mut table = Table::default();
    for policy in policies {
        let demands = if policy.survive_zone_loss { "survives zones" } else { "" };
        let default = if policy.default { "default" } else { "" };
        table.row([
            policy.name.clone(),
            policy.redundancy.clone(),
            default.to_owned(),
            demands.to_owned(),
            promise(&policy.promise),
        ]);
    }
    table.lines()
}

/// The join tokens, at a time in milliseconds since 1970.
pub(crate) fn tokens(tokens: &[TokenDetail], now_ms: u64) -> Vec<String> {
    let mut table = Table::default();
    for token in tokens {
        table.row([
            token.id.clone(),
            token.role.name().to_owned(),
            format!("{} of {} joined", token.joined.len(), token.joins_max),
            format!("runs out in {}", duration(token.expires_ms.saturating_sub(now_ms) / 1000)),
        ]);
    }
    table.lines()
}
