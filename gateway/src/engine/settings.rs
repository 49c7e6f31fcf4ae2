//! The engine's settings: its bounds and time-outs, with units in their names.

use couronne_client::Settings as ClientSettings;

/// What an operator may tune.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How ranges and drives are asked.
    pub client: ClientSettings,
    /// Chunks of one request that may be in flight to the drives.
    pub chunks_in_flight_max: usize,
    /// How long a resolved bucket may be taken from memory. (A range that holds other rules says so
    /// at once; this bounds what is answered without any range.) Milliseconds.
    pub bucket_cache_ms: u64,
    /// Buckets kept in memory.
    pub bucket_cache_entries_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client: ClientSettings::default(),
            chunks_in_flight_max: 2,
            bucket_cache_ms: 60_000,
            bucket_cache_entries_max: 10_000,
        }
    }
}
