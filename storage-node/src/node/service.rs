//! What a node answers its peers and the gateways.
//!
//! Promises: only members of the map are heard.
//! Must not know: how messages travel, what of a node's ranges and drives is a gateway's to ask.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use couronne_cluster::Role;
use couronne_cluster::report::NodeReport;
use couronne_protocol::join::{JoinRequest, encode_answer};
use couronne_protocol::remote;
use couronne_protocol::transport::{Message, Method, Peer, Rejection, Service};

use super::LocalNode;
use super::for_gateways::ForGateways;

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
                Role::Gateway => remote::answer(&ForGateways::of(&node), from, method, message).await,
                Role::StorageNode | Role::Unjoined => remote::answer(&*node.local, from, method, message).await,
            },
        }
    }
}
