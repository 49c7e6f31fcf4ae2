//! What other nodes' replicas ask of those of this process.
//!
//! Promises: a replica is heard only if the node that sends has its drive, by the map known here and
//! by the members known to the recipient; whom nobody here knows is told so, and nothing is done.
//! Must not know: the consensus library, how messages travel.

use std::sync::Arc;

use couronne_protocol::transport::{Message, Method, Peer, Rejection};

use super::message::{Answer, Ask, Refusal, Request};
use super::openraft::Endpoint;
use super::sessions::Sessions;
use super::local_peers::Route;
use super::{Directory, Switchboard};

/// The way in for messages between replicas: methods `Vote`, `PreVote`, `Append`, `Snapshot` and `HandOver`.
pub struct Receiver {
    switchboard: Switchboard,
    directory: Arc<dyn Directory>,
    sessions: Sessions,
}

impl Receiver {
    /// Hears for the replicas on a switchboard.
    pub fn new(switchboard: Switchboard, directory: Arc<dyn Directory>) -> Self {
        Self { switchboard, directory, sessions: Sessions::default() }
    }

    /// Answers a message. Dropping the call half way is as good as losing the answer.
    pub async fn serve(&self, from: Peer, method: Method, message: Message) -> Result<Message, Rejection> {
        let Ok(request) = Request::decode(message) else { return Err(Rejection::Malformed) };
        if self.directory.node_of(request.from.drive) != Some(from.node) {
            return Err(Rejection::Forbidden);
        }
        let Route::Here(endpoint) = self.switchboard.route(request.from.replica, request.to) else {
            return Ok(Answer::Refused(Refusal::Unknown).encode());
        };
        if endpoint.place_of(request.from.replica).is_some_and(|place| place != request.from.drive) {
            return Err(Rejection::Forbidden);
        }
        Ok(self.answer(endpoint, method, request).await?.encode())
    }

    async fn answer(&self, endpoint: Endpoint, method: Method, request: Request) -> Result<Answer, Rejection> {
        let to = request.to;
        let answer = match (method, request.ask) {
            (Method::Vote, Ask::Vote(ask)) => endpoint.vote(ask, true).await.map(Answer::Vote),
            (Method::PreVote, Ask::Vote(ask)) => endpoint.vote(ask, false).await.map(Answer::Vote),
            (Method::Append, Ask::Append(ask)) => endpoint.append(ask).await.map(Answer::Append),
            (Method::HandOver, Ask::HandOver(hand)) => endpoint.hand_over(hand).await.map(|()| Answer::GoOn),
            (Method::Snapshot, Ask::Begin(begin)) => Ok(self.sessions.begin(to, endpoint, begin).await),
            (Method::Snapshot, Ask::Piece { session, sequence, rows }) => {
                Ok(self.sessions.piece(to, session, sequence, rows).await)
            }
            (Method::Snapshot, Ask::End { session, pieces }) => Ok(self.sessions.end(to, session, pieces).await),
            _ => return Err(Rejection::Malformed),
        };
        Ok(answer.unwrap_or_else(Answer::Refused))
    }
}
