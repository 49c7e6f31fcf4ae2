//! Evaluation against a small model of what S3 says of versions, null versions, markers, conditions
//! and uploads; counters against a recount; listings against the model's.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::support::{Range, blob, delete, etag, list_all, put, upload_id};
use bytes::Bytes;
use couronne_metadata::apply::apply;
use couronne_metadata::command::{Command, CompletedPart, EtagSet, NewData, Outcome, Precondition, Refusal};
use couronne_metadata::effect::Effect;
use couronne_metadata::evaluate::{Evaluated, evaluate};
use couronne_metadata::ids::{PartNumber, VersionId};
use couronne_metadata::memory::MemoryStore;
use couronne_metadata::query::{Answer, Entry, ListQuery, Query};
use couronne_metadata::record::{Attributes, Content, Data, VersionRecord, Versioning};
use couronne_metadata::store::{Batch, Store};
use couronne_metadata::usage::{Subject, Usage, UsageDelta};
use proptest::prelude::*;

const KEYS: [&str; 4] = ["a", "a/b", "a\0", "b"];
const BODIES: [&str; 3] = ["one", "three", "a body of some length"];

#[derive(Clone, Copy, Debug)]
enum Condition {
    None,
    Exists,
    Absent,
    Tag(usize),
}

#[derive(Clone, Debug)]
enum ObjectStep {
    Put(usize, usize, Condition),
    Delete(usize, Condition),
    DeleteVersion(usize, usize),
    Multipart(usize, usize),
    Versioning(Versioning),
    Clock(i64),
}

fn step() -> impl Strategy<Value = ObjectStep> {
    let condition = || {
        prop_oneof![
            4 => Just(Condition::None),
            1 => Just(Condition::Exists),
            1 => Just(Condition::Absent),
            2 => (0..BODIES.len()).prop_map(Condition::Tag),
        ]
    };
    let key = || 0..KEYS.len();
    prop_oneof![
        6 => (key(), 0..BODIES.len(), condition()).prop_map(|(key, body, on)| ObjectStep::Put(key, body, on)),
        3 => (key(), condition()).prop_map(|(key, on)| ObjectStep::Delete(key, on)),
        4 => (key(), 0usize..6).prop_map(|(key, at)| ObjectStep::DeleteVersion(key, at)),
        2 => (key(), 1usize..4).prop_map(|(key, parts)| ObjectStep::Multipart(key, parts)),
        2 => prop::sample::select(vec![Versioning::Enabled, Versioning::Suspended]).prop_map(ObjectStep::Versioning),
        2 => (-2_000_000i64..2_000_000).prop_map(ObjectStep::Clock),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Version {
    name: VersionId,
    /// `None` is a delete marker.
    object: Option<(couronne_metadata::record::Etag, u64)>,
}

/// What S3 says: per key its versions, newest first.
#[derive(Default)]
struct ObjectModel {
    keys: BTreeMap<&'static str, Vec<Version>>,
}

impl ObjectModel {
    fn versions(&mut self, key: &'static str) -> &mut Vec<Version> {
        self.keys.entry(key).or_default()
    }

    fn current(&mut self, key: &'static str) -> Option<(couronne_metadata::record::Etag, u64)> {
        self.versions(key).first().and_then(|newest| newest.object)
    }

    fn add(&mut self, key: &'static str, version: Version, versioning: Versioning) {
        let versions = self.versions(key);
        if versioning != Versioning::Enabled {
            versions.retain(|old| old.name != VersionId::Null);
        }
        versions.insert(0, version);
    }

    fn check(&mut self, key: &'static str, condition: Condition) -> Result<(), Refusal> {
        let current = self.current(key);
        match (condition, current) {
            (Condition::Exists | Condition::Tag(_), None) => Err(Refusal::NoSuchKey),
            (Condition::Absent, Some(_)) => Err(Refusal::PreconditionFailed),
            (Condition::Tag(body), Some((tag, _))) if tag != etag(BODIES[body]) => Err(Refusal::PreconditionFailed),
            _ => Ok(()),
        }
    }

    fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for versions in self.keys.values() {
            usage.bytes +=
                versions.iter().filter_map(|version| version.object).map(|(_, size)| size as i64).sum::<i64>();
            let current = versions.first().is_some_and(|newest| newest.object.is_some());
            usage.objects += i64::from(current);
            let markers = versions.iter().filter(|version| version.object.is_none()).count() as i64;
            usage.markers += markers;
            usage.noncurrent += versions.len() as i64 - markers - i64::from(current);
        }
        usage
    }
}

fn precondition(condition: Condition) -> Precondition {
    let none = Precondition::default();
    match condition {
        Condition::None => none,
        Condition::Exists => Precondition { if_match: Some(EtagSet::Any), ..none },
        Condition::Absent => Precondition { if_none_match: Some(EtagSet::Any), ..none },
        Condition::Tag(body) => Precondition { if_match: Some(EtagSet::Tags(vec![etag(BODIES[body])])), ..none },
    }
}

/// A range, its model, and a number for the next blob.
struct World {
    range: Range,
    model: ObjectModel,
    blobs: u64,
}

impl World {
    fn take(&mut self, step: &ObjectStep) {
        let versioning = self.range.rules.versioning;
        match *step {
            ObjectStep::Put(key, body, on) => {
                let (key, text) = (KEYS[key], BODIES[body]);
                let expected = self.model.check(key, on);
                let outcome = self.range.run(key, put(text, precondition(on)));
                assert_eq!(outcome.as_ref().err(), expected.as_ref().err());
                if let Ok(Outcome::Put { version, .. }) = outcome {
                    let object = Some((etag(text), text.len() as u64));
                    self.model.add(key, Version { name: version, object }, versioning);
                }
            }
            ObjectStep::Delete(key, on) => self.delete(KEYS[key], on),
            ObjectStep::DeleteVersion(key, at) => {
                let key = KEYS[key];
                let versions = self.model.versions(key);
                let name = versions.get(at).map_or(VersionId::Null, |version| version.name);
                let expected = versions.iter().position(|version| version.name == name).map(|at| versions.remove(at));
                let Ok(Outcome::Deleted { removed, marker: None }) = self.range.delete(key, Some(name)) else {
                    panic!()
                };
                assert_eq!(removed.as_ref().map(seen), expected);
            }
            ObjectStep::Multipart(key, parts) => self.multipart(KEYS[key], parts),
            ObjectStep::Versioning(to) => self.range.change_rules(|rules| rules.versioning = to),
            ObjectStep::Clock(by) => self.range.now_us = self.range.now_us.checked_add_signed(by).unwrap(),
        }
    }

    fn delete(&mut self, key: &'static str, on: Condition) {
        let versioning = self.range.rules.versioning;
        let expected = self.model.check(key, on);
        let outcome = self.range.run(key, delete(None, precondition(on)));
        assert_eq!(outcome.as_ref().err(), expected.as_ref().err());
        match outcome {
            Ok(Outcome::Deleted { marker: Some(name), .. }) => {
                self.model.add(key, Version { name, object: None }, versioning);
            }
            Ok(_) => {
                assert_eq!(versioning, Versioning::Off);
                self.model.versions(key).clear();
            }
            Err(_) => {}
        }
    }

    fn multipart(&mut self, key: &'static str, parts: usize) {
        let versioning = self.range.rules.versioning;
        self.blobs += 10;
        let upload = upload_id(self.blobs);
        let create =
            Command::CreateUpload { upload, attributes: Attributes::default(), initiator: "me".into(), checksum: None };
        self.range.run(key, create).unwrap();
        let mut named = Vec::new();
        for at in 1..=parts as u16 {
            let number = PartNumber::new(at).unwrap();
            let data = NewData::Blob(blob(key, self.range.now_us / 1000, self.blobs + u64::from(at), 6), 0, None);
            let part = Command::PutPart { upload, number, data, size: 6, etag: etag("part"), checksum: None };
            self.range.run(key, part).unwrap();
            named.push(CompletedPart { number, etag: Some(etag("part")), checksum: None });
        }
        let complete = Command::CompleteUpload {
            upload,
            parts: named,
            checksum: None,
            size: None,
            part_bytes_min: 5,
            condition: Precondition::default(),
        };
        let first = self.range.run(key, complete.clone()).unwrap();
        assert_eq!(self.range.run(key, complete), Ok(first.clone()));
        let Outcome::Completed { version, etag, size, .. } = first else { panic!() };
        assert_eq!(size, 6 * parts as u64);
        self.model.add(key, Version { name: version, object: Some((etag, size)) }, versioning);
    }

    fn check(&mut self, page: u32) {
        assert_eq!(self.range.usage(), self.model.usage());
        let mut expected = Vec::new();
        for (key, versions) in &self.model.keys {
            for (at, version) in versions.iter().enumerate() {
                expected.push(((*key).to_owned(), version.clone(), at == 0));
                let (record, payload) = self.range.get(key, Some(version.name)).unwrap();
                assert_eq!(&seen(&record), version);
                if let VersionRecord::Object(object) = &record
                    && let Content::Whole(Data::Inline { len, .. }) = object.content
                {
                    assert_eq!(etag(std::str::from_utf8(&payload.unwrap()).unwrap()), object.etag);
                    assert_eq!(u64::from(len), object.size);
                }
            }
            let newest = self.range.get(key, None).map(|(record, _)| seen(&record));
            assert_eq!(newest.as_ref(), versions.first());
        }
        assert_eq!(all_versions(&self.range, page), expected);
        let current: Vec<&str> = self
            .model
            .keys
            .iter()
            .filter(|(_, versions)| versions.first().is_some_and(|newest| newest.object.is_some()))
            .map(|(key, _)| *key)
            .collect();
        let Answer::List(listed) = self.range.query(&Query::List(list_all())) else { panic!() };
        let listed: Vec<&str> = listed.entries.iter().map(key_of).collect();
        assert_eq!(listed, current);
    }
}

fn seen(record: &VersionRecord) -> Version {
    let object = match record {
        VersionRecord::Object(object) => Some((object.etag, object.size)),
        VersionRecord::DeleteMarker { .. } => None,
    };
    Version { name: record.version(), object }
}

fn key_of<T>(entry: &Entry<T>) -> &str {
    match entry {
        Entry::Row(key, _) => key.as_str(),
        Entry::CommonPrefix(_) => panic!(),
    }
}

fn all_versions(range: &Range, page: u32) -> Vec<(String, Version, bool)> {
    let (mut after, mut after_version, mut all) = (Bytes::new(), None, Vec::new());
    loop {
        let list = ListQuery { after, limit: page, ..list_all() };
        let Answer::ListVersions(page) = range.query(&Query::ListVersions { list, after_version }) else { panic!() };
        for entry in &page.entries {
            let Entry::Row(key, (record, newest)) = entry else { panic!() };
            all.push((key.as_str().to_owned(), seen(record), *newest));
        }
        if !page.truncated {
            return all;
        }
        let (key, version, _) = all.last().unwrap();
        (after, after_version) = (Bytes::copy_from_slice(key.as_bytes()), Some(version.name));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn versions_are_as_s3_says(
        from in prop::sample::select(vec![Versioning::Off, Versioning::Enabled]),
        steps in prop::collection::vec(step(), 1..40),
        page in 1u32..5,
    ) {
        let mut world = World { range: Range::new(from), model: ObjectModel::default(), blobs: 0 };
        for step in &steps {
            world.take(step);
            world.check(page);
        }
    }

    #[test]
    fn deleting_every_version_leaves_an_empty_bucket(
        from in prop::sample::select(vec![Versioning::Off, Versioning::Enabled]),
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let mut world = World { range: Range::new(from), model: ObjectModel::default(), blobs: 0 };
        steps.iter().for_each(|step| world.take(step));
        for (key, version, _) in all_versions(&world.range, 1000) {
            world.range.delete(&key, Some(version.name)).unwrap();
        }
        prop_assert_eq!(world.range.usage(), Usage::default());
        world.range.now_us += 7_200_000_000;
        let Answer::Reap(due) = world.range.query(&Query::Reap { now_ms: u64::MAX, limit: 10_000 }) else { panic!() };
        for (row, ..) in due {
            world.range.run("any", Command::Reaped { row }).unwrap();
        }
        let Answer::Blobs(named, None) = world.range.query(&Query::Blobs { after: None, limit: 10_000 }) else {
            panic!()
        };
        prop_assert_eq!(named, vec![]);
        // What is left are rules, names of buckets, counters, watermarks and commits.
        let view = world.range.store.view();
        let mut rows = view.scan(Bound::Unbounded, Bound::Unbounded, false);
        while let Some((row, _)) = rows.next().unwrap() {
            prop_assert!([0x10, 0x12, 0x50, 0x51, 0x52].contains(&row[0]), "row {:?} is left", row);
        }
    }

    /// Commands of several keys evaluated against the same rows leave the same rows applied together,
    /// apart, or in the other order: latches are per key.
    #[test]
    fn effects_of_different_keys_commute(
        steps in prop::collection::vec(step(), 0..20),
        bodies in prop::collection::vec(prop::option::of(0..BODIES.len()), KEYS.len()),
    ) {
        let mut world = World { range: Range::new(Versioning::Enabled), model: ObjectModel::default(), blobs: 0 };
        steps.iter().for_each(|step| world.take(step));
        let mut effects = Vec::new();
        for (key, body) in KEYS.iter().zip(bodies) {
            let none = Precondition::default();
            let command = body.map_or_else(|| delete(None, none.clone()), |body| put(BODIES[body], none.clone()));
            let request = world.range.request(key, command);
            if let Evaluated::Propose { effect, .. } =
                evaluate(&*world.range.store.view(), &request, world.range.now_us).unwrap()
            {
                effects.push(effect);
            }
        }
        let (together, apart, reversed) = (MemoryStore::new(), MemoryStore::new(), MemoryStore::new());
        for store in [&together, &apart, &reversed] {
            copy_rows(&world.range.store, store);
        }
        together.apply(&apply(&*together.view(), &effects).unwrap()).unwrap();
        for effect in &effects {
            apart.apply(&apply(&*apart.view(), std::slice::from_ref(effect)).unwrap()).unwrap();
        }
        for effect in effects.iter().rev() {
            reversed.apply(&apply(&*reversed.view(), std::slice::from_ref(effect)).unwrap()).unwrap();
        }
        prop_assert_eq!(all_rows(&together), all_rows(&apart));
        prop_assert_eq!(all_rows(&together), all_rows(&reversed));
    }

    /// Replicas apply the same effects, cut into other batches.
    #[test]
    fn counters_are_the_same_however_effects_are_cut_into_batches(
        changes in prop::collection::vec((0..2u8, -2..3i64), 0..12),
        cuts in prop::collection::vec(any::<bool>(), 12),
    ) {
        let effect = |(account, objects): &(u8, i64)| {
            let (subject, class) = (Subject::Account(account.to_string().into()), "".into());
            let delta = Usage { objects: *objects, ..Usage::default() };
            Effect { usage: vec![UsageDelta { subject, class, delta }], ..Effect::default() }
        };
        let effects: Vec<Effect> = changes.iter().map(effect).collect();
        let (together, apart, cut) = (MemoryStore::new(), MemoryStore::new(), MemoryStore::new());
        together.apply(&apply(&*together.view(), &effects).unwrap()).unwrap();
        for effect in &effects {
            apart.apply(&apply(&*apart.view(), std::slice::from_ref(effect)).unwrap()).unwrap();
        }
        let mut numbered = effects.iter().zip(&cuts).peekable();
        while numbered.peek().is_some() {
            let mut batch = Vec::new();
            for (effect, is_last) in numbered.by_ref() {
                batch.push(effect.clone());
                if *is_last {
                    break;
                }
            }
            cut.apply(&apply(&*cut.view(), &batch).unwrap()).unwrap();
        }
        prop_assert_eq!(all_rows(&together), all_rows(&apart));
        prop_assert_eq!(all_rows(&together), all_rows(&cut));
    }

    #[test]
    fn evaluating_twice_gives_the_same_rows(steps in prop::collection::vec(step(), 1..20), body in 0..BODIES.len()) {
        let mut world = World { range: Range::new(Versioning::Enabled), model: ObjectModel::default(), blobs: 0 };
        steps.iter().for_each(|step| world.take(step));
        let request = world.range.request(KEYS[0], put(BODIES[body], Precondition::default()));
        let view = world.range.store.view();
        let once = evaluate(&*view, &request, world.range.now_us).unwrap();
        let proposed = matches!(once, Evaluated::Propose { .. });
        prop_assert!(proposed);
        prop_assert_eq!(once, evaluate(&*view, &request, world.range.now_us).unwrap());
    }
}

fn all_rows(store: &MemoryStore) -> Vec<couronne_metadata::store::Row> {
    let view = store.view();
    let mut cursor = view.scan(Bound::Unbounded, Bound::Unbounded, false);
    std::iter::from_fn(|| cursor.next().unwrap()).collect()
}

fn copy_rows(from: &MemoryStore, to: &MemoryStore) {
    let mut batch = Batch::default();
    all_rows(from).into_iter().for_each(|(key, value)| batch.put(key, value));
    to.apply(&batch).unwrap();
}

fn bytes(len: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!['a', 'b', '/', '\0', 'é']), 0..len)
        .prop_map(|chars| chars.into_iter().collect())
}

/// The listing as it is defined, over all keys in order.
fn naive(keys: &[String], list: &ListQuery) -> Vec<String> {
    let mut keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
    keys.sort_unstable();
    keys.dedup();
    if list.reverse {
        keys.reverse();
    }
    let follows = |key: &[u8], bound: &[u8]| if list.reverse { key < bound } else { key > bound };
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for key in keys {
        let Some(rest) = key.strip_prefix(&list.prefix[..]) else { continue };
        let at = rest.windows(list.delimiter.len().max(1)).position(|window| *window == list.delimiter[..]);
        let rolled = at.map(|at| &key[..list.prefix.len() + at + list.delimiter.len()]);
        let told = !list.after.is_empty()
            && (!follows(key, &list.after) || rolled.is_some_and(|rolled| list.after.starts_with(rolled)));
        let past = !list.before.is_empty() && !follows(&list.before, key);
        if told || past {
            continue;
        }
        let entry = rolled.map_or_else(|| key.to_vec(), |rolled| [rolled, b"*"].concat());
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    entries.into_iter().map(|entry| String::from_utf8(entry).unwrap()).collect()
}

fn listed(range: &Range, list: &ListQuery) -> (Vec<String>, bool) {
    let Answer::List(page) = range.query(&Query::List(list.clone())) else { panic!() };
    let names = page.entries.iter().map(|entry| match entry {
        Entry::Row(key, _) => key.as_str().to_owned(),
        Entry::CommonPrefix(prefix) => format!("{}*", std::str::from_utf8(prefix).unwrap()),
    });
    (names.collect(), page.truncated)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_listing_is_what_it_is_defined_to_be(
        keys in prop::collection::vec(bytes(6).prop_filter("a key has a byte", |key| !key.is_empty()), 0..30),
        (prefix, delimiter, after, before) in (bytes(3), bytes(3), bytes(4), bytes(4)),
        reverse: bool,
        page in 1u32..6,
    ) {
        let mut range = Range::new(Versioning::Off);
        for key in &keys {
            range.put(key, "x").unwrap();
        }
        let list = ListQuery {
            prefix: prefix.into(),
            delimiter: delimiter.into(),
            after: after.into(),
            before: before.into(),
            reverse,
            limit: 1000,
        };
        let expected = naive(&keys, &list);
        prop_assert_eq!(listed(&range, &list), (expected.clone(), false));
        let (mut paged, mut list) = (Vec::new(), ListQuery { limit: page, ..list });
        loop {
            let (names, truncated) = listed(&range, &list);
            paged.extend(names);
            if !truncated {
                break;
            }
            let last: &String = paged.last().unwrap();
            list.after = Bytes::copy_from_slice(last.strip_suffix('*').unwrap_or(last).as_bytes());
        }
        prop_assert_eq!(paged, expected);
    }
}
