//! A node over simulated drives: restarts, lost drives, wiped drives.

use std::sync::Arc;
use std::time::Duration;

use crate::support::NodeRig;
use crate::support::rows::{ask, bucket_id, change, commit, execute, key, leader, read, row_write, rules, write};
use couronne_metadata::command::{Command, Expect, NewData, Precondition, Refusal};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::quota::Quota;
use couronne_metadata::record::{Attributes, BucketRules, Etag};
use couronne_metadata::usage::{Subject, Usage};
use couronne_protocol::map::MapSource;
use couronne_protocol::range::{RangeClient, RangeError};
use couronne_protocol::shard::Owner;
use couronne_ring::NodeId;
use couronne_storage_node::disk::simulated::{Fault, SimulatedDisk};
use couronne_storage_node::disk::{Access, Disk};
use couronne_storage_node::drives::{Identity, IdentityError};
use couronne_storage_node::node::{LocalNode, Membership, NotedDrive};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

#[tokio::test]
async fn acknowledged_rows_survive_crashes_and_repeats_give_the_first_result() {
    for (seed, policy, drives) in [(1, "single", 1), (2, "single", 3), (3, "ec:4+2", 6), (4, "replicated:2", 3)] {
        let mut rig = NodeRig::new(seed, policy, drives);
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

/// Each start makes a log file, and what ends at once flushes nothing: the log has more files than new entries may be
/// written beside. The next start comes up all the same, and flushes.
#[tokio::test]
async fn starts_that_are_cut_off_one_after_another_keep_no_later_one_from_serving() {
    let mut rig = NodeRig::new(7, "single", 1);
    for round in 0..20 {
        let node = rig.start().await;
        rig.crash(node, round).await;
    }
    let node = rig.start().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    write(&rig.env, &node, "key", "value", commit(1)).await.unwrap();
    assert_eq!(read(&rig.env, &node, "key").await.unwrap(), "value");
    node.shutdown().await;
}

#[tokio::test]
async fn of_many_who_create_a_row_at_once_one_does() {
    for (seed, policy, drives) in [(5, "single", 1), (6, "ec:4+2", 6)] {
        let rig = NodeRig::new(seed, policy, drives);
        let node = rig.start().await;
        for round in 0..4u64 {
            let at = format!("key{round}");
            let create = async |number: u64| {
                let value = format!("value{number}");
                let request = row_write(&rig.env, &at, Expect::Absent, &value, commit(round * 100 + number));
                execute(&rig.env, &node, request).await
            };
            let outcomes = join_all((0..32).map(create)).await;
            let created: Vec<usize> = (0..32).filter(|number| outcomes[*number].is_ok()).collect();
            assert_eq!(created.len(), 1, "{outcomes:?}");
            let refused = |outcome: &&Result<_, _>| **outcome == Err(RangeError::Refused(Refusal::Conflict));
            assert_eq!(outcomes.iter().filter(refused).count(), 31, "{outcomes:?}");
            assert_eq!(read(&rig.env, &node, &at).await.unwrap(), format!("value{}", created[0]));
        }
        node.shutdown().await;
    }
}

/// Many write at once, and half of what they write is told no: the bucket holds its quota to the byte, through changes of
/// the leader.
#[tokio::test]
async fn a_bucket_that_many_fill_at_once_holds_its_quota_exactly() {
    const SIZE: u64 = 7;
    for (seed, policy, drives) in [(7, "single", 1), (8, "ec:4+2", 6)] {
        let rig = NodeRig::new(seed, policy, drives);
        let node = rig.start().await;
        let bucket = bucket_id(9);
        let quota = Some(Quota { bytes: Some(64 * SIZE + 3), objects: None });
        let of = |at: &str| Owner { bucket, key: key(at) };
        let rules = BucketRules { quota, ..rules() };
        let make = Command::PutRules { name: "b".into(), rules };
        change(&rig.env, &node, &of("any"), make).await.unwrap();
        let held = async || match ask(
            &rig.env,
            &node,
            &of("any"),
            Query::Usage { key: key("any"), subject: Subject::Bucket(bucket) },
        )
        .await
        {
            Answer::Usage(classes) => Usage::sum(classes.iter().map(|(_, usage)| usage)),
            other => panic!("{other:?}"),
        };
        let put = async |number: u64| {
            let data = NewData::Inline(bytes::Bytes::from(vec![1; SIZE as usize]), 0);
            let etag = Etag { digest: [0; 16], parts: None };
            let (attributes, condition) = (Attributes::default(), Precondition::default());
            let put = Command::Put { data, size: SIZE, etag, checksum: None, attributes, condition };
            change(&rig.env, &node, &of(&format!("key{number}")), put).await
        };
        let fill = async |from: u64| {
            let outcomes = join_all((from..from + 32).map(&put)).await;
            let refused =
                outcomes.iter().filter(|outcome| **outcome == Err(RangeError::Refused(Refusal::QuotaExceeded)));
            (outcomes.iter().filter(|outcome| outcome.is_ok()).count(), refused.count())
        };
        for round in 0..4u64 {
            let (taken, refused) = fill(round * 32).await;
            let expected = if round < 2 { (32, 0) } else { (0, 32) };
            assert_eq!((taken, refused), expected, "round {round} of {policy}");
            assert_eq!(held().await.bytes as u64, ((round + 1) * 32).min(64) * SIZE);
            if round == 1 && drives > 1 {
                // The leader's drive reports EIO at its next sync: another leads from then on.
                let lost = leader(&node).await.replica;
                rig.drives[rig.number_of(lost).await].disk.inject(Fault::FailSync, 0);
                write(&rig.env, &node, "row", "value", commit(1)).await.unwrap();
            }
        }
        // Room that a deletion makes is there for whichever comes first, once.
        let delete = Command::Delete {
            version: None,
            condition: Precondition::default(),
            bypass_governance: false,
            owner: "me".into(),
        };
        for number in 0..5 {
            change(&rig.env, &node, &of(&format!("key{number}")), delete.clone()).await.unwrap();
        }
        assert_eq!(fill(1000).await, (5, 27));
        assert_eq!(held().await, Usage { objects: 64, bytes: 64 * SIZE as i64, ..Usage::default() });
        node.shutdown().await;
    }
}

/// Where an identity has its two copies, and where a test puts them away.
const IDENTITIES: [(&str, &str); 2] = [("drive", "away"), ("drive.copy", "away.copy")];

/// A folder that lost its identity and holds anything of a drive is no empty one: it is left out, and nothing in it is
/// touched, by a start that is refused neither.
#[tokio::test]
async fn a_folder_without_an_identity_that_is_not_empty_is_left_out_and_not_touched() {
    let mut rig = NodeRig::new(11, "ec:4+2", 6);
    let node = rig.start().await;
    for number in 0..20 {
        write(&rig.env, &node, &format!("key{number}"), "value", commit(number)).await.unwrap();
    }
    let ids = [rig.id_of(0).await, rig.id_of(1).await, rig.id_of(2).await];
    rig.crash(node, 1).await;
    let move_identity = async |rig: &NodeRig, number: usize, is_back: bool| {
        for (here, away) in IDENTITIES {
            let (from, to) = if is_back { (away, here) } else { (here, away) };
            rig.drives[number].disk.rename(from, to).await.unwrap();
        }
        rig.drives[number].disk.sync_dir("").await.unwrap();
    };
    move_identity(&rig, 0, false).await;
    move_identity(&rig, 1, false).await;
    let node = rig.start().await;
    assert_eq!(node.drive_names().len(), 4);
    for number in 0..20 {
        assert_eq!(read(&rig.env, &node, &format!("key{number}")).await.unwrap(), "value");
    }
    rig.crash(node, 2).await;
    move_identity(&rig, 2, false).await;
    let refused = LocalNode::open(rig.env.clone(), rig.node_drives(|_| true), rig.settings()).await;
    assert!(refused.is_err(), "three drives are too few");
    for number in 0..3 {
        assert!(is_empty(&rig, number).await, "drive {number} was formatted");
        move_identity(&rig, number, true).await;
    }
    let node = rig.start().await;
    assert_eq!([rig.id_of(0).await, rig.id_of(1).await, rig.id_of(2).await], ids);
    let drives = node.current().drives.clone();
    assert!(ids.iter().all(|id| drives[id].state.is_up()), "they serve again as what they were");
    for number in 0..20 {
        assert_eq!(read(&rig.env, &node, &format!("key{number}")).await.unwrap(), "value");
    }
    node.shutdown().await;
}

#[tokio::test]
async fn a_range_with_too_much_under_way_refuses_the_rest_and_goes_on() {
    let rig = NodeRig::new(8, "single", 1);
    let node = rig.start().await;
    write(&rig.env, &node, "first", "value", commit(10_000)).await.unwrap();
    let address = leader(&node).await;
    let request = |number: u64| row_write(&rig.env, &format!("key{number}"), Expect::Any, "value", commit(number));
    let outcomes = join_all((0..5000).map(|number| node.local().execute(address, request(number)))).await;
    let refused: Vec<u64> = (0..5000).filter(|number| outcomes[*number as usize].is_err()).collect();
    assert!((1..5000).contains(&refused.len()), "{} of 5000 were refused", refused.len());
    for number in 0..5000 {
        let row = read(&rig.env, &node, &format!("key{number}")).await;
        match &outcomes[number as usize] {
            Ok(_) => assert_eq!(row.unwrap(), "value"),
            Err(error) => assert_eq!((error, row), (&RangeError::Overloaded, None)),
        }
    }
    for number in refused {
        node.local().execute(address, request(number)).await.unwrap();
    }
    node.shutdown().await;
}

#[tokio::test]
async fn any_two_drives_of_five_replicas_may_be_lost_and_come_back_empty() {
    for (one, two) in [(0, 1), (2, 5), (3, 4)] {
        let mut rig = NodeRig::new(7, "ec:4+2", 6);
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
    let mut rig = NodeRig::new(9, "ec:4+2", 6);
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
    let rig = NodeRig::new(11, "ec:4+2", 6);
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

/// What is noted of all drives of the rig as they are.
async fn note_drives(rig: &mut NodeRig) {
    for number in 0..rig.drives.len() {
        let noted = NotedDrive { drive: rig.id_of(number).await, file_system: number as u64 };
        rig.drives[number].disk.set_file_system(number as u64);
        rig.noted.by_name.insert(format!("drive {number}"), noted);
    }
}

/// Whether a folder was never formatted.
async fn is_empty(rig: &NodeRig, number: usize) -> bool {
    let disk: Arc<dyn Disk> = Arc::new(rig.drives[number].disk.clone());
    matches!(Identity::read(&disk).await, Err(IdentityError::Absent))
}

#[tokio::test]
async fn a_folder_that_is_not_mounted_is_left_out_and_an_empty_one_takes_its_own_drive() {
    let mut rig = NodeRig::new(12, "ec:4+2", 6);
    let node = rig.start().await;
    write(&rig.env, &node, "key", "value", commit(1)).await.unwrap();
    rig.crash(node, 1).await;
    note_drives(&mut rig).await;
    let ids = [rig.id_of(1).await, rig.id_of(4).await];
    // The folder of drive 1 is only its mount point; drive 4 has an empty disk on the same file system.
    let unmounted = rig.drives[1].clone();
    rig.wipe(1);
    rig.wipe(4);
    rig.drives[1].disk.set_file_system(100);
    rig.drives[4].disk.set_file_system(4);
    let node = rig.start().await;
    assert!(is_empty(&rig, 1).await, "a missing mount is never formatted");
    assert_eq!(rig.id_of(4).await, ids[1], "not the least id that is missing");
    assert_eq!(read(&rig.env, &node, "key").await.unwrap(), "value");
    rig.crash(node, 2).await;
    // It is mounted again: nothing was lost of it.
    rig.drives[1] = unmounted;
    let node = rig.start().await;
    assert_eq!(node.drive_names().len(), 6);
    assert_eq!(node.noted_drives().await, rig.noted);
    assert!(node.map().drives[&ids[0]].emptied.times == 0);
    rig.crash(node, 3).await;
    // A folder of which nothing is noted takes no identity that is noted for another folder, mounted or not.
    for number in [1, 4] {
        rig.wipe(number);
    }
    let own = rig.noted.by_name.remove("drive 4").unwrap();
    rig.drives[1].disk.set_file_system(100);
    let node = rig.start().await;
    assert!(is_empty(&rig, 1).await);
    assert_eq!(rig.id_of(4).await, own.drive);
    node.shutdown().await;
}

#[tokio::test]
async fn two_folders_of_one_identity_are_refused_with_both_names() {
    let mut rig = NodeRig::new(13, "single", 3);
    let node = rig.start().await;
    rig.crash(node, 1).await;
    rig.drives[2] = rig.backup(5).swap_remove(0);
    let refused = LocalNode::open(rig.env.clone(), rig.node_drives(|_| true), rig.settings()).await.err();
    let told = refused.expect("it is refused").to_string();
    assert!(told.contains("drive 0") && told.contains("drive 2"), "{told}");
}

#[tokio::test]
async fn a_drive_of_another_node_is_left_out_and_the_others_go_on() {
    let mut rig = NodeRig::new(14, "ec:4+2", 6);
    let node = rig.start().await;
    write(&rig.env, &node, "key", "value", commit(1)).await.unwrap();
    rig.crash(node, 1).await;
    // Another node's drive, with a newer map than the drives here have.
    let mut other = NodeRig::new(15, "single", 1);
    other.node = NodeId(2);
    for round in 0..3 {
        let node = other.start().await;
        other.crash(node, round).await;
    }
    let theirs = other.id_of(0).await;
    rig.drives[3] = other.drives[0].clone();
    let mut settings = rig.settings();
    settings.node = Some(NodeId(1));
    let drives = rig.node_drives(|_| true);
    assert_eq!(Membership::owner(&drives, Some(NodeId(1))).await.unwrap(), Some((7, NodeId(1))));
    let node = LocalNode::open(rig.env.clone(), drives, settings).await.unwrap();
    assert_eq!(node.drive_names().len(), 5);
    assert_eq!(read(&rig.env, &node, "key").await.unwrap(), "value");
    assert_eq!(rig.id_of(3).await, theirs, "it is as it was");
    node.shutdown().await;
}

async fn free(disk: &SimulatedDisk) -> u64 {
    disk.space().await.unwrap().free
}

/// Another program takes the last byte of every disk: logs, indexes and rows wait. No drive and no replica falls out, what
/// is there is read, and all goes on once there is space.
#[tokio::test(start_paused = true)]
async fn disks_without_a_byte_left_cost_no_drive_and_go_on_once_there_is_space() {
    for (seed, policy, drives) in [(70, "single", 1), (80, "ec:2+1", 4)] {
        let rig = NodeRig::new(seed, policy, drives);
        let node = rig.start().await;
        let put = async |number: u64| {
            write(&rig.env, &node, &format!("key{number}"), &format!("value{number}"), commit(number)).await
        };
        for number in 0..10 {
            put(number).await.unwrap();
        }
        for drive in &rig.drives {
            while drive.disk.create("filler", free(&drive.disk).await, Access::Buffered).await.is_err() {}
            drive.stores.set_full(true);
        }
        let waiting = (10..40).map(|number| timeout(Duration::from_secs(60), put(number)));
        let taken = join_all(waiting).await.into_iter().filter(|answer| matches!(answer, Ok(Ok(_)))).count();
        assert_eq!(taken, 0, "rows were taken without space for them");
        let status = node.status().await;
        assert!(status.drives.iter().all(|drive| drive.down.is_none() && drive.is_full), "{policy}: {status:?}");
        for drive in &rig.drives {
            drive.disk.remove("filler").await.unwrap();
            drive.disk.sync_dir("").await.unwrap();
            drive.stores.set_full(false);
        }
        sleep(Duration::from_secs(5)).await;
        for number in 0..40 {
            put(number).await.unwrap();
            assert_eq!(read(&rig.env, &node, &format!("key{number}")).await.unwrap(), format!("value{number}"));
        }
        assert!(node.is_whole(), "{policy}: replicas are missing");
        node.shutdown().await;
    }
}

/// Where the file system needs space to write over what is there, a log may find none: its drive is mounted again.
#[tokio::test(start_paused = true)]
async fn a_drive_whose_log_finds_no_space_comes_back_by_itself() {
    for (seed, policy, drives) in [(90, "single", 1), (100, "ec:2+1", 4)] {
        let rig = NodeRig::new(seed, policy, drives);
        let node = rig.start().await;
        for number in 0..10 {
            write(&rig.env, &node, &format!("key{number}"), "value", commit(number)).await.unwrap();
        }
        rig.drives[0].disk.inject(Fault::NoSpace, 0);
        for number in 10..20 {
            drop(write(&rig.env, &node, &format!("key{number}"), "value", commit(number)).await);
        }
        let is_whole = async || node.is_whole() && node.status().await.drives.iter().all(|drive| drive.down.is_none());
        let began = Instant::now();
        while !is_whole().await {
            assert!(began.elapsed() < Duration::from_secs(60), "{policy}: {:?}", node.status().await.drives);
            sleep(Duration::from_millis(100)).await;
        }
        for number in 0..30 {
            write(&rig.env, &node, &format!("key{number}"), "value", commit(number)).await.unwrap();
            assert_eq!(read(&rig.env, &node, &format!("key{number}")).await.unwrap(), "value");
        }
        node.shutdown().await;
    }
}
