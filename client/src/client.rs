//! What all requests of one process share: the router, the memory budgets, the slow drives.
//!
//! Its verbs: [`Client::router`] for commands and queries, [`Client::write_chunk`] and [`Client::read_chunk`] for
//! bytes wherever the ring says, [`Client::put_shard`] and [`Client::get_shard`] for one shard on exactly one drive.

use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_base::fair::Pool;
use couronne_protocol::map::MapSource;
use couronne_protocol::range::RangeClient;
use couronne_protocol::shard::ShardClient;
use couronne_ring::DriveId;

use crate::pauses::Pauses;
use crate::routing::{MetaGroup, Router};
use crate::settings::Settings;
use crate::slow_drives::SlowDrives;

/// A request that has begun waits this many times as long for memory as one that has not.
const BEGUN_PATIENCE: u64 = 12;

/// Buffers that are made before their bytes arrive take at most one part in so many of the write budget.
const PART_AHEAD: u64 = 4;

/// The longest pause before a chunk is attempted anew.
const CHUNK_PAUSE_MAX: Duration = Duration::from_millis(250);

/// What the client works with; passed in, so that tests pass in fakes.
#[derive(Clone)]
pub struct Components {
    /// The drives.
    pub shards: Arc<dyn ShardClient>,
    /// The metadata ranges.
    pub ranges: Arc<dyn RangeClient>,
    /// The cluster map.
    pub map: Arc<dyn MapSource>,
    /// Time and randomness.
    pub env: Env,
}

/// The client of one process.
pub struct Client {
    pub(crate) components: Components,
    pub(crate) settings: Settings,
    router: Router,
    write_budget: Pool,
    buffers_ahead: Pool,
    read_budget: Pool,
    pub(crate) slow_drives: SlowDrives,
}

impl Client {
    /// A client of the keyspace's ranges and of the drives. Must be used within a Tokio runtime.
    pub fn new(components: Components, settings: Settings) -> Self {
        Self::build(components, settings, None)
    }

    /// A client that may ask the meta group, too.
    pub fn with_meta(components: Components, settings: Settings, meta: MetaGroup) -> Self {
        Self::build(components, settings, Some(meta))
    }

    fn build(components: Components, settings: Settings, meta: Option<MetaGroup>) -> Self {
        Self {
            router: Router::new(components.ranges.clone(), components.env.clone(), &settings, meta),
            write_budget: Pool::new(settings.write_buffer_bytes_max, settings.buffer_patience()),
            buffers_ahead: Pool::new(settings.write_buffer_bytes_max / PART_AHEAD, settings.buffer_patience()),
            read_budget: Pool::new(settings.read_buffer_bytes_max, settings.buffer_patience()),
            slow_drives: SlowDrives::default(),
            components,
            settings,
        }
    }

    /// The way to ranges.
    pub const fn router(&self) -> &Router {
        &self.router
    }

    /// The cluster map.
    pub const fn map(&self) -> &Arc<dyn MapSource> {
        &self.components.map
    }

    /// Time and randomness.
    pub const fn env(&self) -> &Env {
        &self.components.env
    }

    /// The memory for chunks on their way to the drives.
    pub const fn write_budget(&self) -> &Pool {
        &self.write_budget
    }

    /// The memory of buffers for whole chunks of which little has arrived, beside the write budget.
    pub const fn buffers_ahead(&self) -> &Pool {
        &self.buffers_ahead
    }

    /// The memory for chunks that were read.
    pub const fn read_budget(&self) -> &Pool {
        &self.read_budget
    }

    /// How long a request waits for buffer memory. One that has begun waits for much longer, since its client has
    /// already been served in part; not for ever, since a copy waits for two budgets.
    pub const fn buffer_wait(&self, has_begun: bool) -> Duration {
        let wait_ms = self.settings.buffer_wait_ms;
        Duration::from_millis(if has_begun { wait_ms.saturating_mul(BEGUN_PATIENCE) } else { wait_ms })
    }

    /// Whether a drive was late a moment ago.
    pub(crate) fn is_slow(&self, drive: DriveId) -> bool {
        self.slow_drives.has(drive, self.now())
    }

    /// The pauses between attempts at one chunk.
    pub(crate) fn chunk_pauses(&self) -> Pauses<'_> {
        Pauses::new(self.env(), Duration::from_millis(self.settings.chunk_patience_ms), CHUNK_PAUSE_MAX)
    }

    /// The steady clock.
    pub(crate) fn now(&self) -> Duration {
        self.components.env.clock.steady()
    }
}
