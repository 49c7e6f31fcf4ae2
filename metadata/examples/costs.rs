//! What the hot paths cost: evaluating and applying small puts, and pages of a listing, over both stores.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement, run by hand")]

use bytes::Bytes;
use couronne_metadata::answer::answer;
use couronne_metadata::apply::apply;
use couronne_metadata::command::{Command, CommandRequest, NewData, Precondition};
use couronne_metadata::effect::Effect;
use couronne_metadata::evaluate::{Evaluated, evaluate};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey};
use couronne_metadata::memory::MemoryStore;
use couronne_metadata::query::{Answer, Entry, ListQuery, Query};
use couronne_metadata::record::{Attributes, BucketRules, BucketState, Etag, Versioning};
use couronne_metadata::rocks::{RocksDrive, RocksSettings};
use couronne_metadata::store::Store;
use couronne_placement::{PolicyId, ResidencyClass};

const NOW_US: u64 = 1_800_000_000_000_000;
const KEYS: u64 = 200_000;

/// CPU seconds of this thread, of Linux.
fn cpu_seconds() -> f64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    spent.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn main() {
    println!("memory");
    measure(&MemoryStore::new());
    let folder = tempfile::tempdir().unwrap();
    let drive = RocksDrive::open(folder.path(), &RocksSettings::default()).unwrap();
    println!("rocks");
    measure(&drive.store("range").unwrap());
}

fn request(number: u64, command: Command) -> CommandRequest {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    CommandRequest {
        commit: CommitId::new(NOW_US / 1000, random),
        deadline_ms: u64::MAX,
        bucket: BucketId::new(ResidencyClass(0), [7; 4], "b"),
        rules_version: if number == 0 { 0 } else { 1 },
        key: ObjectKey::new(format!("some/folder/object-{number:09}")).unwrap(),
        command,
        seen: None,
        is_repeat: false,
    }
}

fn put() -> Command {
    Command::Put {
        data: NewData::Inline(Bytes::from_static(&[1; 4096]), 7),
        size: 4096,
        etag: Etag { digest: [3; 16], parts: None },
        checksum: None,
        attributes: Attributes {
            headers: vec![("content-type".into(), Bytes::from_static(b"application/octet-stream"))],
            metadata: vec![("mtime".into(), Bytes::from_static(b"1699999999"))],
            owner: "0123456789abcdef0123456789abcdef".into(),
            ..Attributes::default()
        },
        condition: Precondition::default(),
    }
}

fn execute(store: &dyn Store, request: &CommandRequest) -> (Effect, u64) {
    let view = store.view();
    match evaluate(&*view, request, NOW_US).unwrap() {
        Evaluated::Propose { effect, .. } => (effect, 0),
        _ => (Effect::default(), 1),
    }
}

fn measure(store: &dyn Store) {
    let rules = BucketRules {
        version: 1,
        state: BucketState::Live,
        versioning: Versioning::Off,
        object_lock: None,
        policy: PolicyId(0),
        account: "account".into(),
        quota: None,
        extra: Vec::new(),
    };
    let (effect, _) = execute(store, &request(0, Command::PutRules { name: "b".into(), rules }));
    store.apply(&apply(&*store.view(), &[effect]).unwrap()).unwrap();

    let (mut evaluating, mut coding, mut applying, mut writing) = (0.0, 0.0, 0.0, 0.0);
    for batch in 0..KEYS / 16 {
        let at = cpu_seconds();
        let effects: Vec<Effect> = (0..16).map(|one| execute(store, &request(batch * 16 + one + 1, put())).0).collect();
        evaluating += cpu_seconds() - at;
        let at = cpu_seconds();
        let entries: Vec<Bytes> = effects.iter().map(Effect::encode).collect();
        let effects: Vec<Effect> = entries.iter().map(|entry| Effect::decode(entry).unwrap()).collect();
        coding += cpu_seconds() - at;
        let at = cpu_seconds();
        let batch = apply(&*store.view(), &effects).unwrap();
        applying += cpu_seconds() - at;
        let at = cpu_seconds();
        store.apply(&batch).unwrap();
        writing += cpu_seconds() - at;
    }
    let us = |seconds: f64| seconds * 1e6 / KEYS as f64;
    println!(
        "  per 4 KiB put, us: evaluate {:.2}, encode and decode {:.2}, apply {:.2}, store {:.2}",
        us(evaluating),
        us(coding),
        us(applying),
        us(writing)
    );
    store.flush().unwrap();
    walk(store);
}

fn walk(store: &dyn Store) {
    let bucket = BucketId::new(ResidencyClass(0), [7; 4], "b");
    let (mut after, mut keys, mut pages) = (Bytes::new(), 0, 0);
    let at = cpu_seconds();
    loop {
        let query = Query::List(ListQuery {
            prefix: Bytes::new(),
            delimiter: Bytes::new(),
            after: after.clone(),
            before: Bytes::new(),
            reverse: false,
            limit: 1000,
        });
        let Answer::List(page) = answer(&*store.view(), bucket, Some(1), &query, NOW_US).unwrap() else { return };
        keys += page.entries.len();
        pages += 1;
        if let Some(Entry::Row(key, _)) = page.entries.last() {
            after = key.as_bytes().clone();
        }
        if !page.truncated {
            break;
        }
    }
    println!("  per page of 1,000 keys, ms: {:.3} ({keys} keys)", (cpu_seconds() - at) * 1e3 / f64::from(pages));
}
