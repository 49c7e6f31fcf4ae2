//! Encoding a chunk into its sealed shards.
//!
//! Data shards are slices of the chunk as it was received; parity is computed into one aligned buffer,
//! each shard starting at a multiple of the alignment that direct I/O wants.

use bytes::Bytes;
use couronne_base::buffer::{AlignedBuffer, BUFFER_ALIGN};
use couronne_placement::ShardId;
use couronne_placement::erasure::{Codec, ErasureError};
use couronne_placement::frame;

use super::ChunkToWrite;
use crate::error::ClientError;

/// One shard, ready to be sent.
pub(crate) struct EncodedShard {
    pub(crate) id: ShardId,
    pub(crate) frames: Vec<u64>,
    pub(crate) payload: Bytes,
}

pub(super) fn encode(chunk: &ChunkToWrite) -> Result<Vec<EncodedShard>, ClientError> {
    let payloads = payloads(chunk).map_err(|error| ClientError::Corrupt(format!("encoding a chunk: {error}")))?;
    let seal = |(payload, number): (Bytes, u8)| {
        let id = ShardId { chunk: chunk.chunk, number };
        EncodedShard { id, frames: frame::seal(id, chunk.geometry, &payload), payload }
    };
    Ok(payloads.into_iter().zip(0u8..).map(seal).collect())
}

fn payloads(chunk: &ChunkToWrite) -> Result<Vec<Bytes>, ErasureError> {
    let codec = Codec::of(&chunk.geometry)?;
    let mut shards = codec.split(&chunk.bytes);
    let parity_count = usize::from(chunk.geometry.m());
    let parity = match (shards.first(), parity_count) {
        (_, 0) | (None, _) => Vec::new(),
        // Copies share the data's own bytes.
        (Some(copy), _) if chunk.geometry.k() == 1 => vec![copy.clone(); parity_count],
        (Some(first), _) => parity(codec, &shards, first.len(), parity_count)?,
    };
    shards.extend(parity);
    Ok(shards)
}

fn parity(codec: &Codec, data: &[Bytes], shard_len: usize, count: usize) -> Result<Vec<Bytes>, ErasureError> {
    let stride = shard_len.next_multiple_of(BUFFER_ALIGN);
    let mut buffer = AlignedBuffer::with_capacity(stride * count);
    buffer.extend_zeroes(stride * count);
    let mut out: Vec<&mut [u8]> =
        buffer.chunks_mut(stride.max(1)).filter_map(|shard| shard.get_mut(..shard_len)).collect();
    let data: Vec<&[u8]> = data.iter().map(AsRef::as_ref).collect();
    codec.encode_into(&data, &mut out)?;
    let bytes = buffer.freeze();
    Ok((0..count).map(|shard| bytes.slice(shard * stride..shard * stride + shard_len)).collect())
}
