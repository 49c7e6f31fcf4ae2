//! Counters against a recount of all rows after random histories, for every subject and storage class; and that a bucket
//! never holds more than its quota.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::support::{Range, blob, delete, etag, object_key, upload_id};
use bytes::Bytes;
use couronne_base::codec;
use couronne_metadata::command::{AttributeChange, Command, CompletedPart, NewData, Outcome, Precondition, Refusal};
use couronne_metadata::ids::{BucketId, PartNumber, UploadId, VersionId};
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::quota::{Charge, Quota};
use couronne_metadata::record::{
    Attributes, BucketRules, BucketState, ObjectRecord, PartRecord, UploadRecord, VersionRecord, Versioning,
};
use couronne_metadata::store::{Row, Store};
use couronne_metadata::usage::{Subject, Usage, load};
use proptest::prelude::*;

const KEYS: [&str; 3] = ["a", "a/b", "b"];
const WRITERS: [&str; 3] = ["", "ada", "bob"];
const CLASSES: [&str; 3] = ["STANDARD", "GLACIER", "no class"];

#[derive(Clone, Debug)]
struct Written {
    writer: usize,
    class: usize,
}

#[derive(Clone, Debug)]
enum UsageStep {
    Put { key: usize, written: Written, size: usize, in_blob: bool },
    Delete(usize),
    DeleteVersion(usize, usize),
    Change { key: usize, at: usize, written: Option<Written> },
    Upload { key: usize, written: Written },
    Part { at: usize, number: u16, size: usize, in_blob: bool },
    Complete { at: usize, named: [bool; 3] },
    Abort(usize),
    Versioning(Versioning),
    Quota(Option<(u64, u64)>),
}

fn step() -> impl Strategy<Value = UsageStep> {
    let key = || 0..KEYS.len();
    let written = || (0..WRITERS.len(), 0..CLASSES.len()).prop_map(|(writer, class)| Written { writer, class });
    let size = || 0usize..40;
    prop_oneof![
        6 => (key(), written(), size(), any::<bool>())
            .prop_map(|(key, written, size, in_blob)| UsageStep::Put { key, written, size, in_blob }),
        3 => key().prop_map(UsageStep::Delete),
        4 => (key(), 0usize..6).prop_map(|(key, at)| UsageStep::DeleteVersion(key, at)),
        2 => (key(), 0usize..3, prop::option::of(written())).prop_map(|(key, at, written)| UsageStep::Change { key, at, written }),
        3 => (key(), written()).prop_map(|(key, written)| UsageStep::Upload { key, written }),
        5 => (0usize..4, 1u16..4, size(), any::<bool>())
            .prop_map(|(at, number, size, in_blob)| UsageStep::Part { at, number, size, in_blob }),
        3 => (0usize..4, any::<[bool; 3]>()).prop_map(|(at, named)| UsageStep::Complete { at, named }),
        1 => (0usize..4).prop_map(UsageStep::Abort),
        1 => prop::sample::select(vec![Versioning::Enabled, Versioning::Suspended]).prop_map(UsageStep::Versioning),
        1 => prop::option::of((0u64..200, 0u64..8)).prop_map(UsageStep::Quota),
    ]
}

fn attributes(written: &Written) -> Attributes {
    Attributes {
        headers: vec![("x-amz-storage-class".into(), Bytes::from_static(CLASSES[written.class].as_bytes()))],
        owner: "another account".into(),
        writer: WRITERS[written.writer].into(),
        ..Attributes::default()
    }
}

/// A range and the uploads that were opened in it, dropped and completed ones among them.
struct CountedRange {
    range: Range,
    uploads: Vec<(&'static str, UploadId)>,
    blobs: u64,
}

impl CountedRange {
    fn new() -> Self {
        Self { range: Range::new(Versioning::Off), uploads: Vec::new(), blobs: 0 }
    }

    fn data(&mut self, key: &str, size: usize, in_blob: bool) -> NewData {
        self.blobs += 1;
        if in_blob {
            NewData::Blob(blob(key, self.range.now_us / 1000, self.blobs, size as u64), 0, None)
        } else {
            NewData::Inline(vec![7; size].into(), 0)
        }
    }

    fn versions(&self, key: &str) -> Vec<VersionId> {
        let list = couronne_metadata::query::ListQuery { limit: 1000, ..Default::default() };
        let Answer::ListVersions(page) = self.range.query(&Query::ListVersions { list, after_version: None }) else {
            panic!()
        };
        let of_key = |entry: couronne_metadata::query::Entry<(VersionRecord, bool)>| match entry {
            couronne_metadata::query::Entry::Row(of, (record, _)) if of.as_str() == key => Some(record.version()),
            _ => None,
        };
        page.entries.into_iter().filter_map(of_key).collect()
    }

    /// The command of a step, if there is something that it can be on.
    fn command(&mut self, step: &UsageStep) -> Option<(&'static str, Command)> {
        Some(match step {
            UsageStep::Put { key, written, size, in_blob } => {
                let key = KEYS[*key];
                let data = self.data(key, *size, *in_blob);
                let put = Command::Put {
                    data,
                    size: *size as u64,
                    etag: etag("e"),
                    checksum: None,
                    attributes: attributes(written),
                    condition: Precondition::default(),
                };
                (key, put)
            }
            UsageStep::Delete(key) => (KEYS[*key], delete(None, Precondition::default())),
            UsageStep::DeleteVersion(key, at) => {
                let version = *self.versions(KEYS[*key]).get(*at)?;
                (KEYS[*key], delete(Some(version), Precondition::default()))
            }
            UsageStep::Change { key, at, written } => {
                let version = self.versions(KEYS[*key]).get(*at).copied();
                let change = match written {
                    Some(written) => AttributeChange::All(Box::new(attributes(written))),
                    None => AttributeChange::Tags(vec![("a".into(), "b".into())]),
                };
                (KEYS[*key], Command::UpdateAttributes { version, change, bypass_governance: false })
            }
            UsageStep::Upload { key, written } => {
                let upload = upload_id(1000 + self.uploads.len() as u64);
                self.uploads.push((KEYS[*key], upload));
                let attributes = attributes(written);
                let create = Command::CreateUpload { upload, attributes, initiator: "me".into(), checksum: None };
                (KEYS[*key], create)
            }
            UsageStep::Part { at, number, size, in_blob } => {
                let (key, upload) = *self.uploads.get(*at)?;
                let data = self.data(key, *size, *in_blob);
                let number = PartNumber::new(*number).unwrap();
                let etag = etag("part");
                (key, Command::PutPart { upload, number, data, size: *size as u64, etag, checksum: None })
            }
            UsageStep::Complete { at, named } => {
                let (key, upload) = *self.uploads.get(*at)?;
                let part = |(number, named): (u16, &bool)| {
                    let number = PartNumber::new(number).unwrap();
                    named.then_some(CompletedPart { number, etag: Some(etag("part")), checksum: None })
                };
                let parts = (1..).zip(named).filter_map(part).collect();
                let condition = Precondition::default();
                (
                    key,
                    Command::CompleteUpload { upload, parts, checksum: None, size: None, part_bytes_min: 0, condition },
                )
            }
            UsageStep::Abort(at) => {
                let (key, upload) = *self.uploads.get(*at)?;
                (key, Command::AbortUpload { upload })
            }
            UsageStep::Versioning(_) | UsageStep::Quota(_) => return None,
        })
    }

    fn take(&mut self, step: &UsageStep) {
        self.range.now_us += 1;
        match step {
            UsageStep::Versioning(to) => self.range.change_rules(|rules| rules.versioning = *to),
            UsageStep::Quota(quota) => {
                let quota = quota.map(|(bytes, objects)| Quota { bytes: Some(bytes), objects: Some(objects) });
                self.range.change_rules(|rules| rules.quota = quota);
            }
            step => {
                if let Some((key, command)) = self.command(step) {
                    let before = Charge::from(self.range.usage());
                    let outcome = self.range.run(key, command);
                    self.check_quota(before, outcome);
                }
            }
        }
    }

    /// Below the quota nothing is refused for it, and above it nothing grows.
    fn check_quota(&self, before: Charge, outcome: Result<Outcome, Refusal>) {
        let after = Charge::from(self.range.usage());
        let Some(quota) = self.range.rules.quota else {
            assert_ne!(outcome, Err(Refusal::QuotaExceeded));
            return;
        };
        let (bytes, objects) = (quota.bytes.unwrap() as i64, quota.objects.unwrap() as i64);
        assert!(after.bytes <= bytes.max(before.bytes), "{after:?} of {quota:?}, {before:?} before");
        assert!(after.objects <= objects.max(before.objects), "{after:?} of {quota:?}, {before:?} before");
        if outcome == Err(Refusal::QuotaExceeded) {
            // No step adds more than this.
            assert!(before.bytes + 39 > bytes || before.objects + 1 > objects, "{before:?} of {quota:?}");
        }
    }

    /// Every counter is what the rows say, and there are no others.
    fn check_counters(&self) {
        let expected = recount(&rows(&self.range));
        let view = self.range.store.view();
        let mut subjects: Vec<Subject> = expected.keys().map(|(subject, _)| subject.clone()).collect();
        subjects.dedup();
        for subject in &subjects {
            for (class, usage) in load(&*view, subject).unwrap() {
                assert_eq!(Some(&usage), expected.get(&(subject.clone(), class.clone())), "{subject:?} {class:?}");
            }
        }
        let counters = rows(&self.range).into_iter().filter(|(row, _)| row[0] == RowKind::Counters as u8);
        assert_eq!(counters.count(), expected.len(), "{expected:?}");
    }
}

fn rows(range: &Range) -> Vec<Row> {
    let view = range.store.view();
    let mut cursor = view.scan(Bound::Unbounded, Bound::Unbounded, false);
    std::iter::from_fn(|| cursor.next().unwrap()).collect()
}

/// What the rows of versions and open uploads add up to.
fn recount(rows: &[Row]) -> BTreeMap<(Subject, Box<str>), Usage> {
    let mut sums: BTreeMap<(Subject, Box<str>), Usage> = BTreeMap::new();
    let mut add = |bucket: BucketId, attributes: Option<&Attributes>, delta: Usage| {
        let class = attributes
            .and_then(|attributes| attributes.headers.first())
            .map_or("", |(_, class)| if class == "GLACIER" { "GLACIER" } else { "" });
        let writer = attributes.map(|attributes| attributes.writer.clone()).filter(|writer| !writer.is_empty());
        let always = [Subject::Bucket(bucket), Subject::Account("account".into())];
        for subject in always.into_iter().chain(writer.map(Subject::Principal)) {
            sums.entry((subject, class.into())).or_default().add(delta);
        }
    };
    let mut uploads: BTreeMap<Bytes, UploadRecord> = BTreeMap::new();
    for (row, value) in rows {
        match row[0] {
            kind if kind == RowKind::Current as u8 => {
                let object: ObjectRecord = codec::decode(value).unwrap();
                let delta = Usage { objects: 1, bytes: object.size as i64, ..Usage::default() };
                add(key::parse(row).unwrap().0, Some(&object.attributes), delta);
            }
            kind if kind == RowKind::Version as u8 => match codec::decode(value).unwrap() {
                VersionRecord::Object(object) => {
                    let delta = Usage { noncurrent: 1, bytes: object.size as i64, ..Usage::default() };
                    add(key::parse(row).unwrap().0, Some(&object.attributes), delta);
                }
                VersionRecord::DeleteMarker { .. } => {
                    add(key::parse(row).unwrap().0, None, Usage { markers: 1, ..Usage::default() });
                }
            },
            kind if kind == RowKind::Upload as u8 => {
                uploads.insert(row.slice(1..), codec::decode(value).unwrap());
            }
            kind if kind == RowKind::Part as u8 => {
                // Parts of completed and dropped uploads count no more.
                if let Some(upload) = uploads.get(&row.slice(1..row.len() - 2)) {
                    let part: PartRecord = codec::decode(value).unwrap();
                    let delta = Usage { parts: 1, part_bytes: part.size as i64, ..Usage::default() };
                    add(key::parse(row).unwrap().0, Some(&upload.attributes), delta);
                }
            }
            _ => {}
        }
    }
    sums.retain(|_, usage| *usage != Usage::default());
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn counters_are_equal_to_a_recount_and_quotas_are_kept(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = CountedRange::new();
        for step in &steps {
            world.take(step);
            world.check_counters();
        }
    }

    #[test]
    fn a_bucket_that_is_removed_leaves_no_counters(steps in prop::collection::vec(step(), 1..30)) {
        let mut world = CountedRange::new();
        steps.iter().for_each(|step| world.take(step));
        for key in KEYS {
            for version in world.versions(key) {
                world.range.delete(key, Some(version)).unwrap();
            }
        }
        for (key, upload) in world.uploads.clone() {
            drop(world.range.run(key, Command::AbortUpload { upload }));
        }
        let rules = BucketRules { version: world.range.rules.version + 1, state: BucketState::Deleting, ..world.range.rules.clone() };
        world.range.run("any", Command::SealBucket { name: "b".into(), rules }).unwrap();
        world.range.run("any", Command::DropRules { name: "b".into() }).unwrap();
        let counters = rows(&world.range).into_iter().filter(|(row, _)| row[0] == RowKind::Counters as u8);
        prop_assert_eq!(counters.count(), 0);
    }
}

fn with_quota(bytes: Option<u64>, objects: Option<u64>) -> Range {
    let mut range = Range::new(Versioning::Off);
    range.change_rules(|rules| rules.quota = Some(Quota { bytes, objects }));
    range
}

#[test]
fn a_bucket_is_filled_to_its_quota_and_what_frees_room_is_never_refused() {
    let mut range = with_quota(Some(10), Some(2));
    range.put("a", "123456").unwrap();
    assert_eq!(range.put("b", "12345"), Err(Refusal::QuotaExceeded));
    range.put("b", "1234").unwrap();
    assert_eq!(range.put("c", ""), Err(Refusal::QuotaExceeded), "a third object");
    assert_eq!(range.put("a", "1234567"), Err(Refusal::QuotaExceeded), "a longer one in its place");
    range.put("a", "654321").unwrap();
    range.change_rules(|rules| rules.quota = Some(Quota { bytes: Some(1), objects: Some(1) }));
    range.put("a", "54321").unwrap();
    range.delete("b", None).unwrap();
    assert_eq!((range.usage().objects, range.usage().bytes), (1, 5));
    range.change_rules(|rules| rules.quota = None);
    range.put("c", "whatever there is").unwrap();
}

#[test]
fn old_versions_and_open_uploads_count_and_completing_one_needs_no_room() {
    let mut range = with_quota(Some(12), Some(3));
    range.change_rules(|rules| rules.versioning = Versioning::Enabled);
    range.put("k", "1234").unwrap();
    let upload = upload_id(1);
    let create =
        Command::CreateUpload { upload, attributes: Attributes::default(), initiator: "me".into(), checksum: None };
    range.run("k", create).unwrap();
    let part = |number, body: &'static str| Command::PutPart {
        upload,
        number: PartNumber::new(number).unwrap(),
        data: NewData::Inline(Bytes::from_static(body.as_bytes()), 0),
        size: body.len() as u64,
        etag: etag("part"),
        checksum: None,
    };
    range.run("k", part(1, "1234")).unwrap();
    range.run("k", part(2, "1234")).unwrap();
    assert_eq!(range.run("k", part(3, "")), Err(Refusal::QuotaExceeded), "a fourth thing");
    range.run("k", part(2, "4321")).unwrap();
    assert_eq!(range.put("k", "1"), Err(Refusal::QuotaExceeded), "the old version stays");
    range.delete("k", None).unwrap();
    let named =
        |number| CompletedPart { number: PartNumber::new(number).unwrap(), etag: Some(etag("part")), checksum: None };
    let complete = Command::CompleteUpload {
        upload,
        parts: vec![named(1), named(2)],
        checksum: None,
        size: None,
        part_bytes_min: 0,
        condition: Precondition::default(),
    };
    range.run("k", complete).unwrap();
    let usage = Usage { objects: 1, noncurrent: 1, markers: 1, bytes: 12, ..Usage::default() };
    assert_eq!(range.usage(), usage);
}

#[test]
fn a_repeat_that_was_refused_for_the_quota_stays_refused() {
    let mut range = with_quota(Some(3), None);
    let mut request = range.request("k", crate::support::put("1234", Precondition::default()));
    request.is_repeat = true;
    assert_eq!(range.execute(&request), Err(Refusal::QuotaExceeded));
    assert_eq!(range.get("k", None), None);
    range.change_rules(|rules| rules.quota = None);
    // The first attempt arrives late.
    request.is_repeat = false;
    assert_eq!(range.execute(&request), Err(Refusal::QuotaExceeded));
    assert_eq!(range.get("k", None), None);
    let answer = range.query(&Query::Get { key: object_key("k"), version: None });
    assert_eq!(answer, Answer::Get(None));
}
