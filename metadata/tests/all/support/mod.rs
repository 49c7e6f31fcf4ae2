//! What the tests of evaluation share: a range over the store in memory, and short commands.
#![allow(unreachable_pub, reason = "for the other modules")]

use bytes::Bytes;
use couronne_metadata::answer::answer;
use couronne_metadata::apply::apply;
use couronne_metadata::command::{Command, CommandRequest, NewData, Outcome, Precondition, Refusal};
use couronne_metadata::effect::EFFECT_BYTES_MAX;
use couronne_metadata::evaluate::{Evaluated, evaluate};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey, UploadId, VersionId, binding};
use couronne_metadata::memory::MemoryStore;
use couronne_metadata::query::{Answer, ListQuery, Query};
use couronne_metadata::record::quota::Charge;
use couronne_metadata::record::{Attributes, BlobRef, BucketRules, BucketState, Etag, VersionRecord, Versioning};
use couronne_metadata::store::Store;
use couronne_metadata::usage::{Subject, Usage};
use couronne_placement::{BlobId, Geometry, PolicyId, ResidencyClass};

/// The time at which tests begin, in microseconds since 1970.
pub const BEGIN_US: u64 = 1_800_000_000_000_000;

/// A range of one replica with a clock of its own.
pub struct Range {
    pub store: MemoryStore,
    pub bucket: BucketId,
    pub rules: BucketRules,
    pub now_us: u64,
    commits: u64,
}

impl Range {
    /// A range that holds one live bucket.
    pub fn new(versioning: Versioning) -> Self {
        let mut range = Self::empty();
        range.rules.versioning = versioning;
        range.change_rules(|_| {});
        range
    }

    /// A range that holds nothing.
    pub fn empty() -> Self {
        let rules = BucketRules {
            version: 0,
            state: BucketState::Live,
            versioning: Versioning::Off,
            object_lock: None,
            policy: PolicyId(0),
            account: "account".into(),
            quota: None,
            extra: Vec::new(),
        };
        Self { store: MemoryStore::new(), bucket: bucket(), rules, now_us: BEGIN_US, commits: 0 }
    }

    pub fn change_rules(&mut self, change: impl FnOnce(&mut BucketRules)) {
        let replaced = self.rules.version;
        change(&mut self.rules);
        self.rules.version += 1;
        let mut request = self.request("any", Command::PutRules { name: "b".into(), rules: self.rules.clone() });
        request.rules_version = replaced;
        self.execute(&request).unwrap();
    }

    pub fn request(&mut self, key: &str, command: Command) -> CommandRequest {
        self.commits += 1;
        CommandRequest {
            commit: commit_id(self.now_us / 1000, self.commits),
            deadline_ms: self.now_us / 1000 + 60_000,
            bucket: self.bucket,
            rules_version: self.rules.version,
            key: object_key(key),
            command,
            seen: None,
            is_repeat: false,
        }
    }

    /// Evaluates and applies, and checks that applying is a function of rows and effect.
    pub fn execute(&mut self, request: &CommandRequest) -> Result<Outcome, Refusal> {
        let evaluated = evaluate(&*self.store.view(), request, self.now_us).unwrap();
        match evaluated.within_quota(&*self.store.view(), request, Charge::default()).unwrap() {
            Evaluated::Settled(settled) => settled,
            Evaluated::Propose { effect, outcome, .. } => {
                let entry = effect.encode();
                assert!(entry.len() < EFFECT_BYTES_MAX, "an effect of {} bytes fits no entry", entry.len());
                let effect = couronne_metadata::effect::Effect::decode(&entry).unwrap();
                let batch = apply(&*self.store.view(), std::slice::from_ref(&effect)).unwrap();
                assert_eq!(batch, apply(&*self.store.view(), &[effect]).unwrap());
                self.store.apply(&batch).unwrap();
                outcome
            }
        }
    }

    pub fn run(&mut self, key: &str, command: Command) -> Result<Outcome, Refusal> {
        let request = self.request(key, command);
        self.execute(&request)
    }

    pub fn query(&self, query: &Query) -> Answer {
        answer(&*self.store.view(), self.bucket, Some(self.rules.version), query, self.now_us).unwrap()
    }

    pub fn put(&mut self, key: &str, body: &str) -> Result<Outcome, Refusal> {
        self.run(key, put(body, Precondition::default()))
    }

    pub fn delete(&mut self, key: &str, version: Option<VersionId>) -> Result<Outcome, Refusal> {
        self.run(key, delete(version, Precondition::default()))
    }

    pub fn get(&self, key: &str, version: Option<VersionId>) -> Option<(VersionRecord, Option<Bytes>)> {
        match self.query(&Query::Get { key: object_key(key), version }) {
            Answer::Get(found) => found,
            other => panic!("{other:?}"),
        }
    }

    pub fn usage(&self) -> Usage {
        let subject = Subject::Bucket(self.bucket);
        match self.query(&Query::Usage { key: object_key("any"), subject }) {
            Answer::Usage(classes) => Usage::sum(classes.iter().map(|(_, usage)| usage)),
            other => panic!("{other:?}"),
        }
    }
}

pub fn commit_id(birth_ms: u64, number: u64) -> CommitId {
    CommitId::new(birth_ms, ten_bytes(number))
}

pub fn upload_id(number: u64) -> UploadId {
    UploadId::new(BEGIN_US / 1000, ten_bytes(number))
}

pub fn ten_bytes(number: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub fn object_key(key: &str) -> ObjectKey {
    ObjectKey::new(key.to_owned()).unwrap()
}

/// The bucket that the tests' range holds.
pub fn bucket() -> BucketId {
    BucketId::new(ResidencyClass(0), [7; 4], "b")
}

/// A blob of that key of the tests' bucket.
pub fn blob(key: &str, birth_ms: u64, number: u64, len: u64) -> BlobRef {
    BlobRef {
        id: BlobId::new(birth_ms, ten_bytes(number), binding(bucket(), &object_key(key))),
        len,
        policy: PolicyId(1),
        geometry: Geometry::new(4, 2, 4 << 20).unwrap(),
        crc64: number,
    }
}

/// A tag that stands for a body; tests need no MD5.
pub fn etag(body: &str) -> Etag {
    let mut digest = [0; 16];
    for (at, byte) in body.bytes().enumerate() {
        digest[at % 16] ^= byte;
    }
    Etag { digest, parts: None }
}

pub fn put(body: &str, condition: Precondition) -> Command {
    Command::Put {
        data: NewData::Inline(Bytes::copy_from_slice(body.as_bytes()), 0),
        size: body.len() as u64,
        etag: etag(body),
        checksum: None,
        attributes: Attributes { owner: "me".into(), ..Attributes::default() },
        condition,
    }
}

pub fn put_blob(blob: BlobRef, missing: u8) -> Command {
    Command::Put {
        size: blob.len,
        data: NewData::Blob(blob, missing, None),
        etag: etag("blob"),
        checksum: None,
        attributes: Attributes::default(),
        condition: Precondition::default(),
    }
}

pub fn delete(version: Option<VersionId>, condition: Precondition) -> Command {
    Command::Delete { version, condition, bypass_governance: false, owner: "me".into() }
}

pub fn list_all() -> ListQuery {
    ListQuery {
        prefix: Bytes::new(),
        delimiter: Bytes::new(),
        after: Bytes::new(),
        before: Bytes::new(),
        reverse: false,
        limit: 1000,
    }
}
