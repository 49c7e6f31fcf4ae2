//! What duties are given of their node, and what they share.
//!
//! Must not know: how a node starts, the peers that ask it.

use std::sync::Arc;

use couronne_base::env::Env;
use couronne_client::Client;
use couronne_protocol::map::SharedMap;
use tokio::sync::{Notify, Semaphore};

use super::progress::{Progress, ScrubProgress, terms};
use super::rate_limiter::RateLimiter;
use super::settings::{Counters, DutyCounters, DutySettings};
use super::snapshot::DriveSnapshot;
use crate::clock::ClockGuard;
use crate::drives::Drives;
use crate::membership::MapStore;
use crate::replicas::{LocalService, Replicas, Routes};
use crate::stop::StopSignal;
use crate::surroundings::Surroundings;

/// Chunks that are repaired at a time. With the size of a chunk it bounds the memory.
const MOVING_MAX: usize = 6;

/// The node as its duties see it.
pub(crate) struct DutyContext {
    pub(super) settings: DutySettings,
    pub(super) counters: Counters,
    pub(super) env: Env,
    pub(super) clock: Arc<ClockGuard>,
    /// The newest map known here.
    pub(super) map: Arc<SharedMap>,
    /// The drives of this node.
    pub(super) drives: Arc<Drives>,
    /// The replicas of this node, those that lead among them.
    pub(super) replicas: Arc<Replicas>,
    /// The way to all drives and ranges of the cluster.
    pub(super) routes: Arc<Routes>,
    /// What asks ranges and drives, wherever they are.
    pub(super) client: Arc<Client>,
    pub(super) map_store: Arc<MapStore>,
    pub(super) repair: Progress,
    pub(super) repair_rate: RateLimiter,
    pub(super) repair_started: Arc<Notify>,
    /// Chunks whose bytes are in memory.
    pub(super) moving: Semaphore,
    pub(super) scrub: ScrubProgress,
    pub(super) scrub_started: Arc<Notify>,
    pub(super) store_scrub_started: Arc<Notify>,
    pub(super) stop: Arc<StopSignal>,
}

impl DutyContext {
    /// The context of a node's duties, of which none has begun.
    pub(crate) fn new(
        surroundings: Surroundings,
        local: &LocalService,
        (routes, client): (Arc<Routes>, Arc<Client>),
        map_store: Arc<MapStore>,
        settings: DutySettings,
    ) -> Self {
        let Surroundings { env, map, clock, stop, .. } = surroundings;
        let repair_rate = RateLimiter::new(settings.repair_bytes_per_second);
        Self {
            settings,
            counters: Counters::default(),
            env,
            clock,
            map,
            drives: Arc::clone(&local.drives),
            replicas: Arc::clone(&local.replicas),
            routes,
            client,
            map_store,
            repair: Progress::default(),
            repair_rate,
            repair_started: Arc::default(),
            moving: Semaphore::new(MOVING_MAX),
            scrub: ScrubProgress::default(),
            scrub_started: Arc::default(),
            store_scrub_started: Arc::default(),
            stop,
        }
    }

    /// How the cluster's drives stand now, as the node knows.
    pub(super) fn drive_snapshot(&self) -> DriveSnapshot {
        DriveSnapshot::of(&self.map)
    }

    /// What was done since the start, and whether what deletes is halted.
    pub(crate) fn counters(&self) -> DutyCounters {
        let (reports_waiting, halted) = (self.drives.damage.open(), self.clock.halted());
        DutyCounters { reports_waiting, halted, ..self.counters.read() }
    }

    /// An operator wants everything repaired now: nothing waits, every blob of the ranges led here is looked for.
    pub(crate) fn start_repair(&self) {
        self.repair.start(terms(&self.replicas.leaders()));
        self.repair_started.notify_one();
    }

    /// An operator wants everything scrubbed now; `false` if a round is under way.
    pub(crate) fn start_scrub(&self) -> bool {
        let is_idle = !self.scrub.is_running();
        if is_idle {
            self.scrub_started.notify_one();
            self.store_scrub_started.notify_one();
        }
        is_idle
    }
}
