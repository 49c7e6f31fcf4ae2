//! The seam between the cluster's processes: one process asks, another answers.
//!
//! A message has a head, small and encoded by the code that owns the method, and a body, bulk bytes that
//! travel without a further copy. Real clusters carry messages over TLS; a simulated one carries the
//! same bytes within one process, and may lose, delay or repeat them.
//! Promises: the asked side learns its peer from the transport, never from the message; a call that
//! failed says whether it may have had an effect.
//! Must not know: what messages mean.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_cluster::Role;
use couronne_ring::NodeId;
use thiserror::Error;

/// The longest head of a message, in bytes.
pub const HEAD_BYTES_MAX: usize = 9 << 20;

/// The longest body of a message, in bytes.
pub const BODY_BYTES_MAX: usize = 32 << 20;

/// The process that asks, as its certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The process; 0 for an unjoined one.
    pub node: NodeId,
    /// Its role.
    pub role: Role,
}

/// Messages that must not wait for each other travel apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrafficClass {
    /// Small and urgent: votes, reports.
    Control,
    /// Entries of replicated logs.
    Log,
    /// Everything else.
    Data,
}

macro_rules! methods {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $class:ident, [$($role:ident),+];)*) => {
        /// What is asked. The numbers are the wire's: never changed, never given again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Method { $($(#[doc = $doc])+ $name,)* }

        impl Method {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its number on the wire.
            pub const fn number(self) -> u8 {
                match self { $(Self::$name => $number,)* }
            }

            /// The method of a number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Its name, for logs and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What it travels with.
            pub const fn class(self) -> TrafficClass {
                match self { $(Self::$name => TrafficClass::$class,)* }
            }

            /// Whether a process of this role may ask it.
            pub const fn may(self, role: Role) -> bool {
                match self { $(Self::$name => matches!(role, $(Role::$role)|+),)* }
            }
        }
    };
}

methods! {
    /// A storage node gives another one keys of the cluster, and is given those that the map names.
    ClusterKeys = 8, Control, [StorageNode];
    /// An unjoined process asks for what it has to sign along in its request to join.
    Challenge = 7, Control, [Unjoined];
    /// An unjoined process with a token asks for a certificate and a place in the map.
    Join = 1, Control, [Unjoined];
    /// A member asks for a new certificate before its own runs out.
    Renew = 2, Control, [StorageNode, Gateway];
    /// A member says that it lives and how its drives are; the answer has the map, if it is newer.
    Report = 3, Control, [StorageNode, Gateway];
    /// What a gateway must know beside the map: those of the cluster's secrets that it works with.
    Secrets = 4, Control, [Gateway];
    /// How a process is, for operators.
    Status = 5, Control, [StorageNode, Gateway];
    /// What an operator orders, passed on by the process that was asked, with the operator's own token: the asked side
    /// carries nothing out without it, for no process gives orders of its own.
    Operate = 6, Control, [StorageNode, Gateway];
    /// Write a shard.
    PutShard = 10, Data, [StorageNode, Gateway];
    /// Read frames of a shard.
    GetShard = 11, Data, [StorageNode, Gateway];
    /// A shard was found missing or wrong.
    ReportShard = 12, Data, [StorageNode, Gateway];
    /// Delete one shard: a duty's, never a gateway's.
    DeleteShard = 13, Data, [StorageNode];
    /// Delete all shards of a blob: a duty's, never a gateway's.
    DeleteBlob = 14, Data, [StorageNode];
    /// Read a shard where it lies and say whether it is sound.
    VerifyShard = 15, Data, [StorageNode];
    /// Write a shard for repair, of a blob however old: a duty's, never a gateway's.
    RestoreShard = 16, Data, [StorageNode];
    /// Which ranges there are.
    Describe = 20, Data, [StorageNode, Gateway];
    /// Execute a command of a range.
    Execute = 21, Data, [StorageNode, Gateway];
    /// Answer a query of a range.
    Query = 22, Data, [StorageNode, Gateway];
    /// A candidate asks for a vote.
    Vote = 30, Control, [StorageNode];
    /// A replica asks whether it would get a vote.
    PreVote = 31, Control, [StorageNode];
    /// A leader sends entries, or only makes itself known.
    Append = 32, Log, [StorageNode];
    /// A leader sends a piece of a snapshot.
    Snapshot = 33, Log, [StorageNode];
    /// A leader hands its leadership to another replica.
    TransferLeadership = 34, Control, [StorageNode];
    /// A leader asks what a replica read of a piece of its rows.
    DigestRows = 35, Control, [StorageNode];
}

/// A request or an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What is said, encoded. At most [`HEAD_BYTES_MAX`].
    pub head: Bytes,
    /// Bulk bytes. At most [`BODY_BYTES_MAX`]; received into memory aligned for direct I/O.
    pub body: Bytes,
}

impl Message {
    /// A message without bulk bytes.
    pub const fn of(head: Bytes) -> Self {
        Self { head, body: Bytes::new() }
    }
}

/// Why the asked side did not answer with a message of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The asked side does not know the method, or the message does not decode.
    #[error("the message is malformed or unknown")]
    Malformed,
    /// The sender's role may not ask this.
    #[error("the sender may not ask this")]
    Forbidden,
    /// Too much is queued; nothing was done.
    #[error("too much is queued")]
    Overloaded,
    /// The asked side is starting or stopping; nothing was done.
    #[error("not serving")]
    NotServing,
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// The message did not leave: nothing was done.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The message may have arrived: it may have been done, or yet be.
    #[error("no answer: {0}")]
    Lost(String),
    /// The other side refused it and did nothing.
    #[error("rejected: {0}")]
    Rejected(#[from] Rejection),
}

impl CallError {
    /// The message did not leave, for this reason.
    pub fn unreachable(why: impl fmt::Display) -> Self {
        Self::Unreachable(why.to_string())
    }

    /// Whether the message may have had, or may yet have, an effect.
    pub const fn maybe_done(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

/// The way to other processes.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Asks a process. There is no time-out here: a caller that waits no longer drops the call, and the answer
    /// with it.
    async fn call(&self, to: NodeId, method: Method, message: Message) -> Result<Message, CallError>;
}

/// What answers other processes.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Answers a message. The transport has checked that the sender's role may ask the method.
    async fn serve(&self, from: Peer, method: Method, message: Message) -> Result<Message, Rejection>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_lead_back() {
        for method in Method::ALL {
            assert_eq!(Method::from_number(method.number()), Some(*method));
        }
    }

    #[test]
    fn a_gateway_deletes_nothing_and_votes_for_nobody() {
        let consensus = [
            Method::Vote,
            Method::PreVote,
            Method::Append,
            Method::Snapshot,
            Method::TransferLeadership,
            Method::DigestRows,
        ];
        for method in [Method::DeleteShard, Method::DeleteBlob, Method::RestoreShard].into_iter().chain(consensus) {
            assert!(!method.may(Role::Gateway) && !method.may(Role::Unjoined));
        }
        let unjoined: Vec<_> = Method::ALL.iter().filter(|method| method.may(Role::Unjoined)).collect();
        assert_eq!(unjoined, [&Method::Challenge, &Method::Join]);
    }
}
