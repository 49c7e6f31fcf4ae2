//! Drives that were put back to an earlier state: noticed before they vote, whatever the age of that state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use couronne_cluster::RangeDescriptor;
use couronne_cluster::map::{ClusterMap, MapRange, ReplicaId};
use couronne_metadata::ids::BucketId;

use crate::support::TestDrive;
use crate::support::rows::commit;
use crate::support::several::TestCluster;

/// The machine whose drive is put back.
const VICTIM: usize = 2;

/// The replicas on a machine's drive, as another machine's map has them.
fn replicas(cluster: &TestCluster, victim: usize) -> BTreeSet<ReplicaId> {
    let map = cluster.node(0).map();
    let id = cluster.machines[victim].id;
    map.places().into_iter().filter(|(_, drive)| map.drives[drive].node == id).map(|(replica, _)| replica).collect()
}

fn times_emptied(cluster: &TestCluster, victim: usize) -> u64 {
    let id = cluster.machines[victim].id;
    cluster.node(0).map().drives.values().filter(|drive| drive.node == id).map(|drive| drive.emptied.times).sum()
}

async fn write_some(cluster: &TestCluster, from: u64, written: &mut BTreeMap<String, String>) {
    for number in from..from + 20 {
        let (at, value) = (format!("row/{}", number % 7), format!("value {number}"));
        assert!(cluster.write(&cluster.node(0), &at, &value, commit(number)).await);
        written.insert(at, value);
    }
}

/// Puts the drive back, starts its node, writes some rows, and waits until it is seen to have forgotten its past: none
/// of the replicas that it had is any longer a member, and its rows are those of the others.
async fn put_back(
    cluster: &mut TestCluster,
    victim: usize,
    snapshot: Vec<TestDrive>,
    written: &mut BTreeMap<String, String>,
) {
    let (old, emptied) = (replicas(cluster, victim), times_emptied(cluster, victim));
    assert!(!old.is_empty());
    cluster.crash(victim, 5).await;
    cluster.machines[victim].rig.drives = snapshot;
    cluster.start_node(victim).await;
    write_some(cluster, 1000, written).await;
    cluster.until("it is seen to have forgotten", || times_emptied(cluster, victim) > emptied).await;
    assert_eq!(times_emptied(cluster, victim), emptied + 1, "once");
    assert!(replicas(cluster, victim).is_disjoint(&old));
    // With another node gone the replicas of the victim are needed, and have every row.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let other = (1..4).find(|number| *number != victim).unwrap();
    cluster.crash(other, 6).await;
    for node in [cluster.node(0), cluster.node(victim)] {
        for (at, value) in &*written {
            assert_eq!(cluster.read(&node, at).await.as_deref(), Some(value.as_bytes()), "{at}");
        }
    }
    cluster.start_node(other).await;
}

/// The range of the rows written here.
fn written_range(map: &ClusterMap) -> &MapRange {
    let position = RangeDescriptor::position(BucketId::SYSTEM, b"row/0");
    map.ranges.iter().rfind(|range| range.start <= position).unwrap()
}

/// A machine that has a replica of the rows written here, and does not lead them.
async fn follower(cluster: &TestCluster) -> usize {
    let map = cluster.node(0).map();
    let range = written_range(&map);
    for number in 1..4 {
        let drives: BTreeSet<_> = map.drives_of(cluster.machines[number].id).collect();
        let status = cluster.node(number).status().await.ranges;
        let leads = status.iter().any(|seen| seen.id == range.id && seen.leader.is_some());
        if !leads && range.replicas.values().any(|drive| drives.contains(drive)) {
            return number;
        }
    }
    panic!("three replicas on four nodes");
}

#[tokio::test(start_paused = true)]
async fn a_drive_put_back_to_any_earlier_start_is_noticed() {
    let mut cluster = TestCluster::start(61, "ec:2+1", 4).await;
    let mut written = BTreeMap::new();
    write_some(&cluster, 0, &mut written).await;
    let of_first_start = cluster.machines[VICTIM].rig.backup(1);
    for seed in 0..2 {
        cluster.crash(VICTIM, seed).await;
        cluster.start_node(VICTIM).await;
    }
    let of_last_start = cluster.machines[VICTIM].rig.backup(2);
    cluster.crash(VICTIM, 3).await;
    cluster.start_node(VICTIM).await;
    write_some(&cluster, 20, &mut written).await;
    put_back(&mut cluster, VICTIM, of_last_start, &mut written).await;
    put_back(&mut cluster, VICTIM, of_first_start, &mut written).await;
}

#[tokio::test(start_paused = true)]
async fn a_drive_put_back_to_an_earlier_moment_of_its_start_is_noticed_by_where_its_log_ends() {
    let mut cluster = TestCluster::start(62, "ec:2+1", 4).await;
    let mut written = BTreeMap::new();
    write_some(&cluster, 0, &mut written).await;
    let snapshot = cluster.machines[VICTIM].rig.backup(1);
    write_some(&cluster, 20, &mut written).await;
    // By then the map says how far its log was.
    tokio::time::sleep(Duration::from_secs(70)).await;
    put_back(&mut cluster, VICTIM, snapshot, &mut written).await;
}

#[tokio::test(start_paused = true)]
async fn a_drive_put_back_by_seconds_is_noticed_by_the_leaders_whose_entries_it_lacks() {
    let mut cluster = TestCluster::start(63, "ec:2+1", 4).await;
    let mut written = BTreeMap::new();
    // The map says how far its log was just before.
    tokio::time::sleep(Duration::from_secs(70)).await;
    write_some(&cluster, 0, &mut written).await;
    let victim = follower(&cluster).await;
    let snapshot = cluster.machines[victim].rig.backup(1);
    write_some(&cluster, 20, &mut written).await;
    put_back(&mut cluster, victim, snapshot, &mut written).await;
}

/// Has one machine lead all that it has replicas of: the meta group and the range that is written among it.
async fn leader_of_all(cluster: &mut TestCluster) -> usize {
    let map = cluster.node(0).map();
    let has = |number: &usize, range: &MapRange| {
        let drives: BTreeSet<_> = map.drives_of(cluster.machines[*number].id).collect();
        range.replicas.values().any(|drive| drives.contains(drive))
    };
    let leader = (1..4).find(|number| has(number, &map.meta_group) && has(number, written_range(&map)));
    let leader = leader.expect("three replicas of each on four nodes");
    for other in (0..4).filter(|other| *other != leader) {
        cluster.node(other).leave().await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    for other in (0..4).filter(|other| *other != leader) {
        cluster.crash(other, 7).await;
        cluster.start_node(other).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let is_led_there = cluster.node(leader).status().await;
    let led: Vec<_> = is_led_there.ranges.iter().filter(|seen| seen.leader.is_some()).map(|seen| seen.id).collect();
    assert!(led.contains(&map.meta_group.id) && led.contains(&written_range(&map).id), "{led:?}");
    leader
}

/// Nobody else's memory of the lost entries is a leader's: what its drive's log had, the others heard a second ago.
#[tokio::test(start_paused = true)]
async fn a_drive_put_back_by_seconds_is_noticed_although_it_led_the_meta_group_and_all_that_was_written() {
    let mut cluster = TestCluster::start(65, "ec:2+1", 4).await;
    let mut written = BTreeMap::new();
    let victim = leader_of_all(&mut cluster).await;
    // The map says how far its log was just before.
    tokio::time::sleep(Duration::from_secs(70)).await;
    write_some(&cluster, 0, &mut written).await;
    let snapshot = cluster.machines[victim].rig.backup(1);
    write_some(&cluster, 20, &mut written).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    put_back(&mut cluster, victim, snapshot, &mut written).await;
}

#[tokio::test(start_paused = true)]
async fn a_drive_that_only_restarts_has_forgotten_nothing() {
    let mut cluster = TestCluster::start(64, "ec:2+1", 4).await;
    let mut written = BTreeMap::new();
    for turn in 0..6u64 {
        write_some(&cluster, turn * 20, &mut written).await;
        tokio::time::sleep(Duration::from_secs(turn * 20)).await;
        for number in 0..4 {
            cluster.crash(number, turn).await;
            cluster.start_node(number).await;
        }
    }
    let map = cluster.node(0).map();
    assert!(map.drives.values().all(|drive| drive.emptied.times == 0), "{:?}", map.drives);
}

/// Damages both copies of the map on a machine's drive.
fn damage_maps(cluster: &TestCluster, number: usize) {
    for copy in ["map", "map.copy"] {
        cluster.machines[number].rig.drives[0].disk.flip_bit(copy, 60, 3).unwrap();
    }
}

/// It gets the map from the others, however old the one is that its process kept, and nothing of it is given up.
#[tokio::test(start_paused = true)]
async fn a_drive_without_a_sound_map_gets_it_from_the_others_and_keeps_all_that_it_has() {
    let mut cluster = TestCluster::start(66, "ec:2+1", 4).await;
    let mut written = BTreeMap::new();
    write_some(&cluster, 0, &mut written).await;
    let known = cluster.node(VICTIM).map();
    for is_alone in [false, true] {
        let kept = replicas(&cluster, VICTIM);
        cluster.crash(VICTIM, 1).await;
        damage_maps(&cluster, VICTIM);
        cluster.isolate(VICTIM, is_alone);
        cluster.prepare_drives_again(VICTIM, &known).await;
        cluster.isolate(VICTIM, false);
        cluster.start_node(VICTIM).await;
        write_some(&cluster, 20, &mut written).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!((times_emptied(&cluster, VICTIM), replicas(&cluster, VICTIM)), (0, kept));
    }
    cluster.crash((VICTIM + 1) % 4, 2).await;
    for (at, value) in &written {
        assert_eq!(cluster.read(&cluster.node(VICTIM), at).await.as_deref(), Some(value.as_bytes()), "{at}");
    }
}

/// The same with an earlier state of the drive, although the map that its process kept is as old as that.
#[tokio::test(start_paused = true)]
async fn a_drive_without_a_sound_map_that_was_put_back_is_noticed() {
    for (seed, is_alone) in [(67, false), (68, true)] {
        let mut cluster = TestCluster::start(seed, "ec:2+1", 4).await;
        let mut written = BTreeMap::new();
        write_some(&cluster, 0, &mut written).await;
        let (snapshot, known) = (cluster.machines[VICTIM].rig.backup(1), cluster.node(VICTIM).map());
        cluster.crash(VICTIM, 2).await;
        cluster.start_node(VICTIM).await;
        write_some(&cluster, 20, &mut written).await;
        let old = replicas(&cluster, VICTIM);
        cluster.crash(VICTIM, 3).await;
        cluster.machines[VICTIM].rig.drives = snapshot;
        damage_maps(&cluster, VICTIM);
        cluster.isolate(VICTIM, is_alone);
        cluster.prepare_drives_again(VICTIM, &known).await;
        cluster.isolate(VICTIM, false);
        cluster.start_node(VICTIM).await;
        cluster.until("it is seen to have forgotten", || times_emptied(&cluster, VICTIM) == 1).await;
        assert!(replicas(&cluster, VICTIM).is_disjoint(&old));
    }
}
