//! Whether everything is known to be safe, and what is not, by what all storage nodes and the leaders of all ranges say.
//!
//! Promises: pure; what a node or a leader does not say is never taken for well; everything is safe only if as many losses
//! are survived as are promised and there is not one doubt.
//! Must not know: how it is asked for or shown.

use couronne_admin::types::{ClusterStatus, Doubt, DoubtKind, Drive, DriveState, Node, Range, RangeFacts, Safety};
use couronne_cluster::map::MAP_RANGE;

/// A date that is further ahead than this, in milliseconds, is that of a clock that was wrong.
const AHEAD_MS_MAX: u64 = 300_000;

/// What is known of losses and repair beside what the status shows.
pub(super) struct KnownLosses {
    /// The version of the map that first knew the newest loss, as any node knows it; 0: there was none.
    pub(super) version: u64,
    /// The names of the storage nodes that do not know that version yet.
    pub(super) behind: Vec<String>,
    /// What repair still has to do, as the nodes say.
    pub(super) pending: u64,
}

/// Judges whether everything is safe. The status has everything else, durability included.
pub(super) fn safety(status: &ClusterStatus, losses: &KnownLosses) -> Safety {
    let facts = |range: &Range| range.facts;
    let drive_dates = status.drives.iter().filter(|drive| is_awaited(drive)).map(|drive| drive.scrubbed_ms);
    let mut safety = Safety {
        all_safe: false,
        loss_version: losses.version,
        swept_version: least(of_data(status).map(|range| Some(facts(range)?.swept_version))),
        repair_rows: of_data(status).map(|range| Some(facts(range)?.repair_rows)).sum(),
        shards_scrubbed_ms: least(drive_dates),
        shards_looked_for_ms: least(of_data(status).map(|range| facts(range)?.looked_ms)),
        stores_scrubbed_ms: least(status.ranges.iter().map(|range| facts(range)?.stores_scrubbed_ms)),
        scrub_cycle_s: status.scrub.cycle_s,
        doubts: [about_members(status, losses), about_ranges(status, losses), about_scrubs(status)].concat(),
    };
    let durability = &status.durability;
    let has_begun = durability.awaited_nodes == 0 && durability.awaited_voters == 0 && !status.drives.is_empty();
    let is_as_promised = durability.promised > 0
        && durability.survives >= durability.promised
        && durability.degraded_chunks == 0
        && durability.drives_away == 0
        && durability.leaderless.is_empty();
    safety.all_safe = has_begun && is_as_promised && safety.doubts.is_empty();
    safety
}

/// The ranges of the keyspace: the meta group names no blobs.
fn of_data(status: &ClusterStatus) -> impl Iterator<Item = &Range> {
    status.ranges.iter().filter(|range| range.range != MAP_RANGE.0)
}

/// The least of these, if all are known.
fn least(values: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    let known: Option<Vec<u64>> = values.collect();
    known?.into_iter().min()
}

/// A doubt about these, if there are any, since the first of these times.
fn doubt(kind: DoubtKind, of: impl Iterator<Item = (String, Option<u64>)>) -> Option<Doubt> {
    let (of, since): (Vec<String>, Vec<Option<u64>>) = of.unzip();
    (!of.is_empty()).then(|| Doubt { kind, of, since_ms: since.into_iter().flatten().min() })
}

/// Whether a drive is one of those that have to serve. One of an expelled node is not once it is lost: whether what it held
/// is made up for is then known as of any loss.
fn is_awaited(drive: &Drive) -> bool {
    drive.expelled_ms.is_none() || drive.state != DriveState::Lost
}

/// Nodes that say nothing or do not know what was lost, and drives that do not serve.
fn about_members(status: &ClusterStatus, losses: &KnownLosses) -> Vec<Doubt> {
    let last_heard_ms = |node: &Node| node.report_age_ms.map(|age_ms| status.now_ms.saturating_sub(age_ms));
    let silent = status.nodes.iter().filter(|node| !node.answers && node.expelled_ms.is_none());
    let silent = silent.map(|node| (node.name.clone(), node.down_since_ms.or(last_heard_ms(node))));
    let behind = losses.behind.iter().map(|name| (name.clone(), None));
    let away = status.drives.iter().filter(|drive| is_awaited(drive));
    let away = away.filter(|drive| drive.down_reason.is_some() || drive.down_since_ms.is_some());
    let away = away.map(|drive| (drive.id.clone(), drive.down_since_ms));
    let doubts = [
        doubt(DoubtKind::NodesSilent, silent),
        doubt(DoubtKind::NodesBehind, behind),
        doubt(DoubtKind::DrivesAway, away),
    ];
    doubts.into_iter().flatten().collect()
}

/// Ranges whose leaders say nothing, whose groups are not whole, and whose blobs were not looked through for all losses or
/// are to be repaired.
fn about_ranges(status: &ClusterStatus, losses: &KnownLosses) -> Vec<Doubt> {
    let name = |range: &Range| range.range.to_string();
    let silent = status.ranges.iter().filter(|range| range.facts.is_none() || range.leader.is_none());
    let silent = silent.map(|range| (name(range), range.silent_since_ms));
    let down_since_ms = |id: &String| status.drives.iter().find(|drive| drive.id == *id)?.down_since_ms;
    let not_whole = status.ranges.iter().filter(|range| !is_whole(range));
    let not_whole = not_whole.map(|range| (name(range), range.voters.iter().filter_map(&down_since_ms).min()));
    let lost_ms = |swept: u64| {
        let unswept = status.drives.iter().filter(move |drive| drive.loss_version > swept);
        unswept.filter_map(|drive| drive.loss_ms).min()
    };
    let said = || of_data(status).filter_map(|range| Some((range, range.facts?)));
    let unswept = said().filter(|(_, facts)| facts.swept_version < losses.version);
    let unswept = unswept.map(|(range, facts)| (name(range), lost_ms(facts.swept_version)));
    let is_unlisted = |range: &&Range| status.repair.unlisted_ranges.contains(&range.range);
    let stood_ms = status.drives.iter().filter_map(|drive| drive.down_since_ms).max();
    let unlisted = of_data(status).filter(is_unlisted).map(|range| (name(range), stood_ms));
    let repairing_ms = (status.repair.elapsed_s > 0)
        .then(|| status.now_ms.saturating_sub(status.repair.elapsed_s.saturating_mul(1000)));
    let unrepaired = said().filter(|(_, facts)| facts.repair_rows > 0).map(|(range, _)| (name(range), repairing_ms));
    let mut unrepaired = doubt(DoubtKind::Unrepaired, unrepaired);
    if losses.pending > 0 && unrepaired.is_none() {
        unrepaired = Some(Doubt { kind: DoubtKind::Unrepaired, of: Vec::new(), since_ms: repairing_ms });
    }
    let facts = || status.ranges.iter().filter_map(|range| Some((range, range.facts?)));
    let unresolved = facts().filter_map(|(range, facts)| Some((name(range), Some(facts.stores_unresolved_ms?))));
    let doubts = [
        doubt(DoubtKind::RangesSilent, silent),
        doubt(DoubtKind::GroupsNotWhole, not_whole),
        doubt(DoubtKind::RangesUnswept, unswept),
        doubt(DoubtKind::RangesUnlisted, unlisted),
        unrepaired,
        doubt(DoubtKind::RowsUnresolved, unresolved),
    ];
    doubts.into_iter().flatten().collect()
}

/// Whether a range's group has the voters that the policies want, no other member, and all of them serve.
fn is_whole(range: &Range) -> bool {
    let all_serve = range.voters.iter().all(|voter| range.serving.contains(voter));
    range.settled && range.wanted > 0 && range.voters.len() >= range.wanted && all_serve
}

/// What was not scrubbed within the cycle. What nobody can say, because a drive or a leader is away, is told elsewhere.
fn about_scrubs(status: &ClusterStatus) -> Vec<Doubt> {
    let cycle_ms = status.scrub.cycle_s.saturating_mul(1000);
    let is_due = |done_ms: &Option<u64>| {
        done_ms.is_none_or(|done_ms| {
            done_ms.saturating_add(cycle_ms) < status.now_ms || done_ms > status.now_ms.saturating_add(AHEAD_MS_MAX)
        })
    };
    let began_ms = status.drives.iter().filter_map(|drive| drive.unscrubbed_since_ms).min();
    let serve = status.drives.iter().filter(|drive| drive.down_reason.is_none());
    let drives = serve.filter(|drive| is_due(&drive.scrubbed_ms));
    let drives = drives.map(|drive| (drive.id.clone(), drive.scrubbed_ms.or(drive.unscrubbed_since_ms)));
    let due = |ranges: &mut dyn Iterator<Item = &Range>, date: fn(&RangeFacts) -> Option<u64>| {
        let said = ranges.filter_map(|range| Some((range.range.to_string(), date(&range.facts?))));
        let due: Vec<_> = said.filter(|(_, done_ms)| is_due(done_ms)).collect();
        due.into_iter().map(|(name, done_ms)| (name, done_ms.or(began_ms)))
    };
    let places = due(&mut of_data(status), |facts| facts.looked_ms);
    let stores = due(&mut status.ranges.iter(), |facts| facts.stores_scrubbed_ms);
    let doubts = [
        doubt(DoubtKind::ShardsUnscrubbed, drives),
        doubt(DoubtKind::ShardsNotLookedFor, places),
        doubt(DoubtKind::StoresUnscrubbed, stores),
    ];
    doubts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use couronne_admin::types::{Durability, Scrub};

    const DAY_MS: u64 = 86_400_000;
    const NOW_MS: u64 = 100 * DAY_MS;

    /// Three nodes of one drive each, the meta group and two ranges; a drive was emptied at version 50. All is known to be
    /// safe.
    fn whole() -> (ClusterStatus, KnownLosses) {
        let drive = |number: u64| Drive {
            id: format!("d{number}"),
            node: format!("n{number}"),
            state: DriveState::Writable,
            loss_version: if number == 1 { 50 } else { 0 },
            loss_ms: (number == 1).then_some(NOW_MS - 9 * DAY_MS),
            scrubbed_ms: Some(NOW_MS - number * DAY_MS),
            unscrubbed_since_ms: Some(DAY_MS),
            ..Drive::default()
        };
        let node = |number: u64| Node { name: format!("n{number}"), answers: true, ..Node::default() };
        let voters: Vec<String> = (1..=3).map(|number| format!("d{number}")).collect();
        let range = |number: u64| Range {
            range: number,
            replicas: voters.clone(),
            voters: voters.clone(),
            wanted: 3,
            serving: voters.clone(),
            leader: Some("d1".to_owned()),
            settled: true,
            facts: Some(RangeFacts {
                term: 1,
                swept_version: if number == 0 { 0 } else { 50 + number },
                repair_rows: 0,
                looked_ms: (number > 0).then_some(NOW_MS - 4 * DAY_MS),
                stores_scrubbed_ms: Some(NOW_MS - 5 * DAY_MS),
                stores_unresolved_ms: None,
            }),
            silent_since_ms: None,
        };
        let status = ClusterStatus {
            now_ms: NOW_MS,
            durability: Durability { survives: 1, promised: 1, ..Durability::default() },
            nodes: (1..=3).map(node).collect(),
            drives: (1..=3).map(drive).collect(),
            ranges: (0..=2).map(range).collect(),
            scrub: Scrub { cycle_s: 15 * DAY_MS / 1000, ..Scrub::default() },
            ..ClusterStatus::default()
        };
        (status, KnownLosses { version: 50, behind: Vec::new(), pending: 0 })
    }

    fn facts(status: &mut ClusterStatus, range: usize) -> &mut RangeFacts {
        status.ranges[range].facts.as_mut().unwrap()
    }

    type Spoil = fn(&mut ClusterStatus, &mut KnownLosses);

    /// Each fact that is bad or unknown, and the doubt that it leaves: of what kind, of what, since when.
    const SPOILED: [(Spoil, DoubtKind, &[&str], Option<u64>); 21] = [
        (
            |status, _| (status.nodes[1].answers, status.nodes[1].report_age_ms) = (false, Some(5000)),
            DoubtKind::NodesSilent,
            &["n2"],
            Some(NOW_MS - 5000),
        ),
        (|_, losses| losses.behind.push("n3".to_owned()), DoubtKind::NodesBehind, &["n3"], None),
        (|status, _| status.drives[2].down_since_ms = Some(7), DoubtKind::DrivesAway, &["d3"], Some(7)),
        (|status, _| status.drives[2].down_reason = Some("it hangs".to_owned()), DoubtKind::DrivesAway, &["d3"], None),
        (
            |status, _| (status.ranges[2].facts, status.ranges[2].silent_since_ms) = (None, Some(9)),
            DoubtKind::RangesSilent,
            &["2"],
            Some(9),
        ),
        (|status, _| status.ranges[0].leader = None, DoubtKind::RangesSilent, &["0"], None),
        (|status, _| drop(status.ranges[1].voters.pop()), DoubtKind::GroupsNotWhole, &["1"], None),
        (|status, _| drop(status.ranges[0].serving.pop()), DoubtKind::GroupsNotWhole, &["0"], None),
        (|status, _| status.ranges[1].settled = false, DoubtKind::GroupsNotWhole, &["1"], None),
        (|status, _| facts(status, 2).swept_version = 49, DoubtKind::RangesUnswept, &["2"], Some(NOW_MS - 9 * DAY_MS)),
        (|_, losses| losses.version = 52, DoubtKind::RangesUnswept, &["1"], None),
        (|status, _| status.repair.unlisted_ranges = vec![2], DoubtKind::RangesUnlisted, &["2"], None),
        (|status, _| facts(status, 1).repair_rows = 1, DoubtKind::Unrepaired, &["1"], None),
        (
            |status, losses| (losses.pending, status.repair.elapsed_s) = (1, 60),
            DoubtKind::Unrepaired,
            &[],
            Some(NOW_MS - 60_000),
        ),
        (|status, _| facts(status, 0).stores_unresolved_ms = Some(3), DoubtKind::RowsUnresolved, &["0"], Some(3)),
        (|status, _| status.drives[0].scrubbed_ms = None, DoubtKind::ShardsUnscrubbed, &["d1"], Some(DAY_MS)),
        (
            |status, _| status.drives[0].scrubbed_ms = Some(NOW_MS - 15 * DAY_MS - 1),
            DoubtKind::ShardsUnscrubbed,
            &["d1"],
            Some(NOW_MS - 15 * DAY_MS - 1),
        ),
        (
            |status, _| status.drives[0].scrubbed_ms = Some(NOW_MS + DAY_MS),
            DoubtKind::ShardsUnscrubbed,
            &["d1"],
            Some(NOW_MS + DAY_MS),
        ),
        (|status, _| facts(status, 1).looked_ms = None, DoubtKind::ShardsNotLookedFor, &["1"], Some(DAY_MS)),
        (|status, _| facts(status, 0).stores_scrubbed_ms = None, DoubtKind::StoresUnscrubbed, &["0"], Some(DAY_MS)),
        (
            |status, _| facts(status, 2).stores_scrubbed_ms = Some(DAY_MS),
            DoubtKind::StoresUnscrubbed,
            &["2"],
            Some(DAY_MS),
        ),
    ];

    #[test]
    fn all_is_safe_only_by_facts_that_are_shown() {
        let (status, losses) = whole();
        let judged = safety(&status, &losses);
        assert_eq!((judged.all_safe, &judged.doubts[..]), (true, &[][..]));
        assert_eq!((judged.loss_version, judged.swept_version, judged.repair_rows), (50, Some(51), Some(0)));
        assert_eq!(judged.shards_scrubbed_ms, Some(NOW_MS - 3 * DAY_MS));
        assert_eq!(judged.shards_looked_for_ms, Some(NOW_MS - 4 * DAY_MS));
        assert_eq!(judged.stores_scrubbed_ms, Some(NOW_MS - 5 * DAY_MS));
        for (spoil, kind, of, since_ms) in SPOILED {
            let (mut status, mut losses) = whole();
            spoil(&mut status, &mut losses);
            let judged = safety(&status, &losses);
            let of = of.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!((judged.all_safe, judged.doubts), (false, vec![Doubt { kind, of, since_ms }]));
        }
    }

    /// Danger that durability knows of, a cluster that has not begun, and one copy of everything are no safety.
    #[test]
    fn no_doubt_is_not_enough() {
        let (status, losses) = whole();
        let safe = |durability| safety(&ClusterStatus { durability, ..status.clone() }, &losses).all_safe;
        let whole = &status.durability;
        assert!(safe(whole.clone()));
        assert!(!safe(Durability { survives: 0, ..whole.clone() }));
        assert!(!safe(Durability { survives: 0, promised: 0, ..whole.clone() }));
        assert!(!safe(Durability { degraded_chunks: 1, ..whole.clone() }));
        assert!(!safe(Durability { drives_away: 1, ..whole.clone() }));
        assert!(!safe(Durability { leaderless: vec![1], ..whole.clone() }));
        assert!(!safe(Durability { awaited_nodes: 1, ..whole.clone() }));
        assert!(!safe(Durability { awaited_voters: 1, ..whole.clone() }));
        assert!(!safety(&ClusterStatus::default(), &losses).all_safe);
    }

    /// Of a drive whose node was expelled nothing is waited for but that all is made up for.
    #[test]
    fn an_expelled_nodes_drive_keeps_nothing_unsafe_once_it_is_made_up_for() {
        let (mut status, mut losses) = whole();
        let lost = Drive {
            id: "d4".to_owned(),
            state: DriveState::Lost,
            down_reason: Some("its node does not answer".to_owned()),
            down_since_ms: Some(7),
            expelled_ms: Some(7),
            loss_version: 50,
            ..Drive::default()
        };
        status.drives.push(lost);
        let judged = safety(&status, &losses);
        assert!(judged.all_safe && judged.shards_scrubbed_ms.is_some(), "{judged:?}");
        status.drives[3].state = DriveState::Down;
        assert!(!safety(&status, &losses).all_safe, "it may come back before it is lost");
        status.drives[3].state = DriveState::Lost;
        (losses.version, status.drives[3].loss_version) = (90, 90);
        assert!(!safety(&status, &losses).all_safe, "not all was looked through for its loss");
        losses.version = 50;
        status.drives[3].expelled_ms = None;
        assert!(!safety(&status, &losses).all_safe, "a member's drive is to be replaced");
    }

    /// Whatever else is well or not: with any fact bad or unknown not all is safe. All pairs of such facts are tried.
    #[test]
    fn never_all_safe_with_facts_bad_or_unknown() {
        for first in SPOILED {
            for second in SPOILED {
                let (mut status, mut losses) = whole();
                // What one takes away another may want to change: so it comes last.
                let takes_away =
                    |spoiled: &(Spoil, DoubtKind, &[&str], Option<u64>)| spoiled.1 == DoubtKind::RangesSilent;
                let mut both = [first, second];
                both.sort_by_key(takes_away);
                both.iter().for_each(|(spoil, ..)| spoil(&mut status, &mut losses));
                let judged = safety(&status, &losses);
                assert!(!judged.all_safe && !judged.doubts.is_empty());
                assert!(both.iter().any(|(_, kind, ..)| judged.doubts.iter().any(|doubt| doubt.kind == *kind)));
            }
        }
    }
}
