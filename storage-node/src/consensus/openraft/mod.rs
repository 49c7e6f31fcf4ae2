//! Consensus by openraft: the one folder that imports it.
//!
//! Our log, machine and transport are fitted to its traits here, and its types to ours; none of them
//! goes further. Store without WAL: the library's "snapshot" is the flushed store, so it purges no
//! entry that the flushed store lacks, and the rows themselves are read only when a follower needs them.
//! Must not know: rows, commands, files.

mod convert;
mod endpoint;
mod group;
mod heartbeat;
mod link;
mod log;
mod runtime;
mod state_machine;

use std::fmt;

use bytes::Bytes;
use couronne_ring::DriveId;
use openraft::Raft;
use openraft::impls::leader_id_std;

pub(super) use self::group::Group;
use self::state_machine::StateMachineAdapter;

/// The most bytes of entries sent to a follower in one message, unless one entry alone has more.
const MESSAGE_BYTES_MAX: usize = super::message::ENTRIES_BYTES_MAX;

/// Effects as the library carries them: it prints its commands, and rows are nobody's log lines.
#[derive(Clone)]
struct Effects(Bytes);

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of effects", self.0.len())
    }
}

impl fmt::Display for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The answer to a proposal: it was applied.
#[derive(Clone, Copy, Debug)]
struct Done;

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("done")
    }
}

/// Where a member lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(DriveId);

openraft::declare_raft_types!(
    Types:
        D = Effects,
        R = Done,
        NodeId = u64,
        Node = Place,
        LeaderId = leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = runtime::Runtime,
);

type LibraryRaft = Raft<Types, StateMachineAdapter>;
