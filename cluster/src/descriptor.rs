//! A metadata range as gateways know it.
//!
//! Must not know: how a range is asked.

use bytes::Bytes;
use couronne_base::codec::table::record;
use couronne_metadata::ids::{BucketId, Generation, RangeId};
use couronne_ring::DriveId;

/// Which part of the keyspace a range owns, and where its replicas are. Positions are
/// `bucket id (16 bytes) ‖ key`, compared as bytes; a range is never cut inside one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeDescriptor {
    /// The range.
    pub id: RangeId,
    /// How often its interval changed.
    pub generation: Generation,
    /// First position it owns.
    pub start: Bytes,
    /// First position it does not own; empty for the end of the keyspace.
    pub end: Bytes,
    /// The drives on which its replicas live, as far as the process knows that gave this.
    pub replicas: Vec<DriveId>,
}

record! { RangeDescriptor { 1 id, 2 generation, 3 start, 4 end, 5 replicas } }

impl RangeDescriptor {
    /// The position of a key.
    pub fn position(bucket: BucketId, key: &[u8]) -> Bytes {
        [&bucket.to_bytes()[..], key].concat().into()
    }

    /// Whether the range owns this position.
    pub fn contains(&self, position: &[u8]) -> bool {
        self.start.as_ref() <= position && (self.end.is_empty() || position < self.end.as_ref())
    }
}
