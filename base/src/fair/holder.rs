//! The owner that a share counts for.
//!
//! Must not know: what the two levels mean.

use std::sync::Arc;

/// A holder of shares: of the outer level, and within it of the inner one. Pools share among the outer first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// The outer level: an account.
    pub outer: Arc<str>,
    /// The inner level: one of its buckets.
    pub inner: Arc<str>,
}

impl Holder {
    /// A holder of these names.
    pub fn new(outer: impl Into<Arc<str>>, inner: impl Into<Arc<str>>) -> Self {
        Self { outer: outer.into(), inner: inner.into() }
    }
}
