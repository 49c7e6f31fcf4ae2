//! The member that a certificate was given to: node, role and cluster, written as one DNS name.
//!
//! ```text
//! <node, 32 hex digits>.<role>.<cluster, 32 hex digits>.couronne.internal
//! ```
//! Promises: one text for each name and no other; what parses is written back the same.
//! Must not know: certificates.

use std::fmt;

use couronne_ring::NodeId;

use couronne_cluster::Role;

/// What all names end with.
const SUFFIX: &str = "couronne.internal";

/// The name of a member. An unjoined process has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    cluster: u128,
    node: NodeId,
    role: Member,
}

/// The roles that have certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    StorageNode,
    Gateway,
}

impl Member {
    const fn label(self) -> &'static str {
        match self {
            Self::StorageNode => "storage-node",
            Self::Gateway => "gateway",
        }
    }
}

impl Name {
    /// The name of a member; `None` for an unjoined process.
    pub const fn new(cluster: u128, node: NodeId, role: Role) -> Option<Self> {
        let role = match role {
            Role::StorageNode => Member::StorageNode,
            Role::Gateway => Member::Gateway,
            Role::Unjoined => return None,
        };
        Some(Self { cluster, node, role })
    }

    /// The name of a storage node.
    pub(super) const fn storage_node(cluster: u128, node: NodeId) -> Self {
        Self { cluster, node, role: Member::StorageNode }
    }

    /// Parses exactly what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut labels = text.splitn(4, '.');
        let node = NodeId::parse(labels.next()?)?;
        let role = match labels.next()? {
            "storage-node" => Member::StorageNode,
            "gateway" => Member::Gateway,
            _ => return None,
        };
        let cluster = NodeId::parse(labels.next()?)?.0;
        let name = Self { cluster, node, role };
        // Digits have a case and numbers a sign: one text only is the name.
        (name.to_string() == text).then_some(name)
    }

    /// The cluster's identity.
    pub const fn cluster(&self) -> u128 {
        self.cluster
    }

    /// The node.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Its role.
    pub const fn role(&self) -> Role {
        match self.role {
            Member::StorageNode => Role::StorageNode,
            Member::Gateway => Role::Gateway,
        }
    }

    /// What all names of a cluster end with.
    pub(super) fn domain(cluster: u128) -> String {
        format!("{cluster:032x}.{SUFFIX}")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{:032x}.{SUFFIX}", self.node, self.role.label(), self.cluster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_text() {
        let name = Name::new(0xabc, NodeId(7), Role::StorageNode).unwrap();
        let text = name.to_string();
        assert_eq!(
            text,
            "00000000000000000000000000000007.storage-node.00000000000000000000000000000abc.couronne.internal"
        );
        assert_eq!(Name::parse(&text), Some(name));
        let gateway = Name::new(0xabc, NodeId(7), Role::Gateway).unwrap();
        assert_eq!(Name::parse(&gateway.to_string()), Some(gateway));
        assert_eq!(Name::new(0xabc, NodeId(7), Role::Unjoined), None);
    }

    #[test]
    fn other_texts_are_nobody() {
        let text = Name::storage_node(0xabc, NodeId(7)).to_string();
        let bent = [
            text.to_uppercase(),
            text.replace("abc", "aBc"),
            text.replacen('0', "+", 1),
            text.replace("storage-node", "unjoined"),
            text.replace(".internal", ".internal."),
            text.replace(".internal", ".internal.evil"),
            text.replace("couronne.", ""),
            format!("x.{text}"),
            format!("{text} "),
            format!("*.{}", Name::domain(0xabc)),
            text.replacen("0", "", 1),
            String::new(),
            "...".to_owned(),
        ];
        for text in bent {
            assert_eq!(Name::parse(&text), None, "{text}");
        }
    }
}
