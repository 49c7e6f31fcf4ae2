//! The background duties over simulated drives: what they did to bytes and rows, not what they count.

use std::sync::Arc;
use std::time::Duration;

use crate::support::NodeRig;
use crate::support::blobs::TestBlob;
use crate::support::eta_check::EtaCheck;
use crate::support::rounds::{OFTEN, eventually, object, object_of, owner};
use crate::support::rows::{ask, bucket_id, change, key, make_bucket, reap_rows, repair_rows, rules};
use bytes::Bytes;
use couronne_base::codec;
use couronne_cluster::RangeDescriptor;
use couronne_cluster::map::{LogEnd, MAP_RANGE};
use couronne_metadata::command::{AttributeChange, Command, NewData, Precondition};
use couronne_metadata::ids::{CommitId, PartNumber, UploadId};
use couronne_metadata::key::of_reap;
use couronne_metadata::query::{Answer, Ownership, Query};
use couronne_metadata::record::{Attributes, BucketRules, BucketState, Etag, ReapReason, ReapRecord, ReapTarget};
use couronne_metadata::store::Batch;
use couronne_placement::ShardId;
use couronne_protocol::range::RangeError;
use couronne_protocol::shard::{Owner, ShardClient};
use couronne_storage_node::disk::Disk;
use couronne_storage_node::drives::StoreThreads;
use couronne_storage_node::duties::DutySettings;
use couronne_storage_node::log::{DriveLog, FILE_BYTES};
use couronne_storage_node::node::{LocalNode, Stores, replica_store};
use couronne_storage_node::replicas::RangeStateMachine;
use tokio::time::sleep;

const DAY: Duration = Duration::from_secs(86_400);
/// A day, in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// Long enough for many rounds: what was not done by then is not done.
const LONG: Duration = Duration::from_secs(1);

/// No duty at all, but for the flusher: each test turns its own on.
fn none() -> DutySettings {
    let off = Duration::ZERO;
    DutySettings {
        reap_interval: off,
        repair_interval: off,
        watermarks_interval: off,
        scrub_interval: off,
        scrub_bytes_per_second: 1 << 30,
        ..DutySettings::default()
    }
}

/// Six drives, of which each holds a shard of every chunk.
fn rig(seed: u64, duties: DutySettings) -> NodeRig {
    NodeRig { duties, ..NodeRig::new(seed, "ec:4+2", 6) }
}

async fn delete(rig: &NodeRig, node: &LocalNode, blob: &TestBlob) {
    let (version, condition) = (None, Precondition::default());
    let delete = Command::Delete { version, condition, bypass_governance: false, owner: "me".into() };
    change(&rig.env, node, &blob.owner, delete).await.unwrap();
}

#[tokio::test]
async fn the_reaper_deletes_what_is_due_and_nothing_before() {
    let mut rig = rig(1, DutySettings { reap_interval: OFTEN, ..none() });
    rig.evaluation.reap_delay_ms = 3_600_000;
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    let (dropped, kept) = (object(&rig, &node, "dropped", 1).await, object(&rig, &node, "kept", 2).await);
    let part = TestBlob::new(&owner("upload"), rig.env.clock.wall_ms(), 3);
    part.write(&node, |_, primary| Some(primary)).await;
    let upload = UploadId::from_bytes([5; 16]);
    let (attributes, initiator) = (Attributes::default(), "me".into());
    let create = Command::CreateUpload { upload, attributes, initiator, checksum: None };
    change(&rig.env, &node, &part.owner, create).await.unwrap();
    let put = Command::PutPart {
        upload,
        number: PartNumber::new(1).unwrap(),
        data: NewData::Blob(part.named.clone(), 0, None),
        size: part.named.len,
        etag: Etag { digest: [1; 16], parts: None },
        checksum: None,
    };
    change(&rig.env, &node, &part.owner, put).await.unwrap();

    delete(&rig, &node, &dropped).await;
    change(&rig.env, &node, &part.owner, Command::AbortUpload { upload }).await.unwrap();
    rig.clock.leap_ms(3_500_000);
    sleep(LONG).await;
    assert!(dropped.is_whole(&node).await && part.is_whole(&node).await, "their readers have an hour");
    rig.clock.leap_ms(200_000);
    let gone = async || dropped.copies(&node).await + part.copies(&node).await == 0;
    eventually("the shards are gone", gone).await;
    eventually("the rows are gone", async || reap_rows(&rig.env, &node, &dropped.owner).await == 0).await;
    assert!(kept.is_whole(&node).await);

    rig.crash(node, 1).await;
    let node = rig.start().await;
    assert_eq!((dropped.copies(&node).await, part.copies(&node).await), (0, 0), "what was deleted stays deleted");
    assert!(kept.is_whole(&node).await);
    node.shutdown().await;
}

/// A reap row that no commit left: the blob's own row is the second key.
#[tokio::test]
async fn a_reap_row_alone_deletes_nothing() {
    let rig = rig(11, DutySettings { reap_interval: OFTEN, ..none() });
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    let kept = object(&rig, &node, "kept", 1).await;
    let Owner { bucket, key } = kept.owner.clone();
    let position = RangeDescriptor::position(bucket, key.as_bytes());
    let range = node.map().ranges.iter().find(|range| range.descriptor().contains(&position)).unwrap().clone();
    node.shutdown().await;
    let (target, commit) = (ReapTarget::Blob(kept.named.clone()), CommitId::new(1, [1; 10]));
    let record = ReapRecord { target, bucket, key, not_before_ms: 1, reason: ReapReason::Dropped, commit };
    for (replica, drive) in &range.replicas {
        let store = rig.drives[rig.number_of(*drive).await].stores.open(&replica_store(*replica)).unwrap();
        let mut batch = Batch::default();
        batch.put(of_reap(&record), codec::encode(&record));
        store.apply(&batch).unwrap();
        store.flush().unwrap();
    }
    let node = rig.start().await;
    eventually("the row is gone", async || node.status().await.duties.reaped > 0).await;
    assert_eq!(reap_rows(&rig.env, &node, &kept.owner).await, 0);
    assert!(kept.is_whole(&node).await, "it is named");
    node.shutdown().await;
}

#[tokio::test]
async fn deleting_halts_when_the_clock_leapt_until_it_is_confirmed() {
    let mut rig = rig(2, DutySettings { reap_interval: OFTEN, watermarks_interval: OFTEN, ..none() });
    rig.evaluation.reap_delay_ms = 3_600_000;
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    let blob = object(&rig, &node, "one", 1).await;
    delete(&rig, &node, &blob).await;
    rig.clock.leap_ms(8 * DAY_MS);
    sleep(LONG).await;
    assert!(blob.is_whole(&node).await, "nobody knows whether its readers have finished");
    assert_eq!(reap_rows(&rig.env, &node, &blob.owner).await, 1);
    assert!(node.status().await.duties.halted.is_some());
    node.confirm_clock().await.unwrap();
    eventually("reaped after the clock was confirmed", async || blob.copies(&node).await == 0).await;
    eventually("and its row gone", async || reap_rows(&rig.env, &node, &blob.owner).await == 0).await;
    assert_eq!(node.status().await.duties.halted, None);

    // The same while the node is stopped.
    let blob = object(&rig, &node, "two", 2).await;
    delete(&rig, &node, &blob).await;
    sleep(LONG).await;
    node.shutdown().await;
    rig.clock.leap_ms(8 * DAY_MS);
    let node = rig.start().await;
    sleep(LONG).await;
    assert!(blob.is_whole(&node).await && node.status().await.duties.halted.is_some());
    node.confirm_clock().await.unwrap();
    rig.crash(node, 1).await;
    let node = rig.start().await;
    eventually("reaped after a restart", async || blob.copies(&node).await == 0).await;
    node.shutdown().await;
}

#[tokio::test]
async fn a_shard_on_a_handoff_goes_home_when_its_drive_is_back() {
    let mut rig = rig(3, DutySettings { repair_interval: OFTEN, ..none() });
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    let sound = object(&rig, &node, "sound", 2).await;
    rig.crash(node, 1).await;
    let (away, handoff) = (rig.id_of(0).await, rig.id_of(3).await);
    let node = rig.start_with(|number| number != 0).await;
    let blob = TestBlob::new(&owner("k"), rig.env.clock.wall_ms(), 1);
    blob.write(&node, |_, primary| Some(if primary == away { handoff } else { primary })).await;
    change(&rig.env, &node, &blob.owner, blob.commit(1)).await.unwrap();
    let rows = repair_rows(&rig.env, &node, &blob.owner).await;
    assert_eq!(rows.iter().map(|row| (row.blob.id, row.missing)).collect::<Vec<_>>(), [(blob.named.id, 1)]);
    sleep(LONG).await;
    assert_eq!(repair_rows(&rig.env, &node, &blob.owner).await, rows, "its drive is still away");

    rig.crash(node, 2).await;
    let node = rig.start().await;
    assert!(!blob.is_whole(&node).await, "nothing was repaired yet");
    let no_rows = async || repair_rows(&rig.env, &node, &blob.owner).await.is_empty();
    eventually("the repair row is gone", no_rows).await;
    assert!(blob.is_whole(&node).await && sound.is_whole(&node).await);
    rig.crash(node, 3).await;
    let node = rig.start().await;
    assert!(blob.is_whole(&node).await, "and stays so");
    node.shutdown().await;
}

#[tokio::test]
async fn a_reported_shard_is_written_again_on_its_drive() {
    let mut rig = rig(4, DutySettings { repair_interval: OFTEN, ..none() });
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    let blob = object(&rig, &node, "k", 1).await;
    let unnamed = TestBlob::new(&owner("k"), rig.env.clock.wall_ms(), 2);
    unnamed.write(&node, |_, primary| Some(primary)).await;
    // A data shard and a parity shard of one chunk, and a data shard of the other.
    let damaged: Vec<ShardId> = [1, 4, 8].map(|at| blob.shards().nth(at).unwrap()).to_vec();
    let other = unnamed.shards().next().unwrap();
    for (blob, shard) in damaged.iter().map(|shard| (&blob, *shard)).chain([(&unnamed, other)]) {
        let drive = blob.primary(&node, shard);
        blob.flip(&rig.drives[rig.number_of(drive).await].disk, shard).await;
        assert_eq!(blob.is_on(&node, shard, drive).await, Some(false));
    }
    sleep(LONG).await;
    assert_eq!(blob.is_on(&node, damaged[0], blob.primary(&node, damaged[0])).await, Some(false), "nobody told");
    for shard in damaged {
        node.local().report(blob.primary(&node, shard), shard, blob.owner.clone()).await;
    }
    node.local().report(unnamed.primary(&node, other), other, unnamed.owner.clone()).await;
    eventually("the shards are sound", async || blob.is_whole(&node).await).await;
    sleep(LONG).await;
    let found = unnamed.is_on(&node, other, unnamed.primary(&node, other)).await;
    assert_eq!(found, Some(false), "a report is believed only for what a row names");
    rig.crash(node, 1).await;
    let node = rig.start().await;
    assert!(blob.is_whole(&node).await, "and stays so");
    node.shutdown().await;
}

#[tokio::test]
async fn the_scrubber_deletes_only_what_its_range_disowns() {
    let rig = rig(5, DutySettings { scrub_interval: OFTEN, watermarks_interval: OFTEN, ..none() });
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    let now_ms = rig.env.clock.wall_ms();
    let long_ago_ms = now_ms - 8 * 86_400_000;
    let named = object(&rig, &node, "k", 1).await;
    let orphan = TestBlob::new(&named.owner, long_ago_ms, 2);
    let young = TestBlob::new(&named.owner, now_ms, 3);
    let unknown_bucket = Owner { bucket: bucket_id(101), key: key("k") };
    let unknown = TestBlob::new(&unknown_bucket, long_ago_ms, 4);
    let deleted_bucket = Owner { bucket: bucket_id(102), key: key("k") };
    make_bucket(&rig.env, &node, deleted_bucket.bucket).await;
    let left_over = TestBlob::new(&deleted_bucket, long_ago_ms, 5);
    for blob in [&orphan, &young, &unknown, &left_over] {
        blob.write(&node, |_, primary| Some(primary)).await;
    }
    let deleting = BucketRules { version: 2, state: BucketState::Deleting, ..rules() };
    change(&rig.env, &node, &deleted_bucket, Command::SealBucket { name: "b".into(), rules: deleting }).await.unwrap();
    change(&rig.env, &node, &deleted_bucket, Command::DropRules { name: "b".into() }).await.unwrap();
    eventually("the orphan is gone", async || orphan.copies(&node).await == 0).await;
    eventually("what the deleted bucket left is gone", async || left_over.copies(&node).await == 0).await;
    // TestCluster more rounds change nothing.
    sleep(LONG).await;
    assert!(named.is_whole(&node).await, "a row names it");
    assert!(young.is_whole(&node).await, "its commit may yet come");
    assert!(unknown.is_whole(&node).await, "the range does not know its bucket");
    node.shutdown().await;
}

#[tokio::test]
async fn marks_move_on_in_ranges_that_nobody_asks() {
    let rig = rig(8, DutySettings { watermarks_interval: 3 * LONG, ..none() });
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    let orphan = TestBlob::new(&owner("k"), rig.env.clock.wall_ms() - 8 * 86_400_000, 1);
    // By the first round the leader's lease has run out.
    sleep(4 * LONG).await;
    let query = Query::OwnsBlob { key: key("k"), blob: orphan.named.id };
    let answer = ask(&rig.env, &node, &orphan.owner, query).await;
    assert_eq!(answer, Answer::OwnsBlob(Ownership::Disowned));
    node.shutdown().await;
}

/// Small shards are read before large ones, for they are older: their number says nothing of the time.
#[tokio::test]
async fn the_scrubber_tells_how_long_its_round_takes() {
    let rig = rig(9, DutySettings { scrub_interval: DAY, scrub_bytes_per_second: 1 << 20, ..none() });
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    for seed in 0..36 {
        object_of(&rig, &node, &format!("key{seed}"), seed, if seed < 20 { 100_000 } else { 2 << 20 }).await;
    }
    assert!(node.start_scrub());
    let mut told = EtaCheck::begin();
    loop {
        let scrub = node.status().await.scrub;
        told.note(scrub.seconds_passed, scrub.seconds_left);
        if scrub.rounds > 0 {
            assert_eq!((scrub.seconds_left, scrub.looked_chunks, scrub.total_chunks), (None, 52, Some(52)));
            assert!(scrub.drives.iter().all(|drive| drive.total_bytes == 20 * 25_000 + 16 * (512 << 10)), "{scrub:?}");
            break;
        }
        sleep(OFTEN).await;
    }
    told.check();
    node.shutdown().await;
}

#[tokio::test]
async fn a_round_of_the_scrubber_ends_in_time_whatever_rate_is_set() {
    let settings = DutySettings { scrub_bytes_per_second: 1, scrub_round_max: Duration::from_secs(2), ..none() };
    let rig = rig(10, DutySettings { scrub_interval: DAY, ..settings });
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    for seed in 0..4 {
        object(&rig, &node, &format!("key{seed}"), seed).await;
    }
    assert!(node.start_scrub());
    eventually("the round has ended", async || node.status().await.scrub.rounds > 0).await;
    node.shutdown().await;
}

/// When the drives were last read through, in the order of their numbers, and when every blob of the ranges was looked for.
async fn scrubbed(rig: &NodeRig, node: &LocalNode) -> (Vec<Option<u64>>, Vec<Option<u64>>) {
    let status = node.status().await;
    let mut drives = Vec::new();
    for number in 0..rig.drives.len() {
        let id = rig.id_of(number).await;
        drives.push(status.drives.iter().find(|drive| drive.id == id).unwrap().scrub.unwrap().ended_ms);
    }
    let ranges = status.ranges.iter().filter(|range| range.id != MAP_RANGE);
    (drives, ranges.map(|range| range.facts.unwrap().rows.marks.looked_ms).collect())
}

/// When a drive was read through stands on the drive itself: a restart forgets nothing, and one that was emptied or
/// lost its segments was never read through.
#[tokio::test]
async fn when_everything_was_scrubbed_is_known_until_a_drive_is_emptied() {
    let mut rig = rig(20, DutySettings { scrub_interval: DAY, ..none() });
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    object(&rig, &node, "key", 1).await;
    assert_eq!(scrubbed(&rig, &node).await, (vec![None; 6], vec![None; 3]));
    assert!(node.start_scrub());
    eventually("the round has ended", async || node.status().await.scrub.rounds > 0).await;
    let (drives, ranges) = scrubbed(&rig, &node).await;
    assert!(drives.iter().chain(&ranges).all(Option::is_some), "{drives:?} {ranges:?}");

    rig.crash(node, 1).await;
    let node = rig.start().await;
    eventually("leaders are sure", async || node.status().await.ranges.iter().all(|range| range.facts.is_some())).await;
    assert_eq!(scrubbed(&rig, &node).await, (drives.clone(), ranges.clone()));

    rig.crash(node, 2).await;
    rig.wipe(3);
    let node = rig.start().await;
    eventually("leaders are sure", async || node.status().await.ranges.iter().all(|range| range.facts.is_some())).await;
    let without = [&drives[..3], &[None], &drives[4..]].concat();
    assert_eq!(scrubbed(&rig, &node).await, (without, ranges.clone()));

    rig.crash(node, 3).await;
    rig.remove_segments(4).await;
    let node = rig.start().await;
    eventually("leaders are sure", async || node.status().await.ranges.iter().all(|range| range.facts.is_some())).await;
    let without = [&drives[..3], &[None; 2], &drives[5..]].concat();
    assert_eq!(scrubbed(&rig, &node).await, (without, ranges));
    node.shutdown().await;
}

/// A chunk of which too little is left cannot be healed: its drives were read through, and not found sound.
#[tokio::test]
async fn a_drive_with_a_damaged_shard_that_cannot_be_healed_does_not_count_as_scrubbed() {
    let rig = rig(21, DutySettings { scrub_interval: DAY, ..none() });
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    let blob = object(&rig, &node, "key", 1).await;
    let mut damaged = Vec::new();
    for shard in blob.shards().take(3) {
        let number = rig.number_of(blob.primary(&node, shard)).await;
        blob.flip(&rig.drives[number].disk, shard).await;
        damaged.push(number);
    }
    assert!(node.start_scrub());
    eventually("the round has ended", async || node.status().await.scrub.rounds > 0).await;
    let (drives, _) = scrubbed(&rig, &node).await;
    let unscrubbed: Vec<usize> = (0..6).filter(|number| drives[*number].is_none()).collect();
    damaged.sort_unstable();
    assert_eq!(unscrubbed, damaged);
    node.shutdown().await;
}

/// From the moment in which the scrubber finds damage until a row says so it counts as pending: no status takes all for
/// safe in between, however long a drive that hangs takes.
#[tokio::test(start_paused = true)]
async fn what_the_scrubber_found_counts_until_a_row_says_so() {
    let rig = rig(22, DutySettings { scrub_interval: DAY, repair_interval: OFTEN, ..none() });
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    let blob = object(&rig, &node, "key", 1).await;
    let shards: Vec<ShardId> = blob.shards().take(6).collect();
    for shard in &shards[..3] {
        let number = rig.number_of(blob.primary(&node, *shard)).await;
        blob.flip(&rig.drives[number].disk, *shard).await;
    }
    eventually("nothing is pending", async || node.status().await.repair.pending_blobs == 0).await;
    let silent = rig.number_of(blob.primary(&node, shards[5])).await;
    rig.drives[silent].disk.set_hang(true);
    assert!(node.start_scrub());
    let mut seen = 0;
    loop {
        let is_found = node.status().await.duties.shards_damaged > 0;
        let pending = node.status().await.repair.pending_blobs;
        let rows = repair_rows(&rig.env, &node, &blob.owner).await.len();
        assert!(!is_found || pending > 0 || rows > 0, "it is found, and nobody says so");
        if rows > 0 {
            break;
        }
        seen += u32::from(is_found);
        sleep(OFTEN).await;
    }
    assert!(seen > 0, "it was seen in between");
    rig.drives[silent].disk.set_hang(false);
    node.shutdown().await;
}

#[tokio::test]
async fn the_scrubber_rebuilds_what_is_missing_or_damaged() {
    let mut rig = rig(6, none());
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    let (left_out, flipped) =
        (TestBlob::new(&owner("k"), rig.env.clock.wall_ms(), 1), object(&rig, &node, "l", 2).await);
    // A shard of each chunk is nowhere, and no row says so.
    left_out.write(&node, |shard, primary| (shard.number != 0).then_some(primary)).await;
    change(&rig.env, &node, &left_out.owner, left_out.commit(0)).await.unwrap();
    let shard = flipped.shards().nth(2).unwrap();
    let lost = rig.number_of(flipped.primary(&node, flipped.shards().nth(5).unwrap())).await;
    flipped.flip(&rig.drives[rig.number_of(flipped.primary(&node, shard)).await].disk, shard).await;
    sleep(LONG).await;
    assert!(!left_out.is_whole(&node).await && !flipped.is_whole(&node).await);

    rig.crash(node, 1).await;
    rig.wipe(lost);
    rig.duties.scrub_interval = OFTEN;
    let node = rig.start().await;
    let whole = async || left_out.is_whole(&node).await && flipped.is_whole(&node).await;
    eventually("all shards are back", whole).await;
    rig.crash(node, 2).await;
    let node = rig.start().await;
    assert!(left_out.is_whole(&node).await && flipped.is_whole(&node).await, "and stay so");
    node.shutdown().await;
}

#[tokio::test]
async fn the_flusher_keeps_the_log_and_the_restart_short() {
    const ROWS: u64 = 80;
    let mut rig = NodeRig { duties: none(), ..NodeRig::new(7, "single", 1) };
    let node = rig.start().await;
    // A range that is written once and then never again must not hold the log back.
    let (busy, idle) =
        (Owner { bucket: bucket_id(250), key: key("any") }, Owner { bucket: bucket_id(1), key: key("k") });
    make_bucket(&rig.env, &node, busy.bucket).await;
    make_bucket(&rig.env, &node, idle.bucket).await;
    let row = |number: u64| Owner { bucket: busy.bucket, key: key(&format!("key{number}")) };
    let value = |number: u64| Bytes::from(vec![u8::try_from(number).unwrap(); 1 << 20]);
    for number in 0..ROWS {
        let command = Command::Put {
            data: NewData::Inline(value(number), 1),
            size: 1 << 20,
            etag: Etag { digest: [1; 16], parts: None },
            checksum: None,
            attributes: Attributes::default(),
            condition: Precondition::default(),
        };
        change(&rig.env, &node, &row(number), command).await.unwrap();
        sleep(OFTEN).await;
    }
    sleep(3 * LONG).await;
    let (used, _) = node.status().await.drives[0].log_bytes;
    assert!(used <= 6 * FILE_BYTES, "{used} bytes of log are kept of {ROWS} MiB");

    rig.crash(node, 1).await;
    let replayed = replayed(&rig).await;
    assert!(replayed.iter().sum::<u64>() < ROWS / 2, "{replayed:?} entries are to be applied again");
    let node = rig.start().await;
    for number in 0..ROWS {
        let get = Query::Get { key: row(number).key, version: None };
        let Answer::Get(Some((_, Some(bytes)))) = ask(&rig.env, &node, &row(number), get).await else {
            panic!("row {number} is lost");
        };
        assert_eq!(bytes, value(number));
    }
    let tags = Command::UpdateAttributes {
        version: None,
        change: AttributeChange::Tags(Vec::new()),
        bypass_governance: false,
    };
    let answer = change(&rig.env, &node, &idle, tags).await;
    assert!(matches!(answer, Err(RangeError::Refused(_))), "the idle range is there, without the key: {answer:?}");
    node.shutdown().await;
}

/// How many entries of its log each replica of the only drive would apply again at a start.
async fn replayed(rig: &NodeRig) -> Vec<u64> {
    let disk: Arc<dyn Disk> = Arc::new(rig.drives[0].disk.clone());
    let log = DriveLog::open(disk, rig.id_of(0).await, LogEnd::START, &rig.env).await.unwrap();
    let mut replayed = Vec::new();
    for (replica, _) in log.replicas() {
        let last = log.replica(replica).unwrap().bounds().last.unwrap();
        let rows = rig.drives[0].stores.open(&format!("replica-{:016x}", replica.0)).unwrap();
        let (machine, _) = RangeStateMachine::open(rows, StoreThreads::default()).await.unwrap();
        replayed.push(last.index - machine.position().map_or(0, |position| position.index));
    }
    replayed
}

/// Nobody reads it but the scrubber: the drive is mounted again without its index, which the segments give anew.
#[tokio::test]
async fn a_rotten_index_is_found_by_the_scrubber_and_made_anew_from_the_segments() {
    let rig = rig(31, DutySettings { scrub_interval: OFTEN, ..none() });
    let node = rig.start().await;
    make_bucket(&rig.env, &node, owner("any").bucket).await;
    let blob = object(&rig, &node, "some", 1).await;
    let (drive, stores) = (rig.id_of(2).await, &rig.drives[2].stores);
    let shards = node.list_shards(drive, None, 100).await.unwrap();
    assert!(!shards.is_empty());
    stores.open("shards").unwrap().flush().unwrap();
    assert!(stores.rot_rows("shards", 0, usize::MAX, true) > 0);
    eventually("the index is dropped", async || stores.rotten_rows("shards") == 0).await;
    let are_back = async || node.list_shards(drive, None, 100).await.is_ok_and(|found| found == shards);
    eventually("the shards are known again", are_back).await;
    eventually("its replicas serve", async || node.is_whole()).await;
    assert!(blob.is_whole(&node).await);
}
