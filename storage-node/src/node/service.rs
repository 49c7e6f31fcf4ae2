//! What a node answers its peers and the gateways.
//!
//! Promises: only members of the map are heard; what a gateway may not touch (the map's rows, duties) is refused before
//! it is looked at.
//! Must not know: how messages travel.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use couronne_cluster::map::MAP_RANGE;
use couronne_cluster::report::NodeReport;
use couronne_cluster::{RangeDescriptor, Role};
use couronne_metadata::command::{Command, CommandRequest, InvalidReason, NewData, Outcome, Refusal};
use couronne_metadata::query::Answer;
use couronne_placement::{BlobId, ShardId};
use couronne_protocol::join::{JoinRequest, encode_answer};
use couronne_protocol::map::MapSource;
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient, RangeError};
use couronne_protocol::remote;
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardClient, ShardDuties, ShardError, ShardFrames};
use couronne_protocol::transport::{Message, Method, Peer, Rejection, Service};
use couronne_ring::DriveId;

use super::{LocalNode, LocalService};

/// A node as its transport serves it.
pub struct NodeService(Weak<LocalNode>);

impl LocalNode {
    /// What the transport serves.
    pub fn service(self: &Arc<Self>) -> NodeService {
        NodeService(Arc::downgrade(self))
    }
}

impl NodeService {
    /// The node, if it serves, for a peer that may ask it at all.
    pub fn admit(&self, from: Peer) -> Result<Arc<LocalNode>, Rejection> {
        let node = self.0.upgrade().filter(|node| !node.stop.is_stopping()).ok_or(Rejection::NotServing)?;
        // A certificate outlives a member's place in the map: one that was expelled is refused here; a new member's place takes a moment to be known.
        let is_member = node.map().is_member(from.node, from.role);
        if is_member || from.role == Role::Unjoined { Ok(node) } else { Err(Rejection::Forbidden) }
    }
}

#[async_trait]
impl Service for NodeService {
    async fn serve(&self, from: Peer, method: Method, message: Message) -> Result<Message, Rejection> {
        let node = self.admit(from)?;
        match method {
            Method::Vote
            | Method::PreVote
            | Method::Append
            | Method::Snapshot
            | Method::TransferLeadership
            | Method::DigestRows => {
                let service = node.replicas.raft_service();
                match service.serve(from, method, message.clone()).await {
                    // The map may name the sender by now.
                    Err(Rejection::Forbidden) if node.membership.fetch_map_of(from.node).await => {
                        service.serve(from, method, message).await
                    }
                    answer => answer,
                }
            }
            Method::Report => {
                let mut report = NodeReport::decode(message.head).map_err(|_| Rejection::Malformed)?;
                if from.role == Role::Gateway {
                    // It has neither drives nor replicas, whatever it says.
                    report = NodeReport {
                        drives: Vec::new(),
                        leads: Vec::new(),
                        log_ends: Vec::new(),
                        groups: Vec::new(),
                        is_starting: false,
                        ..report
                    };
                }
                Ok(Message::of(node.membership.take_report(from.node, report).encode()))
            }
            Method::Challenge => Ok(Message::of(node.membership.challenge())),
            Method::Join => {
                let request = JoinRequest::decode(message.head).map_err(|_| Rejection::Malformed)?;
                Ok(Message::of(encode_answer(&node.membership.admit(request).await)))
            }
            Method::Renew => match node.membership.renew(from.node, from.role, &message.head).await {
                Ok(certificate) => Ok(Message::of(certificate)),
                Err(error) => {
                    tracing::warn!(node = %from.node, %error, "a certificate was not renewed");
                    Err(Rejection::Forbidden)
                }
            },
            Method::ClusterKeys => match node.membership.exchange_cluster_keys(&message.head) {
                Ok(keys) => Ok(Message::of(keys)),
                Err(error) => {
                    tracing::warn!(node = %from.node, %error, "keys of the cluster were not taken");
                    Err(Rejection::NotServing)
                }
            },
            Method::Status | Method::Operate | Method::Secrets => Err(Rejection::NotServing),
            method => match from.role {
                Role::Gateway => remote::answer(&ForGateways(Arc::clone(&node.local)), from, method, message).await,
                Role::StorageNode | Role::Unjoined => remote::answer(&*node.local, from, method, message).await,
            },
        }
    }
}

/// A node's ranges and drives as gateways may use them: all but what the cluster keeps for itself.
struct ForGateways(Arc<LocalService>);

fn not_yours<T>() -> Result<T, RangeError> {
    Err(RangeError::Unavailable { reason: "gateways may not ask this".to_owned(), maybe_done: false })
}

impl ForGateways {
    /// A blob is cut and encoded as a policy of the map says: duties look at every chunk of it.
    fn check_policy(&self, command: &Command) -> Result<(), RangeError> {
        let blob = match command {
            Command::Put { data: NewData::Blob(blob, ..), .. }
            | Command::PutPart { data: NewData::Blob(blob, ..), .. }
            | Command::Abandon { blob } => blob,
            _ => return Ok(()),
        };
        let map = self.0.replicas.map().current();
        match map.policies.get(&blob.policy) {
            Some(policy) if policy.allows(blob.geometry) => Ok(()),
            Some(_) => Err(RangeError::Refused(Refusal::Invalid(InvalidReason::NotOfPolicy))),
            // A new one takes a moment to be known.
            None => {
                Err(RangeError::Unavailable { reason: "the policy is not known here".to_owned(), maybe_done: false })
            }
        }
    }
}

#[async_trait]
impl RangeClient for ForGateways {
    async fn describe(&self, start: Bytes, end: Bytes) -> Result<Vec<RangeDescriptor>, RangeError> {
        self.0.describe(start, end).await
    }

    async fn execute(&self, address: RangeAddress, request: CommandRequest) -> Result<Outcome, RangeError> {
        if address.range == MAP_RANGE {
            return not_yours();
        }
        self.check_policy(&request.command)?;
        self.0.execute(address, request).await
    }

    async fn query(&self, address: RangeAddress, query: QueryRequest) -> Result<Answer, RangeError> {
        if address.range == MAP_RANGE || query.query.is_duty() {
            not_yours()
        } else {
            self.0.query(address, query).await
        }
    }
}

#[async_trait]
impl ShardClient for ForGateways {
    async fn put_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        self.0.put_shard(drive, request).await
    }

    async fn get_shard(&self, drive: DriveId, request: GetShard) -> Result<ShardFrames, ShardError> {
        self.0.get_shard(drive, request).await
    }

    async fn report(&self, drive: DriveId, shard: ShardId, owner: Owner) {
        self.0.report(drive, shard, owner).await;
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
        Err(ShardError::Refused("gateways delete nothing".to_owned()))
    }
}
