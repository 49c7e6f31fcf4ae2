//! Groups whose members are repaired: drives that die for good, one after another, are replaced or made up for, and a
//! cluster that lacks a voter of its meta group is not formed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use couronne_cluster::map::ClusterMap;
use couronne_storage_node::node::NodeSettings;

use crate::support::rows::commit;
use crate::support::several::TestCluster;

fn short_grace(settings: &mut NodeSettings) {
    settings.duties.repair_grace = Duration::from_secs(10);
}

/// Writes some rows through a node, and reads all that were written through every node that runs.
async fn write_and_read(cluster: &TestCluster, through: usize, turn: u64, written: &mut BTreeMap<String, String>) {
    for number in 20 * turn..20 * turn + 20 {
        let (at, value) = (format!("row/{}", number % 30), format!("value {number}"));
        assert!(cluster.write(&cluster.node(through), &at, &value, commit(number)).await, "row {number}");
        written.insert(at, value);
    }
    for node in cluster.running().collect::<Vec<_>>() {
        for (at, value) in &*written {
            assert_eq!(cluster.read(&node, at).await.as_deref(), Some(value.as_bytes()), "{at} after {turn}");
        }
    }
}

/// How many voters each group has, if each is what it ought to be.
fn settled(map: &ClusterMap) -> Option<BTreeSet<usize>> {
    map.all_ranges()
        .all(|range| range.is_settled())
        .then(|| map.all_ranges().map(|range| range.replicas.len()).collect())
}

/// Waits until all groups are what they ought to be, with no voter on the drives of these machines.
async fn settle_without(cluster: &TestCluster, dead: &[usize]) -> BTreeSet<usize> {
    let dead: Vec<_> = dead.iter().map(|number| cluster.machines[*number].id).collect();
    cluster
        .until("the groups do without the dead", || {
            let map = cluster.node(0).map();
            let is_dead = |drive| dead.contains(&map.drives[drive].node);
            settled(&map).is_some() && !map.places().iter().any(|(_, drive)| is_dead(drive))
        })
        .await;
    settled(&cluster.node(0).map()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn three_of_six_nodes_die_one_after_another_and_a_fourth_is_survived() {
    let mut cluster = TestCluster::start_tuned(81, "ec:4+2", 6, short_grace).await;
    let mut written = BTreeMap::new();
    write_and_read(&cluster, 0, 0, &mut written).await;
    for (turn, (dead, sizes)) in (1..).zip([(5, vec![5]), (4, vec![4]), (3, vec![3])]) {
        cluster.crash(dead, turn).await;
        let all_dead: Vec<usize> = (dead..6).collect();
        assert_eq!(settle_without(&cluster, &all_dead).await.into_iter().collect::<Vec<_>>(), sizes);
        write_and_read(&cluster, 1, turn, &mut written).await;
    }
    cluster.crash(2, 9).await;
    write_and_read(&cluster, 1, 9, &mut written).await;
    // They are back, and what has shrunk grows.
    for number in 2..6 {
        cluster.start_node(number).await;
    }
    cluster.until("the groups are whole", || settled(&cluster.node(0).map()) == Some(BTreeSet::from([5]))).await;
    cluster.crash(0, 10).await;
    cluster.crash(1, 11).await;
    write_and_read(&cluster, 2, 10, &mut written).await;
}

#[tokio::test(start_paused = true)]
async fn drives_are_replaced_one_after_another_while_another_is_dead_for_good() {
    // The grace outlasts the test: nothing moves, members are exchanged.
    let mut cluster = TestCluster::start(82, "ec:4+2", 6).await;
    let mut written = BTreeMap::new();
    write_and_read(&cluster, 0, 0, &mut written).await;
    cluster.crash(1, 1).await;
    for number in [2, 3, 4] {
        cluster.crash(number, number as u64).await;
        cluster.empty(number).await;
        cluster.start_node(number).await;
        cluster.until("its replicas vote", || settled(&cluster.node(0).map()).is_some()).await;
        write_and_read(&cluster, number, number as u64, &mut written).await;
    }
    cluster.crash(5, 5).await;
    write_and_read(&cluster, 4, 5, &mut written).await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_is_formed_only_once_all_voters_of_its_meta_group_run() {
    let mut cluster = TestCluster::found(83, "ec:2+2", 5).await;
    let token = cluster.token().await;
    for number in 2..=4 {
        cluster.join(83 + 100 * number, "ec:2+2", usize::try_from(number).unwrap(), &token).await;
    }
    let fifth = cluster.join_without_start(600, "ec:2+2", 5, &token).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let map = cluster.node(0).map();
    assert!(map.bootstrap.is_some() && map.ranges.is_empty(), "it has four voters of five");
    assert_eq!(map.meta_group.replicas.len(), 5);
    assert!(map.meta_group.members.as_ref().is_some_and(|members| members.voters.len() == 4), "{:?}", map.meta_group);
    cluster.start_node(fifth).await;
    cluster.wait_until_led().await;
    let mut written = BTreeMap::new();
    write_and_read(&cluster, 0, 0, &mut written).await;
    // The disk that founded it is lost, and another node is away: it is degraded, and goes on.
    cluster.crash(0, 1).await;
    cluster.crash(1, 2).await;
    write_and_read(&cluster, 2, 1, &mut written).await;
    cluster.empty(0).await;
    cluster.start_node(0).await;
    write_and_read(&cluster, 0, 2, &mut written).await;
    assert!(cluster.node(0).map().bootstrap.is_none());
}
