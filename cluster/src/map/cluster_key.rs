//! Which key seals what the meta group keeps beside the map, and how it gives way to another one: the other one seals from
//! then on; and, once every row is sealed by it, the older one seals nothing. The map has names of keys alone.
//!
//! Promises: there are two keys at most at a time, and any storage node can go on with a change that another one began.
//! Must not know: keys, what they seal.

use super::ClusterMap;

/// What tells a key from others. The key does not follow from it.
pub type ClusterKeyName = [u8; 8];

/// How far the cluster is with its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterKeyState {
    /// The key that seals; `None` until something is sealed.
    pub newest: Option<ClusterKeyName>,
    /// The key before it, as long as it may still seal a row.
    pub older: Option<ClusterKeyName>,
    /// Whether a storage node was expelled that has the newest key: another is to take its place.
    pub is_exposed: bool,
}

impl ClusterKeyState {
    /// Whether another key is to take the place of the newest now. Rows that an older one seals come first.
    pub const fn is_due(&self) -> bool {
        self.older.is_none() && (self.newest.is_none() || self.is_exposed)
    }

    /// Whether the key is being changed, or is to be.
    pub const fn is_changing(&self) -> bool {
        self.older.is_some() || (self.newest.is_some() && self.is_exposed)
    }

    /// Whether a row may be sealed by the key of this name.
    pub fn names(&self, name: ClusterKeyName) -> bool {
        [self.newest, self.older].contains(&Some(name))
    }
}

impl ClusterMap {
    /// The key of this name seals from now on, where another one is due; whether it does. Most storage nodes must have it. Not
    /// if another number of members was expelled by the time it was made: one of them may have been given it.
    pub fn take_cluster_key(&mut self, name: ClusterKeyName, expelled: usize) -> bool {
        let is_due = self.cluster_key.is_due() && self.expelled.len() == expelled;
        if is_due {
            self.cluster_key =
                ClusterKeyState { newest: Some(name), older: self.cluster_key.newest, is_exposed: false };
        }
        is_due
    }

    /// Every row is sealed by the key of this name; whether that is news.
    pub fn retire_older_cluster_key(&mut self, name: ClusterKeyName) -> bool {
        self.cluster_key.newest == Some(name) && self.cluster_key.older.take().is_some()
    }

    /// The key of this name seals from now on, for all that were before it are lost; whether that is news.
    pub fn reset_cluster_key(&mut self, name: ClusterKeyName) -> bool {
        let reset = ClusterKeyState { newest: Some(name), older: None, is_exposed: false };
        std::mem::replace(&mut self.cluster_key, reset) != reset
    }
}
