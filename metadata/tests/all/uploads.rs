//! Multipart uploads, blobs and their reaping, buckets' rules and system rows, case by case.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{BEGIN_US, Range, blob, delete, etag, list_all, object_key, put, put_blob, upload_id};
use bytes::Bytes;
use couronne_metadata::answer::{QueryRefusal, answer};
use couronne_metadata::command::{
    AttributeChange, Command, CommandRequest, CompletedPart, EtagSet, Expect, InvalidReason, NewData, Outcome,
    Precondition, Refusal,
};
use couronne_metadata::ids::{BucketId, PartNumber, UploadId};
use couronne_metadata::query::{Answer, Ownership, Query};
use couronne_metadata::record::{
    Attributes, BlobRef, BucketRules, BucketState, Checksum, ChecksumAlgorithm, ChecksumKind, Content, ReapReason,
    ReapTarget, Retention, VersionRecord, Versioning,
};
use couronne_metadata::store::Store;
use couronne_placement::ResidencyClass;

const NOW_MS: u64 = BEGIN_US / 1000;

fn number(number: u16) -> PartNumber {
    PartNumber::new(number).unwrap()
}

fn create(upload: UploadId, checksum: Option<(ChecksumAlgorithm, ChecksumKind)>) -> Command {
    Command::CreateUpload { upload, attributes: Attributes::default(), initiator: "me".into(), checksum }
}

/// A part with a blob of its own, which bears the part's number.
fn part(key: &str, upload: UploadId, at: u16, body: &str) -> Command {
    static BLOBS: AtomicU64 = AtomicU64::new(0);
    let id = blob(key, NOW_MS, BLOBS.fetch_add(1, Ordering::Relaxed), 0).id;
    Command::PutPart {
        upload,
        number: number(at),
        data: NewData::Blob(BlobRef { id, ..blob(key, NOW_MS, 1000 + u64::from(at), body.len() as u64) }, 0, None),
        size: body.len() as u64,
        etag: etag(body),
        checksum: None,
    }
}

fn complete(upload: UploadId, parts: &[(u16, &str)]) -> Command {
    Command::CompleteUpload {
        upload,
        parts: parts
            .iter()
            .map(|(at, body)| CompletedPart { number: number(*at), etag: Some(etag(body)), checksum: None })
            .collect(),
        checksum: None,
        size: None,
        part_bytes_min: 5,
        condition: Precondition::default(),
    }
}

fn due(range: &Range) -> Vec<(Bytes, ReapTarget, Vec<u64>)> {
    match range.query(&Query::Reap { now_ms: u64::MAX, limit: 100 }) {
        Answer::Reap(rows) => rows
            .into_iter()
            .map(|(name, record, blobs)| (name, record.target, blobs.iter().map(|blob| blob.crc64).collect()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn owner(range: &Range, key: &str, blob: couronne_placement::BlobId) -> Ownership {
    let query = Query::OwnsBlob { key: object_key(key), blob };
    match answer(&*range.store.view(), range.bucket, None, &query, range.now_us).unwrap() {
        Answer::OwnsBlob(ownership) => ownership,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_upload_becomes_an_object_and_a_repeat_gets_the_same_answer() {
    let mut range = Range::new(Versioning::Off);
    let upload = upload_id(1);
    range.run("k", create(upload, None)).unwrap();
    for (at, body) in [(1, "first"), (2, "other"), (3, "stray"), (4, "end")] {
        range.run("k", part("k", upload, at, body)).unwrap();
    }
    assert_eq!(range.usage().part_bytes, 18);
    let named = [(1, "first"), (2, "other"), (4, "end")];
    let done = range.run("k", complete(upload, &named)).unwrap();
    assert!(matches!(&done, Outcome::Completed { size: 13, etag, .. } if etag.parts == Some(3)));
    assert_eq!(range.run("k", complete(upload, &named)), Ok(done));
    assert_eq!(range.run("k", complete(upload, &named[..2])), Err(Refusal::InvalidPartOrder));
    assert_eq!(range.run("k", complete(upload, &[(1, "wrong")])), Err(Refusal::InvalidPart(number(1))));
    assert_eq!((range.usage().objects, range.usage().bytes, range.usage().part_bytes), (1, 13, 0));
    assert_eq!(range.run("k", part("k", upload, 5, "late")), Err(Refusal::NoSuchUpload));

    let Some((VersionRecord::Object(object), None)) = range.get("k", None) else { panic!() };
    assert_eq!(object.content, Content::Parts { upload, count: 3, uniform_bytes: None });
    let Answer::Parts(Some((parts, false))) =
        range.query(&Query::Parts { key: object_key("k"), upload, after: 1, limit: 10 })
    else {
        panic!()
    };
    assert_eq!(parts.iter().map(|part| part.number.get()).collect::<Vec<_>>(), [2, 4]);

    range.now_us += 7_200_000_000;
    let stray = due(&range);
    assert!(matches!(&stray[..], [(_, ReapTarget::Parts { .. }, blobs)] if blobs == &[1003]));
    range.delete("k", None).unwrap();
    assert_eq!(range.run("k", complete(upload, &named)), Err(Refusal::NoSuchUpload));
    range.now_us += 7_200_000_000;
    let rows = due(&range);
    assert_eq!(rows[1].1, ReapTarget::Upload(upload));
    assert_eq!(rows[1].2, [1001, 1002, 1004]);
    for (row, ..) in rows {
        range.run("k", Command::Reaped { row }).unwrap();
    }
    assert_eq!(due(&range), []);
    assert_eq!(range.query(&Query::Parts { key: object_key("k"), upload, after: 0, limit: 10 }), Answer::Parts(None));
    assert_eq!(range.usage(), Default::default());
}

/// Thousands of parts under a long key: every effect fits an entry, which the range of the tests checks.
#[test]
fn a_completion_may_leave_thousands_of_parts_of_a_long_key_out() {
    let mut range = Range::new(Versioning::Off);
    let (key, upload) = ("\0".repeat(1024), upload_id(1));
    range.run(&key, create(upload, None)).unwrap();
    for at in 1..=PartNumber::MAX {
        let body = if at % 3 == 0 { "inline" } else { "a blob" };
        let mut command = part(&key, upload, at, body);
        if let (Command::PutPart { data, .. }, "inline") = (&mut command, body) {
            *data = NewData::Inline(Bytes::from_static(b"inline"), 0);
        }
        range.run(&key, command).unwrap();
    }
    range.run(&key, complete(upload, &[(2, "a blob"), (9_999, "inline")])).unwrap();
    assert_eq!((range.usage().bytes, range.usage().part_bytes), (12, 0));
    let Answer::Parts(Some((parts, false))) =
        range.query(&Query::Parts { key: object_key(&key), upload, after: 0, limit: 10 })
    else {
        panic!()
    };
    assert_eq!(parts.iter().map(|part| part.number.get()).collect::<Vec<_>>(), [2, 9_999]);
    range.now_us += 7_200_000_000;
    let rows = due(&range);
    assert!(matches!(&rows[..], [(_, ReapTarget::Parts { .. }, blobs)] if blobs.len() == 6_666), "all but one");
    for (row, ..) in rows {
        range.run(&key, Command::Reaped { row }).unwrap();
    }
    assert_eq!(due(&range), []);
}

#[test]
fn a_completion_is_refused_for_what_is_wrong_with_it() {
    let mut range = Range::new(Versioning::Off);
    let upload = upload_id(1);
    range.run("k", create(upload, None)).unwrap();
    range.run("k", part("k", upload, 1, "four")).unwrap();
    range.run("k", part("k", upload, 2, "fives")).unwrap();
    let mut refusal = |command| range.run("k", command).unwrap_err();
    assert_eq!(refusal(complete(upload_id(9), &[(1, "four")])), Refusal::NoSuchUpload);
    assert_eq!(refusal(complete(upload, &[])), Refusal::Invalid(InvalidReason::NoParts));
    assert_eq!(refusal(complete(upload, &[(2, "fives"), (1, "four")])), Refusal::InvalidPartOrder);
    assert_eq!(refusal(complete(upload, &[(1, "four"), (1, "four")])), Refusal::InvalidPartOrder);
    assert_eq!(refusal(complete(upload, &[(1, "fuor!")])), Refusal::InvalidPart(number(1)));
    assert_eq!(refusal(complete(upload, &[(1, "four"), (3, "x")])), Refusal::InvalidPart(number(3)));
    let small = Refusal::EntityTooSmall { number: number(1), size: 4 };
    assert_eq!(refusal(complete(upload, &[(1, "four"), (2, "fives")])), small);
    let mut conditional = complete(upload, &[(2, "fives")]);
    if let Command::CompleteUpload { condition, size, .. } = &mut conditional {
        condition.if_match = Some(EtagSet::Any);
        *size = Some(5);
    }
    assert_eq!(refusal(conditional.clone()), Refusal::NoSuchKey);
    if let Command::CompleteUpload { condition, size, .. } = &mut conditional {
        *condition = Precondition::default();
        *size = Some(6);
    }
    assert_eq!(refusal(conditional), Refusal::WrongSize { said: 6, computed: 5 });
    range.run("k", complete(upload, &[(2, "fives")])).unwrap();
}

#[test]
fn checksums_of_parts_make_the_whole_one() {
    use ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
    use ChecksumKind::{Composite, FullObject};
    let crc = |algorithm: ChecksumAlgorithm, bytes: &[u8]| match algorithm {
        Crc32 => Some(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes).to_be_bytes()[4..].to_vec()),
        Crc32c => Some(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes).to_be_bytes()[4..].to_vec()),
        Crc64Nvme => Some(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes().to_vec()),
        _ => None,
    };
    let sha = |algorithm, bytes: &[u8]| match algorithm {
        Sha1 => aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec(),
        _ => aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec(),
    };
    let sum = |algorithm, bytes: &[u8]| crc(algorithm, bytes).unwrap_or_else(|| sha(algorithm, bytes));
    let cases = [(Crc32, FullObject), (Crc32c, FullObject), (Crc64Nvme, FullObject), (Crc32, Composite)];
    let cases = cases.into_iter().chain([(Crc32c, Composite), (Sha1, Composite), (Sha256, Composite)]);
    for (algorithm, kind) in cases {
        let mut range = Range::new(Versioning::Off);
        let upload = upload_id(1);
        range.run("k", create(upload, Some((algorithm, kind)))).unwrap();
        let (first, second) = ("the first part", "and the second, longer one");
        for (at, body) in [(1, first), (2, second)] {
            let Command::PutPart { upload, number, data, size, etag, .. } = part("k", upload, at, body) else {
                panic!()
            };
            let value = Bytes::from(sum(algorithm, body.as_bytes()));
            let checksum = Some(Checksum { algorithm, kind: FullObject, value });
            range.run("k", Command::PutPart { upload, number, data, size, etag, checksum }).unwrap();
        }
        let whole = match kind {
            FullObject => sum(algorithm, format!("{first}{second}").as_bytes()),
            Composite => {
                let parts = [sum(algorithm, first.as_bytes()), sum(algorithm, second.as_bytes())];
                sum(algorithm, &parts.concat())
            }
        };
        let said = |value: &[u8]| {
            let mut command = complete(upload, &[(1, first), (2, second)]);
            if let Command::CompleteUpload { checksum, .. } = &mut command {
                *checksum = Some(Bytes::copy_from_slice(value));
            }
            command
        };
        assert_eq!(range.run("k", said(b"else")), Err(Refusal::BadDigest));
        let Outcome::Completed { checksum: Some(checksum), .. } = range.run("k", said(&whole)).unwrap() else {
            panic!()
        };
        assert_eq!((checksum.algorithm, checksum.kind, &checksum.value[..]), (algorithm, kind, &whole[..]));
    }
}

#[test]
fn an_upload_that_asked_for_no_checksum_has_the_default_one() {
    let mut range = Range::new(Versioning::Off);
    let upload = upload_id(1);
    range.run("k", create(upload, None)).unwrap();
    let crc64 = |bytes: &str| crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes.as_bytes());
    let bodies = ["the first part", "and the second, in a blob", "end"];
    for (at, body) in (1..).zip(bodies) {
        let Command::PutPart { upload, number, size, etag, .. } = part("k", upload, at, body) else { panic!() };
        let data = match at {
            2 => NewData::Blob(BlobRef { crc64: crc64(body), ..blob("k", NOW_MS, 2, size) }, 0, None),
            _ => NewData::Inline(Bytes::from(body), crc64(body)),
        };
        range.run("k", Command::PutPart { upload, number, data, size, etag, checksum: None }).unwrap();
    }
    // What each part has anyhow its uploader was shown, and may say again; nothing else.
    let said = |second: Option<(ChecksumAlgorithm, Bytes)>| {
        let mut command = complete(upload, &[(1, bodies[0]), (2, bodies[1]), (3, bodies[2])]);
        if let Command::CompleteUpload { parts, .. } = &mut command {
            parts[0].checksum =
                Some((ChecksumAlgorithm::Crc64Nvme, Bytes::copy_from_slice(&crc64(bodies[0]).to_be_bytes())));
            parts[1].checksum = second;
        }
        command
    };
    let of_second = Bytes::copy_from_slice(&crc64(bodies[1]).to_be_bytes());
    for wrong in [
        (ChecksumAlgorithm::Crc64Nvme, Bytes::copy_from_slice(&crc64(bodies[2]).to_be_bytes())),
        (ChecksumAlgorithm::XxHash64, of_second.clone()),
    ] {
        let outcome = range.run("k", said(Some(wrong.clone())));
        assert_eq!(outcome, Err(Refusal::InvalidPart(number(2))), "{wrong:?}");
    }
    let mut too_large = said(None);
    if let Command::CompleteUpload { size, .. } = &mut too_large {
        *size = Some(5);
    }
    let computed = bodies.concat().len() as u64;
    assert_eq!(range.run("k", too_large), Err(Refusal::WrongSize { said: 5, computed }));
    let said = said(Some((ChecksumAlgorithm::Crc64Nvme, of_second)));
    let Outcome::Completed { checksum: Some(checksum), .. } = range.run("k", said).unwrap() else { panic!() };
    assert_eq!((checksum.algorithm, checksum.kind), (ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject));
    assert_eq!(checksum.value, crc64(&bodies.concat()).to_be_bytes()[..]);
}

#[test]
fn an_aborted_upload_leaves_one_reap_row_and_no_upload() {
    let mut range = Range::new(Versioning::Off);
    let (one, two) = (upload_id(1), upload_id(2));
    range.run("k", create(one, None)).unwrap();
    range.run("k", create(two, None)).unwrap();
    range.run("k", part("k", one, 7, "bytes")).unwrap();
    let listed = |range: &Range, after_upload| match range.query(&Query::ListUploads {
        list: couronne_metadata::query::ListQuery {
            after: if after_upload == Some(one) { "k".into() } else { Bytes::new() },
            ..list_all()
        },
        after_upload,
    }) {
        Answer::ListUploads(page) => page.entries.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!((listed(&range, None), listed(&range, Some(one))), (2, 1));
    range.run("k", Command::AbortUpload { upload: one }).unwrap();
    range.run("k", Command::AbortUpload { upload: two }).unwrap();
    assert_eq!(range.run("k", Command::AbortUpload { upload: two }), Err(Refusal::NoSuchUpload));
    assert_eq!(listed(&range, None), 0);
    assert_eq!(range.usage(), Default::default());
    assert_eq!(due(&range), []);
    range.now_us += 7_200_000_000;
    assert!(matches!(&due(&range)[..], [(_, ReapTarget::Upload(upload), blobs)] if *upload == one && blobs == &[1007]));
}

#[test]
fn blobs_are_owned_abandoned_reaped_and_disowned() {
    let mut range = Range::new(Versioning::Off);
    let (kept, dropped, given_up) = (blob("k", NOW_MS, 1, 9), blob("k", NOW_MS, 2, 9), blob("k", NOW_MS, 3, 9));
    range.run("k", put_blob(dropped.clone(), 2)).unwrap();
    range.run("k", put_blob(kept.clone(), 0)).unwrap();
    range.run("k", Command::Abandon { blob: given_up.clone() }).unwrap();
    assert_eq!(range.run("k", Command::Abandon { blob: kept.clone() }), Err(Refusal::Conflict));
    assert_eq!(range.run("k", put_blob(given_up.clone(), 0)), Err(Refusal::BlobRefused));
    assert_eq!(owner(&range, "k", kept.id), Ownership::Owned);
    assert_eq!(owner(&range, "other", kept.id), Ownership::Unknown);
    assert_eq!(owner(&range, "k", dropped.id), Ownership::Dropped);
    assert_eq!(owner(&range, "k", given_up.id), Ownership::Dropped);
    assert_eq!(range.run("k", put_blob(dropped.clone(), 0)), Err(Refusal::BlobRefused), "what was dropped stays so");

    range.now_us += 7_200_000_000;
    let horizon_ms = NOW_MS + 1;
    range.run("k", Command::AdvanceHorizon { horizon_ms }).unwrap();
    assert_eq!(owner(&range, "k", kept.id), Ownership::Owned);
    assert_eq!(owner(&range, "k", dropped.id), Ownership::Dropped, "its readers have until it is reaped");
    assert_eq!(range.run("k", put_blob(blob("k", NOW_MS, 4, 9), 0)), Err(Refusal::BlobRefused));
    assert_eq!(range.run("k", put_blob(given_up, 0)), Err(Refusal::BlobRefused));
    for (row, ..) in due(&range) {
        range.run("k", Command::Reaped { row }).unwrap();
    }
    assert_eq!(owner(&range, "k", dropped.id), Ownership::Disowned);
    range.run("k", Command::AdvanceHorizon { horizon_ms: 1 }).unwrap();
    assert_eq!(owner(&range, "k", dropped.id), Ownership::Disowned, "the horizon never falls");
}

/// Until the horizon has passed it, an abandoned blob is refused; and the reaper comes again for what was written late.
#[test]
fn an_abandoned_blob_is_refused_and_reaped_until_the_horizon_has_passed_it() {
    let mut range = Range::new(Versioning::Off);
    let blob = blob("k", NOW_MS, 1, 9);
    range.run("k", Command::AdvanceHorizon { horizon_ms: NOW_MS - 7 * 86_400_000 }).unwrap();
    range.run("k", Command::Abandon { blob: blob.clone() }).unwrap();
    let mut rounds = 0;
    while let Some((row, ..)) = {
        range.now_us += 3_700_000_000;
        due(&range).pop()
    } {
        rounds += 1;
        range.run("k", Command::Reaped { row }).unwrap();
        assert_eq!(due(&range), [], "not before it is due again");
        assert_eq!(owner(&range, "k", blob.id), if rounds < 2 { Ownership::Dropped } else { Ownership::Disowned });
        assert_eq!(range.run("k", put_blob(blob.clone(), 0)), Err(Refusal::BlobRefused));
        range.now_us += 7 * 86_400_000_000;
        range.run("k", Command::AdvanceHorizon { horizon_ms: NOW_MS + 1 }).unwrap();
    }
    assert_eq!(rounds, 2);
}

/// A gateway may choose an upload's id: it must not take up parts that the reaper is about to delete.
#[test]
fn an_upload_that_was_dropped_is_not_opened_again() {
    let mut range = Range::new(Versioning::Off);
    let upload = upload_id(1);
    range.run("k", create(upload, None)).unwrap();
    range.run("k", part("k", upload, 1, "bytes")).unwrap();
    range.run("k", Command::AbortUpload { upload }).unwrap();
    assert_eq!(range.run("k", create(upload, None)), Err(Refusal::Invalid(InvalidReason::UploadExists)));
    range.run("other", create(upload, None)).unwrap();
    range.run("other", part("other", upload, 1, "bytes")).unwrap();
    range.run("other", Command::AbortUpload { upload }).unwrap();
    range.now_us += 7_200_000_000;
    assert_eq!(due(&range).len(), 2, "neither's reap row is written over by the other's");
}

#[test]
fn every_named_blob_is_told_page_by_page() {
    let mut range = Range::new(Versioning::Enabled);
    for (at, key) in ["a", "b", "b", "c"].iter().enumerate() {
        range.run(key, put_blob(blob(key, NOW_MS, at as u64, 9), 0)).unwrap();
    }
    range.put("inline", "bytes").unwrap();
    range.run("u", create(upload_id(1), None)).unwrap();
    range.run("u", part("u", upload_id(1), 1, "bytes")).unwrap();
    for limit in [1, 2, 100] {
        let (mut after, mut told) = (None, Vec::new());
        loop {
            let Answer::Blobs(blobs, next) = range.query(&Query::Blobs { after, limit }) else { panic!() };
            told.extend(blobs.into_iter().map(|(_, _, blob)| blob.crc64));
            after = next;
            if after.is_none() {
                break;
            }
        }
        told.sort_unstable();
        assert_eq!(told, [0, 1, 2, 3, 1001]);
    }
}

/// A sweep over every blob must not miss one because its row became one of another kind between two pages.
#[test]
fn a_blob_named_all_the_time_is_told_though_its_version_becomes_current() {
    for limit in 1..6 {
        let (mut range, mut oldest) = (Range::new(Versioning::Enabled), None);
        for (at, key) in ["a", "k", "k", "k", "z"].iter().enumerate() {
            range.run(key, put_blob(blob(key, NOW_MS, at as u64, 9), 0)).unwrap();
            range.now_us += 1000;
            oldest = oldest.or_else(|| range.get("k", None).map(|(record, _)| record.version()));
        }
        let (mut after, mut told) = (None, BTreeSet::new());
        loop {
            let Answer::Blobs(blobs, next) = range.query(&Query::Blobs { after, limit }) else { panic!() };
            told.extend(blobs.into_iter().map(|(_, _, blob)| blob.crc64));
            after = next;
            if after.is_none() {
                break;
            }
            let (newest, _) = range.get("k", None).unwrap();
            if Some(newest.version()) != oldest {
                range.delete("k", Some(newest.version())).unwrap();
            }
        }
        assert!(told.is_superset(&BTreeSet::from([0, 1, 4])), "limit {limit}: {told:?}");
    }
}

#[test]
fn locked_versions_stay() {
    let mut range = Range::new(Versioning::Enabled);
    range.put("plain", "x").unwrap();
    let lock = |change| Command::UpdateAttributes { version: None, change, bypass_governance: false };
    let retention = Some(Retention { compliance: false, until_ms: NOW_MS + 1000 });
    let no_lock = Err(Refusal::Invalid(InvalidReason::NoLock));
    assert_eq!(range.run("plain", lock(AttributeChange::Retention(retention))), no_lock);
    range.change_rules(|rules| rules.object_lock = Some(Some((true, 500))));
    let Outcome::Put { version, .. } = range.put("k", "x").unwrap() else { panic!() };
    assert_eq!(range.delete("k", Some(version)), Err(Refusal::Locked));
    range.delete("k", None).unwrap();
    range.put("k", "y").unwrap();
    range.now_us += 600_000;
    range.delete("k", Some(version)).unwrap();
    range.run("k", lock(AttributeChange::LegalHold(true))).unwrap();
    range.now_us += 600_000;
    let Some((record, _)) = range.get("k", None) else { panic!() };
    assert_eq!(range.delete("k", Some(record.version())), Err(Refusal::Locked));
    range.run("k", lock(AttributeChange::LegalHold(false))).unwrap();
    range.delete("k", Some(record.version())).unwrap();
}

#[test]
fn a_bucket_is_sealed_only_when_empty_and_its_rules_gate_every_write() {
    let mut range = Range::new(Versioning::Enabled);
    range.put("k", "x").unwrap();
    let sealed = |range: &Range| {
        let mut rules = range.rules.clone();
        rules.state = BucketState::Deleting;
        rules.version += 1;
        Command::SealBucket { name: "b".into(), rules }
    };
    let seal = sealed(&range);
    assert_eq!(range.run("any", seal.clone()), Err(Refusal::BucketNotEmpty));
    let Some((record, _)) = range.get("k", None) else { panic!() };
    range.delete("k", Some(record.version())).unwrap();
    range.run("u", create(upload_id(1), None)).unwrap();
    assert_eq!(range.run("any", seal.clone()), Err(Refusal::BucketNotEmpty));
    range.run("u", Command::AbortUpload { upload: upload_id(1) }).unwrap();
    assert_eq!(range.run("any", Command::DropRules { name: "b".into() }), Err(Refusal::Conflict));
    range.run("any", seal.clone()).unwrap();
    range.run("any", seal).unwrap();
    let request = range.request("k", put("x", Precondition::default()));
    assert_eq!(range.execute(&request), Err(Refusal::StaleRules));
    let query = Query::Get { key: object_key("k"), version: None };
    let refused = answer(&*range.store.view(), range.bucket, Some(range.rules.version), &query, range.now_us);
    assert!(matches!(refused, Err(QueryRefusal::Stale)));
    range.rules.version += 1;
    assert_eq!(range.put("k", "x"), Err(Refusal::NoSuchBucket));
    range.run("any", Command::DropRules { name: "b".into() }).unwrap();
    range.run("any", Command::DropRules { name: "b".into() }).unwrap();
    assert_eq!(range.put("k", "x"), Err(Refusal::NoSuchBucket));
    let mut late = range.rules.clone();
    late.version = 9;
    assert_eq!(range.run("any", Command::PutRules { name: "b".into(), rules: late }), Err(Refusal::Conflict));
}

/// Of a bucket that is gone nobody else would ever say whose its blobs are.
#[test]
fn what_is_left_of_a_dropped_bucket_is_disowned_and_it_never_comes_back() {
    let mut range = Range::new(Versioning::Off);
    let first = range.rules.clone();
    let (orphan, old_enough) = (blob("k", NOW_MS, 1, 9), Command::AdvanceHorizon { horizon_ms: NOW_MS + 1 });
    range.now_us += 10_000;
    range.run("any", old_enough).unwrap();
    assert_eq!(owner(&range, "k", orphan.id), Ownership::Disowned);
    let rules = BucketRules { version: 2, state: BucketState::Deleting, ..first.clone() };
    let not_sealed = Err(Refusal::Invalid(InvalidReason::WrongState));
    assert_eq!(
        range.run("any", Command::PutRules { name: "b".into(), rules: rules.clone() }),
        not_sealed,
        "only an empty bucket goes"
    );
    range.run("any", Command::SealBucket { name: "b".into(), rules }).unwrap();
    range.run("any", Command::DropRules { name: "b".into() }).unwrap();
    assert_eq!(owner(&range, "k", orphan.id), Ownership::Disowned, "the range remembers that it held the bucket");
    let again = CommandRequest {
        rules_version: 0,
        ..range.request("any", Command::PutRules { name: "b".into(), rules: first })
    };
    assert_eq!(range.execute(&again), Err(Refusal::Conflict));
    range.bucket = BucketId::new(ResidencyClass(0), [8; 4], "b");
    assert_eq!(owner(&range, "k", orphan.id), Ownership::Unknown, "it may have held a bucket that is yet to come");
}

#[test]
fn system_rows_are_compared_and_swapped() {
    let mut range = Range::new(Versioning::Off);
    range.bucket = BucketId::SYSTEM;
    let write = |expect, value: Option<&'static str>| Command::SystemWrite { expect, value: value.map(Bytes::from) };
    let Outcome::Done { ordinal: first } = range.run("row/a", write(Expect::Absent, Some("1"))).unwrap() else {
        panic!()
    };
    assert_eq!(range.run("row/a", write(Expect::Absent, Some("2"))), Err(Refusal::Conflict));
    let Outcome::Done { ordinal: second } = range.run("row/a", write(Expect::Version(first), Some("2"))).unwrap()
    else {
        panic!()
    };
    assert!(second > first);
    assert_eq!(range.run("row/a", write(Expect::Version(first), None)), Err(Refusal::Conflict));
    for key in ["row/b", "row/c", "users"] {
        range.run(key, write(Expect::Any, Some("x"))).unwrap();
    }
    let Answer::SystemScan(rows, true) =
        range.query(&Query::SystemScan { prefix: "row/".into(), after: "row/a".into(), limit: 1 })
    else {
        panic!()
    };
    assert_eq!(rows[0].0, object_key("row/b"));
    range.run("row/a", write(Expect::Version(second), None)).unwrap();
    range.now_us -= 1_000_000;
    let Outcome::Done { ordinal: third } = range.run("row/a", write(Expect::Any, Some("3"))).unwrap() else { panic!() };
    assert!(third > second, "a version is not given twice");
    assert_eq!(range.run("k", put("x", Precondition::default())), Err(Refusal::NoSuchBucket));
}

#[test]
fn forgotten_commits_are_refused_and_their_rows_go() {
    let mut range = Range::new(Versioning::Off);
    let mut request = range.request("k", put("x", Precondition::default()));
    request.deadline_ms = u64::MAX;
    range.execute(&request).unwrap();
    let before_ms = NOW_MS + 1;
    let early = Err(Refusal::Invalid(InvalidReason::TooEarly));
    assert_eq!(range.run("any", Command::ExpireDedupEntries { before_ms }), early);
    range.now_us += 10_000;
    range.run("any", Command::ExpireDedupEntries { before_ms }).unwrap();
    assert_eq!(range.execute(&request), Err(Refusal::DeadlinePassed));
    range.run("k", delete(None, Precondition::default())).unwrap();
}

#[test]
fn a_reap_row_tells_why() {
    let mut range = Range::new(Versioning::Off);
    range.run("k", Command::Abandon { blob: blob("k", NOW_MS, 1, 9) }).unwrap();
    let Answer::Reap(early) = range.query(&Query::Reap { now_ms: u64::MAX, limit: 9 }) else { panic!() };
    assert_eq!(early, []);
    range.now_us += 3_600_000_000;
    let Answer::Reap(rows) = range.query(&Query::Reap { now_ms: u64::MAX, limit: 9 }) else { panic!() };
    assert_eq!((rows.len(), rows[0].1.reason), (1, ReapReason::Abandoned));
    assert_eq!(rows[0].1.key, object_key("k"));
}
