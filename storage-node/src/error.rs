//! Why a node did not start, or did not do what an operator asked of it.

use thiserror::Error;

/// Why a node did not start.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The policy does not fit the drives, or is not the one the node was formed with.
    #[error("policy {0}")]
    Policy(String),
    /// A drive is not what it should be.
    #[error("drive {0}")]
    Drive(String),
    /// A drive lost durable bytes of its log.
    #[error("log of drive {0}")]
    CorruptLog(String),
    /// Another process has the drive.
    #[error("drive {0} is in use by another process")]
    InUse(String),
    /// Too few drives of the node are here.
    #[error("too few drives: {0}")]
    TooFewDrives(String),
    /// A file could not be read or written.
    #[error("node: {0}")]
    Io(#[from] std::io::Error),
    /// A replica did not start.
    #[error("starting replica: {0}")]
    Replica(String),
    /// The drives belong to no cluster yet.
    #[error(
        "belongs to no cluster yet: found one with `couronne cluster init`, or join one with `couronne cluster join`"
    )]
    NoMember,
    /// The group that keeps the cluster map does not answer.
    #[error("cluster map: {0}")]
    Map(String),
}
