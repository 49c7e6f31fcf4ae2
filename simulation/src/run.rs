//! One run of a seed: the cluster is founded, worked and judged.
//!
//! Must not know: how its result is shown.

mod set_pieces;
mod store_pieces;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use couronne_ring::NodeId;
use couronne_storage_node::node::NodeStatus;
use thiserror::Error;

use crate::clients::actions::{Action, Request, WHOLE, make_bucket};
use crate::clients::workload::{BUCKETS, Counts, KEYS, Workload, keeps_versions};
use crate::faults::Faults;
use crate::judge::audit::{AuditError, audit, rotten_stores, statuses, unrest};
use crate::judge::checker::{self, Verdict};
use crate::judge::losses::Losses;
use crate::trace::Trace;
use crate::world::founding::Shape;
use crate::world::panics;
use crate::world::parts::DISOWN_AGE_MS;
use crate::world::{World, WorldError};
use couronne_base::testing::Rng;

/// How long a cluster may take to come up, in milliseconds.
const START_MS_MAX: u64 = 60_000;

/// How long things go wrong while the cluster is formed, in milliseconds.
const FORMING_MS: u64 = 12_000;

/// How often a bucket is tried to be made.
const MAKE_TURNS_MAX: usize = 10;

/// How long what is under way may take to end, in milliseconds.
const DRAIN_MS_MAX: u64 = 120_000;

/// Within this time repair has counted what there is to do, in milliseconds.
const REPAIR_MS: u64 = 30_000;

/// How long the cluster may take to repair everything, in milliseconds.
const REST_MS_MAX: u64 = 900_000;

/// A round of the scrubber may have begun before what it was to find was there: the next has not.
const SCRUB_ROUNDS: u64 = 2;

/// How many rounds of the scrubber orphans may last once they are old enough.
const ORPHAN_TURNS_MAX: usize = 4;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The seed of the rng.
    pub seed: u64,
    /// What the cluster is made of.
    pub shape: Shape,
    /// How long it is worked in each round, in seconds.
    pub seconds: u64,
    /// How often it is worked, healed and looked at.
    pub rounds: u64,
    /// Nothing goes wrong.
    pub calm: bool,
    /// In the end time goes on until whatever no row names must be gone from the drives.
    pub last: bool,
}

impl Plan {
    /// The line that repeats the run.
    pub fn command(&self) -> String {
        let Self { seed, shape, seconds, rounds, calm, last } = self;
        let Shape { nodes, drives, gateways, zones, redundancy, scrubbed } = shape;
        let unscrubbed = if *scrubbed { "" } else { " --unscrubbed" };
        let calm = if *calm { " --calm" } else { "" };
        let last = if *last { " --last" } else { "" };
        format!(
            "scripts/simulate --seed {seed} --seconds {seconds} --rounds {rounds} --nodes {nodes} \
             --drives {drives} --gateways {gateways} --zones {zones} --policy {redundancy}{unscrubbed}{calm}{last}"
        )
    }
}

/// How a run ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The hash of all that happened.
    pub trace: String,
    /// How much that was.
    pub events: u64,
    /// Messages between processes.
    pub messages: u64,
    /// What clients were told.
    pub counts: Counts,
    /// What went wrong.
    pub faults: u64,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
}

/// What went wrong.
#[derive(Debug, Error)]
pub enum Failure {
    /// The world did not come about.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A process could not be started.
    #[error("starting a process: {0}")]
    Start(#[from] std::io::Error),
    /// Something took longer than it may.
    #[error("never came true: {0}")]
    Late(String),
    /// What lies on the drives could not be looked at.
    #[error("the audit: {0}")]
    Audit(#[from] AuditError),
    /// Clients were told something that must never be.
    #[error("wrong answers:\n  {}", .0.join("\n  "))]
    Wrong(Vec<String>),
    /// What happened to a key has no order.
    #[error("{0}")]
    Disorder(String),
}

/// Runs a plan.
pub fn run(plan: &Plan, trace: Trace) -> Result<Report, Failure> {
    panics::watch();
    let mut rng = Rng::new(plan.seed);
    let world = World::new(plan.shape, rng.fork(), trace)?;
    let mut run = Run { world, workload: Workload::new(rng.fork()), faults: 0 };
    let forming = (!plan.calm).then(|| Faults::new(rng.fork(), &run.world, false));
    run.begin(forming)?;
    for round in 0..plan.rounds {
        if !plan.calm && plan.shape.redundancy.losses() > 0 {
            run.set_piece(&mut rng)?;
        }
        let faults = match plan.calm {
            true => None,
            false => Some(Faults::new(rng.fork(), &run.world, round % 2 == 0 && plan.shape.redundancy.losses() > 0)),
        };
        run.round(plan, round, faults)?;
    }
    if plan.last {
        run.outlast_orphans()?;
    }
    if !plan.calm {
        run.leap_all()?;
    }
    Ok(run.report())
}

struct Run {
    world: World,
    workload: Workload,
    faults: u64,
}

impl Run {
    /// Works the cluster while things go wrong, has it heal, and looks at what is left.
    fn round(&mut self, plan: &Plan, round: u64, mut faults: Option<Faults>) -> Result<(), Failure> {
        self.workload.is_open = true;
        if let Some(faults) = &mut faults {
            faults.skew_clocks(&mut self.world);
            if round % 2 == 1 {
                // Whatever was written is whole: as many drives may be lost at once as the policy survives.
                faults.lose(&mut self.world, plan.shape.redundancy.losses());
            }
        }
        for _ in 0..plan.seconds * 1000 {
            if let Some(faults) = &mut faults {
                faults.tick(&mut self.world)?;
            }
            self.tick();
        }
        self.workload.is_open = false;
        let mut losses = Losses::default();
        if let Some(mut faults) = faults {
            faults.heal(&mut self.world)?;
            self.faults += faults.count;
            losses = faults.losses;
        }
        self.until("what is under way ends", DRAIN_MS_MAX, |run| run.workload.is_idle())?;
        self.come_to_rest(SCRUB_ROUNDS)?;
        self.make_buckets()?;
        self.read_all()?;
        self.judge()?;
        let mut wrong = audit(&mut self.world, false)?;
        wrong.extend(losses.check(&self.world));
        if wrong.is_empty() { Ok(()) } else { Err(Failure::Wrong(wrong)) }
    }

    /// Waits until nothing is left to repair, and so many rounds of the scrubber have found nothing more.
    fn come_to_rest(&mut self, scrub_rounds: u64) -> Result<(), Failure> {
        self.come_up()?;
        let scrub_rounds = if self.world.shape.scrubbed { scrub_rounds } else { 0 };
        self.pass(REPAIR_MS);
        let rounds = |statuses: &BTreeMap<NodeId, NodeStatus>| -> BTreeMap<NodeId, u64> {
            statuses.iter().map(|(id, status)| (*id, status.duties.scrub_rounds)).collect()
        };
        let silent = || Failure::Late("a node says how it is".to_owned());
        let mut scrubbed_from = rounds(&statuses(&mut self.world).ok_or_else(silent)?);
        let until_ms = self.world.now_ms() + REST_MS_MAX;
        loop {
            self.pass(1000);
            let statuses = statuses(&mut self.world).ok_or_else(silent)?;
            let mut unrest = unrest(&statuses);
            unrest.extend(rotten_stores(&self.world));
            let now = rounds(&statuses);
            let scrubbed =
                now.iter().all(|(id, rounds)| scrubbed_from.get(id).is_some_and(|from| *rounds >= from + scrub_rounds));
            match (unrest.is_empty(), scrubbed) {
                (true, true) => return Ok(()),
                (true, false) => {}
                (false, _) => scrubbed_from = now,
            }
            if self.world.now_ms() > until_ms {
                return Err(Failure::Late(format!("the cluster is at rest: {}", unrest.join("; "))));
            }
        }
    }

    /// Lets time go on until every blob without a row is old enough to be disowned, and was.
    fn outlast_orphans(&mut self) -> Result<(), Failure> {
        self.pass(DISOWN_AGE_MS);
        for _ in 0..ORPHAN_TURNS_MAX {
            self.come_to_rest(SCRUB_ROUNDS)?;
            if audit(&mut self.world, true)?.is_empty() {
                return Ok(());
            }
        }
        Err(Failure::Wrong(audit(&mut self.world, true)?))
    }

    /// Reads every key and every known version through every gateway.
    fn read_all(&mut self) -> Result<(), Failure> {
        for gateway in self.world.shape.gateways() {
            let keys = BUCKETS.iter().flat_map(|(bucket, _)| KEYS.iter().map(|key| (*bucket, *key)));
            let mut requests: Vec<Request> =
                keys.map(|(bucket, key)| Request { bucket, key, action: Action::Get(WHOLE, Duration::ZERO) }).collect();
            requests.extend(BUCKETS.iter().map(|(bucket, _)| Request { bucket, key: "", action: Action::List(100) }));
            requests.extend(self.workload.known_versions());
            for request in requests {
                let answered = self.workload.counts.answered;
                let started = self.workload.start(&self.world, 0, gateway, request.clone());
                self.until("a last read ends", DRAIN_MS_MAX, |run| run.workload.is_idle())?;
                if started.is_none() || self.workload.counts.answered == answered {
                    return Err(Failure::Late(format!("{gateway} answers {request:?}, with everything well")));
                }
            }
        }
        Ok(())
    }

    fn tick(&mut self) {
        self.world.tick();
        self.workload.tick(&self.world);
    }

    fn pass(&mut self, ms: u64) {
        (0..ms).for_each(|_| self.tick());
    }

    fn until(&mut self, what: &str, ms_max: u64, is_true: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        for _ in 0..ms_max {
            if is_true(self) {
                return Ok(());
            }
            self.tick();
        }
        Err(Failure::Late(what.to_owned()))
    }

    /// Starts all processes, has the cluster be formed while things go wrong, and makes the buckets.
    fn begin(&mut self, forming: Option<Faults>) -> Result<(), Failure> {
        let all: Vec<NodeId> = self.world.processes().map(|process| process.peer.node).collect();
        for process in all {
            self.world.start(process)?;
        }
        if let Some(mut faults) = forming {
            let mut is_formed = false;
            for _ in 0..FORMING_MS {
                faults.tick(&mut self.world)?;
                self.tick();
                is_formed = is_formed || self.is_formed_whole()?;
            }
            faults.heal(&mut self.world)?;
            self.faults += faults.count;
        }
        self.come_up()?;
        // Until all replicas are members, a range does not survive yet what it is meant to.
        self.come_to_rest(0)?;
        self.make_buckets()
    }

    /// Whether the cluster is formed: its meta group has all its voters then.
    fn is_formed_whole(&self) -> Result<bool, Failure> {
        let maps = self.world.shape.storage_nodes().filter_map(|node| self.world.node(node)).map(|node| node.map());
        let Some(map) = maps.filter(|map| map.bootstrap.is_none()).min_by_key(|map| map.version) else {
            return Ok(false);
        };
        let voters = map.meta_group.members.as_ref().map_or(0, |members| members.voters.len());
        if voters < self.voters_wanted() {
            return Err(Failure::Wrong(vec![format!("the cluster is formed with {voters} voters of its meta group")]));
        }
        Ok(true)
    }

    /// Makes the buckets that are not there.
    fn make_buckets(&mut self) -> Result<(), Failure> {
        let gateway = self.world.shape.gateways().next();
        for (name, versioning) in BUCKETS {
            let mut why = String::new();
            let is_made = (0..MAKE_TURNS_MAX).any(|_| {
                let Some((gateway, engine)) = gateway.and_then(|id| Some((id, self.world.engine(id)?))) else {
                    return false;
                };
                let make = async move { make_bucket(&engine, name, versioning).await };
                let made = self.world.ask(gateway, START_MS_MAX, make);
                why = format!("{made:?}");
                made.is_some_and(|made| made.is_ok())
            });
            if !is_made {
                return Err(Failure::Late(format!("bucket {name} is made: {why}")));
            }
        }
        Ok(())
    }

    fn come_up(&mut self) -> Result<(), Failure> {
        let up = self.until("", START_MS_MAX, |run| run.world.unready().is_empty());
        up.map_err(|_| Failure::Late(format!("every process is up: {}", self.world.unready().join("; "))))
    }

    fn judge(&self) -> Result<(), Failure> {
        let panics = panics::seen();
        if !panics.is_empty() {
            return Err(Failure::Wrong(panics));
        }
        if !self.workload.wrong.is_empty() {
            return Err(Failure::Wrong(self.workload.wrong.clone()));
        }
        for (place, records) in self.workload.history.by_key() {
            let verdict = checker::judge(&records, keeps_versions(place.bucket));
            if verdict != Verdict::Right {
                let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
                let text = format!("{place}: {verdict:?}: no order explains this history:\n  {}", lines.join("\n  "));
                return Err(Failure::Disorder(text));
            }
        }
        Ok(())
    }

    fn report(&self) -> Report {
        Report {
            trace: self.world.trace.hash(),
            events: self.world.trace.events(),
            messages: self.world.network.messages(),
            counts: self.workload.counts,
            faults: self.faults,
            simulated_ms: self.world.now_ms(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, events, messages, counts, faults, simulated_ms } = self;
        let Counts { answered, not_done, unknown } = counts;
        write!(f, "trace {trace}, {events} events, {messages} messages, {faults} faults; ")?;
        write!(f, "{answered} answers, {not_done} turned down, {unknown} unknown; {} s", simulated_ms / 1000)
    }
}
