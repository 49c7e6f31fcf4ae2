//! TestCluster nodes over a network in memory: forming, deaths, partitions, wiped drives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::support::blobs::TestBlob;
use crate::support::rounds::{OFTEN, owner};
use crate::support::rows::{change, commit, key, make_bucket, range_of, repair_rows};
use crate::support::several::{Machine, TestCluster, plan};
use bytes::Bytes;
use couronne_cluster::map::{MapRange, ReplicaId};
use couronne_cluster::{DriveState, RangeDescriptor, Role, WriteState};
use couronne_metadata::ids::BucketId;
use couronne_metadata::query::{Answer, Query};
use couronne_placement::ShardId;
use couronne_protocol::map::MapSource;
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient, RangeError};
use couronne_protocol::remote::RemoteRanges;
use couronne_protocol::shard::ShardClient;
use couronne_ring::DriveId;
use couronne_storage_node::node::{LocalNode, NodeError};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

/// Writes some rows through all running nodes in turn and notes what was acknowledged.
async fn write_some(cluster: &TestCluster, from: u64, count: u64, written: &mut BTreeMap<String, String>) {
    let nodes: Vec<_> = cluster.running().collect();
    for number in from..from + count {
        let node = &nodes[usize::try_from(number).unwrap() % nodes.len()];
        let (at, value) = (format!("row/{}", number % 7), format!("value {number}"));
        assert!(cluster.write(node, &at, &value, commit(number)).await, "row {number} was not taken");
        written.insert(at, value);
    }
}

/// Writes some rows through one node.
async fn write_some_through(cluster: &TestCluster, number: usize, from: u64, written: &mut BTreeMap<String, String>) {
    for row in from..from + 10 {
        let (at, value) = (format!("row/{}", row % 7), format!("value {row}"));
        assert!(cluster.write(&cluster.node(number), &at, &value, commit(row)).await, "row {row} was not taken");
        written.insert(at, value);
    }
}

fn position(at: &str) -> Bytes {
    RangeDescriptor::position(BucketId::SYSTEM, at.as_bytes())
}

/// Every acknowledged row is there, whichever running node is asked.
async fn compare(cluster: &TestCluster, written: &BTreeMap<String, String>) {
    for node in cluster.running().collect::<Vec<_>>() {
        for (at, value) in written {
            assert_eq!(cluster.read(&node, at).await, Some(Bytes::from(value.clone())), "{at}");
        }
    }
}

/// The machine whose drive this is.
fn machine_of(cluster: &TestCluster, drive: DriveId) -> &Machine {
    let node = cluster.node(0).map().drives[&drive].node;
    cluster.machines.iter().find(|machine| machine.id == node).unwrap()
}

/// The node that is told of damage leads nothing of the object: it has the leader's range leave the row.
#[tokio::test(start_paused = true)]
async fn a_loss_that_is_reported_at_another_node_leaves_a_row_where_the_object_is() {
    let cluster = TestCluster::start_tuned(12, "ec:4+2", 6, |settings| {
        settings.duties.repair_interval = OFTEN;
        settings.duties.scrub_interval = Duration::ZERO;
    })
    .await;
    let (node, env) = (cluster.node(0), cluster.machines[0].rig.env.clone());
    make_bucket(&env, &node, owner("any").bucket).await;
    let blob = TestBlob::new(&owner("lost"), env.clock.wall_ms(), 1);
    blob.write(&node, |_, primary| Some(primary)).await;
    change(&env, &node, &blob.owner, blob.commit(0)).await.unwrap();
    let damaged: Vec<ShardId> = blob.shards().take(3).collect();
    for shard in &damaged {
        blob.flip(&machine_of(&cluster, blob.primary(&node, *shard)).rig.drives[0].disk, *shard).await;
    }
    let leads = |machine: &Machine| {
        let node = machine.node.clone().unwrap();
        async move {
            let id = range_of(&node, &owner("lost")).await;
            let ranges = node.status().await.ranges;
            ranges.iter().any(|range| range.id == id && range.leader.is_some())
        }
    };
    let mut reporters = 0;
    for shard in &damaged {
        let drive = blob.primary(&node, *shard);
        let machine = machine_of(&cluster, drive);
        if !leads(machine).await {
            machine.node.clone().unwrap().local().report(drive, *shard, blob.owner.clone()).await;
            reporters += 1;
        }
    }
    assert!(reporters >= 2, "one node leads the range");
    let began = Instant::now();
    loop {
        let rows = repair_rows(&env, &node, &blob.owner).await;
        if let [row] = &rows[..] {
            assert_eq!(row.blob.id, blob.named.id);
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "no row was left: {rows:?}");
        sleep(OFTEN).await;
    }
}

#[tokio::test(start_paused = true)]
async fn any_two_nodes_may_die_and_all_may_lose_power_at_once() {
    let mut cluster = TestCluster::start(11, "ec:4+2", 6).await;
    let mut written = BTreeMap::new();
    write_some(&cluster, 0, 20, &mut written).await;
    // The founding node too is one like the others.
    cluster.crash(0, 1).await;
    cluster.crash(3, 2).await;
    write_some(&cluster, 20, 20, &mut written).await;
    compare(&cluster, &written).await;
    let survivor = cluster.node(1);
    let lost = [0, 3].map(|number| cluster.machines[number].id);
    cluster
        .until("the map says which drives are down", || {
            survivor
                .shared_map()
                .current()
                .drives
                .values()
                .all(|drive| (drive.state == DriveState::DOWN) == lost.contains(&drive.node))
        })
        .await;
    drop(survivor);
    cluster.start_node(0).await;
    cluster.start_node(3).await;
    compare(&cluster, &written).await;

    for number in 0..6 {
        cluster.crash(number, 10 + number as u64).await;
    }
    // All at once: nobody's second half can end before a quorum has begun.
    let mut starting = Vec::new();
    for number in 0..6 {
        starting.push(cluster.begin_node(number).await);
    }
    let begun = futures_util::future::join_all(starting.iter().map(|node| node.begin())).await;
    begun.into_iter().for_each(|begun| begun.unwrap());
    compare(&cluster, &written).await;
    write_some(&cluster, 40, 10, &mut written).await;
    compare(&cluster, &written).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_acknowledges_nothing_and_catches_up() {
    let cluster = TestCluster::start(12, "ec:4+2", 6).await;
    let mut written = BTreeMap::new();
    write_some(&cluster, 0, 10, &mut written).await;
    for number in 0..6 {
        cluster.isolate(number, true);
        let alone = cluster.node(number);
        let taken = cluster.write(&alone, "row/alone", "never", commit(1000 + number as u64)).await;
        assert!(!taken, "a node alone has no quorum");
        let other = cluster.node((number + 1) % 6);
        let at = format!("row/{number}");
        assert!(cluster.write(&other, &at, "while it was away", commit(2000 + number as u64)).await);
        assert_eq!(cluster.try_read(&alone, &at).await, None, "a node alone does not know the newest row");
        written.insert(at, "while it was away".to_owned());
        cluster.isolate(number, false);
        assert_eq!(cluster.read(&alone, "row/alone").await, None);
    }
    compare(&cluster, &written).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_node_that_leaves() {
    let mut cluster = TestCluster::start(14, "ec:4+2", 6).await;
    let mut written = BTreeMap::new();
    for number in 0..6 {
        let leaves = cluster.node(number);
        leaves.leave().await;
        for node in cluster.running().filter(|node| node.id() != leaves.id()) {
            let map = node.map();
            assert!(map.drives_of(leaves.id()).all(|drive| map.drives[&drive].writes == WriteState::Stopping));
        }
        let left = cluster.machines[number].id;
        cluster.crash(number, 20 + number as u64).await;
        drop(leaves);
        let began = tokio::time::Instant::now();
        write_some(&cluster, 100 * number as u64, 10, &mut written).await;
        assert!(began.elapsed() < Duration::from_secs(1), "an election was waited for: {:?}", began.elapsed());
        cluster.start_node(number).await;
        let back = cluster.node(number).map();
        assert!(back.drives_of(left).all(|drive| back.drives[&drive].writes == WriteState::Writable));
    }
    compare(&cluster, &written).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_nobody_hears_leaves_all_the_same() {
    let cluster = TestCluster::start(18, "ec:2+1", 3).await;
    cluster.isolate(0, true);
    let left = tokio::time::timeout(Duration::from_secs(15), cluster.node(0).leave()).await;
    assert!(left.is_ok(), "it waits for a map that never says so");
}

/// Others mark it down meanwhile, and tell it so: there is no drive then to keep that map on.
#[tokio::test(start_paused = true)]
async fn the_only_drive_of_a_node_is_replaced_and_its_log_is_calm() {
    let mut cluster = TestCluster::start(24, "replicated:2", 3).await;
    let mut written = BTreeMap::new();
    write_some(&cluster, 0, 10, &mut written).await;
    let (node, errors) = (cluster.node(2), Errors::default());
    let heard = errors.0.clone();
    let _listening = tracing::subscriber::set_default(errors);
    let id = cluster.machines[2].rig.id_of(0).await;
    cluster.machines[2].rig.wipe(0);
    let new = cluster.machines[2].rig.node_drives(|_| true).remove(0);
    node.release_drive(id, true).await.unwrap();
    let other = cluster.node(0);
    cluster.until("others know", || other.map().drives[&id].down_since_ms.is_some()).await;
    // So long that its time is noted, too.
    tokio::time::sleep(Duration::from_secs(90)).await;
    node.replace_drive(id, &new).await.unwrap();
    cluster.until("it serves again", || node.map().drives[&id].down_since_ms.is_none()).await;
    write_some(&cluster, 10, 10, &mut written).await;
    compare(&cluster, &written).await;
    let heard = heard.lock();
    let [said] = heard.as_slice() else { panic!("that it goes out of service, and no more: {heard:?}") };
    assert!(said.contains("it is being replaced"), "{said}");
}

/// The map cannot be told that a drive begins anew: then it does not. It is no voter under its old name, and nobody takes it for
/// one that serves what it held, until the order is given again.
#[tokio::test(start_paused = true)]
async fn a_drive_of_which_the_map_cannot_be_told_does_not_begin_anew() {
    let mut cluster = TestCluster::start(25, "replicated:2", 3).await;
    let mut written = BTreeMap::new();
    write_some(&cluster, 0, 10, &mut written).await;
    let (node, other) = (cluster.node(2), cluster.node(0));
    let id = cluster.machines[2].rig.id_of(0).await;
    cluster.machines[2].rig.wipe(0);
    let new = cluster.machines[2].rig.node_drives(|_| true).remove(0);
    node.release_drive(id, true).await.unwrap();
    cluster.until("others know", || other.map().drives[&id].down_since_ms.is_some()).await;
    cluster.isolate(2, true);
    let refused = node.replace_drive(id, &new).await.unwrap_err().to_string();
    assert!(refused.contains("give the order again"), "{refused}");
    drop(new);
    cluster.isolate(2, false);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let known = other.map().drives[&id].clone();
    assert!(known.down_since_ms.is_some() && known.emptied.times == 0, "it serves, and nobody knows that it is empty");
    assert!(
        node.status().await.ranges.iter().all(|range| !range.serving.contains(&id)),
        "a replica of the old drive runs"
    );

    cluster.machines[2].rig.wipe(0);
    let new = cluster.machines[2].rig.node_drives(|_| true).remove(0);
    node.release_drive(id, false).await.unwrap();
    node.replace_drive(id, &new).await.unwrap();
    cluster.until("it serves again", || other.map().drives[&id].down_since_ms.is_none()).await;
    assert_eq!(other.map().drives[&id].emptied.times, 1);
    write_some(&cluster, 10, 10, &mut written).await;
    compare(&cluster, &written).await;
}

/// Keeps the errors that are logged.
#[derive(Default)]
struct Errors(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Errors {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            text += &format!("{field}={value:?} ");
        });
        self.0.lock().push(text);
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Back before anyone took it to be away: only the map tells that its replicas are new ones.
#[tokio::test(start_paused = true)]
async fn an_emptied_node_that_nobody_missed_is_a_full_member_again() {
    let mut cluster = TestCluster::start(17, "ec:2+1", 3).await;
    let mut written = BTreeMap::new();
    for number in 0..3 {
        write_some(&cluster, 10 * number as u64, 10, &mut written).await;
        cluster.crash(number, 30 + number as u64).await;
        cluster.empty(number).await;
        cluster.start_node(number).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    compare(&cluster, &written).await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_left_half_replaced_begins_anew_by_itself() {
    let mut cluster = TestCluster::start_tuned(16, "ec:2+1", 3, |settings| {
        settings.consensus.lag_entries = 1;
        settings.duties.flush_bytes = 1 << 20;
    })
    .await;
    cluster.crash(2, 1).await;
    let mut written = BTreeMap::new();
    for number in 0..80 {
        let (at, value) = (format!("row/{number}"), format!("{number}").repeat(300_000));
        assert!(cluster.write(&cluster.node(0), &at, &value, commit(number)).await);
        written.insert(at, value);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    // What the logs no longer hold comes as a snapshot, of which only the beginning arrives: those of the ranges with
    // little in them take three messages each.
    let replicas =
        |node: &LocalNode| -> BTreeSet<ReplicaId> { node.map().places().into_iter().map(|(id, _)| id).collect() };
    let before = replicas(&cluster.node(0));
    cluster.lose_snapshots(2, Some(16));
    cluster.start_node(2).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(cluster.has_lost_snapshots(2), "a snapshot was sent, and cut off");
    let half = cluster.node(2).status().await;
    assert!(half.repair.pending_ranges > 0, "the cluster is not at rest");
    let own: BTreeSet<_> = half.drives.iter().map(|drive| drive.id).collect();
    assert!(half.ranges.iter().any(|range| own.is_disjoint(&range.serving.iter().copied().collect())));
    cluster.isolate(2, true);
    tokio::time::sleep(Duration::from_secs(240)).await;
    assert_eq!(replicas(&cluster.node(0)), before);
    cluster.lose_snapshots(2, None);
    cluster.isolate(2, false);
    let first = cluster.node(0);
    cluster.until("a replica begins anew", || replicas(&first) != before).await;
    drop(first);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(cluster.node(2).status().await.repair.pending_ranges, 0);
    // It counts again: with another node gone its voice is needed.
    cluster.crash(0, 2).await;
    compare(&cluster, &written).await;
}

/// How many ranges a node leads, but for the map's.
async fn leads(node: &LocalNode) -> usize {
    let status = node.status().await;
    let own: BTreeSet<_> = status.drives.iter().map(|drive| drive.id).collect();
    status.ranges.iter().filter(|range| range.leader.is_some_and(|drive| own.contains(&drive))).count()
}

#[tokio::test(start_paused = true)]
async fn every_node_leads_something_once_all_are_back() {
    let cluster = TestCluster::start(20, "ec:2+1", 3).await;
    let mut written = BTreeMap::new();
    for number in [0, 1] {
        cluster.isolate(number, true);
        write_some_through(&cluster, 2, 100 * number as u64, &mut written).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        cluster.isolate(number, false);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let began = tokio::time::Instant::now();
    let mut row = 1000;
    loop {
        // No client notices which replica leads.
        write_some(&cluster, row, 10, &mut written).await;
        row += 10;
        let mut idle = 0;
        for node in cluster.running().collect::<Vec<_>>() {
            let is_of_meta_group = !node.status().await.reported.members.is_empty();
            idle += usize::from(!is_of_meta_group && leads(&node).await == 0);
        }
        if idle == 0 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{idle} nodes lead nothing");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    compare(&cluster, &written).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_clock_is_wrong_takes_no_writes_and_leads_nothing() {
    let cluster = TestCluster::start(19, "ec:2+1", 3).await;
    let mut written = BTreeMap::new();
    // Whose clock goes wrong leads: the first node, which is not to be that one, is away for a while.
    cluster.isolate(0, true);
    tokio::time::sleep(Duration::from_secs(10)).await;
    cluster.isolate(0, false);
    write_some(&cluster, 0, 20, &mut written).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let number = if leads(&cluster.node(1)).await > 0 { 1 } else { 2 };
    let wrong = cluster.node(number);
    assert!(leads(&wrong).await > 0);

    cluster.machines[number].rig.clock.leap_ms(3_600_000);
    write_some(&cluster, 100, 20, &mut written).await;
    compare(&cluster, &written).await;
    let right_us = cluster.machines[0].rig.env.clock.wall_us();
    for at in written.keys() {
        let newest_us = cluster.version(&cluster.node(0), at).await;
        assert!(newest_us <= right_us, "{at} is from the future: {newest_us}, it is {right_us}");
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(leads(&wrong).await, 0, "others lead what it led");
    let mut heard = Vec::new();
    for node in cluster.running().collect::<Vec<_>>() {
        heard.extend(node.status().await.reported.members.into_iter().filter(|heard| heard.node == wrong.id()));
    }
    assert!(heard.iter().all(|heard| heard.clock_ms.is_some_and(|ms| (3_599_000..3_601_000).contains(&ms))));
    assert_eq!(heard.len(), 1, "the leader of the meta group knows of it");
    let writes = || {
        let map = cluster.node(0).map();
        map.drives.values().find(|drive| drive.node == wrong.id()).map(|drive| drive.writes)
    };
    assert_eq!(writes(), Some(WriteState::Stopping), "nothing new is put on its drive");

    // With its clock set right it counts again.
    cluster.machines[number].rig.clock.set_offset_ms(0);
    cluster.until("its drive takes new shards", || writes() == Some(WriteState::Writable)).await;
    cluster.isolate(0, true);
    let rest: Vec<_> = cluster.running().filter(|node| node.id() != cluster.machines[0].id).collect();
    for (node, row) in rest.iter().zip(300..) {
        assert!(cluster.write(node, "row/last", "now", commit(row)).await);
    }
    let both = leads(&rest[0]).await + leads(&rest[1]).await;
    assert_eq!(both, rest[0].status().await.ranges.len(), "every range is led by one of them");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_may_not_ask_for_what_the_cluster_keeps_for_itself() {
    let cluster = TestCluster::start(15, "ec:2+1", 3).await;
    let (gateway, transport) = cluster.join_gateway("g1").await;
    let node = cluster.node(0);
    cluster.until("the gateway is known", || node.map().nodes.contains_key(&gateway)).await;
    let ranges = RemoteRanges::new(transport, Arc::clone(node.shared_map()) as Arc<dyn MapSource>);
    let ask = |range: &MapRange, query: Query| {
        let address = RangeAddress {
            range: range.id,
            generation: range.generation,
            replica: *range.replicas.values().next().unwrap(),
        };
        let query = QueryRequest { bucket: BucketId::SYSTEM, rules_version: None, query };
        let ranges = &ranges;
        async move { ranges.query(address, query).await }
    };
    let map = node.map();
    let get = |name: &str| Query::SystemGet { key: key(name) };
    let refused = |answer: Result<Answer, RangeError>| matches!(answer, Err(RangeError::Unavailable { reason, maybe_done: false }) if reason.contains("may not"));
    for row in ["map", "authority", "secrets"] {
        assert!(refused(ask(&map.meta_group, get(row)).await), "{row}");
    }
    let range = map.ranges.iter().find(|range| range.descriptor().contains(&position("row"))).unwrap();
    assert!(refused(ask(range, Query::Repair { after: None, limit: 1 }).await));
    assert!(!refused(ask(range, get("row")).await), "what gateways keep in ranges is theirs");
}

#[tokio::test(start_paused = true)]
async fn one_way_cuts_do_not_stop_the_cluster() {
    let cluster = TestCluster::start(13, "ec:4+2", 6).await;
    let mut written = BTreeMap::new();
    for (round, number) in (0u64..6).zip(0..6) {
        // It hears nobody, and everybody hears it.
        (0..6).filter(|other| *other != number).for_each(|other| cluster.cut(other, number, true));
        tokio::time::sleep(Duration::from_secs(5)).await;
        let other = cluster.node((number + 2) % 6);
        let at = format!("row/{round}");
        assert!(cluster.write(&other, &at, "heard by nobody", commit(round)).await, "round {round}");
        written.insert(at, "heard by nobody".to_owned());
        (0..6).for_each(|other| cluster.cut(other, number, false));
    }
    compare(&cluster, &written).await;
}

#[tokio::test(start_paused = true)]
async fn a_lone_nodes_drives_become_the_first_node_of_several() {
    let mut cluster = TestCluster::begin_alone(77, "single").await;
    let node = cluster.node(0);
    let mut written = BTreeMap::new();
    write_some(&cluster, 1, 10, &mut written).await;
    let alone = node.make_token(plan(Role::StorageNode)).await.err().unwrap();
    assert!(alone.to_string().contains("runs alone"), "{alone}");
    let id = node.id();
    drop(node);

    cluster.restart_as_first(0).await;
    assert_eq!(cluster.node(0).id(), id);
    let token = cluster.node(0).make_token(plan(Role::StorageNode)).await.unwrap();
    cluster.join(78, "single", 2, &token).await;
    cluster.until("both know each other", || cluster.running().all(|node| node.map().nodes.len() == 2)).await;
    let second = cluster.machines[1].id;
    let map = cluster.node(0).map();
    assert!(map.drives_of(second).all(|drive| map.places().iter().all(|(_, place)| *place != drive)));
    for (at, value) in &written {
        for node in cluster.running().collect::<Vec<_>>() {
            assert_eq!(cluster.read(&node, at).await.unwrap(), *value, "{at}");
        }
    }
    write_some(&cluster, 20, 10, &mut written).await;

    // A node that has peers must not be opened as if it had none: it would not wait for their leases.
    for number in 0..2 {
        cluster.crash(number, 5).await;
        let rig = &cluster.machines[number].rig;
        let opened = LocalNode::open(rig.env.clone(), rig.node_drives(|_| true), rig.settings()).await;
        assert!(matches!(opened, Err(NodeError::NotAlone)));
    }
}
