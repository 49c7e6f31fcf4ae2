//! What `couronne status` and the lists show: text made of the API's types.
//!
//! The status fits one screen: what is in danger comes first, then what is promised, then where things
//! are, then what is being done about it.
//! Promises: pure; the same values give the same text. Must not know: where values come from.

mod durability;
mod lists;
mod map;
mod safety;
#[cfg(test)]
mod tests;
mod text;
mod work;

use couronne_storage_node::clock::CLOCK_OFF_MS_MAX;

use std::collections::BTreeMap;

use couronne_admin::types::{ClusterStatus, Drive, DriveState, Node, NodeRole};
use text::{Table, duration, fill, ranges, since};

pub(crate) use durability::promise;
pub(crate) use lists::{drives, nodes, policies, tokens, unrepaired};
pub(crate) use map::map;
pub(crate) use work::{repair, scrub_drives};

/// More drives than this are left to `couronne drive list`, those that serve well.
const DRIVES_MAX: usize = 16;

/// A clock that differs by more than this, in milliseconds, is worth a line.
const CLOCK_MS: u64 = 1000;

/// A cluster time that is behind by more than this, in milliseconds, is worth a line: two notes of it are as far apart.
const TIME_LAG_MS: u64 = 60_000;

/// The status in one screen.
pub(crate) fn status(status: &ClusterStatus) -> Vec<String> {
    let mut lines = durability::lines(status);
    lines.push(String::new());
    lines.push(format!("policy    {}", promise(&status.promise)));
    let is_alone = status.nodes.len() <= 1 && status.gateways.is_empty();
    if !is_alone {
        lines.extend(zone_lines(status));
        lines.extend(node_lines(status));
    }
    lines.extend(drive_lines(status));
    lines.push(format!("repair    {}", work::repair_line(&status.repair, status.durability.drives_away)));
    lines.push(format!("scrub     {}", work::scrub_line(&status.scrub, status.now_ms)));
    if let Some(halted) = &status.halted {
        lines.push(format!("halted    deleting: {halted}. Once the clock is right: couronne clock confirm"));
    }
    lines.extend(time_line(status));
    if let Some(awaited) = status.authority_waits_for.as_ref().filter(|awaited| !awaited.is_empty()) {
        let awaited = awaited.join(", ");
        lines
            .push(format!("authority is being changed, and waits for {awaited}: bring back what is away, or expel it"));
    }
    lines.push(format!("ranges    {}", range_line(status)));
    lines.extend(clock_line(status));
    lines.push(format!("versions  {}", version_line(status)));
    lines
}

/// The drives of each zone taken together, if there are zones of several nodes.
fn zone_lines(status: &ClusterStatus) -> Vec<String> {
    let mut names: Vec<(&str, &str)> = status.nodes.iter().map(|node| (&*node.region, &*node.zone)).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < 2 || names.len() == status.nodes.len() {
        return Vec::new();
    }
    let is_one_region = names.iter().all(|(region, _)| Some(region) == names.first().map(|(region, _)| region));
    let mut table = Table::default();
    for (region, zone) in names {
        let drives = status.drives.iter().filter(|drive| (&*drive.region, &*drive.zone) == (region, zone));
        let nodes: Vec<_> = status.nodes.iter().filter(|node| (&*node.region, &*node.zone) == (region, zone)).collect();
        let up = nodes.iter().filter(|node| node.answers).count();
        let name = if is_one_region { zone.to_owned() } else { format!("{region}/{zone}") };
        table.row([name, format!("{up} of {} nodes up", nodes.len()), fill_of(drives)]);
    }
    table.under("zones")
}

fn node_lines(status: &ClusterStatus) -> Vec<String> {
    let leads = leads(status);
    let mut table = Table::default();
    for node in &status.nodes {
        let drives = status.drives.iter().filter(|drive| drive.node == node.name);
        let led = leads.get(node.name.as_str()).map_or_else(String::new, |count| format!("leads {count}"));
        table.row([node.name.clone(), node.zone.clone(), node_state(node, status.now_ms), fill_of(drives), led]);
    }
    for gateway in &status.gateways {
        let state = node_state(gateway, status.now_ms);
        table.row([gateway.name.clone(), gateway.zone.clone(), state, "gateway".to_owned(), String::new()]);
    }
    table.under("nodes")
}

fn drive_lines(status: &ClusterStatus) -> Vec<String> {
    let is_well = |drive: &&Drive| drive.state == DriveState::Writable;
    let shows_all = status.drives.len() <= DRIVES_MAX;
    let mut table = Table::default();
    for drive in status.drives.iter().filter(|drive| shows_all || !is_well(drive)) {
        let folder = drive.folder.clone().unwrap_or_default();
        let state = drive_state(drive, status.now_ms);
        let fill = fill(used(drive), drive.total_bytes);
        table.row([short(&drive.id), drive.node.clone(), state, fill, folder]);
    }
    let mut lines = table.under("drives");
    if !shows_all {
        let well = status.drives.iter().filter(is_well).count();
        lines.push(format!("  {well} more serve: couronne drive list"));
    }
    lines
}

fn used(drive: &Drive) -> u64 {
    drive.total_bytes.saturating_sub(drive.free_bytes)
}

fn fill_of<'a>(drives: impl Iterator<Item = &'a Drive>) -> String {
    let sums = drives.fold((0, 0), |(used_bytes, total), drive| (used_bytes + used(drive), total + drive.total_bytes));
    fill(sums.0, sums.1)
}

/// As much of a drive's identity as tells it from others.
fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// How a process is, for a person.
fn node_state(node: &Node, now_ms: u64) -> String {
    if let Some(since_ms) = node.expelled_ms {
        return format!("expelled {} ago", since(since_ms, now_ms));
    }
    match (node.answers, node.down_since_ms, node.report_age_ms) {
        (true, ..) => "up".to_owned(),
        (false, Some(since_ms), _) if node.drives > 0 => format!("down for {}", since(since_ms, now_ms)),
        (false, _, Some(ago_ms)) => format!("no node report for {}", duration(ago_ms / 1000)),
        (false, _, None) if node.role == NodeRole::Gateway => "no node report".to_owned(),
        (false, ..) => "does not answer".to_owned(),
    }
}

/// How a drive is, for a person.
fn drive_state(drive: &Drive, now_ms: u64) -> String {
    match drive.down_since_ms {
        Some(since_ms) if drive.down_reason.is_some() => {
            format!("{} for {}", drive.state.name(), since(since_ms, now_ms))
        }
        _ => drive.state.name().to_owned(),
    }
}

/// Which node leads how many ranges, by the drives of their leaders.
fn leads(status: &ClusterStatus) -> BTreeMap<&str, usize> {
    let nodes: BTreeMap<&str, &str> =
        status.drives.iter().map(|drive| (drive.id.as_str(), drive.node.as_str())).collect();
    let mut leads = BTreeMap::new();
    for leader in status.ranges.iter().filter_map(|range| range.leader.as_deref()) {
        *leads.entry(nodes.get(leader).copied().unwrap_or("?")).or_default() += 1;
    }
    leads
}

fn range_line(status: &ClusterStatus) -> String {
    let leaders = leads(status);
    let led: Vec<String> = leaders.iter().map(|(node, count)| format!("{node} {count}")).collect();
    let mut line = format!("{} of {} led", leaders.values().sum::<usize>(), status.ranges.len());
    if status.nodes.len() > 1 && !led.is_empty() {
        line += &format!(": {}", led.join(", "));
    }
    if !status.durability.leaderless.is_empty() {
        line += &format!("; without a leader: {}", ranges(&status.durability.leaderless));
    }
    let missing: usize = status.ranges.iter().map(|range| range.wanted.saturating_sub(range.serving.len())).sum();
    if missing > 0 {
        line += &format!("; {missing} replicas away");
    }
    line
}

fn time_line(status: &ClusterStatus) -> Option<String> {
    let lag = duration(status.time_lag_ms / 1000);
    let line = || {
        format!(
            "locks     hold {lag} longer: so far the cluster time lags. Once all clocks are right: couronne clock confirm"
        )
    };
    (status.time_lag_ms > TIME_LAG_MS).then(line)
}

fn clock_line(status: &ClusterStatus) -> Option<String> {
    let off = status.nodes.iter().chain(&status.gateways).filter_map(|node| {
        let clock_ms = node.clock_offset_ms.filter(|clock_ms| clock_ms.unsigned_abs() > CLOCK_MS)?;
        let way = if clock_ms > 0 { "ahead" } else { "behind" };
        let leads = node.role == NodeRole::Gateway || clock_ms.saturating_abs() <= CLOCK_OFF_MS_MAX;
        let follows = if leads { "" } else { " and leads nothing" };
        Some(format!("{} {} {way}{follows}", node.name, duration(clock_ms.unsigned_abs() / 1000)))
    });
    let off: Vec<String> = off.collect();
    (!off.is_empty()).then(|| format!("clocks    {}", off.join(", ")))
}

fn version_line(status: &ClusterStatus) -> String {
    let known = || status.nodes.iter().chain(&status.gateways).filter_map(|node| Some((node, node.version.as_ref()?)));
    if known().all(|(_, version)| *version == status.version) {
        return status.version.clone();
    }
    let each: Vec<String> = known().map(|(node, version)| format!("{} {version}", node.name)).collect();
    format!("differ: {}", each.join(", "))
}
