//! The encoding: golden bytes of every record, round trips, and bytes of ill will.

use std::fmt::Debug;

use crate::support::object_key;
use bytes::Bytes;
use couronne_base::codec::{Value, decode, encode};
use couronne_metadata::command::{
    AttributeChange, Command, CommandRequest, CompletedPart, EtagSet, Expect, InvalidReason, NewData, Outcome,
    Precondition, Refusal,
};
use couronne_metadata::effect::{Effect, RemovedRows};
use couronne_metadata::ids::{BucketId, CommitId, Ordinal, PartNumber, UploadId, VersionId};
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::query::{Answer, Entry, ListQuery, Ownership, Page, Query, RulesRow, SystemRow};
use couronne_metadata::record::quota::Quota;
use couronne_metadata::record::{
    Attributes, BlobRef, BlobState, BucketEntry, BucketRules, BucketState, Checksum, ChecksumAlgorithm, ChecksumKind,
    Content, Data, Etag, NamedBlob, NamedBy, ObjectRecord, PartRecord, RangeFacts, RangeMarks, ReapReason, ReapRecord,
    ReapTarget, RepairRecord, Retention, UploadRecord, VersionRecord, Versioning,
};
use couronne_metadata::store::{Batch, Write};
use couronne_metadata::store_scrub::{StoreComparison, StoreScrub};
use couronne_metadata::usage::{Subject, Usage, UsageDelta};
use couronne_metadata::watermarks::Watermarks;
use couronne_placement::{BlobId, Geometry, PolicyId};
use proptest::prelude::*;

fn blob() -> BlobRef {
    BlobRef {
        id: BlobId::from_bytes([1; BlobId::BYTES]),
        len: 5 << 20,
        policy: PolicyId(3),
        geometry: Geometry::new(4, 2, 4 << 20).unwrap(),
        crc64: u64::MAX,
    }
}

fn checksum() -> Checksum {
    Checksum {
        algorithm: ChecksumAlgorithm::Crc32c,
        kind: ChecksumKind::FullObject,
        value: Bytes::from_static(&[9, 8, 7, 6]),
    }
}

fn attributes() -> Attributes {
    Attributes {
        headers: vec![("content-type".into(), Bytes::from_static(b"text/plain"))],
        metadata: vec![("a".into(), Bytes::from_static(b"\xff")), ("b".into(), Bytes::new())],
        tags: vec![("k".into(), "v".into())],
        owner: "owner".into(),
        writer: "writer".into(),
        acl: Some(Bytes::from_static(b"list")),
        revision: 3,
        retention: Some(Retention { compliance: true, until_ms: 1 << 40 }),
        legal_hold: true,
        legal_hold_said: false,
        extra: vec![(77, Bytes::from_static(b"later"))],
    }
}

fn object() -> ObjectRecord {
    ObjectRecord {
        ordinal: Ordinal(1_800_000_000_000_000),
        version: VersionId::Ordinal(Ordinal(1_800_000_000_000_000)),
        commit: CommitId::from_bytes([2; 16]),
        etag: Etag { digest: [3; 16], parts: Some(2) },
        size: 300,
        content: Content::Parts { upload: UploadId::from_bytes([4; 16]), count: 2, uniform_bytes: Some(150) },
        attributes: attributes(),
        checksum: Some(checksum()),
    }
}

fn marker() -> VersionRecord {
    VersionRecord::DeleteMarker {
        ordinal: Ordinal(7),
        version: VersionId::Null,
        commit: CommitId::from_bytes([2; 16]),
        owner: "o".into(),
    }
}

fn upload() -> UploadRecord {
    UploadRecord {
        created: Ordinal(8),
        commit: CommitId::from_bytes([2; 16]),
        attributes: Attributes::default(),
        initiator: "i".into(),
        checksum: Some((ChecksumAlgorithm::Sha256, ChecksumKind::Composite)),
    }
}

fn part() -> PartRecord {
    PartRecord {
        number: PartNumber::new(10_000).unwrap(),
        ordinal: Ordinal(9),
        commit: CommitId::from_bytes([2; 16]),
        etag: Etag { digest: [5; 16], parts: None },
        size: 1,
        data: Data::Inline { len: 1, crc64: 6 },
        checksum: None,
    }
}

fn rules() -> BucketRules {
    BucketRules {
        version: 4,
        state: BucketState::Live,
        versioning: Versioning::Suspended,
        object_lock: Some(Some((false, 1000))),
        policy: PolicyId(1),
        account: "account".into(),
        quota: Some(Quota { bytes: Some(1), objects: None }),
        extra: vec![(40, Bytes::from_static(b"cors"))],
    }
}

fn entry() -> BucketEntry {
    BucketEntry {
        id: BucketId::from_bytes([6; 16]),
        account: "acc".into(),
        created: Ordinal(1),
        rules: rules(),
        documents: vec![(1, Bytes::from_static(b"{}"))],
    }
}

fn reap() -> ReapRecord {
    ReapRecord {
        target: ReapTarget::Blob(blob()),
        bucket: BucketId::from_bytes([6; 16]),
        key: object_key("k"),
        not_before_ms: 5,
        reason: ReapReason::Abandoned,
        commit: CommitId::from_bytes([2; 16]),
    }
}

fn named(by: NamedBy) -> BlobState {
    let (bucket, key) = (BucketId::from_bytes([6; 16]), object_key("k"));
    BlobState::Named(Box::new(NamedBlob { blob: blob(), bucket, key, by }))
}

fn repair() -> RepairRecord {
    RepairRecord {
        blob: blob(),
        bucket: BucketId::from_bytes([6; 16]),
        key: object_key("k"),
        missing: 2,
        since_ms: Some(4),
        losses: 300,
        at_most: 3,
        found: 1,
    }
}

fn store_scrub() -> StoreScrub {
    let under_way = StoreComparison {
        piece: Bytes::from_static(b"row"),
        voters: vec![1, 300],
        is_full: true,
        is_unresolved: false,
    };
    StoreScrub { ended_ms: Some(300), tried_ms: Some(301), unresolved_ms: Some(302), under_way: Some(under_way) }
}

fn usage() -> Usage {
    Usage { objects: -1, noncurrent: 2, markers: 3, bytes: i64::MIN, parts: 4, part_bytes: i64::MAX }
}

fn effect() -> Effect {
    let mut batch = Batch::default();
    batch.put("k", "v");
    batch.delete("k");
    batch.delete_range("a", "b");
    let subjects =
        [Subject::Bucket(BucketId::from_bytes([6; 16])), Subject::Account("a".into()), Subject::Principal("p".into())];
    let usage = subjects.map(|subject| UsageDelta { subject, class: "GLACIER".into(), delta: usage() }).to_vec();
    Effect {
        writes: batch.writes,
        usage,
        watermarks: Some(Watermarks { horizon_ms: 1, forgotten_ms: 2, ordinal_floor: Ordinal(3), sweep_map: 4 }),
        removed: vec![RemovedRows { prefix: "p".into(), suffixes: vec!["x".into(), "y".into()] }],
    }
}

/// The record encodes as the golden bytes, and these decode to it.
fn golden<T: Value + PartialEq + Debug>(value: &T, fixed: &str) {
    let encoded = encode(value);
    let hex: String = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, fixed, "{value:?}");
    assert_eq!(&decode::<T>(&encoded).unwrap(), value);
    for cut in 0..encoded.len() {
        let _ = decode::<T>(&encoded.slice(..cut));
    }
}

#[test]
fn records_are_encoded_as_fixed() {
    golden(
        &object(),
        "0101088080e2c4f2a2990302088080e2c4f2a29903031002020202020202020202020202020202041501100303030303\
         03030303030303030303030201020502ac02061b02190110040404040404040404040404040404040201020302960107\
         60011a010c636f6e74656e742d74797065020a746578742f706c61696e02060101610201ff0205010162020003060101\
         6b02017604056f776e6572050a010002068080808080200600080677726974657209046c6973740a01034d056c617465\
         72080e0102020002020100030409080706",
    );
    golden(
        &VersionRecord::Object(Box::new(object())),
        "0101d30101d00101088080e2c4f2a2990302088080e2c4f2a29903031002020202020202020202020202020202041501\
         10030303030303030303030303030303030201020502ac02061b02190110040404040404040404040404040404040201\
         02030296010760011a010c636f6e74656e742d74797065020a746578742f706c61696e02060101610201ff0205010162\
         0200030601016b02017604056f776e6572050a010002068080808080200600080677726974657209046c6973740a0103\
         4d056c61746572080e0102020002020100030409080706",
    );
    golden(&marker(), "01021a010107020003100202020202020202020202020202020204016f");
    golden(&upload(), "010101080210020202020202020202020202020202020307040008000a010004016905080102050002020200");
    golden(
        &part(),
        "010102904e02010903100202020202020202020202020202020204120110050505050505050505050505050505050501\
         0106080106010101020106",
    );
    golden(
        &PartRecord { data: Data::Blob(blob()), checksum: Some(checksum()), ..part() },
        "010102904e02010903100202020202020202020202020202020204120110050505050505050505050505050505050501\
         0106430241013f0120010101010101010101010101010101010101010101010101010101010101010102048080c00203\
         01030406040200400000050affffffffffffffffff01070e0102020002020100030409080706",
    );
    golden(&rules(), "010101040202020003020300040601040202e80705010106076163636f756e7407030101012804636f7273");
    golden(
        &entry(),
        "010110060606060606060606060606060606060203616363030101042a0101040202020003020300040601040202e807\
         05010106076163636f756e7407030101012804636f7273050701010102027b7d",
    );
    golden(
        &reap(),
        "0101430141013f0120010101010101010101010101010101010101010101010101010101010101010102048080c00203\
         01030406040200400000050affffffffffffffffff0102100606060606060606060606060606060603016b0401050502\
         0200061002020202020202020202020202020202",
    );
    let target = ReapTarget::Parts { upload: UploadId::from_bytes([9; 16]), blobs: vec![blob()] };
    golden(
        &target,
        "010353011009090909090909090909090909090909023f01200101010101010101010101010101010101010101010101\
         01010101010101010102048080c0020301030406040200400000050affffffffffffffffff01",
    );
    golden(
        &named(NamedBy::Version(Ordinal(300))),
        "010160015e013f0120010101010101010101010101010101010101010101010101010101010101010102048080c00203\
         01030406040200400000050affffffffffffffffff0102100606060606060606060606060606060603016b0406010401\
         02ac02",
    );
    golden(
        &named(NamedBy::Part { upload: UploadId::from_bytes([9; 16]), number: PartNumber::new(3).unwrap() }),
        "010171016f013f0120010101010101010101010101010101010101010101010101010101010101010102048080c00203\
         01030406040200400000050affffffffffffffffff0102100606060606060606060606060606060603016b0417021501\
         1009090909090909090909090909090909020103",
    );
    golden(&BlobState::PendingDelete, "010200");
    golden(&BlobState::Abandoned, "010300");
    golden(
        &repair(),
        "01013f0120010101010101010101010101010101010101010101010101010101010101010102048080c0020301030406\
         040200400000050affffffffffffffffff0102100606060606060606060606060606060603016b0401021401041502ac02160103170101",
    );
    let marks = RangeMarks { swept_version: 300, looked_ms: Some(7) };
    golden(&marks, "010102ac02020107");
    golden(&RangeFacts { marks, repair_rows: 2 }, "0101070102ac02020107020102");
    golden(&store_scrub(), "010102ac020202ad020302ae02040e0103726f770201010202ac020300");
    golden(&usage(), "01010101020104030106040affffffffffffffffff01050108060afeffffffffffffffff01");
    golden(&SystemRow { version: Ordinal(300), value: Bytes::from_static(b"x") }, "010102ac02020178");
    golden(
        &effect(),
        "010108010601016b0201760105020301016b010803060101610201620245011401120110060606060606060606060606\
         060606060207474c41434945520324010101020104030106040affffffffffffffffff01050108060afeffffffffffff\
         ffff010236010502030101610207474c41434945520324010101020104030106040affffffffffffffffff0105010806\
         0afeffffffffffffffff010236010503030101700207474c41434945520324010101020104030106040affffffffffff\
         ffffff01050108060afeffffffffffffffff01030c0101010201020301030401040409010170020178020179",
    );
}

fn round_trip<T: Value + PartialEq + Debug>(value: &T) {
    let encoded = encode(value);
    assert_eq!(&decode::<T>(&encoded).unwrap(), value);
    for at in 0..encoded.len() {
        for bit in 0..8 {
            let mut bent = encoded.to_vec();
            bent[at] ^= 1 << bit;
            let _ = decode::<T>(&bent.into());
        }
        let _ = decode::<T>(&encoded.slice(..at));
    }
}

fn commands() -> Vec<Command> {
    let upload = UploadId::from_bytes([4; 16]);
    let number = PartNumber::new(7).unwrap();
    let etag = Etag { digest: [3; 16], parts: None };
    let condition = Precondition {
        if_match: Some(EtagSet::Tags(vec![etag, etag])),
        if_none_match: Some(EtagSet::Any),
        if_last_modified_s: Some(1),
        if_size: Some(0),
    };
    let data = NewData::Inline(Bytes::from_static(b"bytes"), 5);
    let parts = vec![CompletedPart {
        number,
        etag: Some(etag),
        checksum: Some((ChecksumAlgorithm::Sha1, Bytes::from_static(b"sum"))),
    }];
    vec![
        Command::Put {
            data: data.clone(),
            size: 5,
            etag,
            checksum: Some(checksum()),
            attributes: attributes(),
            condition: condition.clone(),
        },
        Command::Delete {
            version: Some(VersionId::Null),
            condition: condition.clone(),
            bypass_governance: true,
            owner: "o".into(),
        },
        Command::Delete {
            version: None,
            condition: Precondition::default(),
            bypass_governance: false,
            owner: "".into(),
        },
        Command::UpdateAttributes {
            version: None,
            change: AttributeChange::Tags(vec![("k".into(), "v".into())]),
            bypass_governance: false,
        },
        Command::UpdateAttributes { version: None, change: AttributeChange::Retention(None), bypass_governance: true },
        Command::UpdateAttributes { version: None, change: AttributeChange::LegalHold(false), bypass_governance: true },
        Command::UpdateAttributes {
            version: None,
            change: AttributeChange::All(Box::new(attributes())),
            bypass_governance: true,
        },
        Command::CreateUpload {
            upload,
            attributes: attributes(),
            initiator: "i".into(),
            checksum: Some((ChecksumAlgorithm::Sha1, ChecksumKind::Composite)),
        },
        Command::PutPart { upload, number, data: NewData::Blob(blob(), 2, Some(41)), size: 5, etag, checksum: None },
        Command::CompleteUpload {
            upload,
            parts,
            checksum: Some(Bytes::from_static(b"sum")),
            size: Some(1),
            part_bytes_min: 5 << 20,
            condition,
        },
        Command::AbortUpload { upload },
        Command::Abandon { blob: blob() },
        Command::PutRules { name: "b".into(), rules: rules() },
        Command::SealBucket { name: "b".into(), rules: BucketRules { object_lock: Some(None), ..rules() } },
        Command::DropRules { name: "b".into() },
        Command::SystemWrite { expect: Expect::Version(Ordinal(4)), value: Some(Bytes::new()) },
        Command::SystemWrite { expect: Expect::Absent, value: None },
        Command::Reaped { row: Bytes::from_static(b"row") },
        Command::Repaired { blob: blob().id },
        Command::BeginSweep { map_version: 7 },
        Command::EndSweep { map_version: 7 },
        Command::EndLook { ended_ms: 7 },
        Command::ScrubStores { scrub: store_scrub() },
        Command::MarkDegraded { blobs: vec![repair()] },
        Command::AdvanceHorizon { horizon_ms: 1 },
        Command::ExpireDedupEntries { before_ms: 1 },
    ]
}

#[test]
fn messages_come_back_and_bent_ones_do_no_harm() {
    for command in commands() {
        round_trip(&CommandRequest {
            commit: CommitId::from_bytes([2; 16]),
            deadline_ms: 1,
            bucket: BucketId::from_bytes([6; 16]),
            rules_version: 2,
            key: object_key("k"),
            command,
            seen: None,
            is_repeat: true,
        });
    }
    let outcome = |ordinal| Outcome::Done { ordinal };
    round_trip(&outcome(Ordinal(1)));
    round_trip(&Outcome::Put { ordinal: Ordinal(1), version: VersionId::Null });
    round_trip(&Ok::<_, Refusal>(outcome(Ordinal(1))));
    round_trip(&Err::<Outcome, _>(Refusal::PreconditionFailed));
    round_trip(&Outcome::Deleted { removed: Some(marker()), marker: Some(VersionId::Null) });
    round_trip(&Outcome::Deleted { removed: None, marker: None });
    round_trip(&Outcome::Completed {
        ordinal: Ordinal(1),
        version: VersionId::Ordinal(Ordinal(1)),
        etag: Etag { digest: [3; 16], parts: Some(1) },
        size: 1,
        checksum: Some(checksum()),
    });
    let number = PartNumber::new(1).unwrap();
    for refusal in [Refusal::NoSuchKey, Refusal::InvalidPart(number), Refusal::Invalid(InvalidReason::NoLock)] {
        round_trip(&refusal);
    }
    round_trip(&Refusal::EntityTooSmall { number, size: 1 });
}

#[test]
fn questions_and_answers_come_back() {
    let (key, upload) = (object_key("k"), UploadId::from_bytes([4; 16]));
    let list = ListQuery {
        prefix: "p".into(),
        delimiter: "/".into(),
        after: Bytes::new(),
        before: "b".into(),
        reverse: true,
        limit: 7,
    };
    round_trip(&Query::Get { key: key.clone(), version: Some(VersionId::Null) });
    round_trip(&Query::ListVersions { list: list.clone(), after_version: Some(VersionId::Null) });
    round_trip(&Query::ListUploads { list: list.clone(), after_upload: Some(upload) });
    round_trip(&Query::List(list));
    round_trip(&Query::Parts { key: key.clone(), upload, after: 1, limit: 2 });
    round_trip(&Query::Facts);
    round_trip(&Query::Unrepaired { after: Some(blob().id), limit: 2 });
    round_trip(&Answer::Facts(RangeFacts::default()));
    round_trip(&Query::Blobs { after: Some(blob().id), limit: 2 });
    round_trip(&Query::Identity { key: key.clone() });
    round_trip(&Answer::Get(Some((VersionRecord::Object(Box::new(object())), Some(Bytes::from_static(b"x"))))));
    round_trip(&Answer::Get(None));
    let entries = vec![Entry::Row(key.clone(), Box::new(object())), Entry::CommonPrefix("p/".into())];
    round_trip(&Answer::List(Page { entries, truncated: true }));
    let entries = vec![Entry::Row(key.clone(), (marker(), true))];
    round_trip(&Answer::ListVersions(Page { entries, truncated: false }));
    let entries = vec![Entry::Row(key.clone(), (upload, self::upload()))];
    round_trip(&Answer::ListUploads(Page { entries, truncated: false }));
    round_trip(&Answer::Parts(Some((vec![part(), part()], true))));
    round_trip(&Answer::Parts(None));
    for found in [RulesRow::Absent, RulesRow::Present(rules()), RulesRow::Dropped] {
        round_trip(&Answer::Rules(found));
    }
    round_trip(&Answer::Usage(vec![("".into(), usage()), ("GLACIER".into(), usage())]));
    let row = SystemRow { version: Ordinal(1), value: Bytes::new() };
    round_trip(&Answer::Identity(7, Some(row.clone())));
    round_trip(&Answer::Identity(0, None));
    round_trip(&Answer::SystemScan(vec![(key.clone(), row)], true));
    round_trip(&Answer::OwnsBlob(Ownership::Disowned));
    round_trip(&Answer::Reap(vec![(Bytes::from_static(b"row"), reap(), vec![blob()])]));
    round_trip(&Answer::Repair(vec![repair()]));
    round_trip(&Answer::Blobs(vec![(BucketId::SYSTEM, key, blob())], Some(blob().id)));
}

#[test]
fn unknown_fields_are_kept_where_there_is_a_place_and_skipped_elsewhere() {
    let mut newer = encode(&rules()).to_vec();
    newer.extend_from_slice(&[99, 3, b'n', b'e', b'w']);
    let kept: BucketRules = decode(&newer.into()).unwrap();
    assert_eq!(kept.extra[1], (99, Bytes::from_static(b"new")));
    assert_eq!(decode::<BucketRules>(&encode(&kept)).unwrap(), kept);
    let mut newer = encode(&usage()).to_vec();
    newer.extend_from_slice(&[99, 3, b'n', b'e', b'w']);
    assert_eq!(decode::<Usage>(&newer.into()).unwrap(), usage());
}

#[test]
fn wrong_beginnings_and_huge_lengths_are_refused() {
    assert!(decode::<Usage>(&Bytes::new()).is_err());
    assert!(decode::<Usage>(&Bytes::from_static(&[2])).is_err());
    assert!(decode::<Usage>(&Bytes::from_static(&[1])).is_err());
    let mut huge = vec![1, 1];
    huge.extend_from_slice(&[0xff; 9]);
    huge.push(1);
    assert!(decode::<Effect>(&huge.into()).is_err());
    let numberless: Vec<u8> = [&[1u8][..], &[0xff; 40]].concat();
    assert!(decode::<Effect>(&numberless.into()).is_err());
    assert!(decode::<Write>(&Bytes::from_static(&[1, 9, 0])).is_err());
}

proptest! {
    #[test]
    fn any_bytes_give_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from([&[1][..], &bytes].concat());
        let _ = decode::<VersionRecord>(&bytes);
        let _ = decode::<ObjectRecord>(&bytes);
        let _ = decode::<CommandRequest>(&bytes);
        let _ = decode::<Answer>(&bytes);
        let _ = decode::<Effect>(&bytes);
        let _ = key::parse(&bytes);
    }

    #[test]
    fn row_keys_sort_as_keys_and_come_back(a in "\\PC{1,4}|[a\0\u{1}]{1,4}", b in "\\PC{1,4}|[a\0\u{1}]{1,4}") {
        let bucket = BucketId::from_bytes([0xff; 16]);
        let row = |key: &str, ordinal| key::of_version(bucket, &object_key(key), Ordinal(ordinal));
        prop_assert_eq!(row(&a, 1).cmp(&row(&b, 2)), (a.as_bytes(), 2).cmp(&(b.as_bytes(), 1)));
        let (parsed_bucket, key, suffix) = key::parse(&row(&a, 1)).unwrap();
        prop_assert_eq!((parsed_bucket, key.as_str(), suffix.len()), (bucket, &a[..], 8));
        let prefixed = row(&a, 1) >= key::of_prefix(RowKind::Version, bucket, b.as_bytes())
            && row(&a, 1) < key::end_of_prefix(RowKind::Version, bucket, b.as_bytes());
        prop_assert_eq!(prefixed, a.starts_with(&b));
    }
}
