//! The scrub of stores: replicas whose rows differ, though no checksum tells, are found and begin anew from the others.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_cluster::RangeDescriptor;
use couronne_cluster::map::{ClusterMap, MapRange, ReplicaId};
use couronne_metadata::ids::{BucketId, RangeId};
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::store::{Batch, Store};
use couronne_ring::DriveId;
use couronne_storage_node::node::{NodeSettings, Stores, replica_store};

use crate::support::rows::commit;
use crate::support::several::TestCluster;

/// The row that is looked at.
const AT: &str = "row/7";

fn often(settings: &mut NodeSettings) {
    settings.duties.scrub_interval = Duration::from_secs(5);
    // Drives are waited for as long as the tests take.
    settings.duties.repair_grace = Duration::from_secs(3600);
}

async fn start(seed: u64) -> TestCluster {
    let cluster = TestCluster::start_tuned(seed, "ec:2+1", 4, often).await;
    for number in 0..30 {
        let (at, value) = (format!("row/{number}"), format!("value {number}"));
        assert!(cluster.write(&cluster.node(0), &at, &value, commit(number)).await, "row {number}");
    }
    cluster
}

fn range_of(map: &ClusterMap) -> &MapRange {
    let position = RangeDescriptor::position(BucketId::SYSTEM, AT.as_bytes());
    map.ranges.iter().find(|range| range.descriptor().contains(&position)).unwrap()
}

/// The drive of a machine, and its replica of the range.
fn replica_of(cluster: &TestCluster, number: usize) -> Option<(DriveId, ReplicaId)> {
    let map = cluster.running().next().unwrap().map();
    let mut replicas = range_of(&map).replicas.iter();
    let drive = replicas.find(|(_, drive)| map.drives[drive].node == cluster.machines[number].id);
    drive.map(|(replica, drive)| (*drive, *replica))
}

fn store(cluster: &TestCluster, number: usize, replica: ReplicaId) -> Arc<dyn Store> {
    cluster.machines[number].rig.drives[0].stores.open(&replica_store(replica)).unwrap()
}

/// The value of the row at a replica.
fn value(store: &dyn Store) -> Option<(Bytes, Bytes)> {
    let view = store.view();
    let start = key::of_bucket(RowKind::System, BucketId::SYSTEM);
    let mut rows = view.scan(Bound::Included(&start), Bound::Unbounded, false);
    std::iter::from_fn(|| rows.next().unwrap()).find(|(key, _)| key.windows(AT.len()).any(|part| part == AT.as_bytes()))
}

/// Has a replica hold another row than was written, as a sound store would give it.
fn tamper(store: &dyn Store) {
    let (key, value) = value(store).expect("the row is there");
    let mut batch = Batch::default();
    batch.put(key, [&value[..value.len() - 1], b"X"].concat());
    store.apply(&batch).unwrap();
}

/// Which machine's node leads the range of the row.
async fn led_by(cluster: &TestCluster) -> usize {
    let range = range_of(&cluster.node(0).map()).id;
    for _ in 0..3000 {
        for number in (0..cluster.machines.len()).filter(|number| cluster.machines[*number].node.is_some()) {
            let status = cluster.node(number).status().await;
            if status.ranges.iter().any(|status| status.id == range && status.leader.is_some()) {
                return number;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody leads");
}

/// When the replicas of a range were last found alike, as its leader says, and whether rows are unresolved.
async fn scrubbed(cluster: &TestCluster, range: RangeId) -> (Option<u64>, bool) {
    for _ in 0..3000 {
        for node in cluster.running() {
            let status = node.status().await;
            if let Some(facts) = status.ranges.into_iter().find(|status| status.id == range).unwrap().facts {
                return (facts.stores_scrubbed_ms, facts.stores_unresolved_ms.is_some());
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no leader says anything");
}

/// Waits until the replicas of a range were found alike once more.
async fn scrubbed_again(cluster: &TestCluster, range: RangeId) -> u64 {
    let (before, _) = scrubbed(cluster, range).await;
    for _ in 0..6000 {
        let (now, _) = scrubbed(cluster, range).await;
        if let Some(now) = now.filter(|now| before.is_none_or(|before| *now > before)) {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never found alike");
}

/// Tampers with the row at a replica; it begins anew, and has the row again.
async fn heals(cluster: &TestCluster, number: usize) {
    let (drive, replica) = replica_of(cluster, number).unwrap();
    let sound = value(&*store(cluster, number, replica));
    tamper(&*store(cluster, number, replica));
    let is_anew = || {
        let map = cluster.node(0).map();
        let range = range_of(&map);
        !range.replicas.contains_key(&replica) && range.replicas.values().any(|at| *at == drive) && range.is_settled()
    };
    cluster.until("the replica begins anew", is_anew).await;
    let range = range_of(&cluster.node(0).map()).id;
    scrubbed_again(cluster, range).await;
    let (_, renewed) = replica_of(cluster, number).unwrap();
    assert_eq!(value(&*store(cluster, number, renewed)), sound);
    assert_eq!(cluster.read(&cluster.node(0), AT).await.as_deref(), Some(&b"value 7"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_follower_with_other_rows_than_most_begins_anew() {
    let cluster = start(91).await;
    let range = range_of(&cluster.node(0).map()).id;
    scrubbed_again(&cluster, range).await;
    let leader = led_by(&cluster).await;
    let follower = (0..4).find(|number| *number != leader && replica_of(&cluster, *number).is_some()).unwrap();
    heals(&cluster, follower).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_with_other_rows_than_most_gives_way_and_begins_anew() {
    let cluster = start(92).await;
    let leader = led_by(&cluster).await;
    heals(&cluster, leader).await;
}

#[tokio::test(start_paused = true)]
async fn ranges_count_as_scrubbed_only_once_all_voters_were_found_alike_and_a_restart_forgets_nothing() {
    let mut cluster = start(93).await;
    let all: BTreeSet<RangeId> = cluster.node(0).map().all_ranges().map(|range| range.id).collect();
    assert_eq!(all.len(), 4, "the meta group is one of them");
    for range in &all {
        scrubbed_again(&cluster, *range).await;
    }
    let leader = led_by(&cluster).await;
    let follower = (1..4).find(|number| *number != leader && replica_of(&cluster, *number).is_some()).unwrap();
    let range = range_of(&cluster.node(0).map()).id;
    cluster.crash(follower, 1).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (without_it, _) = scrubbed(&cluster, range).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(scrubbed(&cluster, range).await.0, without_it, "a voter is away");
    cluster.start_node(follower).await;
    let with_it = scrubbed_again(&cluster, range).await;
    let numbers: Vec<usize> = (0..4).collect();
    for number in &numbers {
        cluster.crash(*number, 2).await;
    }
    for number in numbers {
        let node = cluster.begin_node(number).await;
        tokio::spawn(async move { node.begin().await });
    }
    led_by(&cluster).await;
    assert!(scrubbed(&cluster, range).await.0 >= Some(with_it), "it stands with the rows");
}

/// Of three replicas no two have the same: nothing tells which is right, so none is touched, and all can see it.
#[tokio::test(start_paused = true)]
async fn rows_of_which_no_majority_tells_are_left_alone_and_shown() {
    let cluster = start(94).await;
    let range = range_of(&cluster.node(0).map()).id;
    scrubbed_again(&cluster, range).await;
    let before = range_of(&cluster.node(0).map()).replicas.clone();
    let holders: Vec<(usize, ReplicaId)> =
        (0..4).filter_map(|number| Some((number, replica_of(&cluster, number)?.1))).collect();
    tamper(&*store(&cluster, holders[0].0, holders[0].1));
    tamper(&*store(&cluster, holders[1].0, holders[1].1));
    let other = store(&cluster, holders[1].0, holders[1].1);
    let (key, _) = value(&*other).unwrap();
    let mut batch = Batch::default();
    batch.delete(key);
    other.apply(&batch).unwrap();
    for _ in 0..6000 {
        if scrubbed(&cluster, range).await.1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (scrubbed_ms, is_unresolved) = scrubbed(&cluster, range).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(is_unresolved);
    assert_eq!(scrubbed(&cluster, range).await, (scrubbed_ms, true), "it does not count as scrubbed");
    assert_eq!(range_of(&cluster.node(0).map()).replicas, before, "none begins anew");
}

/// Each of the three drives that have the range takes no writes any more, at the same moment: by what each knows then the
/// others have its rows. They begin anew one after another.
#[tokio::test(start_paused = true)]
async fn stores_that_are_sealed_at_once_begin_anew_one_after_another() {
    let cluster = start(95).await;
    let before = range_of(&cluster.node(0).map()).replicas.clone();
    let holders: Vec<usize> = (0..4).filter(|number| replica_of(&cluster, *number).is_some()).collect();
    assert_eq!(holders.len(), 3);
    let stores = |number: usize| &cluster.machines[number].rig.drives[0].stores;
    holders.iter().for_each(|number| stores(*number).seal());
    let are_anew = || {
        let map = cluster.node(0).map();
        let range = range_of(&map);
        let is_sound = |number: &usize| stores(*number).rot().is_none();
        range.is_settled()
            && range.replicas.keys().all(|replica| !before.contains_key(replica))
            && holders.iter().all(is_sound)
    };
    cluster.until("all began anew", are_anew).await;
    led_by(&cluster).await;
    assert_eq!(cluster.read(&cluster.node(0), AT).await.as_deref(), Some(&b"value 7"[..]));
}
