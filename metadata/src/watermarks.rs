//! Monotone values of a range, one row for all. They only rise, so replicas merge by maximum.

use bytes::Bytes;
use couronne_placement::BlobId;

use crate::ids::{CommitId, Ordinal};
use crate::key::{self, RowKind};
use crate::store::{StoreError, View};
use couronne_base::codec;

/// The watermarks of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The disown horizon: no commit may name a blob born before (milliseconds since 1970).
    pub horizon_ms: u64,
    /// Outcomes of commands born before were forgotten, so such a command is refused (milliseconds since 1970).
    pub forgotten_ms: u64,
    /// No new ordinal at or below this: the highest that was removed for good, so that a key deleted and
    /// written again rises even if the clock went back.
    pub ordinal_floor: Ordinal,
    /// The newest version of the map by which a sweep for lost shards went, from its beginning on. A blob that was placed
    /// by an older one may have lost shards, and the sweep may have passed: it asks for repair with its commit.
    pub sweep_map: u64,
}

impl Default for Watermarks {
    fn default() -> Self {
        Self { horizon_ms: 0, forgotten_ms: 0, ordinal_floor: Ordinal(0), sweep_map: 0 }
    }
}

impl Watermarks {
    /// The watermarks row's key.
    pub fn row() -> Bytes {
        key::of_range(RowKind::Watermarks, &[])
    }

    /// The range's watermarks as the view has them.
    pub fn load(view: &dyn View) -> Result<Self, StoreError> {
        match view.get(&Self::row())? {
            Some(bytes) => Ok(codec::decode(&bytes)?),
            None => Ok(Self::default()),
        }
    }

    /// The higher of both of each watermark.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            horizon_ms: self.horizon_ms.max(other.horizon_ms),
            forgotten_ms: self.forgotten_ms.max(other.forgotten_ms),
            ordinal_floor: self.ordinal_floor.max(other.ordinal_floor),
            sweep_map: self.sweep_map.max(other.sweep_map),
        }
    }

    /// Whether a blob was born too long ago to be named by a new commit.
    pub fn disowns(&self, blob: BlobId) -> bool {
        blob.birth_ms() < self.horizon_ms
    }

    /// Whether a sweep may have passed a blob that was placed by this version of the map; unset: that is not known.
    pub fn swept_past(&self, placed_by: Option<u64>) -> bool {
        placed_by.unwrap_or(0) < self.sweep_map
    }

    /// Whether the outcome of such a command may have been forgotten.
    pub fn forgot(&self, commit: CommitId) -> bool {
        commit.birth_ms() < self.forgotten_ms
    }
}
