//! Identities of what a ring is built of. Newtypes, so that a drive is never taken for a node.

use std::fmt;
use std::sync::Arc;

/// A drive's identity, given once when the drive is formatted and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DriveId(pub u128);

/// A node's identity, given once when the node first starts and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u128);

/// The version of a ring; each published change adds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

/// One of the ring's `2^p` partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u32);

/// A region's name: the largest failure domain, and the unit of residency.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionName(pub Arc<str>);

/// A zone's name, unique within its region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneName(pub Arc<str>);

macro_rules! hex_identity {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:032x})"), self.0)
            }
        }

        impl $name {
            /// Parses the 32 hexadecimal digits that `Display` writes.
            pub fn parse(text: &str) -> Option<Self> {
                if text.len() != 32 {
                    return None;
                }
                u128::from_str_radix(text, 16).ok().map(Self)
            }
        }
    };
}

hex_identity!(DriveId);
hex_identity!(NodeId);
