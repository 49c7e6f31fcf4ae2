//! What a process of the cluster is.
//!
//! Must not know: how a process proves it.

/// What a process of the cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// It keeps drives and replicas.
    StorageNode,
    /// It keeps nothing.
    Gateway,
    /// It has no certificate yet: it may only ask to join.
    Unjoined,
}

impl Role {
    /// A member's role as a number, on disks and wires; 0 for an unjoined process, which is none.
    pub const fn number(self) -> u8 {
        match self {
            Self::Unjoined => 0,
            Self::StorageNode => 1,
            Self::Gateway => 2,
        }
    }

    /// The member's role of a number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::StorageNode),
            2 => Some(Self::Gateway),
            _ => None,
        }
    }
}
