//! Reading bytes of one chunk: each verified before it is given out, whatever drives do.
//!
//! [`chunk`] says which frames of which shards are needed; [`reader`] asks for them in rounds until enough have
//! come; [`fetch`] and [`shard`] ask one drive for frames of one shard and verify them.
//! Must not know: rows, bodies.

mod chunk;
mod fetch;
mod reader;
mod shard;

pub use chunk::ChunkRead;
pub use shard::Slice;
