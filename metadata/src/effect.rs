//! What a command does to the rows: what the leader proposes and the log carries.
//!
//! An effect says plainly which rows become what. Only sums and monotone watermarks are left to apply,
//! since commands of other keys may change them between evaluation and application.
//! Must not know: commands.

use bytes::Bytes;

use crate::store::Batch;
#[cfg(doc)]
use crate::store::Write;
use crate::usage::UsageDelta;
use crate::watermarks::Watermarks;
use couronne_base::codec::{self, Corrupt};

/// About what numbers and lengths take in the encoding of a write, and of what is no write.
pub(crate) const FIELD_BYTES: u64 = 24;

/// An effect is shorter than this, or it cannot be proposed.
pub const EFFECT_BYTES_MAX: usize = (6 << 20) - 1024;

/// Rows that are removed, and whose keys begin alike: the rows of a key are many, and the key may be long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedRows {
    /// How the rows' keys begin.
    pub prefix: Bytes,
    /// How each goes on.
    pub suffixes: Vec<Bytes>,
}

impl RemovedRows {
    /// The rows' keys.
    pub fn keys(&self) -> impl Iterator<Item = Bytes> {
        self.suffixes.iter().map(|suffix| [&self.prefix[..], suffix].concat().into())
    }
}

/// The row writes of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Rows set and removed, in order; see [`Write`].
    pub writes: Vec<crate::store::Write>,
    /// What is added to counters.
    pub usage: Vec<UsageDelta>,
    /// What the watermarks are raised to; absent if they stay.
    pub watermarks: Option<Watermarks>,
    /// Rows removed besides; no write is of one of them.
    pub removed: Vec<RemovedRows>,
}

impl Effect {
    /// The effect as it stands in a log entry.
    pub fn encode(&self) -> Bytes {
        let bytes: u64 = self.writes.iter().map(|write| write.bytes() + FIELD_BYTES).sum();
        codec::encode_about(self, usize::try_from(bytes + FIELD_BYTES).unwrap_or_default())
    }

    /// Takes an effect from a log entry; rows share the entry's memory.
    pub fn decode(bytes: &Bytes) -> Result<Self, Corrupt> {
        codec::decode(bytes)
    }
}

impl From<Effect> for Batch {
    fn from(effect: Effect) -> Self {
        Self { writes: effect.writes }
    }
}
