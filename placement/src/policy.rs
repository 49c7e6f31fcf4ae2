//! Storage policies: how many copies or shards, in what chunks, and where they may lie.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use couronne_ring::FailureDomain;
use thiserror::Error;

use crate::geometry::{Geometry, GeometryError, SHARDS_MAX};

/// A policy's number in the cluster map; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PolicyId(pub u16);

/// The number of a residency class: the regions or zones some buckets are confined to.
/// Class 0 is "anywhere in this cluster". Bucket ids begin with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ResidencyClass(pub u16);

/// What a policy promises, as an operator writes it: `single`, `replicated:N` or `ec:K+M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Redundancy {
    /// One copy. Its drive is its life.
    Single,
    /// `N` whole copies; any `N - 1` may be lost.
    Replicated(u8),
    /// `k` data and `m` parity shards; any `m` may be lost.
    Erasure {
        /// Data shards.
        k: u8,
        /// Parity shards.
        m: u8,
    },
}

/// Why a written redundancy was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a policy: use `single`, `replicated:N` (2 to 32) or `ec:K+M` (K, M at least 1, K+M at most 32)")]
pub struct RedundancyError(pub String);

/// A storage policy of the cluster map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its number, as rows and shard headers carry it.
    pub id: PolicyId,
    /// Its name, as Swift clients and operators see it.
    pub name: Arc<str>,
    /// What it promises.
    pub redundancy: Redundancy,
    /// The chunk size of full-sized blobs, in bytes.
    pub chunk_bytes: u32,
    /// Blobs up to this length (bytes) travel in a payload row of the commit itself.
    pub inline_bytes_max: u32,
    /// Blobs up to this length (bytes) are kept as `m + 1` whole copies instead of `k + m` shards.
    pub copies_bytes_max: u32,
    /// The level of failure domains of which any one may be lost from the acknowledgement on, if that is demanded.
    pub survives: Option<FailureDomain>,
}

impl Redundancy {
    /// How many losses it survives: `m`.
    pub const fn losses(self) -> u8 {
        match self {
            Self::Single => 0,
            Self::Replicated(n) => n.saturating_sub(1),
            Self::Erasure { m, .. } => m,
        }
    }

    /// Data shards of a full stripe: `k`.
    pub const fn data_shards(self) -> u8 {
        match self {
            Self::Single | Self::Replicated(_) => 1,
            Self::Erasure { k, .. } => k,
        }
    }

    /// How many replicas a metadata range has under this redundancy: `2f + 1` with `f = losses`.
    pub const fn metadata_replicas(self) -> u8 {
        2 * self.losses() + 1
    }
}

impl Policy {
    /// The geometry of a new blob of `blob_len` bytes (`None`: length not known yet, taken as large).
    pub fn geometry(&self, blob_len: Option<u64>) -> Result<Geometry, GeometryError> {
        let small = blob_len.is_some_and(|len| len <= u64::from(self.copies_bytes_max));
        let k = if small { 1 } else { self.redundancy.data_shards() };
        Geometry::new(k, self.redundancy.losses(), self.chunk_bytes)
    }

    /// Whether a blob may be cut and encoded so. Its length does not tell which of the two it is: that of a body is not
    /// always known when its first chunk is written.
    pub fn allows(&self, geometry: Geometry) -> bool {
        [None, Some(0)].into_iter().any(|len| self.geometry(len) == Ok(geometry))
    }
}

impl fmt::Display for Redundancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single => write!(f, "single"),
            Self::Replicated(n) => write!(f, "replicated:{n}"),
            Self::Erasure { k, m } => write!(f, "ec:{k}+{m}"),
        }
    }
}

impl FromStr for Redundancy {
    type Err = RedundancyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match text.split_once(':') {
            None if text == "single" => Some(Self::Single),
            Some(("replicated", n)) => n.parse().ok().filter(|n| (2..=SHARDS_MAX).contains(n)).map(Self::Replicated),
            Some(("ec", shape)) => shape.split_once('+').and_then(|(k, m)| {
                let (k, m) = (k.parse::<u8>().ok()?, m.parse::<u8>().ok()?);
                (k >= 1 && m >= 1 && k.checked_add(m)? <= SHARDS_MAX).then_some(Self::Erasure { k, m })
            }),
            _ => None,
        };
        parsed.ok_or_else(|| RedundancyError(text.to_owned()))
    }
}
