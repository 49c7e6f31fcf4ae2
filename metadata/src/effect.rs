//! What a command does to the rows: what the leader proposes and the log carries.
//!
//! An effect says plainly which rows become what. Only sums and monotone watermarks are left to apply,
//! since commands of other keys may change them between evaluation and application.
//! Must not know: commands.

use bytes::Bytes;

use crate::ids::BucketId;
use crate::record::Usage;
use crate::store::Batch;
#[cfg(doc)]
use crate::store::Write;
use crate::watermarks::Watermarks;
use couronne_base::codec::{self, Corrupt};

/// About what numbers and lengths take in the encoding of a write, and of what is no write.
const FIELD_BYTES: u64 = 24;

/// A change of what the range holds of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageDelta {
    /// The bucket.
    pub bucket: BucketId,
    /// What is added.
    pub delta: Usage,
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
