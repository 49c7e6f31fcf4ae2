//! Repair over several drives of one node: drives that go away, stay away, and come back with and
//! without what they held.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::NodeRig;
use crate::support::blobs::TestBlob;
use crate::support::eta_check::EtaCheck;
use crate::support::rounds::{OFTEN, eventually, object_of, owner};
use crate::support::rows::{change, commit, make_bucket, range_of, repair_rows};
use couronne_cluster::map::MAP_RANGE;
use couronne_metadata::command::{Command, NewData, Precondition};
use couronne_metadata::ids::{PartNumber, UploadId};
use couronne_metadata::record::{Attributes, BlobRef, Etag};
use couronne_placement::{BlobId, PolicyId, ShardId};
use couronne_protocol::map::MapSource;
use couronne_protocol::shard::{Owner, ShardClient, ShardDuties};
use couronne_ring::DriveId;
use couronne_storage_node::disk::Disk;
use couronne_storage_node::duties::{DutySettings, RepairStatus, UnrepairedObject, UnrepairedQuery};
use couronne_storage_node::node::LocalNode;
use futures_util::StreamExt;
use tokio::time::sleep;

/// How long a drive is waited for.
const GRACE: Duration = Duration::from_secs(4);

/// Only repair: what it does not do, nobody does.
fn duties() -> DutySettings {
    let off = Duration::ZERO;
    DutySettings {
        reap_interval: off,
        repair_interval: OFTEN,
        repair_grace: GRACE,
        watermarks_interval: off,
        scrub_interval: off,
        ..DutySettings::default()
    }
}

fn rig(seed: u64, drives: u64) -> NodeRig {
    NodeRig { duties: duties(), ..NodeRig::new(seed, "ec:4+2", drives) }
}

/// Objects whose shards are all where they belong.
async fn objects(rig: &NodeRig, node: &LocalNode, count: u8) -> Vec<TestBlob> {
    objects_of(rig, node, &vec![1_300_000; usize::from(count)]).await
}

/// The same, of so many bytes each.
async fn objects_of(rig: &NodeRig, node: &LocalNode, lens: &[usize]) -> Vec<TestBlob> {
    make_bucket(&rig.env, node, owner("any").bucket).await;
    let mut blobs = Vec::new();
    for (seed, len) in (0..).zip(lens) {
        blobs.push(object_of(rig, node, &format!("key{seed}"), seed, *len).await);
    }
    blobs
}

/// The drives where a shard is sound.
async fn places(node: &LocalNode, blob: &TestBlob, shard: ShardId) -> BTreeSet<DriveId> {
    let mut places = BTreeSet::new();
    for drive in node.current().drives.keys() {
        if blob.is_on(node, shard, *drive).await == Some(true) {
            places.insert(*drive);
        }
    }
    places
}

/// Whether every shard of every blob is somewhere.
async fn all_alive(node: &LocalNode, blobs: &[TestBlob]) -> bool {
    for blob in blobs {
        for shard in blob.shards() {
            if places(node, blob, shard).await.is_empty() {
                return false;
            }
        }
    }
    true
}

async fn all_whole(node: &LocalNode, blobs: &[TestBlob]) -> bool {
    for blob in blobs {
        if !blob.is_whole(node).await {
            return false;
        }
    }
    true
}

async fn status(node: &LocalNode) -> RepairStatus {
    node.status().await.repair
}

/// What the leaders of the ranges of the keyspace say of them: up to which losses they were swept, at least, and how many
/// repair rows they have together; `None` while one says nothing.
async fn facts(node: &LocalNode) -> Option<(u64, u64)> {
    let ranges = node.status().await.ranges.into_iter().filter(|range| range.id != MAP_RANGE);
    let facts: Option<Vec<_>> = ranges.map(|range| Some(range.facts?.rows)).collect();
    let facts = facts?;
    let swept = facts.iter().map(|facts| facts.marks.swept_version).min()?;
    Some((swept, facts.iter().map(|facts| facts.repair_rows).sum()))
}

/// Asks for all that lacks shards in the range of a key.
async fn list_all(node: &LocalNode, owner: &Owner) -> Option<Vec<UnrepairedObject>> {
    let range = range_of(node, owner).await;
    let query = UnrepairedQuery { range, after: None, limit: 100, is_unreadable_only: false };
    node.list_unrepaired(query).await.map(|(objects, _)| objects)
}

/// Waits until nothing is pending, and for a while on: a range's leader knows its new members before
/// they all know it.
async fn nothing_pending(node: &LocalNode) {
    let mut quiet = 0;
    let is_quiet = async || {
        let status = status(node).await;
        quiet = if status.pending_blobs + status.pending_ranges == 0 { quiet + 1 } else { 0 };
        quiet == 30
    };
    eventually("nothing is pending", is_quiet).await;
}

#[tokio::test]
async fn a_lost_drives_shards_are_rebuilt_after_its_grace_and_come_home_when_it_is_back() {
    let mut rig = rig(1, 7);
    let node = rig.start().await;
    let blobs = objects(&rig, &node, 4).await;
    nothing_pending(&node).await;
    assert_eq!(status(&node).await.survives, None);
    assert_eq!((facts(&node).await, node.map().loss_version()), (Some((0, 0)), 0));
    rig.crash(node, 1).await;

    let lost = rig.id_of(2).await;
    let node = rig.start_with(|number| number != 2).await;
    sleep(GRACE / 2).await;
    assert!(!all_alive(&node, &blobs).await, "it is waited for");
    assert_eq!(node.map().loss_version(), 0, "it is not lost yet");
    eventually("it is rebuilt elsewhere", async || all_alive(&node, &blobs).await).await;
    nothing_pending(&node).await;
    let hit = |blob: &&TestBlob| blob.shards().any(|shard| blob.primary(&node, shard) == lost);
    let hit = blobs.iter().filter(hit).count();
    assert!(hit > 0);
    let seen = status(&node).await;
    assert_eq!((seen.parked_blobs, seen.survives), (hit as u64, Some(2)), "{seen:?}");
    assert_eq!(seen.unlisted, [], "all were gone through since the drive is lost");
    assert!(seen.rebuilt_bytes > 0);
    assert_eq!(repair_rows(&rig.env, &node, &owner("any")).await.len(), hit, "their drive is away");
    let loss = node.map().drives[&lost].lost_version.unwrap();
    assert_eq!(facts(&node).await, Some((loss, hit as u64)), "they were swept for it, and count their rows");
    for blob in &blobs {
        for index in 0..2 {
            let mut holders = BTreeSet::new();
            for shard in blob.shards().filter(|shard| shard.chunk.index == index) {
                holders.extend(places(&node, blob, shard).await);
            }
            assert_eq!(holders.len(), 6, "a spare drive is preferred to one that holds a shard");
        }
    }
    rig.crash(node, 2).await;

    let node = rig.start().await;
    eventually("all is at home", async || all_whole(&node, &blobs).await).await;
    nothing_pending(&node).await;
    assert_eq!(repair_rows(&rig.env, &node, &owner("any")).await, []);
    assert_eq!(status(&node).await.parked_blobs, 0);
    assert_eq!((facts(&node).await, node.map().loss_version()), (Some((loss, 0)), 0), "it came back with all");
    node.shutdown().await;
}

#[tokio::test]
async fn a_drive_that_comes_back_emptied_is_filled_again() {
    let mut rig = rig(2, 6);
    let node = rig.start().await;
    let blobs = objects(&rig, &node, 5).await;
    rig.crash(node, 1).await;
    rig.wipe(3);
    let node = rig.start().await;
    let begun = status(&node).await;
    assert!(begun.pending_blobs > 0 && !begun.unlisted.is_empty(), "nobody has looked yet: {begun:?}");
    let loss = node.map().loss_version();
    assert!(loss > 0 && facts(&node).await.is_none_or(|(swept, _)| swept < loss));
    nothing_pending(&node).await;
    assert!(all_whole(&node, &blobs).await, "nothing is pending");
    assert_eq!(facts(&node).await, Some((loss, 0)));
    assert_eq!(repair_rows(&rig.env, &node, &owner("any")).await, []);

    // A second start finds nothing to do.
    rig.crash(node, 2).await;
    let node = rig.start().await;
    nothing_pending(&node).await;
    assert_eq!(status(&node).await.rebuilt_bytes, 0);
    node.shutdown().await;
}

/// Its segments are gone, and nothing else: at a start, and while it serves.
#[tokio::test]
async fn a_drive_that_lost_its_segments_is_filled_again_and_keeps_its_replicas() {
    // Longer than a drive takes to be mounted again, so that no replica goes to another.
    let mut rig = NodeRig { duties: DutySettings { repair_grace: GRACE * 20, ..duties() }, ..rig(21, 6) };
    let mut node = rig.start().await;
    let blobs = objects(&rig, &node, 5).await;
    let (id, places) = (rig.id_of(3).await, node.map().places());
    for times in 1..=2 {
        if times == 1 {
            rig.crash(node, times).await;
            rig.remove_segments(3).await;
            node = rig.start().await;
        } else {
            rig.remove_segments(3).await;
        }
        eventually("it is known", async || node.map().drives[&id].emptied.times == times).await;
        let loss = node.map().loss_version();
        assert_eq!(node.map().drives[&id].emptied.version, loss);
        nothing_pending(&node).await;
        eventually("it is made up for", async || facts(&node).await == Some((loss, 0))).await;
        assert!(all_whole(&node, &blobs).await);
        assert_eq!(node.map().places(), places, "its replicas go on");
    }
    rig.crash(node, 3).await;
    let node = rig.start().await;
    nothing_pending(&node).await;
    assert_eq!((node.map().drives[&id].emptied.times, status(&node).await.rebuilt_bytes), (2, 0), "told once");
    node.shutdown().await;
}

/// What was swept stands in a row of the range: whichever replica leads after a restart, nothing is done per blob.
#[tokio::test]
async fn a_plain_restart_sweeps_nothing_again() {
    let mut rig = rig(15, 6);
    let node = rig.start().await;
    let blobs = objects_of(&rig, &node, &[100_000; 30]).await;
    rig.crash(node, 1).await;
    rig.wipe(3);
    let mut node = rig.start().await;
    nothing_pending(&node).await;
    assert!(all_whole(&node, &blobs).await);
    assert_eq!(node.status().await.duties.blobs_degraded, 30);
    for seed in 2..5 {
        rig.crash(node, seed).await;
        node = rig.start().await;
        nothing_pending(&node).await;
        let (duties, repair) = (node.status().await.duties, status(&node).await);
        assert_eq!((duties.blobs_degraded, duties.chunks_repaired, repair.done_chunks), (0, 0, 0));
    }
    // Another loss is another matter.
    rig.crash(node, 5).await;
    rig.wipe(4);
    let node = rig.start().await;
    nothing_pending(&node).await;
    assert_eq!(node.status().await.duties.blobs_degraded, 30);
    assert!(all_whole(&node, &blobs).await);
    node.shutdown().await;
}

/// The node registers its emptied drive while its clock is off. Before that is set right its drives may refuse the
/// blobs' births, and repair tries again later; but the rows for that must be there.
#[tokio::test]
async fn whatever_blobs_an_emptied_drive_held_are_marked_though_the_clock_was_off() {
    const DAY_MS: i64 = 86_400_000;
    for (seed, offset_ms) in [(12, -20 * 365 * DAY_MS), (13, -3 * DAY_MS), (14, 3 * DAY_MS)] {
        let mut rig = rig(seed, 6);
        let node = rig.start().await;
        let blobs = objects(&rig, &node, 4).await;
        rig.crash(node, 1).await;
        rig.wipe(3);
        rig.clock.set_offset_ms(offset_ms);
        let node = rig.start().await;
        sleep(Duration::from_secs(1)).await;
        rig.clock.set_offset_ms(0);
        let marked = async || node.status().await.duties.blobs_degraded;
        eventually("what it held is marked", async || marked().await >= 4).await;
        assert_eq!((marked().await, blobs.len()), (4, 4), "each once");
        node.shutdown().await;
    }
}

/// Every blob of an upload's parts lies under the one key: a page of them is more than one command can mark.
#[tokio::test]
async fn a_long_key_with_many_parts_stops_the_repair_of_no_other_key() {
    let mut rig = rig(11, 6);
    let node = rig.start().await;
    let blobs = objects(&rig, &node, 4).await;
    let (long, born_ms) = (owner(&"k".repeat(1024)), rig.env.clock.wall_ms());
    let upload = UploadId::new(born_ms, [1; 10]);
    let (attributes, initiator) = (Attributes::default(), "any".into());
    change(&rig.env, &node, &long, Command::CreateUpload { upload, attributes, initiator, checksum: None })
        .await
        .unwrap();
    let named = |number: u16, policy| BlobRef {
        id: BlobId::new(born_ms, commit(u64::from(number)), long.binding()),
        len: 100,
        policy,
        geometry: blobs[0].named.geometry,
        crc64: 0,
    };
    let part = |number| Command::PutPart {
        upload,
        number: PartNumber::new(number).unwrap(),
        // A gateway may say anything of a blob's policy, also what no map knows.
        data: NewData::Blob(named(number, PolicyId(if number == 1 { 77 } else { 0 })), 0, None),
        size: 100,
        etag: Etag { digest: [1; 16], parts: None },
        checksum: None,
    };
    let parts = (1..=5_700).map(|number| change(&rig.env, &node, &long, part(number)));
    for put in futures_util::stream::iter(parts).buffer_unordered(200).collect::<Vec<_>>().await {
        put.unwrap();
    }
    rig.crash(node, 1).await;
    rig.wipe(3);
    let node = rig.start().await;
    eventually("the other keys are whole", async || all_whole(&node, &blobs).await).await;
    eventually("every part was marked", async || node.status().await.duties.blobs_degraded >= 5_704).await;
    node.shutdown().await;
}

/// Three of six drives died. With each of them a vote may come back that a range needs: none is begun anew, and what is
/// left starts again as it is.
#[tokio::test]
async fn no_drive_is_begun_anew_while_a_range_has_no_majority() {
    let rig = rig(7, 6);
    let node = rig.start().await;
    objects(&rig, &node, 4).await;
    let mut dead = Vec::new();
    for number in 0..3 {
        dead.push(rig.id_of(number).await);
        rig.drives[number].disk.remove("drive").await.unwrap();
    }
    let down = async || node.status().await.drives.iter().filter(|drive| drive.down.is_some()).count();
    eventually("it is seen", async || down().await == 3).await;
    for id in dead {
        let refused = node.release_drive(id, false).await.unwrap_err().to_string();
        assert!(refused.contains("too few other voters that serve"), "{refused}");
    }
    assert_eq!(node.map().drives.values().filter(|drive| drive.emptied.times > 0).count(), 0);
}

/// What an operator does when a drive died and an empty one is in its place, while everything runs.
#[tokio::test]
async fn a_drive_that_died_begins_anew_and_is_filled_again() {
    let mut rig = rig(5, 6);
    let node = rig.start().await;
    let blobs = objects(&rig, &node, 4).await;
    let (id, other) = (rig.id_of(2).await, rig.id_of(4).await);
    let refused = node.release_drive(id, false).await.unwrap_err().to_string();
    assert!(refused.contains("serves"), "{refused}");
    rig.drives[2].disk.remove("drive").await.unwrap();
    eventually("it is seen", async || node.status().await.drives.iter().any(|drive| drive.down.is_some())).await;
    let refused = node.release_drive(other, true).await.unwrap_err().to_string();
    assert!(refused.contains("is down"), "none is given up meanwhile: {refused}");

    rig.wipe(2);
    let new = rig.node_drives(|number| number == 2).remove(0);
    assert!(node.replace_drive(id, &new).await.is_err(), "the old one was not let go of");
    node.release_drive(id, false).await.unwrap();
    node.replace_drive(id, &new).await.unwrap();
    nothing_pending(&node).await;
    assert!(all_whole(&node, &blobs).await, "it holds what it held");
    eventually("its replicas are members", async || node.is_whole()).await;
    assert_eq!(node.map().drives[&id].emptied.times, 1);

    // One that serves is dropped only if that is forced, and then all is as before.
    rig.wipe(4);
    let new = rig.node_drives(|number| number == 4).remove(0);
    node.release_drive(other, true).await.unwrap();
    node.replace_drive(other, &new).await.unwrap();
    nothing_pending(&node).await;
    assert!(all_whole(&node, &blobs).await);
    rig.crash(node, 1).await;
    let node = rig.start().await;
    nothing_pending(&node).await;
    assert_eq!(node.map().drives[&other].emptied.times, 1, "a start is no loss");
    node.shutdown().await;
}

/// The sweep for what the drive held has passed when the row comes that names the blob.
#[tokio::test]
async fn what_a_drive_lost_before_it_was_committed_is_put_back() {
    let mut rig = rig(7, 6);
    let node = rig.start().await;
    objects(&rig, &node, 1).await;
    let (id, before) = (rig.id_of(2).await, node.map().version);
    let mut blobs = Vec::new();
    for seed in 10..13 {
        let blob = TestBlob::new(&owner(&format!("late{seed}")), rig.env.clock.wall_ms(), seed);
        blob.write(&node, |_, primary| Some(primary)).await;
        blobs.push(blob);
    }
    rig.drives[2].disk.remove("drive").await.unwrap();
    eventually("it is seen", async || node.status().await.drives.iter().any(|drive| drive.down.is_some())).await;
    rig.wipe(2);
    node.release_drive(id, false).await.unwrap();
    node.replace_drive(id, &rig.node_drives(|number| number == 2).remove(0)).await.unwrap();
    nothing_pending(&node).await;

    for (blob, placed_by) in blobs.iter().zip([Some(before), None, Some(before)]) {
        change(&rig.env, &node, &blob.owner, blob.commit_placed_by(0, placed_by)).await.unwrap();
    }
    nothing_pending(&node).await;
    assert!(all_whole(&node, &blobs).await);
    // What was placed by a map that says so already lost nothing: it costs no look.
    let looked = status(&node).await.done_chunks;
    let blob = TestBlob::new(&owner("later"), rig.env.clock.wall_ms(), 20);
    blob.write(&node, |_, primary| Some(primary)).await;
    change(&rig.env, &node, &blob.owner, blob.commit_placed_by(0, Some(node.map().version))).await.unwrap();
    assert_eq!(repair_rows(&rig.env, &node, &blob.owner).await, []);
    assert_eq!(status(&node).await.done_chunks, looked);
    node.shutdown().await;
}

/// Nobody reported anything, no drive was lost: only an operator has it looked for.
#[tokio::test]
async fn an_operator_has_everything_looked_for() {
    let rig = rig(6, 6);
    let node = rig.start().await;
    let blobs = objects(&rig, &node, 2).await;
    nothing_pending(&node).await;
    let shard = blobs[0].shards().next().unwrap();
    let primary = blobs[0].primary(&node, shard);
    node.routes().delete_shard(primary, shard, &blobs[0].owner).await.unwrap();
    sleep(OFTEN * 10).await;
    assert!(!all_whole(&node, &blobs).await, "nobody knows");
    node.start_repair();
    assert!(status(&node).await.pending_blobs > 0);
    nothing_pending(&node).await;
    assert!(all_whole(&node, &blobs).await);
    node.shutdown().await;
}

#[tokio::test]
async fn two_of_six_drives_are_made_up_for_and_two_others_may_go() {
    let mut rig = rig(3, 6);
    let node = rig.start().await;
    let blobs = objects(&rig, &node, 3).await;
    rig.crash(node, 1).await;
    let node = rig.start_with(|number| number > 1).await;
    eventually("all shards are alive", async || all_alive(&node, &blobs).await).await;
    nothing_pending(&node).await;
    assert_eq!(status(&node).await.survives, Some(1), "some of the four hold two shards of a chunk");
    rig.crash(node, 2).await;

    // One is back as it was, the other empty.
    rig.wipe(1);
    let node = rig.start().await;
    nothing_pending(&node).await;
    assert!(all_whole(&node, &blobs).await);
    rig.crash(node, 3).await;
    let node = rig.start_with(|number| number < 4).await;
    eventually("all shards are alive again", async || all_alive(&node, &blobs).await).await;
    node.shutdown().await;
}

#[tokio::test]
async fn a_damaged_shard_is_not_copied_from_and_is_put_right() {
    let mut rig = rig(4, 6);
    let node = rig.start().await;
    let blobs = objects(&rig, &node, 1).await;
    let shard = blobs[0].shards().nth(1).unwrap();
    let other = blobs[0].shards().nth(2).unwrap();
    let damaged = rig.number_of(blobs[0].primary(&node, shard)).await;
    blobs[0].flip(&rig.drives[damaged].disk, shard).await;
    let emptied = rig.number_of(blobs[0].primary(&node, other)).await;
    rig.crash(node, 1).await;
    rig.wipe(emptied);
    let node = rig.start().await;
    nothing_pending(&node).await;
    assert!(all_whole(&node, &blobs).await, "it was read for the other, found damaged, and rebuilt");
    node.shutdown().await;
}

/// The shard that is damaged is none that the lost one is rebuilt from, and its drive says that it has it.
#[tokio::test]
async fn a_row_goes_only_once_every_shard_was_read_on_its_primary() {
    let mut rig = rig(16, 6);
    let node = rig.start().await;
    let blobs = objects(&rig, &node, 1).await;
    let [damaged, lost] = [5, 2].map(|number| blobs[0].shards().nth(number).unwrap());
    let drive = rig.number_of(blobs[0].primary(&node, damaged)).await;
    blobs[0].flip(&rig.drives[drive].disk, damaged).await;
    let emptied = rig.number_of(blobs[0].primary(&node, lost)).await;
    rig.crash(node, 1).await;
    rig.wipe(emptied);
    let node = rig.start().await;
    nothing_pending(&node).await;
    assert_eq!(repair_rows(&rig.env, &node, &owner("any")).await, []);
    assert!(all_whole(&node, &blobs).await, "it was read back, found damaged, and rebuilt");
    node.shutdown().await;
}

#[tokio::test]
async fn what_was_reported_and_cannot_be_repaired_leaves_a_row_until_it_can() {
    let mut rig = rig(17, 6);
    let node = rig.start().await;
    let blobs = objects(&rig, &node, 2).await;
    let damaged: Vec<ShardId> = blobs[0].shards().take(3).collect();
    let flip = async || {
        for shard in &damaged {
            let number = rig.number_of(blobs[0].primary(&node, *shard)).await;
            blobs[0].flip(&rig.drives[number].disk, *shard).await;
        }
    };
    flip().await;
    node.local().report(blobs[0].primary(&node, damaged[1]), damaged[1], blobs[0].owner.clone()).await;
    assert_ne!(status(&node).await.pending_blobs, 0, "a report counts");
    let is_told = async || {
        let status = status(&node).await;
        assert!(status.pending_blobs > 0 || facts(&node).await.is_some_and(|(_, rows)| rows == 1), "told at all times");
        status.degraded.iter().any(|(survives, level)| *survives < 0 && level.blobs == 1)
    };
    eventually("it is known that a chunk cannot be read", is_told).await;
    let rows = repair_rows(&rig.env, &node, &owner("any")).await;
    let rows: Vec<_> = rows.iter().map(|row| (row.blob.id, row.missing)).collect();
    assert_eq!(rows, [(blobs[0].named.id, 3)], "the row says how many shards are missing");
    // The next leader knows it, too.
    flip().await;
    rig.crash(node, 1).await;
    let node = rig.start().await;
    nothing_pending(&node).await;
    assert_eq!(repair_rows(&rig.env, &node, &owner("any")).await, []);
    assert!(all_whole(&node, &blobs).await);
    node.shutdown().await;
}

/// What an operator deletes for it is lost is out of reach no more, although the reaper comes in an hour.
#[tokio::test]
async fn what_was_out_of_reach_is_so_no_more_once_its_object_is_deleted() {
    let mut rig = rig(18, 6);
    rig.duties.scrub_interval = Duration::from_secs(86_400);
    let node = rig.start().await;
    let blobs = objects(&rig, &node, 2).await;
    for shard in blobs[0].shards().take(3) {
        let number = rig.number_of(blobs[0].primary(&node, shard)).await;
        blobs[0].flip(&rig.drives[number].disk, shard).await;
    }
    let damaged = blobs[0].shards().next().unwrap();
    node.local().report(blobs[0].primary(&node, damaged), damaged, blobs[0].owner.clone()).await;
    let is_parked = async || {
        let status = status(&node).await;
        status.survives.is_some_and(|survives| survives < 0) && (status.parked_blobs, status.pending_blobs) == (1, 0)
    };
    eventually("it is out of reach, and waits for a drive that is not there", is_parked).await;
    let delete = Command::Delete {
        version: None,
        condition: Precondition::default(),
        bypass_governance: false,
        owner: "".into(),
    };
    change(&rig.env, &node, &blobs[0].owner, delete).await.unwrap();
    assert_eq!(repair_rows(&rig.env, &node, &owner("any")).await, []);
    eventually("the status says so", async || status(&node).await.degraded.is_empty()).await;
    nothing_pending(&node).await;
    assert!(blobs[0].copies(&node).await > 0, "the reaper was not there");
    // A drive with shards of it that do not verify was read through all the same.
    node.start_scrub();
    let is_scrubbed = async || node.status().await.drives.iter().all(|drive| drive.scrub.unwrap().ended_ms.is_some());
    eventually("every drive was read through", is_scrubbed).await;
    node.shutdown().await;
}

/// What a gateway said of it when it was committed is less than what repair finds: the next leader is told.
#[tokio::test]
async fn a_row_says_how_many_shards_repair_found_missing() {
    let mut rig = rig(19, 6);
    let node = rig.start().await;
    objects(&rig, &node, 1).await;
    let blob = TestBlob::new(&owner("lacking"), rig.env.clock.wall_ms(), 9);
    blob.write(&node, |shard, primary| (shard.number > 2).then_some(primary)).await;
    change(&rig.env, &node, &blob.owner, blob.commit(1)).await.unwrap();
    let env = rig.env.clone();
    let missing = async |node: &LocalNode| {
        let rows = repair_rows(&env, node, &owner("any")).await;
        rows.iter().map(|row| (row.blob.id, row.missing)).collect::<Vec<_>>()
    };
    eventually("the row says so", async || missing(&node).await == [(blob.named.id, 3)]).await;
    let is_looked_at = |found: Vec<UnrepairedObject>| found.iter().all(|object| object.is_looked_at);
    eventually("it was looked at", async || list_all(&node, &blob.owner).await.is_some_and(is_looked_at)).await;
    let found = list_all(&node, &blob.owner).await.unwrap();
    assert_eq!((found.len(), found[0].missing, found[0].is_unreadable), (1, 3, true));

    rig.duties.repair_interval = Duration::ZERO;
    rig.crash(node, 1).await;
    let node = rig.start().await;
    assert_eq!(missing(&node).await, [(blob.named.id, 3)]);
    let found = list_all(&node, &blob.owner).await.unwrap();
    assert!(found[0].is_unreadable && !found[0].is_looked_at, "the next leader knows without a look");
    node.shutdown().await;
}

/// Small blobs are repaired before large ones, for they are older: their number says nothing of the time.
#[tokio::test]
async fn the_time_left_is_right_within_a_factor_of_two() {
    let mut rig = rig(8, 6);
    rig.duties.repair_bytes_per_second = 1 << 20;
    let node = rig.start().await;
    let blobs = objects_of(&rig, &node, &[[100_000; 30].as_slice(), &[4 << 20; 12]].concat()).await;
    rig.crash(node, 1).await;
    rig.wipe(3);
    let node = rig.start().await;
    let mut told = EtaCheck::begin();
    loop {
        let status = status(&node).await;
        told.note(status.seconds_passed, status.seconds_left);
        if status.rebuilt_bytes > 0 && status.pending_chunks == 0 {
            break;
        }
        sleep(OFTEN).await;
    }
    told.check();
    nothing_pending(&node).await;
    assert!(all_whole(&node, &blobs).await);
    node.shutdown().await;
}
