//! Consensus among the replicas of a range, as the rest of the node sees it: propose, read barrier,
//! snapshot. One folder behind it imports the library.
//!
//! Promises: a proposal that was answered is durable on a quorum and applied here; one that was
//! evaluated under an earlier leadership is refused before it is appended.
//! Must not know: rows, commands, S3.

mod local_peers;
mod message;
mod network;
mod openraft;
mod peer;
mod peer_client;
mod reversions;
mod service;
mod sessions;
pub use crate::log::types;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::env::Env;
use couronne_base::mutant;
use couronne_ring::DriveId;
use thiserror::Error;
use tokio::sync::mpsc;

pub use self::local_peers::LocalPeers;
pub use self::network::{Directory, Network};
use self::openraft::Group;
pub use self::reversions::Reversions;
pub use self::service::RaftService;
use self::types::{Entry, Members, Position, ReplicaId};
use crate::log::ReplicaLog;

/// Times of elections and leases. All clocks are the process's own.
#[derive(Clone, Copy, Debug)]
pub struct ConsensusSettings {
    /// How often an idle leader makes itself known.
    pub heartbeat: Duration,
    /// The least time without a leader, after its lease, until a follower stands for election.
    pub election_min: Duration,
    /// The most; also how long a follower that heard a leader grants nobody a vote (its lease).
    pub election_max: Duration,
    /// Whether each replica keeps its own time, as in a cluster. If not, the node that has all of a
    /// range's replicas sees which are gone, and drives elections and heartbeats itself: idle ranges cost nothing.
    pub own_time: bool,
    /// Entries that a checkpoint leaves in the log for followers a little behind.
    pub lag_entries: u64,
}

impl Default for ConsensusSettings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(200),
            election_min: Duration::from_millis(400),
            election_max: Duration::from_millis(800),
            own_time: false,
            lag_entries: 256,
        }
    }
}

impl ConsensusSettings {
    /// How long after a quorum's answer a leader may answer reads: 0.8 of the followers' lease.
    pub fn leader_lease(&self) -> Duration {
        self.election_max.mul_f32(if mutant!(LeaseTooLong) { 8.0 } else { 0.8 })
    }
}

/// What a replica's consensus is made of.
pub struct ReplicaComponents {
    /// The replica.
    pub replica: ReplicaId,
    /// The drive it lives on.
    pub drive: DriveId,
    /// Its part of its drive's log.
    pub log: ReplicaLog,
    /// Its rows.
    pub state_machine: Arc<dyn StateMachine>,
    /// The way to its peers of this process.
    pub local_peers: LocalPeers,
    /// The way to all others; a lone node has none.
    pub network: Option<Network>,
    /// Where replicas go that were found to lack what they had acknowledged.
    pub reversions: Reversions,
    /// Time and randomness.
    pub env: Env,
}

/// Starts a replica's part in its range's consensus from its log and its rows. With `quiet`, it votes for nobody,
/// itself included, until a lease that it may have promised before a restart has run out.
pub async fn start(
    components: ReplicaComponents,
    settings: ConsensusSettings,
    quiet: bool,
) -> Result<Arc<dyn Consensus>, ProposeError> {
    Ok(Arc::new(Group::start(components, settings, quiet).await?))
}

/// What a replica's store says it has applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The last entry applied.
    pub position: Option<Position>,
    /// The members last applied, and the entry that set them.
    pub members: Option<(Position, Members)>,
}

/// A piece of a snapshot: rows in key order.
pub type SnapshotPiece = Vec<(Bytes, Bytes)>;

/// The pieces of a snapshot as they come; it ends with `None` after the last piece, and an error
/// means that what came is worthless.
pub type SnapshotPieces = mpsc::Receiver<Result<SnapshotPiece, StateMachineError>>;

/// A replica's store failed or holds what it must not.
#[derive(Clone, Debug, Error)]
#[error("replica's store: {0}")]
pub struct StateMachineError(pub String);

/// What a replica read of a piece of its rows, as they were right behind an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsDigest {
    /// The entry is not applied yet, or the piece not read.
    Pending,
    /// The replica did not read it, or forgot what it read.
    Unknown,
    /// Some of the rows cannot be read.
    Unreadable,
    /// The digest of its rows.
    Of([u8; 32]),
}

/// What consensus drives: the rows of one replica.
#[async_trait]
pub trait StateMachine: Send + Sync + 'static {
    /// What was applied, in memory or flushed.
    fn applied(&self) -> Applied;

    /// Applies entries in order, those already applied excepted. Visible at once, durable at the next flush.
    async fn apply(&self, entries: Vec<Entry>) -> Result<(), StateMachineError>;

    /// Makes what was applied durable and says up to where.
    async fn flush(&self) -> Result<Applied, StateMachineError>;

    /// Reads all rows, as of at least what was applied when it was called.
    fn read_all(self: Arc<Self>) -> SnapshotPieces;

    /// What was read of the piece that the entry `index` names.
    fn digest(&self, index: u64) -> RowsDigest;

    /// Replaces all rows. A crash on the way leaves a mark, and the next start fetches again.
    async fn replace_all(&self, pieces: SnapshotPieces) -> Result<Applied, StateMachineError>;
}

/// A replica's time as leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The term it leads.
    pub term: u64,
    /// Whether it may answer reads from applied rows without asking anyone.
    pub lease: bool,
}

/// Why a proposal was not answered with its application.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProposeError {
    /// The replica does not lead under that term; nothing was appended.
    #[error("not the leader")]
    NotLeader(Option<ReplicaId>),
    /// Leadership was lost or the replica stopped on the way: it may yet be applied.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

/// One change of a group's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Make an end of a change of voters that was left half done.
    Finish,
    /// A replica and its drive: it follows, without a vote.
    AddLearner(ReplicaId, DriveId),
    /// A replica without a vote follows no more.
    RemoveLearner(ReplicaId),
    /// A learner gets a vote, and a voter is no member any more; or only one of both.
    Exchange {
        /// The learner, if one gets a vote.
        joins: Option<ReplicaId>,
        /// The voter, if one loses it.
        leaves: Option<ReplicaId>,
    },
}

/// Why members were not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChangeError {
    /// The replica that was to get a vote lacks more than it may; nothing was changed.
    #[error("{0} has not caught up")]
    Behind(ReplicaId),
    /// The members are not known to be those that the change is for; nothing was changed.
    #[error("the members changed meanwhile")]
    Changed,
    /// As of a proposal.
    #[error(transparent)]
    Propose(#[from] ProposeError),
}

/// The members of a group, none of whose changes is under way, as its leader knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledMembers {
    /// The entry that set them.
    pub set_at: Position,
    /// The members: a quorum has committed them.
    pub members: Members,
    /// Those that answered the leader just now, itself included.
    pub heard: BTreeSet<ReplicaId>,
    /// Those that lack at most [`PROMOTION_LAG_MAX`] entries of the leader's log, and can have these from it: the
    /// leader included.
    pub caught_up: BTreeSet<ReplicaId>,
}

/// What a replica may lack of its leader's log when it gets a vote, in entries.
pub const PROMOTION_LAG_MAX: u64 = 256;

/// Consensus of one replica's range.
#[async_trait]
pub trait Consensus: Send + Sync + 'static {
    /// This replica's leadership, if it leads.
    fn leadership(&self) -> Option<Leadership>;

    /// The leader that this replica last heard of.
    fn leader(&self) -> Option<ReplicaId>;

    /// Makes the first members of a range that never had any. Every replica given the same members
    /// writes the same first entry, so a repeat after a crash is harmless.
    async fn initialize(&self, places: &BTreeMap<ReplicaId, DriveId>) -> Result<(), ProposeError>;

    /// Appends effects evaluated under `term`; answered once they are applied here.
    async fn propose(&self, term: u64, effects: Bytes) -> Result<(), ProposeError>;

    /// Waits until a quorum has confirmed this leadership and all that was committed before is applied.
    async fn barrier(&self) -> Result<(), ProposeError>;

    /// Flushes the store, tells the library, and lets the log be purged; with `all`, of everything
    /// flushed, else of all but what laggards may soon want.
    async fn checkpoint(&self, all: bool) -> Result<(), ProposeError>;

    /// Whether it may stand for election: not with rows that it could not serve, on a slow drive, or if it is about to
    /// stop; nor once it has led in this term, though it has transferred its leadership: the next leader is another one.
    fn may_be_elected(&self) -> bool;

    /// Stands for election now, if a quorum would grant it.
    async fn elect(&self);

    /// Transfers leadership to that of these replicas whose log is longest, if this one leads. It ceases to lead
    /// at once, whether or not the other is elected; nothing happens if none of them is a voter that lacks at
    /// most `lag_max` entries of this one's log.
    async fn transfer_leadership(&self, to: &BTreeSet<ReplicaId>, lag_max: u64);

    /// Stands for no election any more.
    fn stop_campaigning(&self);

    /// Stands for no election, and answers no reads by its lease, as long as its drive is slow.
    fn set_slow(&self, is_slow: bool);

    /// Makes a leader known to its followers, which renews its lease.
    async fn heartbeat(&self);

    /// The last position of the replica's log.
    fn last(&self) -> Option<Position>;

    /// Makes one change of the members that were set at `set_at`, if they are still those; a replica that is to get a
    /// vote is looked at once more. Returns once a quorum has committed it. Only at the leader.
    async fn change_members(&self, set_at: Position, change: MemberChange) -> Result<(), ChangeError>;

    /// The members, if this replica leads and no change of them is under way.
    fn settled_members(&self) -> Option<SettledMembers>;

    /// The members in force here: a change counts from when it was written, before it is committed.
    fn members(&self) -> Members;

    /// The members that a quorum has committed, as far as this replica knows, and the entry that set them; unset: it
    /// knows of none.
    fn committed_members(&self) -> Option<(Position, Members)>;

    /// Whether the replica's rows are some state that a quorum agreed on: not while others replace them.
    fn is_whole(&self) -> bool;

    /// What a member of the group, on this drive, read of the piece of rows that the entry `index` names; `None` if it
    /// does not answer.
    async fn digest_of(&self, member: ReplicaId, drive: DriveId, index: u64) -> Option<RowsDigest>;

    /// Why the replica stopped for good, if it did.
    fn stopped(&self) -> Option<String>;

    /// Stops the replica.
    async fn shutdown(&self);
}
