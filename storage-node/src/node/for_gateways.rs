//! A node's ranges and drives as gateways may use them: all but what the cluster keeps for itself.
//!
//! Promises: a gateway has no way to the map's rows and to duties; its word is not taken for what the map or another range
//! can tell: how a policy cuts blobs, and what a bucket's registry row and its ranges say to a step of its life. Where that
//! cannot be read, nothing is done.
//! Must not know: how messages travel, what steps there are.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_client::{Client, ClientError, first_key, key_past};
use couronne_cluster::RangeDescriptor;
use couronne_cluster::map::MAP_RANGE;
use couronne_metadata::command::{Command, CommandRequest, InvalidReason, NewData, Outcome, Refusal};
use couronne_metadata::evaluate::registry::Premise;
use couronne_metadata::query::{Answer, Query};
use couronne_placement::{BlobId, ShardId};
use couronne_protocol::map::MapSource;
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient, RangeError};
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardClient, ShardDuties, ShardError, ShardFrames};
use couronne_ring::DriveId;

use super::{LocalNode, LocalService};

/// What gateways reach of a node.
pub(super) struct ForGateways {
    local: Arc<LocalService>,
    client: Arc<Client>,
}

fn not_yours<T>() -> Result<T, RangeError> {
    Err(unavailable("gateways may not ask this"))
}

fn unavailable(reason: &str) -> RangeError {
    RangeError::Unavailable { reason: reason.to_owned(), maybe_done: false }
}

/// What a command depends on could not be read: it is to be sent again.
fn unread(error: &ClientError) -> RangeError {
    unavailable(&format!("the bucket's registry row and rules cannot be read: {error}"))
}

impl ForGateways {
    pub(super) fn of(node: &LocalNode) -> Self {
        Self { local: Arc::clone(&node.local), client: Arc::clone(&node.client) }
    }

    /// A blob is cut and encoded as a policy of the map says: duties look at every chunk of it.
    fn check_policy(&self, command: &Command) -> Result<(), RangeError> {
        let blob = match command {
            Command::Put { data: NewData::Blob(blob, ..), .. }
            | Command::PutPart { data: NewData::Blob(blob, ..), .. }
            | Command::Abandon { blob } => blob,
            _ => return Ok(()),
        };
        let map = self.local.replicas.map().current();
        match map.policies.get(&blob.policy) {
            Some(policy) if policy.allows(blob.geometry) => Ok(()),
            Some(_) => Err(RangeError::Refused(Refusal::Invalid(InvalidReason::NotOfPolicy))),
            // A new one takes a moment to be known.
            None => Err(unavailable("the policy is not known here")),
        }
    }

    /// The life of a bucket goes on by steps that its registry row and all its ranges agree to.
    async fn check_registry(&self, request: &CommandRequest) -> Result<(), RangeError> {
        let router = self.client.router();
        let row = match Premise::row(request)? {
            Some(key) => router.system_get(&key).await.map_err(|error| unread(&error))?,
            None => None,
        };
        let Some(premise) = Premise::of(request, row.as_ref())? else { return Ok(()) };
        let bucket = premise.bucket();
        let mut next = Some(first_key(None).map_err(|error| unread(&error))?);
        while let Some(key) = next {
            let query = Query::Rules { key: key.clone() };
            let answered = router.query_under(bucket, None, key.as_bytes(), query).await;
            let (answer, known) = answered.map_err(|error| unread(&error))?;
            let Answer::Rules(found) = answer else { return Err(unread(&ClientError::unexpected("Rules"))) };
            if !premise.holds(&found) {
                return Err(RangeError::Refused(Refusal::Conflict));
            }
            next = key_past(&known.descriptor, bucket).map_err(|error| unread(&error))?;
        }
        Ok(())
    }
}

#[async_trait]
impl RangeClient for ForGateways {
    async fn describe(&self, start: Bytes, end: Bytes) -> Result<Vec<RangeDescriptor>, RangeError> {
        self.local.describe(start, end).await
    }

    async fn execute(&self, address: RangeAddress, request: CommandRequest) -> Result<Outcome, RangeError> {
        if address.range == MAP_RANGE {
            return not_yours();
        }
        self.check_policy(&request.command)?;
        self.check_registry(&request).await?;
        self.local.execute(address, request).await
    }

    async fn query(&self, address: RangeAddress, query: QueryRequest) -> Result<Answer, RangeError> {
        if address.range == MAP_RANGE || query.query.is_duty() {
            not_yours()
        } else {
            self.local.query(address, query).await
        }
    }
}

#[async_trait]
impl ShardClient for ForGateways {
    async fn put_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        self.local.put_shard(drive, request).await
    }

    async fn get_shard(&self, drive: DriveId, request: GetShard) -> Result<ShardFrames, ShardError> {
        self.local.get_shard(drive, request).await
    }

    async fn report(&self, drive: DriveId, shard: ShardId, owner: Owner) {
        self.local.report(drive, shard, owner).await;
    }
}

/// The transport refuses these to gateways by their method; here they are refused once more.
#[async_trait]
impl ShardDuties for ForGateways {
    async fn restore_shard(&self, _: DriveId, _: PutShard) -> Result<(), ShardError> {
        Err(ShardError::Refused("gateways restore nothing".to_owned()))
    }

    async fn delete_shard(&self, _: DriveId, _: ShardId, _: &Owner) -> Result<bool, ShardError> {
        Err(ShardError::Refused("gateways delete nothing".to_owned()))
    }

    async fn delete_blob(&self, _: DriveId, _: BlobId, _: &Owner) -> Result<u64, ShardError> {
        Err(ShardError::Refused("gateways delete nothing".to_owned()))
    }

    async fn verify_shard(&self, _: DriveId, _: ShardId) -> Result<(), ShardError> {
        Err(ShardError::Refused("gateways have nothing verified".to_owned()))
    }
}
