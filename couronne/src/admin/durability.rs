//! What a cluster can promise, and what is in danger, by its map and what its nodes say.
//!
//! Chunks that were looked at since the drives stand as they do are told by repair. Of those whose drives
//! are only waited for, or that nobody looked at yet, the ring tells the worst that can be.
//! Promises: pure; in doubt more is in danger than less; nothing is promised of data whose metadata would be out of
//! reach. Must not know: how it is asked for or shown.

use std::collections::{BTreeMap, BTreeSet};

use couronne_admin::types::{
    ClusterStatus, Drive, DriveState, Durability, Range, Safety, StoragePolicy, StoragePolicyPromise,
};
use couronne_cluster::map::{ClusterMap, MAP_RANGE, MapPolicy, MapRange, ReplicaId};
use couronne_metadata::ids::RangeId;
use couronne_ring::{DriveId, FailureDomain, Ring, ZoneName};

/// Within this time of its last leader a range most of whose voters serve is taken to elect another, in milliseconds.
const ELECTION_MS_MAX: u64 = 5_000;

/// The policies of the map.
pub(super) fn policies(map: &ClusterMap) -> Vec<StoragePolicy> {
    let shown = |policy: &MapPolicy| StoragePolicy {
        name: policy.policy.name.to_string(),
        id: policy.policy.id.0,
        redundancy: policy.policy.redundancy.to_string(),
        default: policy.policy.id == map.default_policy,
        survive_zone_loss: policy.policy.survives >= Some(FailureDomain::Zone),
        promise: promise(map, policy),
    };
    map.policies.values().map(shown).collect()
}

/// What the default policy can promise.
pub(super) fn default_promise(map: &ClusterMap) -> StoragePolicyPromise {
    map.policies.get(&map.default_policy).map(|policy| promise(map, policy)).unwrap_or_default()
}

/// What data and metadata both survive, at each level of failure domains.
fn promise(map: &ClusterMap, MapPolicy { policy, ring }: &MapPolicy) -> StoragePolicyPromise {
    let named = StoragePolicyPromise { policy: policy.name.to_string(), ..StoragePolicyPromise::default() };
    let Some(ring) = ring else { return named };
    let spare = usize::from(policy.redundancy.losses());
    let survived = |level| ring.losses_survived(level, spare).min(map.metadata_losses_survived(level));
    let zones = ring.fullest(FailureDomain::Zone);
    let too_full = zones.iter().filter(|(_, fullest)| *fullest > spare).map(|(drive, _)| &drive.zone);
    let crowded = map.crowded_domains(FailureDomain::Zone);
    let not_survived: BTreeSet<&ZoneName> = too_full.chain(crowded.iter().map(|crowded| &crowded.zone)).collect();
    StoragePolicyPromise {
        nodes: ring.fullest(FailureDomain::Node).len(),
        zones: zones.len(),
        drives_survived: survived(FailureDomain::Drive),
        nodes_survived: survived(FailureDomain::Node),
        zones_survived: survived(FailureDomain::Zone),
        zones_not_survived: not_survived.into_iter().map(|zone| zone.0.to_string()).collect(),
        ..named
    }
}

/// What is in danger, once the drives, ranges and repair of all nodes are told.
pub(super) fn durability(map: &ClusterMap, status: &ClusterStatus) -> Durability {
    let promised = map.redundancy().map_or(0, |redundancy| i64::from(redundancy.losses()));
    let awaited_nodes =
        map.bootstrap.map_or(0, |bootstrap| usize::from(bootstrap.nodes).saturating_sub(map.storage_nodes().count()));
    let is_awaited = map.bootstrap.is_some() && awaited_nodes == 0;
    let awaited_voters = if is_awaited { lacking_voters(map, &map.meta_group) } else { 0 };
    let away = drives_away(status);
    let expelled = ids(status, |drive| drive.expelled_ms.is_some());
    let degraded = &status.repair.degraded;
    let seen = degraded.first().map(|level| i64::from(level.survives));
    let feared = map.policies.values().filter_map(|policy| {
        let lost = most_lost(policy.ring.as_deref()?, &away, &expelled);
        (lost > 0).then(|| i64::from(policy.policy.redundancy.losses()).saturating_sub(lost))
    });
    let ranges = || status.ranges.iter().filter_map(|range| range_survives(map, range, status.now_ms));
    let survives = [promised].into_iter().chain(seen).chain(feared).chain(ranges()).min().unwrap_or(promised);
    let chunks = |is_counted: &dyn Fn(i64) -> bool| -> u64 {
        degraded.iter().filter(|level| is_counted(i64::from(level.survives))).map(|level| level.chunks).sum()
    };
    Durability {
        survives,
        promised,
        chunks: chunks(&|level| level <= survives),
        degraded_chunks: chunks(&|_| true),
        drives_away: count(away.len()),
        leaderless: status.ranges.iter().filter(|range| range.leader.is_none()).map(|range| range.range).collect(),
        ranges: count(ranges().filter(|level| *level <= survives && *level < promised).count()),
        smaller_ranges: count(map.all_ranges().filter(|range| lacking_voters(map, range) > 0).count()),
        awaited_nodes: count(awaited_nodes),
        awaited_voters: count(awaited_voters),
        safety: Safety::default(),
    }
}

/// The drives whose shards may be missing: those that are waited for; as long as repair has something to do, those that
/// are lost, unless they never come back and others hold what they held; and those whose last loss is newer than what every
/// range was looked through for that says so. Of others repair knows what they lack.
fn drives_away(status: &ClusterStatus) -> BTreeSet<DriveId> {
    let of_data = status.ranges.iter().filter(|range| range.range != MAP_RANGE.0);
    let swept = of_data.filter_map(|range| range.facts).map(|facts| facts.swept_version).min().unwrap_or(u64::MAX);
    let is_made_up_for =
        |drive: &Drive| drive.state == DriveState::Lost && (status.repair.pending == 0 || drive.expelled_ms.is_some());
    ids(status, |drive| (drive.down_reason.is_some() && !is_made_up_for(drive)) || drive.loss_version > swept)
}

fn ids(status: &ClusterStatus, is_meant: impl Fn(&Drive) -> bool) -> BTreeSet<DriveId> {
    status.drives.iter().filter(|drive| is_meant(drive)).filter_map(|drive| DriveId::parse(&drive.id)).collect()
}

/// How many shards a chunk lacks at most while drives are away. What drives held that never come back is on others, which
/// the ring does not name: on drives that hold nothing else of the chunk, and on nodes likewise where the ring keeps its
/// shards on nodes of their own (else repair knows the chunk).
fn most_lost(ring: &Ring, away: &BTreeSet<DriveId>, expelled: &BTreeSet<DriveId>) -> i64 {
    let is_spread = ring.fullest(FailureDomain::Node).iter().all(|(_, fullest)| *fullest <= 1);
    let level = if is_spread { FailureDomain::Node } else { FailureDomain::Drive };
    let domains: BTreeSet<u16> = away.iter().filter_map(|id| ring.domains(*id)).map(|path| path.at(level)).collect();
    let lost = ring.most_lost(&(away | expelled)).min(domains.len());
    i64::try_from(lost).unwrap_or(i64::MAX)
}

/// How many voters a range lacks of what the policies want.
fn lacking_voters(map: &ClusterMap, range: &MapRange) -> usize {
    let fewest = range.voter_sets().into_iter().map(BTreeMap::len).min().unwrap_or(0);
    map.metadata_replicas().saturating_sub(fewest)
}

/// How many more of its voters a range can do without; below 0 it has no leader, and gets none by itself. Only voters that
/// serve count, and while a change of voters is half done most of both sets are needed.
fn range_survives(map: &ClusterMap, range: &Range, now_ms: u64) -> Option<i64> {
    let serving: BTreeSet<DriveId> = range.serving.iter().filter_map(|id| DriveId::parse(id)).collect();
    let survives = |voters: &BTreeMap<ReplicaId, DriveId>| -> Option<i64> {
        let serve = voters.values().filter(|drive| serving.contains(drive)).count();
        let survived = i64::try_from(serve).ok()?.checked_sub(i64::try_from(voters.len() / 2 + 1).ok()?)?;
        Some(if range.leader.is_some() { survived.max(0) } else { survived.max(-1) })
    };
    let elects = |since_ms: u64| now_ms.saturating_sub(since_ms) < ELECTION_MS_MAX;
    if range.leader.is_none() && !range.silent_since_ms.is_some_and(elects) {
        return Some(-1);
    }
    map.range(RangeId(range.range))?.voter_sets().into_iter().map(survives).min()?
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;
    use couronne_cluster::Role;
    use couronne_cluster::changes::{self, Founding};
    use couronne_cluster::map::{Bootstrap, MapNode};
    use couronne_ring::{NodeId, RegionName};

    fn node(number: u128) -> MapNode {
        MapNode {
            role: Role::StorageNode,
            name: format!("n{number}").into(),
            address: format!("127.0.0.1:{number}").into(),
            region: RegionName("region".into()),
            zone: ZoneName(format!("zone{number}").into()),
        }
    }

    fn drives(number: u128) -> Vec<(DriveId, u32)> {
        (0..6).map(|drive| (DriveId(10 * number + drive), 1)).collect()
    }

    /// A cluster that waits for so many nodes of six drives, each in its own zone, and as many.
    fn founded(nodes: u16, redundancy: &str) -> ClusterMap {
        let mut map = changes::found(Founding {
            cluster: 9,
            id: NodeId(1),
            node: node(1),
            drives: drives(1),
            policy: policy::of(redundancy.parse().unwrap()),
            bootstrap: Bootstrap { nodes, ranges: 4 },
            now_ms: 0,
        })
        .unwrap();
        (2..=u128::from(nodes)).for_each(|number| join(&mut map, number));
        changes::complete_meta_group(&mut map).unwrap();
        changes::form(&mut map).unwrap();
        map
    }

    fn join(map: &mut ClusterMap, number: u128) {
        changes::join(map, NodeId(number), node(number), &drives(number)).unwrap();
    }

    fn promised(map: &ClusterMap, name: &str) -> (usize, [usize; 3], Vec<String>) {
        let policy = policies(map).into_iter().find(|policy| policy.name == name).unwrap();
        let StoragePolicyPromise { nodes, drives_survived, nodes_survived, zones_survived, zones_not_survived, .. } =
            policy.promise;
        (nodes, [drives_survived, nodes_survived, zones_survived], zones_not_survived)
    }

    /// An election is no danger of its own as long as most voters serve, and takes some seconds.
    #[test]
    fn a_range_without_a_leader_is_out_of_reach_unless_it_elects_one() {
        let map = founded(3, "replicated:2");
        let known = map.all_ranges().nth(1).unwrap();
        let voters: Vec<String> = known.voter_sets()[0].values().map(ToString::to_string).collect();
        let survives = |leader: Option<&str>, serving: &[String], silent_since_ms| {
            let (serving, leader) = (serving.to_vec(), leader.map(str::to_owned));
            let range = Range { range: known.id.0, serving, leader, silent_since_ms, ..Range::default() };
            range_survives(&map, &range, 60_000).unwrap()
        };
        assert_eq!(voters.len(), 3);
        assert_eq!(survives(Some("a"), &voters, None), 1);
        assert_eq!(survives(Some("a"), &voters[1..], None), 0);
        assert_eq!(survives(None, &voters[1..], Some(59_000)), 0, "it elects");
        assert_eq!(survives(None, &voters[1..], Some(50_000)), -1, "it takes too long");
        assert_eq!(survives(None, &voters[1..], None), -1);
        assert_eq!(survives(None, &voters[2..], Some(59_000)), -1, "too few serve");
    }

    /// Of five nodes one was expelled and made up for. Then another is away: that is one loss, wherever what the first one
    /// held is. While repair looks again for something the first one is no loss any more.
    #[test]
    fn what_an_expelled_node_held_is_lost_once() {
        let map = founded(5, "ec:2+1");
        let drive = |number: u128, id: DriveId| Drive {
            id: id.to_string(),
            node: format!("n{number}"),
            state: DriveState::Writable,
            ..Drive::default()
        };
        let all = (1..=5).flat_map(|number| drives(number).into_iter().map(move |(id, _)| drive(number, id)));
        let mut status = ClusterStatus { drives: all.collect(), ..ClusterStatus::default() };
        let shards = |status: &ClusterStatus| {
            let ring = map.policies.values().find_map(|policy| policy.ring.clone()).unwrap();
            most_lost(&ring, &drives_away(status), &ids(status, |drive| drive.expelled_ms.is_some()))
        };
        for drive in status.drives.iter_mut().filter(|drive| drive.node == "n5") {
            (drive.state, drive.expelled_ms) = (DriveState::Lost, Some(1));
            drive.down_reason = Some("its node was expelled".to_owned());
        }
        assert_eq!(shards(&status), 0);
        status.repair.pending = 1;
        assert_eq!(shards(&status), 0, "it is made up for, whatever repair looks at");
        for drive in status.drives.iter_mut().filter(|drive| drive.node == "n4") {
            (drive.state, drive.down_reason) = (DriveState::Down, Some("no report".to_owned()));
        }
        assert_eq!(shards(&status), 1);
        for drive in status.drives.iter_mut().filter(|drive| drive.node == "n3") {
            (drive.state, drive.down_reason) = (DriveState::Down, Some("no report".to_owned()));
        }
        assert_eq!(shards(&status), 2);
    }

    #[test]
    fn no_more_is_promised_than_metadata_survives() {
        let mut map = founded(1, "ec:4+2");
        (2..=3).for_each(|number| join(&mut map, number));
        changes::create_policy(&mut map, policy::of("replicated:2".parse().unwrap())).unwrap();
        // Each copy is on a node of its own, but all replicas are on the first.
        assert_eq!(promised(&map, "replicated:2"), (3, [1, 0, 0], vec!["zone1".to_owned()]));
        assert_eq!(promised(&map, "ec:4+2"), (1, [2, 0, 0], vec!["zone1".to_owned()]));
        assert_eq!(promised(&founded(3, "replicated:2"), "replicated:2"), (3, [1, 1, 1], Vec::new()));
        // Of two zones one has two of the three replicas of each range; which, its number decides.
        let (_, survived, not_survived) = promised(&founded(2, "replicated:2"), "replicated:2");
        assert_eq!((survived, not_survived.len()), ([1, 0, 0], 2));
    }
}
