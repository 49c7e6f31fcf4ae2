//! The engine's settings: its bounds and time-outs, with units in their names.

/// What an operator may tune.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Memory for chunks of bodies being received, encoded and written, parity included. Bytes.
    pub write_buffer_bytes_max: u64,
    /// Memory for chunks read ahead of their receivers. Bytes.
    pub read_buffer_bytes_max: u64,
    /// Chunks of one request that may be in flight to the drives.
    pub chunks_in_flight_max: usize,
    /// How long a request waits for buffer memory before it is told to slow down. Milliseconds.
    pub buffer_wait_ms: u64,
    /// How long a drive may take to write a shard before a handoff is tried. Milliseconds.
    pub shard_write_timeout_ms: u64,
    /// How long a drive may take to read a shard before it counts as failed. Milliseconds.
    pub shard_read_timeout_ms: u64,
    /// How long a data shard may be late before parity is read beside it. Milliseconds.
    pub hedge_delay_ms: u64,
    /// Within this time a command is done, refused, or its outcome given up. Milliseconds.
    pub command_timeout_ms: u64,
    /// Within this time a query is answered or given up. Milliseconds.
    pub query_timeout_ms: u64,
    /// How long one attempt at a range may take before it is asked again. Milliseconds.
    pub attempt_timeout_ms: u64,
    /// How long a resolved bucket may be taken from memory. (A range that holds other rules says so
    /// at once; this bounds what is answered without any range.) Milliseconds.
    pub bucket_cache_ms: u64,
    /// Buckets kept in memory.
    pub bucket_cache_entries_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            write_buffer_bytes_max: 512 << 20,
            read_buffer_bytes_max: 512 << 20,
            chunks_in_flight_max: 2,
            buffer_wait_ms: 5_000,
            shard_write_timeout_ms: 10_000,
            shard_read_timeout_ms: 10_000,
            hedge_delay_ms: 150,
            command_timeout_ms: 15_000,
            query_timeout_ms: 10_000,
            attempt_timeout_ms: 5_000,
            bucket_cache_ms: 60_000,
            bucket_cache_entries_max: 10_000,
        }
    }
}
