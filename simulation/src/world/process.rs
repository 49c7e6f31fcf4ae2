//! One simulated process: a runtime of its own, under paused time, that runs as far as the world lets it.
//!
//! Promises: when its life ends, all its tasks end with it, wherever they were; a process that was
//! stopped and goes on finds the time passed at once, as after SIGSTOP.
//! Must not know: what runs in it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use couronne_base::env::{Clock, Env};
use couronne_gateway::engine::Engine;
use couronne_protocol::transport::{Peer, Service};
use couronne_storage_node::node::LocalNode;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{AbortHandle, yield_now};
use tokio::time::{advance, sleep};

use couronne_base::testing::{Rng, SeededRandom, TestClock};

/// What a process shows the world while it lives.
#[derive(Default)]
pub struct Seat {
    /// What answers its peers.
    pub service: Mutex<Option<Arc<dyn Service>>>,
    /// Its node, if it is one.
    pub node: Mutex<Option<Arc<LocalNode>>>,
    /// Its engine, if it is a gateway.
    pub engine: Mutex<Option<Engine>>,
    /// Whether its start is complete.
    pub begun: AtomicBool,
    /// Why it ended by itself.
    pub failed: Mutex<Option<String>>,
}

impl Seat {
    /// Whether its start is complete.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }
}

/// The time between a start and its end.
struct Life {
    runtime: Runtime,
    /// How far its runtime's time has gone.
    ran_ms: u64,
    began_ms: u64,
    seat: Arc<Seat>,
}

/// A process of the cluster.
pub struct Process {
    /// Its identity and role.
    pub peer: Peer,
    /// What operators call it.
    pub name: String,
    clock: Arc<TestClock>,
    rng: Rng,
    /// How fast its clocks run: millionths.
    rate_ppm: u64,
    /// The world's time when it last ran, and its own.
    world_ms: u64,
    local_us: u64,
    stopped: bool,
    lives: u64,
    life: Option<Life>,
}

impl Process {
    /// A process that does not run yet.
    pub fn new(peer: Peer, name: String, rng: Rng) -> Self {
        let clock = Arc::new(TestClock::still());
        Self {
            peer,
            name,
            clock,
            rng,
            rate_ppm: 1_000_000,
            world_ms: 0,
            local_us: 0,
            stopped: false,
            lives: 0,
            life: None,
        }
    }

    /// Has its clocks run at so many millionths of the right speed, and its wall clock be wrong by this.
    pub fn skew(&mut self, rate_ppm: u64, offset_ms: i64) {
        self.rate_ppm = rate_ppm;
        self.clock.set_offset_ms(offset_ms);
    }

    /// Has its wall clock be wrong by this.
    pub fn set_wall_clock(&self, offset_ms: i64) {
        self.clock.set_offset_ms(offset_ms);
    }

    /// Whether it runs.
    pub const fn is_alive(&self) -> bool {
        self.life.is_some()
    }

    /// Whether it runs, and is not stopped.
    pub const fn is_running(&self) -> bool {
        self.life.is_some() && !self.stopped
    }

    /// Which of its lives this is; `None` if it does not live.
    pub fn life(&self) -> Option<u64> {
        self.life.as_ref().map(|_| self.lives)
    }

    /// What it shows, while it lives.
    pub fn seat(&self) -> Option<&Arc<Seat>> {
        self.life.as_ref().map(|life| &life.seat)
    }

    /// Begins a life in which `work` runs.
    pub fn begin<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        work: impl FnOnce(Env, Arc<Seat>) -> F,
    ) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
        let random = Arc::new(SeededRandom::new(self.rng.fork()));
        let env = Env { clock: Arc::clone(&self.clock) as Arc<dyn Clock>, random };
        let seat = Arc::new(Seat::default());
        let work = {
            let _context = runtime.enter();
            work(env, Arc::clone(&seat))
        };
        runtime.spawn(work);
        self.stopped = false;
        self.lives += 1;
        self.life = Some(Life { runtime, ran_ms: 0, began_ms: self.local_us / 1000, seat });
        Ok(())
    }

    /// Ends its life at once.
    pub fn end(&mut self) {
        let Some(Life { runtime, seat, .. }) = self.life.take() else { return };
        let handle = runtime.handle().clone();
        // What is dropped may want to begin something: it finds a runtime that takes nothing more.
        let _context = handle.enter();
        drop(seat);
        drop(runtime);
    }

    /// Has a task run in it, if it lives.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        self.life.as_ref().map(|life| life.runtime.spawn(task).abort_handle())
    }

    /// Stops it: it does nothing, while time goes on.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Lets it go on.
    pub fn go_on(&mut self) {
        self.stopped = false;
    }

    /// Lets it run to this time of the world.
    pub fn run_to(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.world_ms);
        self.world_ms = now_ms;
        self.local_us = self.local_us.saturating_add(passed_ms.saturating_mul(self.rate_ppm) / 1000);
        let local_ms = self.local_us / 1000;
        self.clock.set_passed(Duration::from_millis(now_ms), Duration::from_millis(local_ms));
        let Some(life) = self.life.as_mut().filter(|_| !self.stopped) else { return };
        let ran_ms = local_ms.saturating_sub(life.began_ms);
        let behind = Duration::from_millis(ran_ms.saturating_sub(life.ran_ms));
        life.ran_ms = ran_ms;
        life.runtime.block_on(async {
            match behind {
                Duration::ZERO => yield_now().await,
                // It was stopped: nothing of its own happened meanwhile.
                behind if behind > LEAP => advance(behind).await,
                behind => sleep(behind).await,
            }
        });
    }
}

/// A process that is further behind than this has not run.
const LEAP: Duration = Duration::from_millis(10);
