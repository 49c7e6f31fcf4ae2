//! What metadata costs without disks and replicas: a put evaluated and applied, a page of a listing.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a bench may fail")]

use bytes::Bytes;
use couronne_metadata::answer::answer;
use couronne_metadata::apply::apply;
use couronne_metadata::command::{Command, CommandRequest, NewData, Precondition};
use couronne_metadata::evaluate::{Evaluated, evaluate};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey};
use couronne_metadata::memory::MemoryStore;
use couronne_metadata::query::{ListQuery, Query};
use couronne_metadata::record::{Attributes, BucketRules, BucketState, Etag, Versioning};
use couronne_metadata::store::Store;
use couronne_placement::{PolicyId, ResidencyClass};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// The time of all commands, in microseconds since 1970.
const NOW_US: u64 = 1_800_000_000_000_000;
/// The rules version of the bucket.
const RULES_VERSION: u64 = 1;

fn bucket() -> BucketId {
    BucketId::new(ResidencyClass(0), [7; 4], "b")
}

fn request(number: u64, key: String, rules_version: u64, command: Command) -> CommandRequest {
    let mut random = [0; 10];
    random.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    CommandRequest {
        commit: CommitId::new(NOW_US / 1000, random),
        deadline_ms: NOW_US / 1000 + 60_000,
        bucket: bucket(),
        rules_version,
        key: ObjectKey::new(key).unwrap(),
        command,
        seen: None,
        is_repeat: false,
    }
}

fn put(number: u64) -> CommandRequest {
    let command = Command::Put {
        data: NewData::Inline(Bytes::from_static(&[7; 4096]), 0),
        size: 4096,
        etag: Etag { digest: [7; 16], parts: None },
        checksum: None,
        attributes: Attributes { owner: "owner".into(), ..Attributes::default() },
        condition: Precondition::default(),
    };
    request(number, format!("folder-{}/object-{number:010}", number % 16), RULES_VERSION, command)
}

fn execute(store: &MemoryStore, request: &CommandRequest) {
    match evaluate(&*store.view(), request, NOW_US).unwrap() {
        Evaluated::Propose { effect, .. } => {
            let batch = apply(&*store.view(), &[effect]).unwrap();
            store.apply(&batch).unwrap();
        }
        _ => panic!("the command was not proposed"),
    }
}

/// A range with one live bucket and `objects` objects.
fn range(objects: u64) -> MemoryStore {
    let store = MemoryStore::new();
    let rules = BucketRules {
        version: RULES_VERSION,
        state: BucketState::Live,
        versioning: Versioning::Off,
        object_lock: None,
        policy: PolicyId(0),
        account: "account".into(),
        quota: None,
        extra: Vec::new(),
    };
    execute(&store, &request(u64::MAX, "rules".to_owned(), 0, Command::PutRules { name: "b".into(), rules }));
    (0..objects).for_each(|number| execute(&store, &put(number)));
    store
}

fn write(criterion: &mut Criterion) {
    let store = range(1_000);
    let mut number = 1_000;
    criterion.bench_function("evaluate and apply a put of 4 KiB, in memory", |bencher| {
        bencher.iter(|| {
            number += 1;
            execute(&store, &put(number));
        });
    });
}

fn list(criterion: &mut Criterion) {
    let store = range(10_000);
    let query = Query::List(ListQuery { limit: 1_000, ..ListQuery::default() });
    let mut group = criterion.benchmark_group("listing");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("a page of 1,000 keys, in memory", |bencher| {
        bencher.iter(|| answer(&*store.view(), bucket(), Some(RULES_VERSION), &query, NOW_US).unwrap());
    });
    group.finish();
}

criterion_group!(benches, write, list);
criterion_main!(benches);
