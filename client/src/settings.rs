//! The client's settings: its bounds and time-outs, with units in their names.

use std::time::Duration;

use couronne_base::fair::Patience;

/// What a process may tune of how it asks ranges and drives.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Memory for chunks being received, encoded and written, parity included. Bytes.
    pub write_buffer_bytes_max: u64,
    /// Memory for chunks read ahead of their receivers. Bytes.
    pub read_buffer_bytes_max: u64,
    /// How long a request waits for buffer memory before it is told to slow down. Milliseconds.
    pub buffer_wait_ms: u64,
    /// How long a request waits for buffer memory before the slowest of the holder of most of it is cut. Milliseconds.
    pub buffer_cut_ms: u64,
    /// How long a drive may take to write a shard before it counts as down. Milliseconds.
    pub shard_write_timeout_ms: u64,
    /// How long a drive may take to read a shard before it counts as down. Milliseconds.
    pub shard_read_timeout_ms: u64,
    /// How long a data shard may be late before parity is read beside it. Milliseconds.
    pub hedge_delay_ms: u64,
    /// How long a chunk is attempted anew while it has too few shards only because drives cannot be asked: one that
    /// has just come back is not heard of everywhere at once. Milliseconds.
    pub chunk_patience_ms: u64,
    /// Within this time a command is done, refused, or its outcome given up. Milliseconds.
    pub command_timeout_ms: u64,
    /// Within this time a query is answered or given up. Milliseconds.
    pub query_timeout_ms: u64,
    /// How long one attempt at a range may take before it is asked again. Milliseconds.
    pub attempt_timeout_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            write_buffer_bytes_max: 512 << 20,
            read_buffer_bytes_max: 512 << 20,
            buffer_wait_ms: 5_000,
            buffer_cut_ms: 500,
            shard_write_timeout_ms: 10_000,
            shard_read_timeout_ms: 10_000,
            hedge_delay_ms: 150,
            chunk_patience_ms: 3_000,
            command_timeout_ms: 15_000,
            query_timeout_ms: 10_000,
            attempt_timeout_ms: 5_000,
        }
    }
}

impl Settings {
    /// How long is waited for buffer memory.
    pub(crate) const fn buffer_patience(&self) -> Patience {
        Patience {
            cut_after: Duration::from_millis(self.buffer_cut_ms),
            cuts_own: true,
            give_up_after: Duration::from_millis(self.buffer_wait_ms),
        }
    }
}
