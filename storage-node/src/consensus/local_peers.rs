//! The replicas of this process, by id, and the one door for messages that arrive at them.
//!
//! Promises: a message reaches the replica that it names, whether its sender lives in this process or in another,
//! and means the same.
//! Must not know: the consensus library, how messages travel.

use std::collections::BTreeMap;
use std::sync::Arc;

use couronne_protocol::transport::{Method, Rejection};
use parking_lot::RwLock;

use super::message::{Answer, Ask};
use super::peer::{Peer, VoteRound};
use super::sessions::Sessions;
use super::types::ReplicaId;

#[derive(Default)]
struct Shared {
    replicas: RwLock<BTreeMap<ReplicaId, Arc<dyn Peer>>>,
    sessions: Sessions,
}

/// The replicas of this process. Clones are the same.
#[derive(Clone, Default)]
pub struct LocalPeers(Arc<Shared>);

impl LocalPeers {
    /// Makes a replica reachable.
    pub(super) fn connect(&self, replica: ReplicaId, peer: Arc<dyn Peer>) {
        self.0.replicas.write().insert(replica, peer);
    }

    /// Makes a replica unreachable; returns whether it was reachable.
    pub fn disconnect(&self, replica: ReplicaId) -> bool {
        self.0.replicas.write().remove(&replica).is_some()
    }

    /// A replica, if it is reachable here.
    pub(super) fn find(&self, replica: ReplicaId) -> Option<Arc<dyn Peer>> {
        self.0.replicas.read().get(&replica).cloned()
    }

    /// Has the replica `to`, which is `peer`, answer a message. Dropping the call half way is as good as losing the
    /// answer.
    pub(super) async fn answer(
        &self,
        to: ReplicaId,
        peer: Arc<dyn Peer>,
        method: Method,
        ask: Ask,
    ) -> Result<Answer, Rejection> {
        let sessions = &self.0.sessions;
        let answer = match (method, ask) {
            (Method::Vote, Ask::Vote(ask)) => peer.vote(ask, VoteRound::Real).await.map(Answer::Vote),
            (Method::PreVote, Ask::Vote(ask)) => peer.vote(ask, VoteRound::Pre).await.map(Answer::Vote),
            (Method::Append, Ask::Append(ask)) => peer.append(ask).await.map(Answer::Append),
            (Method::TransferLeadership, Ask::TransferLeadership(transfer)) => {
                peer.transfer_leadership(transfer).await.map(|()| Answer::GoOn)
            }
            (Method::DigestRows, Ask::Digest { index }) => peer.digest(index).map(Answer::Digest),
            (Method::Snapshot, Ask::Begin(begin)) => Ok(sessions.begin(to, peer, begin).await),
            (Method::Snapshot, Ask::Piece { session, sequence, rows }) => {
                Ok(sessions.piece(to, session, sequence, rows).await)
            }
            (Method::Snapshot, Ask::End { session, pieces }) => Ok(sessions.end(to, session, pieces).await),
            _ => return Err(Rejection::Malformed),
        };
        Ok(answer.unwrap_or_else(Answer::Refused))
    }
}
