//! The comparison of a range's replicas, as far as it got: one row, written for each piece that is compared.
//!
//! Must not know: how a piece is compared.

use bytes::Bytes;
use couronne_base::codec;

use crate::key::{self, RowKind};
use crate::store::{StoreError, View};

/// How far the comparison of the range's replicas is. It is kept with the rows, so that another leader goes on with it;
/// every replica that applies the row takes a digest of the piece that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreScrub {
    /// When the last comparison ended in which all voters were found alike in every row, in milliseconds since 1970 by
    /// the leader's clock.
    pub ended_ms: Option<u64>,
    /// When the last comparison ended, whatever came of it, likewise.
    pub tried_ms: Option<u64>,
    /// When the last comparison found rows that differ, or cannot be read, and of which no majority tells what they
    /// are, likewise; unset: it found none.
    pub unresolved_ms: Option<u64>,
    /// The comparison under way.
    pub under_way: Option<StoreComparison>,
}

/// A comparison of all rows of a range's replicas, piece by piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreComparison {
    /// The first key of the piece that is compared next.
    pub piece: Bytes,
    /// The voters when it began, by their numbers.
    pub voters: Vec<u64>,
    /// Whether all of them were found alike in every piece before.
    pub is_full: bool,
    /// Whether it found rows of which no majority tells what they are.
    pub is_unresolved: bool,
}

impl StoreScrub {
    /// The key of the row.
    pub fn row() -> Bytes {
        key::of_range(RowKind::StoreScrub, &[])
    }

    /// How far the comparison is as the view has it.
    pub fn load(view: &dyn View) -> Result<Self, StoreError> {
        Ok(view.get(&Self::row())?.map(|row| codec::decode(&row)).transpose()?.unwrap_or_default())
    }
}
