//! A range that loses its unflushed suffix and applies its log again: the same rows, and a repeated
//! command gets its first result.

use std::ops::Bound;

use crate::support::{Range, blob, delete, put, put_blob};
use bytes::Bytes;
use couronne_metadata::apply::apply;
use couronne_metadata::command::{CommandRequest, Outcome, Precondition, Refusal};
use couronne_metadata::effect::Effect;
use couronne_metadata::evaluate::{Evaluated, evaluate};
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::memory::MemoryStore;
use couronne_metadata::record::Versioning;
use couronne_metadata::store::{Row, Store};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum RecoveryStep {
    Put(usize, u64),
    PutBlob(usize, u64),
    Delete(usize),
    Repeat(usize),
    Flush,
    Crash(u64),
}

fn step() -> impl Strategy<Value = RecoveryStep> {
    prop_oneof![
        4 => (0usize..3, any::<u64>()).prop_map(|(key, body)| RecoveryStep::Put(key, body)),
        2 => (0usize..3, any::<u64>()).prop_map(|(key, number)| RecoveryStep::PutBlob(key, number)),
        2 => (0usize..3).prop_map(RecoveryStep::Delete),
        2 => any::<usize>().prop_map(RecoveryStep::Repeat),
        1 => Just(RecoveryStep::Flush),
        2 => any::<u64>().prop_map(RecoveryStep::Crash),
    ]
}

/// A replica: rows, and a log that never forgets.
struct Replica {
    store: MemoryStore,
    log: Vec<Bytes>,
}

impl Replica {
    fn applied(&self) -> usize {
        let row = self.store.view().get(&key::of_range(RowKind::Replica, b"applied")).unwrap();
        row.map_or(0, |row| u64::from_be_bytes(row[..].try_into().unwrap()) as usize)
    }

    /// Applies what the rows do not have yet, with the applied index in the same batch.
    fn catch_up(&self) {
        for (at, entry) in self.log.iter().enumerate().skip(self.applied()) {
            let effect = Effect::decode(entry).unwrap();
            let mut batch = apply(&*self.store.view(), &[effect]).unwrap();
            let applied = (at as u64 + 1).to_be_bytes();
            batch.put(key::of_range(RowKind::Replica, b"applied"), Bytes::copy_from_slice(&applied));
            self.store.apply(&batch).unwrap();
        }
    }

    fn execute(&mut self, request: &CommandRequest, now_us: u64) -> Result<Outcome, Refusal> {
        match evaluate(&*self.store.view(), request, now_us).unwrap() {
            Evaluated::Settled(settled) => settled,
            Evaluated::Propose { effect, outcome, .. } => {
                self.log.push(effect.encode());
                self.catch_up();
                outcome
            }
        }
    }

    fn rows(&self) -> Vec<Row> {
        let view = self.store.view();
        let mut cursor = view.scan(Bound::Unbounded, Bound::Unbounded, false);
        std::iter::from_fn(|| cursor.next().unwrap()).collect()
    }
}

proptest! {
    #[test]
    fn a_crash_forgets_nothing_that_the_log_has(
        versioning in prop::sample::select(vec![Versioning::Off, Versioning::Enabled, Versioning::Suspended]),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut range = Range::new(versioning);
        let mut replica = Replica { store: MemoryStore::new(), log: Vec::new() };
        let rules = couronne_metadata::command::Command::PutRules { name: "b".into(), rules: range.rules.clone() };
        let first = CommandRequest { rules_version: 0, ..range.request("any", rules) };
        replica.execute(&first, range.now_us).unwrap();
        let mut done: Vec<(CommandRequest, Outcome)> = Vec::new();
        for step in steps {
            range.now_us += 1000;
            let key = |at: usize| ["a", "b", "c"][at];
            let (at, command) = match step {
                RecoveryStep::Put(at, body) => (at, put(&body.to_string(), Precondition::default())),
                RecoveryStep::PutBlob(at, number) => {
                    let blob = blob(key(at), range.now_us / 1000, number, 1 << 20);
                    (at, put_blob(blob, u8::from(number % 2 == 0)))
                }
                RecoveryStep::Delete(at) => (at, delete(None, Precondition::default())),
                RecoveryStep::Repeat(at) => {
                    if let Some((request, outcome)) = done.get(at.checked_rem(done.len()).unwrap_or(0)) {
                        prop_assert_eq!(&replica.execute(request, range.now_us).unwrap(), outcome);
                    }
                    continue;
                }
                RecoveryStep::Flush => {
                    replica.store.flush().unwrap();
                    continue;
                }
                RecoveryStep::Crash(seed) => {
                    replica.store.crash(seed);
                    replica.catch_up();
                    continue;
                }
            };
            let request = range.request(key(at), command);
            let before = replica.log.len();
            let outcome = replica.execute(&request, range.now_us).unwrap();
            if replica.log.len() > before {
                done.push((request, outcome));
            }
        }
        let never_crashed = Replica { store: MemoryStore::new(), log: replica.log.clone() };
        never_crashed.catch_up();
        prop_assert_eq!(replica.rows(), never_crashed.rows());
    }
}
