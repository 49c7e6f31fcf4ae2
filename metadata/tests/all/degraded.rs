//! Marking blobs degraded, against a model: which repair rows there are after any sequence of commands.

use std::collections::BTreeMap;

use crate::support::{BEGIN_US, Range, blob, object_key, put_blob, upload_id};
use couronne_metadata::apply::apply;
use couronne_metadata::command::{Command, CompletedPart, InvalidReason, NewData, Outcome, Precondition, Refusal};
use couronne_metadata::evaluate::{BLOB_BYTES_MAX, Evaluated, evaluate};
use couronne_metadata::ids::{PartNumber, UploadId};
use couronne_metadata::marks::mark_degraded;
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::{Attributes, BlobRef, Etag, NamedBy, RangeFacts, RangeMarks, RepairRecord, Versioning};
use couronne_metadata::store::Store;
use couronne_placement::{BlobId, Geometry};
use proptest::prelude::*;

fn rows(range: &Range) -> BTreeMap<BlobId, (String, u8)> {
    let Answer::Repair(rows) = range.query(&Query::Repair { after: None, limit: 100 }) else { panic!("wrong answer") };
    let row = |row: RepairRecord| {
        assert_eq!(row.bucket, range.bucket);
        (row.blob.id, (String::from_utf8(row.key.as_bytes().to_vec()).unwrap(), row.missing))
    };
    rows.into_iter().map(row).collect()
}

fn repair_rows(range: &Range) -> u64 {
    let Answer::Facts(facts) = range.query(&Query::Facts) else { panic!("wrong answer") };
    facts.repair_rows
}

fn mark(range: &mut Range, watermarks: &[(&str, BlobRef, u8)]) {
    let bucket = range.bucket;
    let record =
        |(key, blob, missing): &(&str, BlobRef, u8)| RepairRecord::new(blob.clone(), bucket, object_key(key), *missing);
    range.run("any", Command::MarkDegraded { blobs: watermarks.iter().map(record).collect() }).unwrap();
}

#[test]
fn a_row_is_left_for_what_is_named_and_keeps_the_larger_number() {
    let mut range = Range::new(Versioning::Off);
    let (kept, dropped, unknown) =
        (blob("k", BEGIN_US / 1000, 1, 9), blob("k", BEGIN_US / 1000, 2, 9), blob("k", BEGIN_US / 1000, 3, 9));
    range.run("k", put_blob(dropped.clone(), 0)).unwrap();
    range.run("k", put_blob(kept.clone(), 0)).unwrap();
    mark(&mut range, &[("k", kept.clone(), 2), ("k", dropped, 2), ("k", unknown, 1), ("other", kept.clone(), 3)]);
    assert_eq!(rows(&range), BTreeMap::from([(kept.id, ("k".to_owned(), 2))]));
    mark(&mut range, &[("k", kept.clone(), 1)]);
    assert_eq!(rows(&range)[&kept.id].1, 2);
    mark(&mut range, &[("k", kept.clone(), 3)]);
    assert_eq!(rows(&range)[&kept.id].1, 3);
    range.run("k", Command::Repaired { blob: kept.id }).unwrap();
    assert_eq!(rows(&range), BTreeMap::new());
    mark(&mut range, &[("k", kept.clone(), 1)]);
    assert_eq!(rows(&range)[&kept.id].1, 1);
}

/// What a sweep finds is missing beside what the row says, once for each loss, and never more than all losses took.
#[test]
fn what_newer_losses_took_is_added_once() {
    let mut range = Range::new(Versioning::Off);
    let blob = blob("k", BEGIN_US / 1000, 1, 9);
    range.run("k", put_blob(blob.clone(), 0)).unwrap();
    let swept = |range: &mut Range, losses, missing, at_most| {
        let row = RepairRecord::new(blob.clone(), range.bucket, object_key("k"), missing);
        let command = Command::MarkDegraded { blobs: vec![RepairRecord { losses, found: 0, at_most, ..row }] };
        range.run("any", command).unwrap();
        rows(range)[&blob.id].1
    };
    // What was put back of older losses is not missing.
    assert_eq!(swept(&mut range, 20, 1, 3), 1);
    assert_eq!(swept(&mut range, 20, 1, 3), 1, "another leader sweeps again");
    assert_eq!(swept(&mut range, 30, 1, 4), 2);
    assert_eq!(swept(&mut range, 40, 2, 3), 3, "of three drives at most");
    assert_eq!(swept(&mut range, 40, 2, 5), 3);
    // What was looked for says how many there are; of what rotted no loss knows, and the next one takes others.
    mark(&mut range, &[("k", blob.clone(), 4)]);
    assert_eq!(rows(&range)[&blob.id].1, 4);
    assert_eq!(swept(&mut range, 40, 1, 9), 4, "what was counted before is not counted again");
    assert_eq!(swept(&mut range, 50, 1, 1), 5);
}

fn part(upload: UploadId, number: u16, blob: BlobRef) -> Command {
    let (number, etag) = (PartNumber::new(number).unwrap(), Etag { digest: [1; 16], parts: None });
    let size = blob.len;
    Command::PutPart { upload, number, data: NewData::Blob(blob, 1, None), size, etag, checksum: None }
}

fn complete(upload: UploadId, number: u16) -> Command {
    let (number, etag) = (PartNumber::new(number).unwrap(), Etag { digest: [1; 16], parts: None });
    Command::CompleteUpload {
        upload,
        parts: vec![CompletedPart { number, etag: Some(etag), checksum: None }],
        checksum: None,
        size: None,
        part_bytes_min: 0,
        condition: Precondition::default(),
    }
}

/// Else a status would call it out of reach until the reaper has been there.
#[test]
fn a_blobs_repair_row_goes_with_what_named_it() {
    let mut range = Range::new(Versioning::Enabled);
    let mut number = 0;
    let mut new = |key: &str| {
        number += 1;
        blob(key, BEGIN_US / 1000, number, 9)
    };
    let left = |range: &Range| rows(range).into_values().map(|(key, _)| key).collect::<Vec<_>>();
    let Ok(Outcome::Put { version, .. }) = range.run("v", put_blob(new("v"), 2)) else { panic!() };
    range.delete("v", None).unwrap();
    assert_eq!(left(&range), ["v"], "it is there behind the marker");
    range.delete("v", Some(version)).unwrap();
    assert_eq!(left(&range), Vec::<String>::new());

    let (aborted, completed) = (upload_id(1), upload_id(2));
    for upload in [aborted, completed] {
        let (attributes, initiator) = (Attributes::default(), "me".into());
        range.run("u", Command::CreateUpload { upload, attributes, initiator, checksum: None }).unwrap();
        for number in [1, 2, 2] {
            range.run("u", part(upload, number, new("u"))).unwrap();
        }
    }
    assert_eq!(left(&range).len(), 4, "a part that was written over is none");
    let Answer::Blobs(named, None) = range.query(&Query::Blobs { after: None, limit: 100 }) else { panic!() };
    range.run("u", Command::AbortUpload { upload: aborted }).unwrap();
    assert_eq!(left(&range).len(), 2);
    let named: Vec<_> = named.iter().map(|(.., blob)| ("u", blob.clone(), 2)).collect();
    mark(&mut range, &named);
    assert_eq!(left(&range).len(), 2, "a sweep that saw them before leaves no row");
    let Ok(Outcome::Completed { version, .. }) = range.run("u", complete(completed, 2)) else { panic!() };
    assert_eq!(left(&range).len(), 1, "the part that is not named");
    range.delete("u", Some(version)).unwrap();
    assert_eq!(left(&range), Vec::<String>::new());
    assert_eq!(repair_rows(&range), 0);
}

/// An operator is told which version, or which part of what, a repair row is about.
#[test]
fn what_lacks_shards_is_told_by_name() {
    let mut range = Range::new(Versioning::Enabled);
    let mut number = 0;
    let mut new = |key: &str| {
        number += 1;
        blob(key, BEGIN_US / 1000, number, 9)
    };
    let listed = |range: &Range, after, limit| match range.query(&Query::Unrepaired { after, limit }) {
        Answer::Unrepaired(blobs, next) => (blobs, next),
        other => panic!("{other:?}"),
    };
    let (old, newest, sound, upload) = (new("k"), new("k"), new("k"), upload_id(1));
    let Ok(Outcome::Put { version, .. }) = range.run("k", put_blob(old.clone(), 1)) else { panic!() };
    range.run("k", put_blob(sound, 0)).unwrap();
    let Ok(Outcome::Put { version: current, .. }) = range.run("k", put_blob(newest.clone(), 2)) else { panic!() };
    let (attributes, initiator) = (Attributes::default(), "me".into());
    range.run("u", Command::CreateUpload { upload, attributes, initiator, checksum: None }).unwrap();
    let in_part = new("u");
    range.run("u", part(upload, 7, in_part.clone())).unwrap();
    let named_by_part = NamedBy::Part { upload, number: PartNumber::new(7).unwrap() };

    let (blobs, next) = listed(&range, None, 100);
    let of = |id| blobs.iter().find(|blob| blob.row.blob.id == id).unwrap();
    assert_eq!((blobs.len(), next), (3, None));
    assert_eq!((of(old.id).version, of(newest.id).version), (Some(version), Some(current)));
    assert_eq!((of(in_part.id).version, of(in_part.id).by), (None, named_by_part));
    assert!(blobs.iter().all(|blob| blob.bucket_name.as_deref() == Some("b")));
    assert!(blobs.iter().all(|blob| blob.row.since_ms == Some(range.now_us / 1000)));
    // A page goes on after its last row.
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = listed(&range, after, 1);
        paged.extend(page);
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, blobs);
    // Since when it is known stays, also if more turns out to be missing.
    range.now_us += 9_000_000;
    mark(&mut range, &[("k", old.clone(), 3)]);
    let Ok(Outcome::Completed { version, .. }) = range.run("u", complete(upload, 7)) else { panic!() };
    let (blobs, _) = listed(&range, None, 100);
    let of = |id| blobs.iter().find(|blob| blob.row.blob.id == id).unwrap();
    assert_eq!((of(old.id).row.missing, of(old.id).row.since_ms), (3, Some(BEGIN_US / 1000)));
    assert_eq!((of(in_part.id).version, of(in_part.id).by), (Some(version), named_by_part));
}

/// Duties look at every chunk of a blob, and sort by what is missing.
#[test]
fn what_a_gateway_says_of_a_blob_is_bounded() {
    let mut range = Range::new(Versioning::Off);
    let named = |number, len, (k, m, chunk_bytes)| BlobRef {
        geometry: Geometry::new(k, m, chunk_bytes).unwrap(),
        ..blob("k", BEGIN_US / 1000, number, len)
    };
    let refused = |reason| Err(Refusal::Invalid(reason));
    let usual = (4, 2, 4 << 20);
    for blob in [named(1, 1 << 48, (2, 1, 1)), named(2, BLOB_BYTES_MAX + 1, usual), named(3, BLOB_BYTES_MAX, (2, 1, 1))]
    {
        assert_eq!(range.run("k", put_blob(blob, 0)), refused(InvalidReason::SizesDiffer));
    }
    for missing in [7, 200, u8::MAX] {
        let answer = range.run("k", put_blob(named(4, 9, usual), missing));
        assert_eq!(answer, refused(InvalidReason::TooManyMissing));
    }
    assert_eq!(rows(&range), BTreeMap::new());
    // All shards lie off their primaries: the blob can be read, and is not before those that nearly cannot.
    range.run("k", put_blob(named(5, BLOB_BYTES_MAX, usual), 6)).unwrap();
    assert_eq!(rows(&range).into_values().collect::<Vec<_>>(), [("k".to_owned(), 2)]);
    range.run("k", put_blob(named(6, 9, (2, 0, 1)), 2)).unwrap();
    assert!(rows(&range).into_values().any(|(_, missing)| missing == 1));
}

/// A page of blobs may be of one long key. Every effect fits an entry, which the range of the tests checks.
#[test]
fn a_page_of_a_long_keys_blobs_is_marked_by_several_commands() {
    let mut range = Range::new(Versioning::Enabled);
    let key = "k".repeat(1024);
    for number in 0..7_000 {
        range.run(&key, put_blob(blob(&key, BEGIN_US / 1000, number, 9), 0)).unwrap();
    }
    let Answer::Blobs(page, None) = range.query(&Query::Blobs { after: None, limit: 7_000 }) else { panic!() };
    assert_eq!(page.len(), 7_000);
    let row = |(bucket, key, blob)| RepairRecord::new(blob, bucket, key, 1);
    let commands = mark_degraded(page.into_iter().map(row).collect());
    assert!((2..20).contains(&commands.len()), "{} commands", commands.len());
    for command in commands {
        range.run("any", command).unwrap();
    }
    let Answer::Repair(rows) = range.query(&Query::Repair { after: None, limit: 10_000 }) else { panic!() };
    assert_eq!(rows.len(), 7_000);
    assert_eq!(mark_degraded(Vec::new()), []);
}

/// The sweep may have passed a blob whose shards were written before it began, and whose row comes after.
#[test]
fn a_commit_behind_a_sweep_asks_for_repair() {
    let mut range = Range::new(Versioning::Enabled);
    let missing = |range: &mut Range, number, placed_by| {
        let new = blob("k", range.now_us / 1000, number, 9);
        let Command::Put { data: NewData::Blob(blob, missing, _), size, etag, checksum, attributes, condition } =
            put_blob(new.clone(), 0)
        else {
            panic!()
        };
        let data = NewData::Blob(blob, missing, placed_by);
        range.run("k", Command::Put { data, size, etag, checksum, attributes, condition }).unwrap();
        rows(range).get(&new.id).map(|(_, missing)| *missing)
    };
    assert_eq!(missing(&mut range, 1, None), None, "no sweep began yet");
    range.run("any", Command::BeginSweep { map_version: 7 }).unwrap();
    range.run("any", Command::BeginSweep { map_version: 3 }).unwrap();
    assert_eq!(missing(&mut range, 2, Some(6)), Some(1));
    assert_eq!(missing(&mut range, 3, None), Some(1), "what is not known is looked at");
    assert_eq!(missing(&mut range, 4, Some(7)), None);
    range.run("any", Command::EndSweep { map_version: 7 }).unwrap();
    range.run("any", Command::EndLook { ended_ms: 900 }).unwrap();
    range.run("any", Command::EndSweep { map_version: 5 }).unwrap();
    let marks = RangeMarks { swept_version: 7, looked_ms: Some(900) };
    assert_eq!(range.query(&Query::Facts), Answer::Facts(RangeFacts { marks, repair_rows: 2 }));
}

/// Duties hold no latch in common: what they do to one row may be evaluated by the same rows, and applied together.
#[test]
fn rows_are_counted_as_they_are_when_effects_are_applied() {
    let mut range = Range::new(Versioning::Off);
    let new = |number| blob("k", BEGIN_US / 1000, number, 9);
    range.run("k", put_blob(new(1), 1)).unwrap();
    let degraded = |blob: BlobRef| RepairRecord::new(blob, range.bucket, object_key("k"), 2);
    let mark = Command::MarkDegraded { blobs: vec![degraded(new(1))] };
    let commands = [mark.clone(), Command::Repaired { blob: new(1).id }, mark, Command::Repaired { blob: new(1).id }];
    let mut effects = Vec::new();
    for command in commands {
        let request = range.request("any", command);
        let evaluated = evaluate(&*range.store.view(), &request, range.now_us).unwrap();
        let Evaluated::Propose { effect, .. } = evaluated else { panic!("{evaluated:?}") };
        effects.push(effect);
    }
    for (some, count) in [(&effects[..2], 0), (&effects[..3], 1), (&effects[1..2], 0), (&effects[1..], 0)] {
        let batch = apply(&*range.store.view(), some).unwrap();
        range.store.apply(&batch).unwrap();
        assert_eq!((repair_rows(&range), rows(&range).len() as u64), (count, count));
    }
}

#[derive(Clone, Debug)]
enum DamageStep {
    Put { key: usize, degraded: bool },
    Delete { key: usize },
    Mark { key: usize, blob: usize, missing: u8 },
    Repaired { blob: usize },
    Reap,
}

fn step() -> impl Strategy<Value = DamageStep> {
    prop_oneof![
        3 => (0..KEYS.len(), any::<bool>()).prop_map(|(key, degraded)| DamageStep::Put { key, degraded }),
        1 => (0..KEYS.len()).prop_map(|key| DamageStep::Delete { key }),
        4 => (0..KEYS.len(), 0..8usize, 1..4u8).prop_map(|(key, blob, missing)| DamageStep::Mark { key, blob, missing }),
        1 => (0..8usize).prop_map(|blob| DamageStep::Repaired { blob }),
        1 => Just(DamageStep::Reap),
    ]
}

const KEYS: [&str; 3] = ["a", "b", "c"];

proptest! {
    #[test]
    fn rows_are_those_of_the_model(steps in proptest::collection::vec(step(), 1..40)) {
        let mut range = Range::new(Versioning::Off);
        let (mut blobs, mut current): (Vec<BlobRef>, BTreeMap<usize, BlobId>) = (Vec::new(), BTreeMap::new());
        let mut model: BTreeMap<BlobId, (String, u8)> = BTreeMap::new();
        for step in steps {
            match step {
                DamageStep::Put { key, degraded } => {
                    let new = blob(KEYS[key], range.now_us / 1000, blobs.len() as u64, 9);
                    range.run(KEYS[key], put_blob(new.clone(), u8::from(degraded))).unwrap();
                    current.insert(key, new.id).map(|old| model.remove(&old));
                    if degraded {
                        model.insert(new.id, (KEYS[key].to_owned(), 1));
                    }
                    blobs.push(new);
                }
                DamageStep::Delete { key } => {
                    range.delete(KEYS[key], None).unwrap();
                    current.remove(&key).map(|old| model.remove(&old));
                }
                DamageStep::Mark { key, blob, missing } => {
                    let Some(blob) = blobs.get(blob).cloned() else { continue };
                    mark(&mut range, &[(KEYS[key], blob.clone(), missing)]);
                    if current.get(&key) == Some(&blob.id) {
                        let row = model.entry(blob.id).or_insert((KEYS[key].to_owned(), 0));
                        row.1 = row.1.max(missing);
                    }
                }
                DamageStep::Repaired { blob } => {
                    let Some(blob) = blobs.get(blob) else { continue };
                    range.run("any", Command::Repaired { blob: blob.id }).unwrap();
                    model.remove(&blob.id);
                }
                DamageStep::Reap => {
                    range.now_us += 7_200_000_000;
                    let now_ms = range.now_us / 1000;
                    let Answer::Reap(due) = range.query(&Query::Reap { now_ms, limit: 100 }) else { panic!("wrong answer") };
                    for (row, ..) in due {
                        range.run("any", Command::Reaped { row }).unwrap();
                    }
                }
            }
            prop_assert_eq!(rows(&range), model.clone());
            prop_assert_eq!(repair_rows(&range), model.len() as u64, "the range's own count");
        }
    }
}
