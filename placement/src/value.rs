//! The field encodings of blobs, shards, policies and geometries.

use couronne_base::codec::table::{identity, newtype, record};
use couronne_base::codec::{Corrupt, Input, Value, Writer};

use crate::blob::{BlobId, ChunkId, ShardId};
use crate::geometry::Geometry;
use crate::policy::{Policy, PolicyId, Redundancy, ResidencyClass};

identity! { BlobId }
newtype! { PolicyId ResidencyClass }

record! { Policy {
    1 id, 2 name, 3 redundancy, 4 chunk_bytes, 5 inline_bytes_max, 6 copies_bytes_max, 7 survives,
} }

/// As an operator writes it: what no operator may write, no bytes give.
impl Value for Redundancy {
    fn write(&self, out: &mut Writer) {
        out.raw(self.to_string().as_bytes());
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        let text = std::str::from_utf8(input.bytes()).map_err(|_| Corrupt("text is not UTF-8"))?;
        text.parse().map_err(|_| Corrupt("no redundancy"))
    }
}

/// The blob's 32 bytes, the chunk's number as four (big-endian), the shard's number.
impl Value for ShardId {
    fn write(&self, out: &mut Writer) {
        out.raw(&self.chunk.blob.to_bytes());
        out.raw(&self.chunk.index.to_be_bytes());
        out.raw(&[self.number]);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        const SHORT: Corrupt = Corrupt("shard id cut off");
        let bytes: [u8; BlobId::BYTES + 5] = input.array()?;
        let (blob, rest) = bytes.split_first_chunk::<{ BlobId::BYTES }>().ok_or(SHORT)?;
        let (index, rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
        let number = *rest.first().ok_or(SHORT)?;
        let chunk = ChunkId { blob: BlobId::from_bytes(*blob), index: u32::from_be_bytes(*index) };
        Ok(Self { chunk, number })
    }
}

/// `k`, `m`, then the chunk size in bytes as four bytes, big-endian.
impl Value for Geometry {
    fn write(&self, out: &mut Writer) {
        out.raw(&[self.k(), self.m()]);
        out.raw(&self.chunk_bytes().to_be_bytes());
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        let [k, m, c0, c1, c2, c3] = input.array()?;
        Self::new(k, m, u32::from_be_bytes([c0, c1, c2, c3])).map_err(|_| Corrupt("geometry out of range"))
    }
}
