//! Why a node did not start, or did not do what an operator asked of it.

use couronne_cluster::MapError;
use thiserror::Error;

/// Why a node did not start.
#[derive(Debug, Error)]
pub enum NodeError {
    /// A drive is not what it should be.
    #[error("drive {0}")]
    Drive(String),
    /// A drive lost durable bytes of its log.
    #[error("log of drive {0}")]
    CorruptLog(String),
    /// The stores of a drive met rot, and cannot be gone on with.
    #[error("stores of drive {drive} are rotten: {what}")]
    RottenStores {
        /// What operators call it.
        drive: String,
        /// What was met.
        what: String,
    },
    /// Another process has the drive.
    #[error("drive {0} is in use by another process")]
    InUse(String),
    /// Too few drives of the node are here.
    #[error("too few drives: {0}")]
    TooFewDrives(String),
    /// More drives forgot their past than is survived.
    #[error(
        "too few drives: range {range} would be left without a majority of its voters, for more drives were emptied, \
         rolled back or damaged than it survives: {drives}. What is on them was not touched: put back what each of them \
         lacks (mount its disk, or put its folder back from the newest copy that there is) and start the node again"
    )]
    TooManyForgot {
        /// A range that would be.
        range: u64,
        /// The drives, each with why.
        drives: String,
    },
    /// No drive of the node serves now: all failed, or are being replaced.
    #[error("no drive of this node serves now")]
    NoneServes,
    /// A file could not be read or written.
    #[error("node: {0}")]
    Io(#[from] std::io::Error),
    /// A replica did not start.
    #[error("starting replica: {0}")]
    Replica(String),
    /// No drive says which cluster and node it belongs to: of each, why.
    #[error("no drive of this node has the cluster's map: {0}")]
    NoMap(String),
    /// The node is one of several, or waits for others.
    #[error("its cluster has other members, or waits for them: start it with `couronne storage-node`")]
    NotAlone,
    /// The name or place that the node was given cannot be its own.
    #[error("{0}")]
    Place(String),
    /// A join token is not made.
    #[error("{0}")]
    Token(String),
    /// The group that keeps the cluster map does not answer.
    #[error("cluster map: {0}")]
    Map(String),
    /// No storage node that can be reached has the key that sealed the cluster's secrets.
    #[error(
        "no storage node that answers has the key that sealed the cluster's secrets: start the others; if the keys of all \
         nodes are lost, `couronne secrets reset` makes new secrets and keeps all objects"
    )]
    NoClusterKey,
    /// The map refuses to be changed so.
    #[error(transparent)]
    Change(#[from] MapError),
}
