//! The owner that a share counts for.
//!
//! Must not know: what the levels mean.

use std::sync::Arc;

/// How many levels a holder has.
pub const LEVELS: usize = 5;

/// A holder of shares: a path of names from the outermost level inwards. A pool is shared among the names of the first
/// level, what a name gets is shared among the names of the second level within it, and so on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder(Arc<[Arc<str>; LEVELS]>);

impl Holder {
    /// A holder of these names, the outermost first. A level without a name has the empty one.
    pub fn new<N: Into<Arc<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut names = names.into_iter().map(Into::into);
        Self(Arc::new(std::array::from_fn(|_| names.next().unwrap_or_default())))
    }

    /// Whether it has no name at all.
    pub fn is_nobody(&self) -> bool {
        self.0.iter().all(|name| name.is_empty())
    }

    /// Its names, the outermost first.
    pub fn levels(&self) -> &[Arc<str>; LEVELS] {
        &self.0
    }
}
