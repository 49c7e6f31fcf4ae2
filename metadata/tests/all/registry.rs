//! The registry: which row follows from which, and what a gateway that means ill makes of rows and rules, however its
//! commands and those of honest gateways come between each other's.

use crate::support::{BEGIN_US, Range, commit_id, object_key, put};
use bytes::Bytes;
use couronne_base::codec;
use couronne_metadata::answer::answer;
use couronne_metadata::command::{Command, CommandRequest, Expect, InvalidReason, Precondition, Refusal};
use couronne_metadata::evaluate::registry::{self, Premise};
use couronne_metadata::ids::{BucketId, ObjectKey, Ordinal};
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::query::{Answer, Query, RulesRow, SystemRow};
use couronne_metadata::record::{BucketEntry, BucketRules, BucketState, Versioning};
use couronne_metadata::store::Store;
use couronne_placement::{PolicyId, ResidencyClass};
use proptest::prelude::*;

#[test]
fn a_registry_row_follows_from_the_one_before_and_goes_only_once_the_bucket_was_dropped() {
    let mut range = Range::new(Versioning::Off);
    let rules =
        BucketRules { version: 1, state: BucketState::Creating, object_lock: Some(None), ..range.rules.clone() };
    let created = entry(range.bucket, rules);
    range.bucket = BucketId::SYSTEM;
    let in_state = |version, state| BucketEntry {
        rules: BucketRules { version, state, ..created.rules.clone() },
        // Each change of the rules may come with one of the documents.
        documents: if version == 1 { Vec::new() } else { vec![document(version)] },
        ..created.clone()
    };
    let write = |range: &mut Range, entry: Option<&BucketEntry>| {
        range.run("bucket/b", Command::SystemWrite { expect: Expect::Any, value: entry.map(codec::encode) })
    };
    let no_step = Err(Refusal::Invalid(InvalidReason::NoStep));
    assert_eq!(write(&mut range, Some(&in_state(1, BucketState::Live))), no_step);
    assert_eq!(write(&mut range, Some(&in_state(u64::MAX, BucketState::Creating))), no_step);
    let another = Command::SystemWrite { expect: Expect::Any, value: Some(codec::encode(&created)) };
    assert_eq!(range.run("bucket/another", another), no_step, "the id belongs to one name");
    write(&mut range, Some(&created)).unwrap();
    let steps = [
        (1, BucketState::Live),
        (2, BucketState::Live),
        (3, BucketState::Deleting),
        (4, BucketState::Live),
        (5, BucketState::Deleting),
        (5, BucketState::Dropping),
    ];
    let mut known = 1;
    for (version, state) in steps {
        let next = in_state(version, state);
        let garbage = Command::SystemWrite { expect: Expect::Any, value: Some(Bytes::from_static(b"garbage")) };
        assert_eq!(range.run("bucket/b", garbage), no_step);
        assert_eq!(write(&mut range, None), no_step, "before {state:?}");
        for other in [
            in_state(version + 2, state),
            in_state(u64::MAX, state),
            BucketEntry { id: BucketId::new(ResidencyClass(0), [8; 4], "b"), ..next.clone() },
            BucketEntry { account: "another".into(), ..next.clone() },
            BucketEntry { created: Ordinal(2), ..next.clone() },
            BucketEntry { rules: BucketRules { object_lock: None, ..next.rules.clone() }, ..next.clone() },
            BucketEntry { rules: BucketRules { policy: PolicyId(9), ..next.rules.clone() }, ..next.clone() },
            BucketEntry {
                documents: vec![(1, vec![0; BucketEntry::DOCUMENTS_BYTES_MAX].into()), (2, Bytes::from_static(b"x"))],
                ..next.clone()
            },
        ] {
            assert_eq!(write(&mut range, Some(&other)), no_step, "{other:?}");
        }
        if version == known {
            let rules = BucketRules { versioning: Versioning::Suspended, ..next.rules.clone() };
            let other = BucketEntry { rules, ..next.clone() };
            assert_eq!(write(&mut range, Some(&other)), no_step, "ranges have the rules by then");
            let other = BucketEntry { documents: vec![document(7)], ..next.clone() };
            assert_eq!(write(&mut range, Some(&other)), no_step, "a document changes with the rules' version");
        }
        write(&mut range, Some(&next)).unwrap();
        known = version;
    }
    assert_eq!(write(&mut range, Some(&in_state(6, BucketState::Live))), no_step);
    write(&mut range, None).unwrap();
    write(&mut range, None).unwrap();
}

/// The ranges of a bucket; the first is that of the registry, too.
const RANGES: usize = 2;

/// The names that gateways use; the buckets of the first are honest.
const NAMES: [&str; 2] = ["b", "c"];

/// How many ids the gateway that means ill tries for each name.
const IDS: u8 = 3;

fn id(name: usize, number: u8) -> BucketId {
    BucketId::new(ResidencyClass(0), [number; 4], NAMES[name])
}

fn rules(version: u64, state: BucketState) -> BucketRules {
    // Each version has rules of its own.
    let extra = vec![(64, Bytes::copy_from_slice(&version.to_be_bytes()))];
    BucketRules {
        version,
        state,
        versioning: Versioning::Off,
        object_lock: None,
        policy: PolicyId(0),
        account: "account".into(),
        quota: None,
        extra,
    }
}

fn entry(id: BucketId, rules: BucketRules) -> BucketEntry {
    BucketEntry { id, account: "account".into(), created: Ordinal(1), rules, documents: Vec::new() }
}

fn document(number: u64) -> (u16, Bytes) {
    (1, Bytes::copy_from_slice(&number.to_be_bytes()))
}

/// A command of a gateway, on its way: what its node has read for it so far.
struct Sent {
    range: usize,
    request: CommandRequest,
    stage: Stage,
}

enum Stage {
    Arrived,
    /// Its range and those after it are still to be asked.
    Asking(Premise, usize),
    Checked,
}

/// The rows that a bucket of each name has in all ranges, and the commands that are on their way.
struct RegistryModel {
    ranges: Vec<Range>,
    sent: Vec<Sent>,
    commits: u64,
    /// Ids of the honest gateway's buckets so far.
    created: u8,
}

impl RegistryModel {
    fn new() -> Self {
        let ranges = (0..RANGES).map(|_| Range::empty()).collect();
        Self { ranges, sent: Vec::new(), commits: 0, created: 0 }
    }

    fn row(&self, name: usize) -> Option<SystemRow> {
        let key = registry::key_of(NAMES[name]).unwrap();
        let query = Query::SystemGet { key };
        let answered = answer(&*self.ranges[0].store.view(), BucketId::SYSTEM, None, &query, BEGIN_US).unwrap();
        let Answer::SystemGet(row) = answered else { panic!("{answered:?}") };
        row
    }

    fn entry(&self, name: usize) -> Option<BucketEntry> {
        self.row(name).map(|row| codec::decode(&row.value).unwrap())
    }

    fn found(&self, range: usize, bucket: BucketId) -> RulesRow {
        let query = Query::Rules { key: object_key("any") };
        let answered = answer(&*self.ranges[range].store.view(), bucket, None, &query, BEGIN_US).unwrap();
        let Answer::Rules(found) = answered else { panic!("{answered:?}") };
        found
    }

    fn version(&self, range: usize, bucket: BucketId) -> u64 {
        if let RulesRow::Present(rules) = self.found(range, bucket) { rules.version } else { 0 }
    }

    fn holds_objects(&self, range: usize, bucket: BucketId) -> bool {
        let row = key::of_key(RowKind::Current, bucket, &object_key("k"));
        self.ranges[range].store.view().get(&row).unwrap().is_some()
    }

    fn send(&mut self, range: usize, (bucket, key): (BucketId, ObjectKey), command: Command) -> usize {
        self.commits += 1;
        let request = CommandRequest {
            commit: commit_id(BEGIN_US / 1000, self.commits),
            deadline_ms: u64::MAX,
            bucket,
            rules_version: self.version(range, bucket),
            key,
            command,
            seen: None,
            is_repeat: false,
        };
        self.sent.push(Sent { range, request, stage: Stage::Arrived });
        self.sent.len() - 1
    }

    fn send_rules(&mut self, range: usize, bucket: BucketId, command: Command) -> usize {
        self.send(range, (bucket, object_key("any")), command)
    }

    fn send_row(&mut self, name: usize, expect: Expect, value: Option<&BucketEntry>) -> usize {
        let command = Command::SystemWrite { expect, value: value.map(codec::encode) };
        self.send(0, (BucketId::SYSTEM, registry::key_of(NAMES[name]).unwrap()), command)
    }

    /// The next thing that a node does for a command; what came of it, if that was the last.
    fn go_on(&mut self, at: usize) -> Option<Result<(), Refusal>> {
        let Sent { range, request, stage } = self.sent.remove(at);
        let next = match stage {
            Stage::Arrived => {
                let row = match Premise::row(&request).unwrap() {
                    Some(key) => {
                        self.row(NAMES.iter().position(|name| registry::name_in(&key) == Some(*name)).unwrap())
                    }
                    None => None,
                };
                match Premise::of(&request, row.as_ref()) {
                    Err(refusal) => return Some(Err(refusal)),
                    Ok(Some(premise)) => Stage::Asking(premise, 0),
                    Ok(None) => Stage::Checked,
                }
            }
            Stage::Asking(premise, asked) if asked < RANGES => {
                if !premise.holds(&self.found(asked, premise.bucket())) {
                    return Some(Err(Refusal::Conflict));
                }
                Stage::Asking(premise, asked + 1)
            }
            Stage::Asking(..) | Stage::Checked => {
                self.ranges[range].now_us += 1;
                let done = self.ranges[range].execute(&request).map(drop);
                self.check();
                return Some(done);
            }
        };
        self.sent.insert(at, Sent { range, request, stage: next });
        None
    }

    fn finish(&mut self, at: usize) -> Result<(), Refusal> {
        loop {
            if let Some(done) = self.go_on(at) {
                return done;
            }
        }
    }

    /// What is true after each command.
    fn check(&self) {
        for (name, number) in (0..NAMES.len()).flat_map(|name| (0..=u8::MAX).map(move |number| (name, number))) {
            if number >= IDS.max(self.created) {
                continue;
            }
            let bucket = id(name, number);
            let row = self.entry(name).filter(|row| row.id == bucket).map(|row| row.rules);
            let found: Vec<RulesRow> = (0..RANGES).map(|range| self.found(range, bucket)).collect();
            for (range, found) in found.iter().enumerate() {
                match (found, &row) {
                    (RulesRow::Absent, _) => {}
                    (RulesRow::Dropped, row) => {
                        let is_over = row.as_ref().is_none_or(|row| row.state == BucketState::Dropping);
                        assert!(is_over, "range {range} dropped what lives: {row:?}");
                    }
                    (RulesRow::Present(rules), None) => panic!("range {range} has {rules:?} of no row"),
                    (RulesRow::Present(found), Some(row)) => {
                        assert!(found.version <= row.version, "range {range} has {found:?}, the row {row:?}");
                        assert_eq!(*found, rules(found.version, found.state), "they are the registry's");
                        let is_sealed = found.version == row.version && found.state == BucketState::Deleting;
                        assert!(row.state != BucketState::Dropping || is_sealed, "range {range} has {found:?}");
                    }
                }
                let is_open = row.as_ref().is_some_and(|row| row.state != BucketState::Dropping);
                assert!(is_open || !self.holds_objects(range, bucket), "objects of {name} in range {range}");
            }
        }
    }

    /// The next step of an honest gateway with the first name. Whether there is one.
    fn honest_step(&mut self, wants_deletion: bool) -> bool {
        let Some(row) = self.row(0) else {
            let entry = entry(id(0, self.created), rules(1, BucketState::Creating));
            self.created += 1;
            let at = self.send_row(0, Expect::Absent, Some(&entry));
            let _ = self.finish(at);
            return true;
        };
        let BucketEntry { id: bucket, rules: known, .. } = codec::decode(&row.value).unwrap();
        let lagging = (0..RANGES).find(|range| match (known.state, self.found(*range, bucket)) {
            (BucketState::Dropping, found) => matches!(found, RulesRow::Present(_)),
            (_, found) => !matches!(found, RulesRow::Present(found) if found.version >= known.version),
        });
        let next = |version, state| entry(bucket, rules(version, state));
        let (name, expect) = (NAMES[0].into(), Expect::Version(row.version));
        let at = match (known.state, lagging) {
            (BucketState::Creating | BucketState::Live, Some(range)) => {
                let command = Command::PutRules { name, rules: rules(known.version, BucketState::Live) };
                self.send_rules(range, bucket, command)
            }
            (BucketState::Deleting, Some(range)) => {
                let at = self.send_rules(range, bucket, Command::SealBucket { name, rules: known.clone() });
                if self.finish(at) != Err(Refusal::BucketNotEmpty) {
                    return true;
                }
                self.send_row(0, expect, Some(&next(known.version + 1, BucketState::Live)))
            }
            (BucketState::Dropping, Some(range)) => self.send_rules(range, bucket, Command::DropRules { name }),
            (BucketState::Creating, None) => self.send_row(0, expect, Some(&next(known.version, BucketState::Live))),
            (BucketState::Live, None) if wants_deletion => {
                self.send_row(0, expect, Some(&next(known.version + 1, BucketState::Deleting)))
            }
            (BucketState::Live, None) => return false,
            (BucketState::Deleting, None) => {
                self.send_row(0, expect, Some(&next(known.version, BucketState::Dropping)))
            }
            (BucketState::Dropping, None) => self.send_row(0, expect, None),
        };
        let _ = self.finish(at);
        true
    }
}

/// What happens next.
#[derive(Clone, Debug)]
enum Turn {
    /// An honest gateway takes a step, towards deletion if it is told to.
    Honest(bool),
    /// A client writes an object to the first name's bucket, or deletes it.
    Write(usize, bool),
    /// A node goes on with one of the commands that are on their way.
    GoOn(usize),
    Rules(RulesTurn),
    Row(RowTurn),
}

/// A change of rules by the gateway that means ill.
#[derive(Clone, Debug)]
struct RulesTurn {
    range: usize,
    bucket: (usize, u8),
    name: usize,
    step: u8,
    version: RulesVersion,
}

/// A change of the registry by the gateway that means ill.
#[derive(Clone, Debug)]
struct RowTurn {
    name: usize,
    bucket: (usize, u8),
    version: RulesVersion,
    state: Option<BucketState>,
    expects_any: bool,
}

/// A version by that of the registry row.
#[derive(Clone, Copy, Debug)]
enum RulesVersion {
    Before,
    Same,
    Next,
    Last,
}

impl RulesVersion {
    fn by(self, known: u64) -> u64 {
        match self {
            Self::Before => known.saturating_sub(1),
            Self::Same => known,
            Self::Next => known + 1,
            Self::Last => u64::MAX,
        }
    }
}

fn versions() -> impl Strategy<Value = RulesVersion> {
    prop_oneof![1 => Just(RulesVersion::Before), 3 => Just(RulesVersion::Same), 2 => Just(RulesVersion::Next), 1 => Just(RulesVersion::Last)]
}

fn buckets() -> impl Strategy<Value = (usize, u8)> {
    (0..NAMES.len(), 0..IDS)
}

fn turns() -> impl Strategy<Value = Turn> {
    let states = prop_oneof![
        Just(BucketState::Creating),
        Just(BucketState::Live),
        Just(BucketState::Deleting),
        Just(BucketState::Dropping),
    ];
    let of_rules = (0..RANGES, buckets(), 0..NAMES.len(), 0..3u8, versions())
        .prop_map(|(range, bucket, name, step, version)| Turn::Rules(RulesTurn { range, bucket, name, step, version }));
    let of_row = (0..NAMES.len(), buckets(), versions(), prop::option::weighted(0.8, states), any::<bool>()).prop_map(
        |(name, bucket, version, state, expects_any)| Turn::Row(RowTurn { name, bucket, version, state, expects_any }),
    );
    prop_oneof![
        3 => any::<bool>().prop_map(Turn::Honest),
        1 => (0..RANGES, any::<bool>()).prop_map(|(range, deletes)| Turn::Write(range, deletes)),
        6 => (0..8usize).prop_map(Turn::GoOn),
        2 => of_rules,
        2 => of_row,
    ]
}

impl RegistryModel {
    fn take(&mut self, turn: &Turn) {
        match turn {
            Turn::Honest(wants_deletion) => drop(self.honest_step(*wants_deletion)),
            Turn::Write(range, deletes) => {
                let Some(BucketEntry { id, .. }) = self.entry(0) else { return };
                let command = if *deletes {
                    crate::support::delete(None, Precondition::default())
                } else {
                    put("x", Precondition::default())
                };
                let at = self.send(*range, (id, object_key("k")), command);
                let _ = self.finish(at);
            }
            Turn::GoOn(at) => {
                if let Some(at) = at.checked_rem(self.sent.len()) {
                    self.go_on(at);
                }
            }
            Turn::Rules(RulesTurn { range, bucket, name, step, version }) => {
                let version = version.by(self.entry(*name).map_or(0, |row| row.rules.version));
                let name = NAMES[*name].into();
                let command = match step {
                    0 => Command::PutRules { name, rules: rules(version, BucketState::Live) },
                    1 => Command::SealBucket { name, rules: rules(version, BucketState::Deleting) },
                    _ => Command::DropRules { name },
                };
                self.send_rules(*range, id(bucket.0, bucket.1), command);
            }
            Turn::Row(RowTurn { name, bucket, version, state, expects_any }) => {
                let row = self.row(*name);
                let version = version.by(self.entry(*name).map_or(0, |row| row.rules.version));
                let new = state.map(|state| entry(id(bucket.0, bucket.1), rules(version, state)));
                let expect = match row {
                    _ if *expects_any => Expect::Any,
                    Some(row) => Expect::Version(row.version),
                    None => Expect::Absent,
                };
                self.send_row(*name, expect, new.as_ref());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    /// No range has rules that the registry does not say, none of a bucket that it does not know; a bucket with objects
    /// keeps its row; and afterwards an honest gateway brings the name to a live bucket or to none.
    #[test]
    fn no_gateway_makes_a_bucket_vanish_or_haunt(all in prop::collection::vec(turns(), 1..120), deletes: bool) {
        let mut world = RegistryModel::new();
        for turn in &all {
            world.take(turn);
        }
        while !world.sent.is_empty() {
            let _ = world.finish(0);
        }
        let mut steps = 0;
        loop {
            let is_there = world.row(0).is_some();
            if (deletes && !is_there) || !world.honest_step(deletes && steps < 20) {
                break;
            }
            steps += 1;
            prop_assert!(steps < 40, "it never ends: {:?}", world.entry(0));
        }
    }
}
