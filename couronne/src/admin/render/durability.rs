//! The first lines of the status: what is in durability; and what a policy can promise.

use super::safety;
use super::text::{many, ranges};
use couronne_admin::types::{ClusterStatus, Drive, StoragePolicyPromise};

/// What is in danger, the worst first.
pub(super) fn lines(status: &ClusterStatus) -> Vec<String> {
    let durability = &status.durability;
    if durability.awaited_nodes > 0 {
        return vec![format!(
            "not begun: {} to join yet",
            many(durability.awaited_nodes, "storage node is", "storage nodes are")
        )];
    }
    if durability.awaited_voters > 0 {
        let voters = many(durability.awaited_voters, "drive is", "drives are");
        return vec![format!("not begun: {voters} to vote in the meta group yet; until then nothing is taken")];
    }
    let mut lines = vec![first(status)];
    if !durability.leaderless.is_empty() {
        lines.push(format!(
            "  no leader: {}; their keys can be neither read nor written",
            ranges(&durability.leaderless)
        ));
    }
    for level in &status.repair.degraded {
        let what = match level.survives {
            i16::MIN..0 => "cannot be read now (which: couronne repair list --unreadable)".to_owned(),
            0 => "survive no more loss".to_owned(),
            survives => {
                format!("survive {}", many(u64::from(survives.unsigned_abs()), "more loss", "more losses"))
            }
        };
        let (chunks, blobs) = (many(level.chunks, "chunk", "chunks"), many(level.blobs, "blob", "blobs"));
        lines.push(format!("  degraded: {chunks} of {blobs} {what}"));
    }
    if durability.drives_away > 0 {
        lines.push(format!(
            "  away: {} whose shards are not made up for yet",
            many(durability.drives_away, "drive", "drives")
        ));
    }
    if durability.ranges > 0 && durability.leaderless.is_empty() {
        lines.push(format!("  metadata: {} with replicas away", many(durability.ranges, "range", "ranges")));
    }
    lines.extend(smaller(status));
    lines.extend(if durability.safety.all_safe { safety::proofs(status) } else { safety::doubts(status) });
    lines
}

/// What the groups survive that have fewer voters than the policies want.
fn smaller(status: &ClusterStatus) -> Option<String> {
    let lacking = || status.ranges.iter().filter(|range| range.voters.len() < range.wanted);
    let fewest = lacking().min_by_key(|range| range.voters.len())?;
    let (voters, wanted) = (fewest.voters.len(), fewest.wanted);
    let lacking = many(u64::try_from(lacking().count()).unwrap_or(u64::MAX), "range has", "ranges have");
    let spare = fewest.serving.len().saturating_sub(voters / 2 + 1);
    let survived = many(u64::try_from(spare).unwrap_or(u64::MAX), "more loss is", "more losses are");
    let name = ranges(&[fewest.range]);
    Some(format!("  metadata: {lacking} fewer than {wanted} voters; {name} has {voters}: {survived} survived"))
}

fn first(status: &ClusterStatus) -> String {
    let durability = &status.durability;
    let what = match (durability.chunks, durability.drives_away, durability.ranges) {
        (0, 0, ranges) if ranges > 0 => many(ranges, "metadata range", "metadata ranges"),
        (0, _, _) => "chunks with shards on drives that are away".to_owned(),
        (chunks, ..) => many(chunks, "chunk", "chunks"),
    };
    let known = if safety::may_be_worse(status) { " as far as is known" } else { "" };
    match durability.survives {
        i64::MIN..0 if is_anything_away(status) => format!("OUT OF REACH: {what}; bring back what is away"),
        i64::MIN..0 => format!("OUT OF REACH: {what}, of which too little is left although all drives serve"),
        0 if durability.promised == 0 => "any loss costs data: the policy keeps one copy".to_owned(),
        0 => format!("one more loss would cost data{known}: {what}"),
        survives if survives >= durability.promised && durability.degraded_chunks == 0 => {
            let survived = many(survives.unsigned_abs(), "loss is survived", "losses are survived");
            match safety::headline(status) {
                None => format!("all safe: {survived}"),
                Some(safety::Headline::Unscrubbed(what)) => format!("no loss is known: {survived}; {what}"),
                Some(safety::Headline::Doubt(what)) => {
                    format!("not all safe: {survived} as far as is known; {what}")
                }
            }
        }
        survives => {
            let survived = many(survives.unsigned_abs(), "more loss is survived", "more losses are survived");
            format!("{survived}{known}; degraded: {what}")
        }
    }
}

fn is_anything_away(status: &ClusterStatus) -> bool {
    let is_away = |drive: &Drive| drive.down_reason.is_some() && drive.expelled_ms.is_none();
    status.drives.iter().any(is_away) || !status.durability.leaderless.is_empty()
}

/// What a policy can promise with the nodes and zones there are.
pub(crate) fn promise(promise: &StoragePolicyPromise) -> String {
    let StoragePolicyPromise {
        policy,
        nodes,
        zones,
        drives_survived,
        nodes_survived,
        zones_survived,
        zones_not_survived,
    } = promise;
    if *nodes == 0 {
        return format!("{policy}: no drives yet");
    }
    let number = |count: &usize| u64::try_from(*count).unwrap_or(u64::MAX);
    if *drives_survived == 0 {
        return format!("{policy}: no loss is survived");
    }
    let drives = many(number(drives_survived), "drive", "drives");
    if *nodes == 1 {
        return format!("{policy}: any {drives}");
    }
    let lost = match nodes_survived {
        0 => format!("any {drives}, but no node"),
        same if same == drives_survived => format!("any {drives} or {}", if *same == 1 { "node" } else { "nodes" }),
        fewer => format!("any {drives}, any {}", many(number(fewer), "node", "nodes")),
    };
    let zoned = match zones_not_survived.len() {
        _ if *zones == 1 => "one zone, not survivable".to_owned(),
        0 => format!("any {} of {zones} zones", zones_survived),
        not => format!("zones: {not} of {zones} not survivable ({})", zones_not_survived.join(", ")),
    };
    format!("{policy} over {}: {lost}; {zoned}", many(number(nodes), "node", "nodes"))
}
