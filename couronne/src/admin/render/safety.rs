//! By what everything is known to be safe, or what of it is not, as lines below the first one of the status.
//!
//! Must not know: how that is judged.

use super::text::{self, duration, many, named, since};
use couronne_admin::types::{ClusterStatus, Doubt, DoubtKind, Node};

/// The first line's words for what keeps it from saying that all is safe.
pub(super) enum Headline {
    /// Nothing is amiss as far as is known, but not everything was scrubbed.
    Unscrubbed(String),
    /// Something is amiss, or is not known.
    Doubt(String),
}

/// What is to be said in the first line; `None` if all is safe.
pub(super) fn headline(status: &ClusterStatus) -> Option<Headline> {
    let safety = &status.durability.safety;
    if safety.all_safe {
        return None;
    }
    let is_of_scrub = |doubt: &&Doubt| {
        matches!(doubt.kind, DoubtKind::ShardsUnscrubbed | DoubtKind::ShardsNotLookedFor | DoubtKind::StoresUnscrubbed)
    };
    let headline = match safety.doubts.iter().find(|doubt| !is_of_scrub(doubt)) {
        Some(doubt) => Headline::Doubt(summary(doubt)),
        None => {
            let is_new = safety.doubts.iter().any(|doubt| never(status, doubt));
            let what = if is_new { "not yet scrubbed" } else { "not scrubbed within the cycle" };
            let since_ms = safety.doubts.iter().filter_map(|doubt| doubt.since_ms).min();
            let time = since_ms.map(|since_ms| format!(", for {}", since(since_ms, status.now_ms)));
            Headline::Unscrubbed(what.to_owned() + &time.unwrap_or_default())
        }
    };
    Some(headline)
}

/// Whether some chunks may survive fewer losses than is known of them: they were counted before the last losses, or by a
/// map that does not know yet that a node is silent.
pub(super) fn may_be_worse(status: &ClusterStatus) -> bool {
    let hides = [DoubtKind::RangesSilent, DoubtKind::RangesUnswept, DoubtKind::RangesUnlisted];
    let is_unnoticed = |node: &Node| !node.answers && node.down_since_ms.is_none() && node.expelled_ms.is_none();
    status.durability.safety.doubts.iter().any(|doubt| hides.contains(&doubt.kind))
        || status.nodes.iter().any(is_unnoticed)
}

/// A doubt in a few words.
fn summary(doubt: &Doubt) -> String {
    let what = match doubt.kind {
        DoubtKind::NodesSilent => "nodes do not answer",
        DoubtKind::NodesBehind => "nodes do not know the newest loss yet",
        DoubtKind::DrivesAway => "drives are away",
        DoubtKind::RangesSilent => "not known how ranges are",
        DoubtKind::GroupsNotWhole => "metadata lacks voters",
        DoubtKind::RangesUnswept => "what a loss took is not known yet",
        DoubtKind::RangesUnlisted => "what chunks lack is not known yet",
        DoubtKind::Unrepaired => "not all is repaired",
        DoubtKind::RowsUnresolved => "rows of metadata differ or cannot be read",
        DoubtKind::ShardsUnscrubbed | DoubtKind::ShardsNotLookedFor | DoubtKind::StoresUnscrubbed => "not scrubbed",
    };
    what.to_owned()
}

/// Whether what a doubt is about was never scrubbed.
fn never(status: &ClusterStatus, doubt: &Doubt) -> bool {
    let drives = || status.drives.iter().filter(|drive| doubt.of.contains(&drive.id));
    let facts = || {
        let ranges = status.ranges.iter().filter(|range| doubt.of.contains(&range.range.to_string()));
        ranges.filter_map(|range| range.facts)
    };
    match doubt.kind {
        DoubtKind::ShardsUnscrubbed => drives().any(|drive| drive.scrubbed_ms.is_none()),
        DoubtKind::ShardsNotLookedFor => facts().any(|facts| facts.looked_ms.is_none()),
        DoubtKind::StoresUnscrubbed => facts().any(|facts| facts.stores_scrubbed_ms.is_none()),
        _ => false,
    }
}

/// What is not known, or not as it has to be, and since when.
pub(super) fn doubts(status: &ClusterStatus) -> Vec<String> {
    let lines = status.durability.safety.doubts.iter().map(|doubt| {
        let time = doubt.since_ms.map(|since_ms| format!(", for {}", since(since_ms, status.now_ms)));
        format!("  {}{}", line(status, doubt), time.unwrap_or_default())
    });
    lines.collect()
}

/// A doubt in one line, but for the time.
fn line(status: &ClusterStatus, doubt: &Doubt) -> String {
    let safety = &status.durability.safety;
    let ranges = || text::ranges(&doubt.of.iter().filter_map(|number| number.parse().ok()).collect::<Vec<_>>());
    let drives = || named("drive", &doubt.of.iter().map(|id| id.chars().take(8).collect()).collect::<Vec<_>>());
    let nodes = || named("node", &doubt.of);
    let ever = if never(status, doubt) { "not yet" } else { "not within the cycle" };
    match doubt.kind {
        DoubtKind::NodesSilent => format!("not known: {} not answer", plural(&nodes(), doubt, "does", "do")),
        DoubtKind::NodesBehind => {
            format!("not known: {} not know the newest loss yet", plural(&nodes(), doubt, "does", "do"))
        }
        DoubtKind::DrivesAway => format!("not safe: {} not serve", plural(&drives(), doubt, "does", "do")),
        DoubtKind::RangesSilent => format!("not known: no leader says how {} {}", ranges(), is(doubt)),
        DoubtKind::GroupsNotWhole => {
            format!("not safe: {} {} not all voters, or one does not serve", ranges(), has(doubt))
        }
        DoubtKind::RangesUnswept => format!(
            "not known: {} {} not looked through for the loss at map version {} yet",
            ranges(),
            was(doubt),
            safety.loss_version
        ),
        DoubtKind::RangesUnlisted => {
            format!("not known: what chunks of {} lack since drives went away", ranges())
        }
        DoubtKind::Unrepaired => unrepaired(status),
        DoubtKind::RowsUnresolved => format!("not safe: rows of {} differ or cannot be read", ranges()),
        DoubtKind::ShardsUnscrubbed => format!("{ever} scrubbed: shards on {}", drives()),
        DoubtKind::ShardsNotLookedFor => format!("{ever} scrubbed: places of the shards of {}", ranges()),
        DoubtKind::StoresUnscrubbed => format!("{ever} scrubbed: replicas of {}", ranges()),
    }
}

fn unrepaired(status: &ClusterStatus) -> String {
    let rows = status.durability.safety.repair_rows.unwrap_or(0);
    if rows == 0 {
        return "not safe: repair has something to do".to_owned();
    }
    let blobs = many(rows, "blob is repaired or waits for a drive", "blobs are repaired or wait for a drive");
    match rows.saturating_sub(status.repair.listed) {
        0 => format!("not safe: {blobs}"),
        unlisted => format!("not safe: {blobs}, {unlisted} of them not looked at yet"),
    }
}

/// By what everything is known to be safe.
pub(super) fn proofs(status: &ClusterStatus) -> Vec<String> {
    let safety = &status.durability.safety;
    let swept = match (safety.loss_version, safety.swept_version) {
        (0, _) => "no drive has lost anything".to_owned(),
        (loss, swept) => {
            format!("looked through to map version {} for losses, the newest at {loss}", swept.unwrap_or(0))
        }
    };
    let groups = many(u64::try_from(status.ranges.len()).unwrap_or(u64::MAX), "group", "groups");
    let ago = |done_ms: Option<u64>| done_ms.map_or_else(|| "never".to_owned(), |ms| since(ms, status.now_ms) + " ago");
    let [shards, places, stores] =
        [safety.shards_scrubbed_ms, safety.shards_looked_for_ms, safety.stores_scrubbed_ms].map(ago);
    vec![
        format!("  known: {swept}; nothing to repair; all voters of {groups} serve"),
        format!(
            "  scrubbed: shards {shards}, their places {places}, replicas {stores}; again within {}",
            duration(safety.scrub_cycle_s)
        ),
    ]
}

fn plural(subject: &str, doubt: &Doubt, one: &str, several: &str) -> String {
    format!("{subject} {}", if doubt.of.len() == 1 { one } else { several })
}

fn is(doubt: &Doubt) -> &'static str {
    if doubt.of.len() == 1 { "is" } else { "are" }
}

fn has(doubt: &Doubt) -> &'static str {
    if doubt.of.len() == 1 { "has" } else { "have" }
}

fn was(doubt: &Doubt) -> &'static str {
    if doubt.of.len() == 1 { "was" } else { "were" }
}
