//! Which key is whose: a member's id comes from its key, and a certificate of its name for another key is nobody's.
//!
//! Exceptions are a server that ran alone, lost its key and took another, and storage nodes whose secrets were reset: their
//! keys are unknown until each has shown its new one.
//! Promises: a key that is known stays. Must not know: keys; certificates.

use std::collections::BTreeMap;

use couronne_ring::NodeId;

/// The key of a member whose id does not come from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKey {
    /// Nobody has told: whatever key a certificate of its name is for is taken.
    Unknown,
    /// The key from which this id would come.
    Of(NodeId),
}

/// The keys of members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberKeys {
    /// Those that the members' ids do not come from.
    pub(crate) other: BTreeMap<NodeId, MemberKey>,
}

impl MemberKeys {
    /// Whether the key from which the id `key` would come is taken for a member's.
    pub fn takes(&self, node: NodeId, key: NodeId) -> bool {
        match self.other.get(&node) {
            None => node == key,
            Some(MemberKey::Of(known)) => *known == key,
            Some(MemberKey::Unknown) => true,
        }
    }

    /// Whether a member's key is known.
    pub fn knows(&self, node: NodeId) -> bool {
        self.other.get(&node) != Some(&MemberKey::Unknown)
    }

    /// From now on the key from which the id `key` would come is a member's; whether that is news.
    pub fn take(&mut self, node: NodeId, key: NodeId) -> bool {
        let was = match node == key {
            true => return self.other.remove(&node).is_some(),
            false => self.other.insert(node, MemberKey::Of(key)),
        };
        was != Some(MemberKey::Of(key))
    }

    /// A member's key is unknown from now on.
    pub fn forget(&mut self, node: NodeId) {
        self.other.insert(node, MemberKey::Unknown);
    }
}
