//! `couronne node list`, `drive list`, `policy list`, `cluster token list`, `repair list`.

use super::durability::promise;
use super::text::{Table, bytes, duration, fill, many, ranges, since};
use super::{drive_state, node_state, used};
use couronne_admin::types::{ClusterStatus, StoragePolicy, TokenDetail, UnrepairedObject, UnrepairedObjects};

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
pub(crate) fn policies(policies: &[StoragePolicy]) -> Vec<String> {
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

/// The objects that lack shards, at a time in milliseconds since 1970. What tenants chose is quoted, so that no key of
/// theirs does anything to a terminal.
pub(crate) fn unrepaired(listed: &UnrepairedObjects, now_ms: u64) -> Vec<String> {
    let mut table = Table::default();
    for object in &listed.objects {
        let account = object.account.as_ref().or(object.account_id.as_ref());
        let bucket = object.bucket.as_ref().unwrap_or(&object.bucket_id);
        let known = object.since_ms.map_or_else(String::new, |ms| format!("known for {}", since(ms, now_ms)));
        table.row([
            state(object).to_owned(),
            format!("{} of {} shards missing, {} needed", object.missing, object.shards, object.needed),
            account.cloned().unwrap_or_else(|| "account not known".to_owned()),
            bucket.clone(),
            format!("{:?}", object.key),
            version(object),
            bytes(object.bytes),
            known,
        ]);
    }
    let mut lines = table.lines();
    if !listed.silent_ranges.is_empty() {
        lines.push(format!("not known: no leader says what lacks shards in {}", ranges(&listed.silent_ranges)));
    }
    match &listed.next {
        Some(next) => lines.push(format!("more follow: --after {next}")),
        None if lines.is_empty() => lines.push("no object lacks shards".to_owned()),
        None => {}
    }
    lines
}

fn state(object: &UnrepairedObject) -> &'static str {
    match (object.readable, object.looked_for) {
        (false, true) => "cannot be read",
        (false, false) => "may be unreadable, not looked for yet",
        (true, true) => "can be read",
        (true, false) => "can be read, not looked for yet",
    }
}

/// The version, and which part of it.
fn version(object: &UnrepairedObject) -> String {
    let whole = match (&object.version, &object.upload) {
        (Some(version), _) => format!("version {version}"),
        (None, Some(upload)) => format!("open upload {upload}"),
        (None, None) => "version not known".to_owned(),
    };
    object.part.map_or_else(|| whole.clone(), |part| format!("{whole}, part {part}"))
}
