//! What a cluster waits for before it is formed.
//!
//! Must not know: how it is formed.

/// What a cluster waits for before it is formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// How many storage nodes.
    pub nodes: u16,
    /// In how many ranges the keyspace will be cut.
    pub ranges: u16,
}
