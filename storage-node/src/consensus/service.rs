//! What other nodes' replicas ask of those of this process.
//!
//! Promises: a replica is heard only if the map known here names it, its drive and the node that sends among the members of
//! the recipient's range. What the recipient itself knows of its members, which may be older, refuses nobody. A sender
//! whose recipient is not here is told so, and nothing is done.
//! Must not know: the consensus library, how messages travel.

use std::sync::Arc;

use couronne_protocol::transport::{Message, Method, Peer, Rejection};

use super::message::{Answer, Refusal, Request};
use super::{Directory, LocalPeers};

/// The way in for messages between replicas: methods `Vote`, `PreVote`, `Append`, `Snapshot`,
/// `TransferLeadership` and `DigestRows`.
pub struct RaftService {
    local_peers: LocalPeers,
    directory: Arc<dyn Directory>,
}

impl RaftService {
    /// Serves the replicas of this process.
    pub fn new(local_peers: LocalPeers, directory: Arc<dyn Directory>) -> Self {
        Self { local_peers, directory }
    }

    /// Answers a message. Dropping the call half way is as good as losing the answer.
    pub async fn serve(&self, from: Peer, method: Method, message: Message) -> Result<Message, Rejection> {
        let Ok(request) = Request::decode(message) else { return Err(Rejection::Malformed) };
        if self.directory.node_of(request.from.drive) != Some(from.node) {
            return Err(Rejection::Forbidden);
        }
        let Some(peer) = self.local_peers.find(request.to) else {
            return Ok(Answer::Refused(Refusal::Unknown).encode());
        };
        if !self.directory.hears(request.to, (from.node, request.from.drive, request.from.replica)) {
            return Err(Rejection::Forbidden);
        }
        Ok(self.local_peers.answer(request.to, peer, method, request.ask).await?.encode())
    }
}
