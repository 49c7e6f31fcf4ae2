//! What a request is called, in the log and towards its client.
//!
//! Must not know: anything else of a request.

use std::fmt;

/// A request's identity: in its log line, and in its answer as its face shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// Makes an id of random bytes.
    pub const fn from_random(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// All of its bytes. Its text shows the first eight.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}
