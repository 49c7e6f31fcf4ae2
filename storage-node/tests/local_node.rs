//! A node over simulated drives: restarts, lost drives, wiped drives.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use couronne_storage_node::disk::simulated::Fault;
use couronne_storage_node::node::LocalNode;
use support::Rig;
use support::rows::{commit, leader, read, write};

#[tokio::test]
async fn acknowledged_rows_survive_crashes_and_repeats_give_the_first_result() {
    for (seed, policy, drives) in [(1, "single", 1), (2, "single", 3), (3, "ec:4+2", 6), (4, "replicated:2", 3)] {
        let mut rig = Rig::new(seed, policy, drives);
        let mut first = Vec::new();
        for round in 0..4u64 {
            let node = rig.start().await;
            for (number, outcome) in (0u64..).zip(&first) {
                let value = read(&rig.env, &node, &format!("key{number}")).await.unwrap();
                assert_eq!(value, format!("value{number}"));
                let again = write(&rig.env, &node, &format!("key{number}"), "other", commit(number)).await.unwrap();
                assert_eq!(&again, outcome, "{policy}: a repeat gives the first result");
            }
            for number in first.len() as u64..(round + 1) * 10 {
                let value = format!("value{number}");
                let outcome = write(&rig.env, &node, &format!("key{number}"), &value, commit(number)).await.unwrap();
                first.push(outcome);
            }
            rig.crash(node, seed * 100 + round).await;
        }
    }
}

#[tokio::test]
async fn any_two_drives_of_five_replicas_may_be_lost_and_come_back_empty() {
    for (one, two) in [(0, 1), (2, 5), (3, 4)] {
        let mut rig = Rig::new(7, "ec:4+2", 6);
        let node = rig.start().await;
        for number in 0..20 {
            write(&rig.env, &node, &format!("key{number}"), "before", commit(number)).await.unwrap();
        }
        rig.crash(node, 1).await;
        let node = rig.start_with(|number| number != one && number != two).await;
        for number in 0..20 {
            assert_eq!(read(&rig.env, &node, &format!("key{number}")).await.unwrap(), "before");
            write(&rig.env, &node, &format!("key{number}"), "after", commit(100 + number)).await.unwrap();
        }
        rig.crash(node, 2).await;
        // Both come back wiped; they are rebuilt from their peers, and then two others may be lost.
        rig.wipe(one);
        rig.wipe(two);
        let node = rig.start().await;
        let whole = async {
            while !node.is_whole() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let whole = tokio::time::timeout(Duration::from_secs(60), whole).await;
        assert!(whole.is_ok(), "the wiped drives' replicas are voters again");
        rig.crash(node, 3).await;
        let (one, two) = ((one + 1) % 6, (two + 1) % 6);
        let node = rig.start_with(|number| number != one && number != two).await;
        for number in 0..20 {
            assert_eq!(read(&rig.env, &node, &format!("key{number}")).await.unwrap(), "after");
        }
        node.shutdown().await;
    }
}

#[tokio::test]
async fn a_drive_that_forgot_its_past_says_so_until_the_map_knows() {
    let mut rig = Rig::new(9, "ec:4+2", 6);
    let node = rig.start().await;
    write(&rig.env, &node, "key", "value", commit(1)).await.unwrap();
    rig.crash(node, 1).await;
    rig.wipe(2);
    // Its count of starts passes what the map knows, but the map was never told.
    for start in 0..4 {
        let (drives, settings) = (rig.node_drives(|_| true), rig.settings());
        let node = LocalNode::prepare(rig.env.clone(), drives, settings, None).await.unwrap();
        rig.crash(node, 2 + start).await;
    }
    let node = rig.start().await;
    let emptied = |node: &LocalNode| node.map().drives.values().map(|drive| drive.emptied.times).sum::<u64>();
    assert_eq!(emptied(&node), 1, "its replicas begin anew");
    assert_eq!(read(&rig.env, &node, "key").await.unwrap(), "value");
    rig.crash(node, 9).await;
    let node = rig.start().await;
    assert_eq!(emptied(&node), 1, "and that is done once");
    node.shutdown().await;
}

#[tokio::test]
async fn a_leader_whose_log_fails_is_replaced_and_a_vanished_drive_is_left_out() {
    let rig = Rig::new(11, "ec:4+2", 6);
    let node = rig.start().await;
    for number in 0..10 {
        write(&rig.env, &node, &format!("key{number}"), "before", commit(number)).await.unwrap();
    }
    for failure in 0..2u64 {
        // The drive of the first range's leader reports EIO at its next sync.
        let lost = leader(&node).await.replica;
        let number = rig.number_of(lost).await;
        rig.drives[number].disk.inject(Fault::FailSync, 0);
        for number in 0..10 {
            let id = commit(100 + failure * 100 + number);
            write(&rig.env, &node, &format!("key{number}"), "after", id).await.unwrap();
        }
        for number in 0..10 {
            assert_eq!(read(&rig.env, &node, &format!("key{number}")).await.unwrap(), "after");
        }
        let status = node.status().await;
        let down = status.drives.iter().find(|drive| drive.id == lost).unwrap();
        assert!(down.down.is_some(), "the drive is out of service: {status:?}");
    }
    node.shutdown().await;
}
