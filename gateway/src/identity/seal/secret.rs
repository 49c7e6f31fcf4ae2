//! Secrets: bytes that are never printed, and wiped when dropped.

use zeroize::Zeroizing;

/// A secret key. It has neither `Debug` nor `Display`, so that it cannot reach a log by accident.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes a secret's bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes, for deriving keys and for showing to its owner once.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}
