//! What all requests of one process share: the router, the memory budgets, the slow drives.
//!
//! Its verbs: [`Client::router`] for commands and queries, [`Client::write_chunk`] and [`Client::read_chunk`] for
//! bytes wherever the ring says, [`Client::put_shard`] and [`Client::get_shard`] for one shard on exactly one drive.

use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_protocol::map::MapSource;
use couronne_protocol::range::RangeClient;
use couronne_protocol::shard::ShardClient;
use couronne_ring::DriveId;

use crate::budget::Budget;
use crate::routing::{MetaGroup, Router};
use crate::settings::Settings;
use crate::slow_drives::SlowDrives;

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
    write_budget: Budget,
    read_budget: Budget,
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
            write_budget: Budget::new(settings.write_buffer_bytes_max, settings.buffer_wait_ms),
            read_budget: Budget::new(settings.read_buffer_bytes_max, settings.buffer_wait_ms),
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
    pub const fn write_budget(&self) -> &Budget {
        &self.write_budget
    }

    /// The memory for chunks that were read.
    pub const fn read_budget(&self) -> &Budget {
        &self.read_budget
    }

    /// Whether a drive was late a moment ago.
    pub(crate) fn is_slow(&self, drive: DriveId) -> bool {
        self.slow_drives.has(drive, self.now())
    }

    /// The steady clock.
    pub(crate) fn now(&self) -> Duration {
        self.components.env.clock.steady()
    }
}
