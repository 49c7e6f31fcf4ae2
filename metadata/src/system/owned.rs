//! The row by which an account's bucket is listed.
//!
//! ```text
//! owned/<account id>/<name>    version (1) ‖ state (1) ‖ created (8) ‖ bucket id (16)
//! ```
//! Must not know: when a row is written.

use bytes::Bytes;
use couronne_base::codec::Corrupt;

use crate::ids::{BucketId, Ordinal};
use crate::record::BucketEntry;

const VERSION: u8 = 1;

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnedRow {
    /// Whether the bucket's registry row is Live or Deleting; else it has to be looked at.
    pub is_confirmed: bool,
    /// When the bucket was created; microseconds since 1970.
    pub created: Ordinal,
    /// The bucket.
    pub id: BucketId,
}

/// The text of the key of an account's bucket.
pub fn key_of(account_id: &str, name: &str) -> String {
    format!("owned/{account_id}/{name}")
}

impl OwnedRow {
    /// The row of a bucket.
    pub fn of(entry: &BucketEntry, is_confirmed: bool) -> Self {
        Self { is_confirmed, created: entry.created, id: entry.id }
    }

    /// The row as it stands in a store.
    pub fn encode(self) -> Bytes {
        let head = [VERSION, u8::from(self.is_confirmed)];
        [&head[..], &self.created.0.to_be_bytes(), &self.id.to_bytes()].concat().into()
    }

    /// Takes a row from a store.
    pub fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let decoded = || {
            let ([version, state], rest) = bytes.split_first_chunk()?;
            let (created, id) = rest.split_first_chunk()?;
            let is_confirmed = match state {
                0 => false,
                1 => true,
                _ => return None,
            };
            let id = BucketId::from_bytes(id.try_into().ok()?);
            (*version == VERSION).then_some(Self { is_confirmed, created: Ordinal(u64::from_be_bytes(*created)), id })
        };
        decoded().ok_or(Corrupt("not a row of an account's bucket"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn is_written_as_drawn_and_nothing_else_is_read() {
        let id = BucketId::from_bytes([7; 16]);
        for is_confirmed in [false, true] {
            let row = OwnedRow { is_confirmed, created: Ordinal(0x0102), id };
            let bytes = row.encode();
            let drawn = [&[1, u8::from(is_confirmed)][..], &[0, 0, 0, 0, 0, 0, 1, 2], &[7; 16]].concat();
            assert_eq!(bytes, drawn);
            assert_eq!(OwnedRow::decode(&bytes).unwrap(), row);
            assert!(OwnedRow::decode(&bytes[..bytes.len() - 1]).is_err());
            assert!(OwnedRow::decode(&[&bytes[..], &[0]].concat()).is_err());
            for head in [[2, 0], [1, 2]] {
                assert!(OwnedRow::decode(&[&head[..], &bytes[2..]].concat()).is_err());
            }
        }
    }
}
