//! The certificate authorities of a cluster: whose certificates are believed, and which authority signs.
//!
//! There is one, but for while another takes its place: the new one is believed beside the old, then it signs, then the
//! old one is believed no more.
//! Must not know: what a certificate says, when the next step is taken.

use std::collections::BTreeMap;

use bytes::Bytes;

/// The authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorities {
    /// The certificates (DER) of those that are believed, by number: one or two, and none until the founding node has
    /// given the cluster its authority. Numbers rise.
    pub trusted: BTreeMap<u64, Bytes>,
    /// The number of the authority that signs.
    pub signing: u64,
}

impl Authorities {
    /// The number of the newest; 0 if there is none.
    pub fn newest(&self) -> u64 {
        self.trusted.keys().next_back().copied().unwrap_or(0)
    }

    /// Whether one takes another's place.
    pub fn is_rotating(&self) -> bool {
        self.trusted.len() > 1
    }

    /// The certificate of the authority that signs.
    pub fn signing_certificate(&self) -> Option<&Bytes> {
        self.trusted.get(&self.signing)
    }
}
