//! The encodings of what says where something is: drives, nodes, epochs, ranges, shards.

use couronne_placement::{BlobId, ChunkId, ResidencyClass, ShardId};
use couronne_ring::{DriveId, Epoch, NodeId};

use super::{Corrupt, Input, Value, Writer};
use crate::ids::{Generation, RangeId};

macro_rules! numbered {
    ($($type:ident)*) => { $(
        impl Value for $type {
            fn write(&self, out: &mut Writer) {
                self.0.write(out);
            }

            fn read(input: Input<'_>) -> Result<Self, Corrupt> {
                Value::read(input).map(Self)
            }
        }
    )* };
}

numbered! { Epoch Generation RangeId ResidencyClass }

/// 16 bytes, big-endian.
macro_rules! given_once {
    ($($type:ident)*) => { $(
        impl Value for $type {
            fn write(&self, out: &mut Writer) {
                out.raw(&self.0.to_be_bytes());
            }

            fn read(input: Input<'_>) -> Result<Self, Corrupt> {
                input.array().map(u128::from_be_bytes).map(Self)
            }
        }
    )* };
}

given_once! { DriveId NodeId }

/// The blob's 16 bytes, the chunk's number as four (big-endian), the shard's number.
impl Value for ShardId {
    fn write(&self, out: &mut Writer) {
        out.raw(&self.chunk.blob.to_bytes());
        out.raw(&self.chunk.index.to_be_bytes());
        out.raw(&[self.number]);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        let bytes: [u8; 21] = input.array()?;
        let (blob, rest) = bytes.split_first_chunk::<16>().ok_or(SHORT)?;
        let (index, rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
        let number = *rest.first().ok_or(SHORT)?;
        let chunk = ChunkId { blob: BlobId::from_bytes(*blob), index: u32::from_be_bytes(*index) };
        Ok(Self { chunk, number })
    }
}

const SHORT: Corrupt = Corrupt("shard id cut off");
