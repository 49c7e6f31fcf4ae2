//! The one row of each blob, against what the other rows name: after any commands, also those of a gateway that means
//! ill, no blob is named twice, none that is named is to be deleted, and the reaper deletes nothing that is named.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::support::{Range, blob, delete, etag, object_key, put_blob, upload_id};
use couronne_base::codec;
use couronne_metadata::command::{Command, CommandRequest, CompletedPart, NewData, Precondition};
use couronne_metadata::ids::{self, PartNumber, VersionId};
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::query::{Answer, Ownership, Query};
use couronne_metadata::record::{
    Attributes, BlobRef, BlobState, Content, Data, NamedBy, ObjectRecord, PartRecord, ReapTarget, Retention,
    VersionRecord, Versioning,
};
use couronne_metadata::store::{Row, Store};
use couronne_placement::BlobId;
use proptest::prelude::*;

const KEYS: [&str; 3] = ["a", "a\0b", "b"];

/// What a gateway sends; blobs are any of those that there are, of whichever key, or new ones.
#[derive(Clone, Debug)]
enum BlobStep {
    Put {
        key: usize,
        blob: usize,
    },
    Abandon {
        key: usize,
        blob: usize,
    },
    Delete {
        key: usize,
        version: Option<usize>,
    },
    Create {
        key: usize,
        upload: u64,
    },
    Part {
        key: usize,
        upload: u64,
        number: u16,
        blob: usize,
    },
    Complete {
        key: usize,
        upload: u64,
        parts: Vec<u16>,
    },
    Abort {
        key: usize,
        upload: u64,
    },
    /// An earlier command once more: as it was, or with another commit id.
    Again {
        at: usize,
        late: bool,
    },
    Versioning(Versioning),
    /// A duty.
    Reap,
    /// A duty.
    Horizon,
    Clock(u64),
}

fn step() -> impl Strategy<Value = BlobStep> {
    let key = || 0..KEYS.len();
    let blob = || 0usize..24;
    let upload = || 0u64..3;
    prop_oneof![
        6 => (key(), blob()).prop_map(|(key, blob)| BlobStep::Put { key, blob }),
        3 => (key(), blob()).prop_map(|(key, blob)| BlobStep::Abandon { key, blob }),
        3 => (key(), prop::option::of(0usize..3)).prop_map(|(key, version)| BlobStep::Delete { key, version }),
        2 => (key(), upload()).prop_map(|(key, upload)| BlobStep::Create { key, upload }),
        5 => (key(), upload(), 1u16..4, blob())
            .prop_map(|(key, upload, number, blob)| BlobStep::Part { key, upload, number, blob }),
        2 => (key(), upload(), prop::collection::btree_set(1u16..4, 1..3))
            .prop_map(|(key, upload, parts)| BlobStep::Complete { key, upload, parts: parts.into_iter().collect() }),
        1 => (key(), upload()).prop_map(|(key, upload)| BlobStep::Abort { key, upload }),
        3 => (0usize..40, any::<bool>()).prop_map(|(at, late)| BlobStep::Again { at, late }),
        1 => prop::sample::select(vec![Versioning::Enabled, Versioning::Suspended]).prop_map(BlobStep::Versioning),
        3 => Just(BlobStep::Reap),
        1 => Just(BlobStep::Horizon),
        2 => (0u64..4_000).prop_map(BlobStep::Clock),
    ]
}

/// A range, and what its reaper has had the drives delete.
struct BlobWorld {
    range: Range,
    sent: Vec<CommandRequest>,
    deleted: BTreeSet<BlobId>,
}

impl BlobWorld {
    /// Of every key as many; they are born as time goes.
    fn blob(&self, number: usize) -> BlobRef {
        let born_ms = crate::support::BEGIN_US / 1000 + (number as u64 / KEYS.len() as u64) * 500_000;
        blob(KEYS[number % KEYS.len()], born_ms, number as u64, 6)
    }

    fn take(&mut self, step: &BlobStep) {
        let (key, command) = match step.clone() {
            BlobStep::Put { key, blob } => (key, put_blob(self.blob(blob), 0)),
            BlobStep::Abandon { key, blob } => (key, Command::Abandon { blob: self.blob(blob) }),
            BlobStep::Delete { key, version } => (key, delete(self.version(key, version), Precondition::default())),
            BlobStep::Create { key, upload } => (
                key,
                Command::CreateUpload {
                    upload: upload_id(upload),
                    attributes: Attributes::default(),
                    initiator: "me".into(),
                    checksum: None,
                },
            ),
            BlobStep::Part { key, upload, number, blob } => {
                let (upload, number) = (upload_id(upload), PartNumber::new(number).unwrap());
                let data = NewData::Blob(self.blob(blob), 0, None);
                (key, Command::PutPart { upload, number, data, size: 6, etag: etag("part"), checksum: None })
            }
            BlobStep::Complete { key, upload, parts } => {
                let part = |at| CompletedPart {
                    number: PartNumber::new(at).unwrap(),
                    etag: Some(etag("part")),
                    checksum: None,
                };
                let command = Command::CompleteUpload {
                    upload: upload_id(upload),
                    parts: parts.into_iter().map(part).collect(),
                    checksum: None,
                    size: None,
                    part_bytes_min: 5,
                    condition: Precondition::default(),
                };
                (key, command)
            }
            BlobStep::Abort { key, upload } => (key, Command::AbortUpload { upload: upload_id(upload) }),
            BlobStep::Again { at, late } => return self.again(at, late),
            BlobStep::Versioning(to) => return self.range.change_rules(|rules| rules.versioning = to),
            BlobStep::Reap => return self.reap(),
            BlobStep::Horizon => {
                let horizon_ms = self.range.now_us / 1000 - 3_000_000;
                return drop(self.range.run("any", Command::AdvanceHorizon { horizon_ms }));
            }
            BlobStep::Clock(seconds) => return self.range.now_us += seconds * 1_000_000,
        };
        let request = self.range.request(KEYS[key], command);
        let _ = self.range.execute(&request);
        self.sent.push(request);
    }

    fn version(&self, key: usize, at: Option<usize>) -> Option<VersionId> {
        let of_key = |(owner, object): (String, ObjectRecord)| (owner == KEYS[key]).then_some(object.version);
        let versions: Vec<VersionId> = self.objects().into_iter().filter_map(of_key).collect();
        Some(versions.get(at?).copied().unwrap_or(VersionId::Null))
    }

    fn again(&mut self, at: usize, late: bool) {
        let Some(request) = self.sent.get(at).cloned() else { return };
        let renewed = CommandRequest { rules_version: self.range.rules.version, ..request };
        if late {
            let _ = self.range.execute(&CommandRequest { deadline_ms: u64::MAX, ..renewed });
        } else {
            let _ = self.range.run(renewed.key.as_str(), renewed.command);
        }
    }

    /// As the storage node's reaper does: what is due, after a last look at each blob's own row.
    fn reap(&mut self) {
        let Answer::Reap(due) = self.range.query(&Query::Reap { now_ms: u64::MAX, limit: 100 }) else { panic!() };
        for (row, record, parts) in due {
            let blobs = match &record.target {
                ReapTarget::Blob(blob) => vec![blob.clone()],
                ReapTarget::Upload(_) | ReapTarget::Parts { .. } => parts,
            };
            for blob in blobs {
                let look = Query::OwnsBlob { key: record.key.clone(), blob: blob.id };
                assert_eq!(self.range.query(&look), Answer::OwnsBlob(Ownership::Dropped), "{record:?}");
                self.deleted.insert(blob.id);
            }
            self.range.run(record.key.as_str(), Command::Reaped { row }).unwrap();
        }
    }

    fn rows(&self, kind: RowKind) -> Vec<Row> {
        let view = self.range.store.view();
        let (start, end) = (key::of_range(kind, &[]), key::end_of_kind(kind));
        let mut rows = view.scan(Bound::Included(&start), Bound::Excluded(&end), false);
        std::iter::from_fn(|| rows.next().unwrap()).collect()
    }

    /// Every version that is an object, with its key.
    fn objects(&self) -> Vec<(String, ObjectRecord)> {
        let key_of = |row: &bytes::Bytes| key::parse(row).unwrap().1.as_str().to_owned();
        let current = self.rows(RowKind::Current).into_iter();
        let current = current.map(|(row, value)| (key_of(&row), codec::decode::<ObjectRecord>(&value).unwrap()));
        let versions = self.rows(RowKind::Version);
        let versions = versions.into_iter().filter_map(|(row, value)| match codec::decode(&value).unwrap() {
            VersionRecord::Object(object) => Some((key_of(&row), *object)),
            VersionRecord::DeleteMarker { .. } => None,
        });
        current.chain(versions).collect()
    }

    /// What the versions and parts name: each blob by one row, of its own key.
    fn named(&self) -> BTreeMap<BlobId, (String, NamedBy)> {
        let mut named = BTreeMap::new();
        let mut add = |key: String, data: &Data, by| {
            if let Data::Blob(blob) = data {
                assert!(ids::is_bound(blob.id, self.range.bucket, &object_key(&key)), "{key} names another's blob");
                assert_eq!(named.insert(blob.id, (key, by)), None, "{} is named twice", blob.id);
            }
        };
        for (key, object) in self.objects() {
            if let Content::Whole(data) = &object.content {
                add(key, data, NamedBy::Version(object.ordinal));
            }
        }
        for (row, value) in self.rows(RowKind::Part) {
            let (_, key, suffix) = key::parse(&row).unwrap();
            let part: PartRecord = codec::decode(&value).unwrap();
            let upload = ids::UploadId::from_bytes(suffix[..16].try_into().unwrap());
            add(key.as_str().to_owned(), &part.data, NamedBy::Part { upload, number: part.number });
        }
        named
    }

    fn check(&self) {
        let named = self.named();
        let mut told = BTreeMap::new();
        for (row, value) in self.rows(RowKind::Blob) {
            let blob = key::blob_of(&row).unwrap();
            match codec::decode(&value).unwrap() {
                BlobState::Named(by) => {
                    assert_eq!(by.blob.id, blob);
                    told.insert(blob, (by.key.as_str().to_owned(), by.by));
                }
                BlobState::PendingDelete | BlobState::Abandoned => {
                    assert!(!named.contains_key(&blob), "{blob} is named, and to be deleted");
                }
            }
        }
        assert_eq!(told, named, "each blob's row says which row names it");
        // What can be read is there.
        for (key, object) in self.objects() {
            let blobs = match &object.content {
                Content::Whole(Data::Blob(blob)) => vec![blob.id],
                Content::Whole(Data::Inline { .. }) => vec![],
                Content::Parts { upload, .. } => {
                    let of = |(owner, by): &(String, NamedBy)| {
                        *owner == key && matches!(by, NamedBy::Part { upload: of, .. } if of == upload)
                    };
                    named.iter().filter(|(_, by)| of(by)).map(|(blob, _)| *blob).collect()
                }
            };
            for blob in blobs {
                assert!(!self.deleted.contains(&blob), "{key} cannot be read any more");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_blob_is_named_twice_and_none_that_is_named_is_deleted(
        from in prop::sample::select(vec![Versioning::Off, Versioning::Enabled]),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = BlobWorld { range: Range::new(from), sent: Vec::new(), deleted: BTreeSet::new() };
        for step in &steps {
            let before = world.named();
            world.take(step);
            // A gateway may name bytes that it never wrote, or that are gone: that is no object of anybody else.
            let named = world.named();
            world.deleted.retain(|blob| !named.contains_key(blob) || before.contains_key(blob));
            world.check();
        }
    }
}

/// A locked version, and what a gateway can say of its blob under its own key and under others.
#[test]
fn nothing_that_a_gateway_says_takes_a_locked_versions_blob() {
    let mut range = Range::new(Versioning::Enabled);
    range.change_rules(|rules| rules.object_lock = Some(None));
    let locked = blob("locked", range.now_us / 1000, 1, 9);
    let retention = Some(Retention { compliance: true, until_ms: u64::MAX });
    let attributes = Attributes { retention, ..Attributes::default() };
    let Command::Put { data, size, etag, checksum, condition, .. } = put_blob(locked.clone(), 0) else { panic!() };
    range.run("locked", Command::Put { data, size, etag, checksum, attributes, condition }).unwrap();
    let Some((record, _)) = range.get("locked", None) else { panic!() };
    for key in ["locked", "mine"] {
        range.run(key, Command::Abandon { blob: locked.clone() }).unwrap_err();
        range.run(key, put_blob(locked.clone(), 0)).unwrap_err();
        let upload = upload_id(1);
        let create =
            Command::CreateUpload { upload, attributes: Attributes::default(), initiator: "me".into(), checksum: None };
        range.run(key, create).unwrap();
        let (number, data) = (PartNumber::new(1).unwrap(), NewData::Blob(locked.clone(), 0, None));
        let part = Command::PutPart { upload, number, data, size: 9, etag, checksum: None };
        range.run(key, part).unwrap_err();
        range.run(key, Command::AbortUpload { upload }).unwrap();
    }
    range.delete("locked", Some(record.version())).unwrap_err();
    range.now_us += 86_400_000_000;
    assert_eq!(range.query(&Query::Reap { now_ms: u64::MAX, limit: 9 }), Answer::Reap(Vec::new()));
    let owner = Query::OwnsBlob { key: object_key("locked"), blob: locked.id };
    assert_eq!(range.query(&owner), Answer::OwnsBlob(Ownership::Owned));
}
