//! Both stores against one model, and what each keeps of a crash.
#![allow(clippy::disallowed_methods, reason = "copies a database's folder as a crash would leave it")]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;
use couronne_metadata::memory::MemoryStore;
use couronne_metadata::rocks::{RocksDrive, RocksSettings};
use couronne_metadata::store::{Batch, Store, StoreError};
use proptest::prelude::*;

type RowModel = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum StoreStep {
    Apply(Vec<Change>),
    Flush,
    Wipe,
    Crash(u64),
}

#[derive(Clone, Debug)]
enum Change {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

/// Keys over few bytes, so that they collide and begin one another.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0u8, 1, b'a', b'b', 0xff]), 1..4)
}

/// Small values, and some of the size that RocksDB keeps beside its tree.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => prop::collection::vec(any::<u8>(), 0..4), 1 => (any::<u8>(), 1000..1100usize).prop_map(|(byte, len)| vec![byte; len])]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (key(), value()).prop_map(|(key, value)| Change::Put(key, value)),
        2 => key().prop_map(Change::Delete),
        1 => (key(), key()).prop_map(|(start, end)| Change::DeleteRange(start, end)),
    ]
}

fn step() -> impl Strategy<Value = StoreStep> {
    prop_oneof![
        12 => prop::collection::vec(change(), 0..5).prop_map(StoreStep::Apply),
        2 => Just(StoreStep::Flush),
        1 => Just(StoreStep::Wipe),
        2 => any::<u64>().prop_map(StoreStep::Crash),
    ]
}

fn batch(changes: &[Change]) -> Batch {
    let mut batch = Batch::default();
    for change in changes {
        match change.clone() {
            Change::Put(key, value) => batch.put(key, value),
            Change::Delete(key) => batch.delete(key),
            Change::DeleteRange(start, end) => batch.delete_range(start, end),
        }
    }
    batch
}

fn apply(model: &mut RowModel, changes: &[Change]) {
    for change in changes.iter().cloned() {
        match change {
            Change::Put(key, value) => drop(model.insert(key, value)),
            Change::Delete(key) => drop(model.remove(&key)),
            Change::DeleteRange(start, end) => model.retain(|key, _| *key < start || *key >= end),
        }
    }
}

fn rows(store: &dyn Store) -> RowModel {
    let view = store.view();
    let mut cursor = view.scan(Bound::Unbounded, Bound::Unbounded, false);
    let mut rows = RowModel::new();
    while let Some((key, value)) = cursor.next().unwrap() {
        rows.insert(key.to_vec(), value.to_vec());
    }
    rows
}

/// A walk with seeks gives what the same walk over the model gives.
fn check_walk(
    store: &dyn Store,
    model: &RowModel,
    bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    reverse: bool,
    seeks: &[Vec<u8>],
) {
    let view = store.view();
    let slice = |bound: &Bound<Vec<u8>>| bound.clone();
    let (start, end) = (slice(&bounds.0), slice(&bounds.1));
    let mut cursor = view.scan(start.as_ref().map(|key| &key[..]), end.as_ref().map(|key| &key[..]), reverse);
    let mut left: Vec<(Vec<u8>, Vec<u8>)> = model
        .iter()
        .filter(|(key, _)| match &start {
            Bound::Included(start) => *key >= start,
            Bound::Excluded(start) => *key > start,
            Bound::Unbounded => true,
        })
        .filter(|(key, _)| match &end {
            Bound::Included(end) => *key <= end,
            Bound::Excluded(end) => *key < end,
            Bound::Unbounded => true,
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if reverse {
        left.reverse();
    }
    let mut left = left.into_iter().peekable();
    let mut seeks = seeks.iter();
    loop {
        let expected = left.next();
        let found = cursor.next().unwrap().map(|(key, value)| (key.to_vec(), value.to_vec()));
        assert_eq!(found, expected);
        if expected.is_none() {
            return;
        }
        if let Some(to) = seeks.next() {
            cursor.seek(to).unwrap();
            while left.next_if(|(key, _)| if reverse { key > to } else { key < to }).is_some() {}
        }
    }
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![key().prop_map(Bound::Included), key().prop_map(Bound::Excluded), Just(Bound::Unbounded)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn memory_is_a_map_and_a_crash_leaves_a_prefix(steps in prop::collection::vec(step(), 0..30)) {
        let store = MemoryStore::new();
        let mut history = vec![RowModel::new()];
        for step in steps {
            match step {
                StoreStep::Apply(changes) => {
                    store.apply(&batch(&changes)).unwrap();
                    let mut next = history.last().unwrap().clone();
                    apply(&mut next, &changes);
                    history.push(next);
                }
                StoreStep::Flush => {
                    store.flush().unwrap();
                    history = vec![history.pop().unwrap()];
                }
                StoreStep::Wipe => {
                    store.wipe().unwrap();
                    history = vec![RowModel::new()];
                }
                StoreStep::Crash(seed) => {
                    store.crash(seed);
                    let survived = rows(&store);
                    prop_assert!(history.contains(&survived));
                    history = vec![survived];
                }
            }
            prop_assert_eq!(&rows(&store), history.last().unwrap());
        }
    }

    #[test]
    fn walks_and_seeks_agree(
        changes in prop::collection::vec(change(), 0..60),
        walks in prop::collection::vec((bound(), bound(), any::<bool>(), prop::collection::vec(key(), 0..5)), 1..8),
    ) {
        let memory = MemoryStore::new();
        memory.apply(&batch(&changes)).unwrap();
        let mut model = RowModel::new();
        apply(&mut model, &changes);
        for (start, end, reverse, seeks) in &walks {
            check_walk(&memory, &model, (start.clone(), end.clone()), *reverse, seeks);
        }
    }
}

fn open(folder: &Path) -> RocksDrive {
    let settings = RocksSettings { write_buffer_bytes: 1 << 20, ..RocksSettings::default() };
    RocksDrive::open(folder, &settings).unwrap()
}

/// The folder as a kill at this moment leaves it.
fn crash_image(from: &Path) -> tempfile::TempDir {
    loop {
        let to = tempfile::tempdir().unwrap();
        match copy_files(from, to.path()) {
            Ok(()) => return to,
            // The database is done with a file and removed it: what was copied is of no single moment.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name() != "LOCK" {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn rocks_is_a_map_and_a_kill_leaves_a_prefix(
        steps in prop::collection::vec(step(), 0..20),
        walks in prop::collection::vec((bound(), bound(), any::<bool>(), prop::collection::vec(key(), 0..5)), 1..8),
    ) {
        let mut folder = tempfile::tempdir().unwrap();
        let mut drive = open(folder.path());
        let mut store = drive.store("range 1").unwrap();
        let other = drive.store("range 2").unwrap();
        let mut untouched = Batch::default();
        untouched.put("other", "store");
        other.apply(&untouched).unwrap();
        other.flush().unwrap();
        drop(other);
        let mut history = vec![RowModel::new()];
        for step in steps {
            match step {
                StoreStep::Apply(changes) => {
                    store.apply(&batch(&changes)).unwrap();
                    let mut next = history.last().unwrap().clone();
                    apply(&mut next, &changes);
                    history.push(next);
                }
                StoreStep::Flush => {
                    store.flush().unwrap();
                    prop_assert_eq!(store.unflushed_bytes(), 0);
                    history = vec![history.pop().unwrap()];
                }
                StoreStep::Wipe => {
                    store.wipe().unwrap();
                    history = vec![RowModel::new()];
                }
                StoreStep::Crash(_) => {
                    let image = crash_image(folder.path());
                    drop((store, drive));
                    folder = image;
                    drive = open(folder.path());
                    store = drive.store("range 1").unwrap();
                    let survived = rows(&store);
                    prop_assert!(history.contains(&survived));
                    history = vec![survived];
                }
            }
            prop_assert_eq!(&rows(&store), history.last().unwrap());
        }
        for (start, end, reverse, seeks) in &walks {
            check_walk(&store, history.last().unwrap(), (start.clone(), end.clone()), *reverse, seeks);
        }
        let other = drive.store("range 2").unwrap();
        prop_assert_eq!(rows(&other).len(), 1);
        let mut names = drive.stores();
        names.sort();
        prop_assert_eq!(names, vec!["range 1", "range 2"]);
    }
}

#[test]
fn a_view_does_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let drive = open(folder.path());
    let (memory, rocks) = (MemoryStore::new(), drive.store("range").unwrap());
    let stores: [&dyn Store; 2] = [&memory, &rocks];
    for store in stores {
        let mut first = Batch::default();
        first.put("a", "1");
        store.apply(&first).unwrap();
        let view = store.view();
        let mut second = Batch::default();
        second.put("a", "2");
        second.put("b", "2");
        store.apply(&second).unwrap();
        assert_eq!(view.get(b"a").unwrap(), Some(Bytes::from_static(b"1")));
        assert_eq!(view.get(b"b").unwrap(), None);
        assert_eq!(store.view().get(b"a").unwrap(), Some(Bytes::from_static(b"2")));
    }
}

#[test]
fn a_dropped_store_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let drive = open(folder.path());
    let store = drive.store("range").unwrap();
    let mut some = Batch::default();
    some.put("a", "1");
    store.apply(&some).unwrap();
    store.flush().unwrap();
    drive.drop_store("range").unwrap();
    assert!(store.apply(&some).is_err());
    assert!(store.view().get(b"a").is_err());
    assert!(drive.stores().is_empty());
    assert!(rows(&drive.store("range").unwrap()).is_empty());
}

#[test]
fn what_rots_in_memory_is_told_until_it_is_written_again() {
    let put = |store: &MemoryStore, key: &'static str, value: &'static str| {
        let mut batch = Batch::default();
        batch.put(key, value);
        store.apply(&batch).unwrap();
    };
    let is_rotten =
        |store: &MemoryStore, key: &str| matches!(store.view().get(key.as_bytes()), Err(StoreError::Rotten(_)));
    let store = MemoryStore::new();
    assert_eq!(store.rot(0, 9, false), 0, "nothing is on the medium");
    ["a", "b", "c", "d"].into_iter().for_each(|key| put(&store, key, "1"));
    store.flush().unwrap();
    put(&store, "b", "2");
    assert_eq!(store.rot(1, 3, true), 3);
    // Memory has them; the medium gives only what was not written since.
    assert!(!["a", "b", "c", "d"].into_iter().any(|key| is_rotten(&store, key)));
    let medium = store.view_on_medium();
    assert!(medium.get(b"a").is_ok() && medium.get(b"b").is_ok() && medium.get(b"c").is_err());
    assert!(medium.scan(Bound::Unbounded, Bound::Unbounded, true).next().is_err());
    drop(medium);
    // What was not flushed is lost, and what was is rotten.
    store.crash(0);
    assert!(is_rotten(&store, "b") && is_rotten(&store, "d") && !is_rotten(&store, "a"));
    assert!(matches!(store.view_in_memory().get(b"d"), Err(StoreError::NotInMemory)));
    put(&store, "b", "3");
    assert!(!is_rotten(&store, "b") && is_rotten(&store, "c"));
    assert_eq!(store.rotten_rows(), 2);
    store.wipe().unwrap();
    assert!(!is_rotten(&store, "c"));
}
