//! What duties say to ranges: commands and queries, to leaders here or anywhere.
//!
//! Must not know: why.

use bytes::Bytes;
use couronne_client::ClientError;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::{Command, CommandRequest, Outcome};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey};
use couronne_metadata::query::{Answer, Query, RulesRow};
use couronne_placement::PolicyId;
use couronne_protocol::map::MapSource;
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeError};
use couronne_protocol::shard::Owner;

use super::DutyContext;
use super::error::DutyError;
use crate::replicas::RangeServer;

/// How long a duty's command may take.
const COMMAND_DEADLINE_MS: u64 = 30_000;

/// Executes a duty's command at the leader of a range.
pub(super) async fn execute(
    context: &DutyContext,
    leader: &RangeServer,
    (bucket, key): (BucketId, ObjectKey),
    command: Command,
) -> Result<Outcome, RangeError> {
    let now_ms = context.env.clock.wall_ms();
    let commit = CommitId::new(now_ms, context.env.random_bytes());
    let deadline_ms = now_ms.saturating_add(COMMAND_DEADLINE_MS);
    let request =
        CommandRequest { commit, deadline_ms, bucket, rules_version: 0, key, command, seen: None, is_repeat: false };
    leader.execute(address_of(leader), request).await
}

fn address_of(leader: &RangeServer) -> RangeAddress {
    let descriptor = leader.descriptor();
    RangeAddress { range: descriptor.id, generation: descriptor.generation, replica: leader.drive() }
}

/// Asks the leader of a range about the range.
pub(super) async fn ask(leader: &RangeServer, query: Query) -> Result<Answer, RangeError> {
    ask_about(leader, BucketId::SYSTEM, query).await
}

/// Asks the leader of a range about a bucket.
pub(super) async fn ask_about(leader: &RangeServer, bucket: BucketId, query: Query) -> Result<Answer, RangeError> {
    leader.query(address_of(leader), QueryRequest { bucket, rules_version: None, query }).await
}

/// Asks the leader of an owner's range, wherever that is.
pub(super) async fn ask_owner(context: &DutyContext, owner: &Owner, query: Query) -> Result<Answer, ClientError> {
    let answered = context.client.router().query_under(owner.bucket, None, owner.key.as_bytes(), query).await;
    answered.map(|(answer, _)| answer)
}

/// The policy of a bucket's blobs: it keeps that of its birth. Nobody is asked while there is but one.
pub(super) async fn policy_of(context: &DutyContext, owner: &Owner) -> Result<PolicyId, DutyError> {
    let map = context.map.current();
    if map.policies.len() < 2 {
        return Ok(map.default_policy);
    }
    match ask_owner(context, owner, Query::Rules { key: owner.key.clone() }).await? {
        Answer::Rules(RulesRow::Present(rules)) => Ok(rules.policy),
        _ => Err(DutyError::NoRules),
    }
}

/// Some key that a range owns, for commands that are about the range as a whole.
pub(super) fn some_key(descriptor: &RangeDescriptor) -> Option<(BucketId, ObjectKey)> {
    let mut position = descriptor.start.to_vec();
    let len = position.len().max(16);
    position.resize(len, 0);
    let (bucket, key) = position.split_at_checked(16)?;
    let bucket = BucketId::from_bytes(bucket.try_into().ok()?);
    let key = if key.is_empty() { Bytes::from_static(b"\x01") } else { Bytes::copy_from_slice(key) };
    ObjectKey::new(key).ok().map(|key| (bucket, key))
}
