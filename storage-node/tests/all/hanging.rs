//! Drives that hang: their calls neither fail nor come back.

use std::sync::Arc;
use std::time::Duration;

use couronne_cluster::DriveState;
use couronne_protocol::map::MapSource;
use couronne_ring::DriveId;
use couronne_storage_node::node::{LocalNode, RangeStatus};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use crate::support::NodeRig;
use crate::support::rows::{commit, read, write};
use crate::support::several::TestCluster;

/// How long anything may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

async fn until(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_true().await {
        assert!(began.elapsed() < PATIENCE, "never came true: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

fn set_hang(rig: &NodeRig, number: usize, hangs: bool) {
    rig.drives[number].disk.set_hang(hangs);
    rig.drives[number].stores.set_hang(hangs);
}

async fn leads(node: &LocalNode, drive: DriveId) -> usize {
    node.status().await.ranges.iter().filter(|range| range.leader == Some(drive)).count()
}

async fn state_of(node: &Arc<LocalNode>, drive: DriveId) -> DriveState {
    node.current().drive_state(drive)
}

/// Rows of all ranges are written and read, whatever drive hangs.
async fn write_some(rig: &NodeRig, node: &LocalNode, from: u64) {
    for number in from..from + 30 {
        let key = format!("key{number}");
        write(&rig.env, node, &key, &format!("value{number}"), commit(number)).await.unwrap();
        assert_eq!(read(&rig.env, node, &key).await.unwrap(), format!("value{number}"));
    }
}

#[tokio::test(start_paused = true)]
async fn of_six_drives_any_may_hang_and_the_others_go_on() {
    for number in 0..6 {
        let rig = NodeRig::new(4100 + number as u64 * 10, "ec:4+2", 6);
        let node = rig.start().await;
        let drive = rig.id_of(number).await;
        write_some(&rig, &node, 0).await;
        set_hang(&rig, number, true);
        write_some(&rig, &node, 100).await;
        until("it is slow", async || state_of(&node, drive).await == DriveState::SLOW).await;
        until("others lead", async || leads(&node, drive).await == 0 && node.status().await.reported.leaderless == 0)
            .await;
        let status = node.status().await;
        let slow: Vec<DriveId> = status.drives.iter().filter(|drive| drive.is_slow).map(|drive| drive.id).collect();
        assert_eq!(slow, [drive]);
        assert_eq!(status.drives.iter().find(|found| found.id == drive).unwrap().down, None, "no file was closed");
        write_some(&rig, &node, 200).await;
        // The copy of the map on the drive that hangs is not waited for.
        node.confirm_clock().await.unwrap();

        set_hang(&rig, number, false);
        until("it is back", async || state_of(&node, drive).await == DriveState::WRITABLE).await;
        until("all replicas are there", async || node.is_whole()).await;
        write_some(&rig, &node, 300).await;
        node.shutdown().await;
    }
}

/// A leader whose drive hangs transfers its leadership to replicas whose drives hang too, which is not known yet: nobody
/// takes over, for nobody has written what it sent. It is back first, with a log as long as any, and another one leads
/// all the same.
#[tokio::test(start_paused = true)]
async fn what_was_transferred_in_vain_is_led_once_the_drives_are_back() {
    let mut tried = 0;
    for seed in 0..6 {
        let rig = NodeRig::new(4400 + seed * 10, "ec:2+1", 4);
        let node = rig.start().await;
        write_some(&rig, &node, 0).await;
        // Of logs of one length the node takes that on the last drive: here the leader's own.
        let is_led_there =
            |range: &&RangeStatus| range.leader.is_some() && range.leader.as_ref() == range.replicas.iter().max();
        if let Some(range) = node.status().await.ranges.iter().skip(1).find(is_led_there) {
            transfer_in_vain(&rig, &node, range).await;
            tried += 1;
        }
        node.shutdown().await;
    }
    assert!(tried > 0, "no range was led on its last drive");
}

async fn transfer_in_vain(rig: &NodeRig, node: &Arc<LocalNode>, range: &RangeStatus) {
    let drive = range.leader.unwrap();
    let number = rig.number_of(drive).await;
    let set_others_hang = |hang: bool| {
        let others = (0..4).filter(|other| *other != number);
        others.for_each(|other| rig.drives[other].disk.set_hang(hang));
    };
    rig.drives[number].disk.set_hang(true);
    sleep(Duration::from_millis(2500)).await;
    set_others_hang(true);
    let writes = (0..30).map(|number| async move {
        let key = format!("key{number}");
        drop(timeout(Duration::from_secs(1), write(&rig.env, node, &key, "unknown", commit(100 + number))).await);
    });
    join_all(writes).await;
    until("all are slow", async || node.status().await.drives.iter().all(|drive| drive.is_slow)).await;
    let leader = node.status().await.ranges.iter().find(|found| found.id == range.id).and_then(|found| found.leader);
    assert_eq!(leader, None, "it was transferred, and nobody took over");

    rig.drives[number].disk.set_hang(false);
    until("the leader's is back", async || state_of(node, drive).await == DriveState::WRITABLE).await;
    set_others_hang(false);
    until("all are led", async || node.status().await.reported.leaderless == 0 && node.is_whole()).await;
    write_some(rig, node, 200).await;
}

/// A node whose only drive hangs gives up what it leads. It is no dead node: it comes back as it was, with no new
/// replica.
#[tokio::test(start_paused = true)]
async fn a_node_whose_only_drive_hangs_leads_nothing_and_comes_back() {
    let cluster = TestCluster::start(4200, "replicated:2", 3).await;
    assert!(cluster.write(&cluster.node(0), "at", "before", [1; 10]).await);
    let number = cluster.leader_of_system_row("at").await;
    let other = cluster.node((number + 1) % 3);
    let (rig, drive) = (&cluster.machines[number].rig, cluster.machines[number].rig.id_of(0).await);
    let replicas = other.map().places();
    set_hang(rig, 0, true);
    assert!(cluster.write(&other, "at", "during", [2; 10]).await);
    until("it is slow", async || state_of(&other, drive).await == DriveState::SLOW).await;
    until("others lead", async || leads(&cluster.node(number), drive).await == 0).await;
    assert_eq!(cluster.read(&other, "at").await.unwrap(), "during");
    assert!(cluster.write(&other, "at", "still", [3; 10]).await);
    // Longer than any message waits.
    sleep(Duration::from_secs(120)).await;

    set_hang(rig, 0, false);
    until("it is back", async || state_of(&other, drive).await == DriveState::WRITABLE).await;
    assert_eq!(other.map().places(), replicas, "no replica had ended");
    for machine in 0..3 {
        assert_eq!(cluster.read(&cluster.node(machine), "at").await.unwrap(), "still");
    }
    // With another away it is needed.
    cluster.isolate((number + 1) % 3, true);
    assert!(cluster.write(&cluster.node(number), "at", "after", [4; 10]).await);
}

/// Heartbeats touch no disk: a leader whose disk hangs would hold its lease for ever. While nobody can follow it leads
/// on, and asks a quorum before it answers.
#[tokio::test(start_paused = true)]
async fn a_leader_with_a_drive_that_hangs_has_no_lease() {
    let cluster = TestCluster::start(4300, "replicated:2", 3).await;
    assert!(cluster.write(&cluster.node(0), "at", "value", [1; 10]).await);
    let number = cluster.leader_of_system_row("at").await;
    let drive = cluster.machines[number].rig.id_of(0).await;
    // All hang: there is no successor.
    for machine in &cluster.machines {
        set_hang(&machine.rig, 0, true);
    }
    let node = cluster.node(number);
    until("it is slow", async || state_of(&node, drive).await == DriveState::SLOW).await;
    sleep(Duration::from_secs(1)).await;
    cluster.isolate(number, true);
    let read = cluster.read_here_at_once(number, "at").await;
    assert!(read.is_err(), "it has asked nobody: {read:?}");
    cluster.isolate(number, false);
    for machine in &cluster.machines {
        set_hang(&machine.rig, 0, false);
    }
    assert_eq!(cluster.read(&cluster.node(0), "at").await.unwrap(), "value");
}
