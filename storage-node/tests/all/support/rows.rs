//! Rows of a node under test: commands and queries to whichever replica leads.

use std::time::Duration;

use bytes::Bytes;
use couronne_base::env::Env;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::{Command, CommandRequest, Expect, Outcome};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey, RangeId};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::{BucketRules, BucketState, RepairRecord, Versioning};
use couronne_placement::{PolicyId, ResidencyClass};
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient, RangeError};
use couronne_protocol::shard::Owner;
use couronne_storage_node::node::LocalNode;

pub fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text.to_owned()).unwrap()
}

pub fn commit(number: u64) -> [u8; 10] {
    let mut id = [0; 10];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id
}

/// The first range's leader, or a replica that may know it.
pub async fn leader(node: &LocalNode) -> RangeAddress {
    leader_of(node, BucketId::SYSTEM, &Bytes::new()).await
}

/// The range of a key.
pub async fn range_of(node: &LocalNode, owner: &Owner) -> RangeId {
    leader_of(node, owner.bucket, owner.key.as_bytes()).await.range
}

async fn leader_of(node: &LocalNode, bucket: BucketId, key: &[u8]) -> RangeAddress {
    let position = RangeDescriptor::position(bucket, key);
    let ranges = node.local().describe(position.clone(), Bytes::new()).await.unwrap();
    let range = ranges.into_iter().find(|range| range.contains(&position)).unwrap();
    let replica = node.local().leader_hint(range.id).unwrap_or(range.replicas[0]);
    RangeAddress { range: range.id, generation: range.generation, replica }
}

/// Executes a command, trying again until its deadline while no leader takes it.
pub async fn execute(env: &Env, node: &LocalNode, request: CommandRequest) -> Result<Outcome, RangeError> {
    execute_through(env, node, &**node.routes(), request).await
}

/// The same, on another's way to the ranges.
pub async fn execute_through(
    env: &Env,
    node: &LocalNode,
    ranges: &dyn RangeClient,
    request: CommandRequest,
) -> Result<Outcome, RangeError> {
    let mut hint = None;
    loop {
        let address = leader_of(node, request.bucket, request.key.as_bytes()).await;
        let address = RangeAddress { replica: hint.take().unwrap_or(address.replica), ..address };
        match ranges.execute(address, request.clone()).await {
            Err(error @ (RangeError::NotLeader(_) | RangeError::Overloaded | RangeError::Unavailable { .. }))
                if env.clock.wall_ms() < request.deadline_ms =>
            {
                hint = if let RangeError::NotLeader(leader) = error { leader } else { None };
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => return other,
        }
    }
}

/// Asks the range of a key, trying again for a while.
pub async fn ask(env: &Env, node: &LocalNode, owner: &Owner, query: Query) -> Answer {
    let (until, mut hint) = (env.clock.wall_ms() + 20_000, None);
    loop {
        let request = QueryRequest { bucket: owner.bucket, rules_version: None, query: query.clone() };
        let address = leader_of(node, owner.bucket, owner.key.as_bytes()).await;
        let address = RangeAddress { replica: hint.take().unwrap_or(address.replica), ..address };
        match node.routes().query(address, request).await {
            Ok(answer) => return answer,
            Err(error) if env.clock.wall_ms() > until => panic!("{error}"),
            Err(RangeError::NotLeader(leader)) => hint = leader,
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Writes a system row.
pub async fn write(
    env: &Env,
    node: &LocalNode,
    at: &str,
    value: &str,
    commit: [u8; 10],
) -> Result<Outcome, RangeError> {
    execute(env, node, row_write(env, at, Expect::Any, value, commit)).await
}

/// The command that writes a system row if it is as expected.
pub fn row_write(env: &Env, at: &str, expect: Expect, value: &str, commit: [u8; 10]) -> CommandRequest {
    CommandRequest {
        commit: CommitId::new(1_800_000_000_000, commit),
        deadline_ms: env.clock.wall_ms() + 20_000,
        bucket: BucketId::SYSTEM,
        rules_version: 0,
        key: key(at),
        command: Command::SystemWrite { expect, value: Some(Bytes::from(value.to_owned())) },
        seen: None,
        is_repeat: false,
    }
}

/// Reads a system row.
pub async fn read(env: &Env, node: &LocalNode, at: &str) -> Option<Bytes> {
    let owner = Owner { bucket: BucketId::SYSTEM, key: key(at) };
    match ask(env, node, &owner, Query::SystemGet { key: key(at) }).await {
        Answer::SystemGet(row) => row.map(|row| row.value),
        other => panic!("{other:?}"),
    }
}

/// The name of the tests' buckets.
pub const BUCKET_NAME: &str = "b";

/// A bucket's identity by one byte, which decides about its range.
pub fn bucket_id(first: u8) -> BucketId {
    BucketId::new(ResidencyClass(0), [first, 9, 9, 9], BUCKET_NAME)
}

/// Executes a command on a bucket made by [`make_bucket`].
pub async fn change(env: &Env, node: &LocalNode, owner: &Owner, command: Command) -> Result<Outcome, RangeError> {
    execute(env, node, request(env, owner, command)).await
}

/// The request for that.
pub fn request(env: &Env, owner: &Owner, command: Command) -> CommandRequest {
    let now_ms = env.clock.wall_ms();
    CommandRequest {
        commit: CommitId::new(now_ms, env.random_bytes()),
        deadline_ms: now_ms + 20_000,
        bucket: owner.bucket,
        rules_version: u64::from(!matches!(command, Command::PutRules { .. })),
        key: owner.key.clone(),
        command,
        seen: None,
        is_repeat: false,
    }
}

/// The rules of a bucket of the tests.
pub fn rules() -> BucketRules {
    BucketRules {
        version: 1,
        state: BucketState::Live,
        versioning: Versioning::Off,
        object_lock: None,
        policy: PolicyId(0),
        account: "account".into(),
        quota: None,
        extra: Vec::new(),
    }
}

/// Makes a bucket live in the range of its first key.
pub async fn make_bucket(env: &Env, node: &LocalNode, bucket: BucketId) {
    let rules = rules();
    change(env, node, &Owner { bucket, key: key("any") }, Command::PutRules { name: "b".into(), rules }).await.unwrap();
}

/// The repair rows of the range of a key.
pub async fn repair_rows(env: &Env, node: &LocalNode, owner: &Owner) -> Vec<RepairRecord> {
    match ask(env, node, owner, Query::Repair { after: None, limit: 100 }).await {
        Answer::Repair(rows) => rows,
        other => panic!("{other:?}"),
    }
}

/// How many reap rows that are due the range of a key has.
pub async fn reap_rows(env: &Env, node: &LocalNode, owner: &Owner) -> usize {
    match ask(env, node, owner, Query::Reap { now_ms: u64::MAX, limit: 100 }).await {
        Answer::Reap(rows) => rows.len(),
        other => panic!("{other:?}"),
    }
}
