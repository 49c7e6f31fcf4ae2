//! `simulate`: runs seeds, and says of each how it ended; of a failing one, the line that repeats it.
//!
//! Must not know: how a run goes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
#[cfg(feature = "mutants")]
use couronne_base::mutant::{Mutant, choose};
use couronne_placement::Redundancy;
use couronne_simulation::run::{Plan, run};
use couronne_simulation::trace::Trace;
use couronne_simulation::world::founding::Shape;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Simulates a whole cluster in one process, seed after seed.
#[derive(Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// The first seed; drawn from the time if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds; 0 goes on until it is stopped.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How long a round works the cluster, in simulated seconds.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// How often each seed's cluster is worked, healed and looked at.
    #[arg(long, default_value_t = 2)]
    rounds: u64,
    /// Nothing goes wrong.
    #[arg(long)]
    calm: bool,
    /// Storage nodes.
    #[arg(long, default_value_t = 6)]
    nodes: u16,
    /// Drives of each.
    #[arg(long, default_value_t = 1)]
    drives: u16,
    /// Gateways.
    #[arg(long, default_value_t = 2)]
    gateways: u16,
    /// In how many zones the nodes stand.
    #[arg(long, default_value_t = 3)]
    zones: u16,
    /// The policy: `ec:4+2`, `replicated:3`, `single`.
    #[arg(long, default_value = "ec:4+2")]
    policy: Redundancy,
    /// No scrubber runs, and nothing rots: what writes and repair leave undone is seen.
    #[arg(long)]
    unscrubbed: bool,
    /// In the end let time go on until all orphans must be gone.
    #[arg(long)]
    last: bool,
    /// Print every event, to find where two runs part.
    #[arg(long)]
    events: bool,
    /// What the processes log, as `LEVEL` or `target=LEVEL,...`: to standard error.
    #[arg(long)]
    log: Option<Targets>,
    /// Make this deliberate bug.
    #[cfg(feature = "mutants")]
    #[arg(long)]
    mutant: Option<Mutant>,
    /// Name the deliberate bugs, and the rules that they break.
    #[cfg(feature = "mutants")]
    #[arg(long)]
    mutants: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(log) = &arguments.log {
        let layer = tracing_subscriber::fmt::layer().without_time().with_writer(std::io::stderr);
        tracing_subscriber::registry().with(log.clone()).with(layer).init();
    }
    #[cfg(feature = "mutants")]
    {
        if arguments.mutants {
            Mutant::ALL.iter().for_each(|mutant| println!("{mutant:?} {}", mutant.rule()));
            return ExitCode::SUCCESS;
        }
        choose(arguments.mutant);
    }
    let first = arguments.seed.unwrap_or_else(fresh_seed);
    let mut failed = false;
    let mut seed = first;
    while arguments.seeds == 0 || seed.wrapping_sub(first) < arguments.seeds {
        failed |= !run_one(&arguments, seed);
        seed = seed.wrapping_add(1);
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run_one(arguments: &Arguments, seed: u64) -> bool {
    let Arguments { nodes, drives, gateways, zones, policy, unscrubbed, seconds, rounds, calm, last, .. } = *arguments;
    let shape = Shape { nodes, drives, gateways, zones, redundancy: policy, scrubbed: !unscrubbed };
    let plan = Plan { seed, shape, seconds, rounds, calm, last };
    let trace = if arguments.events { Trace::shown() } else { Trace::default() };
    let began = processor_time();
    let result = run(&plan, trace.clone());
    let took = (processor_time() - began).as_secs_f64();
    match result {
        Ok(report) => {
            println!("seed {seed}: {report} ({took:.1} s of CPU)");
            true
        }
        Err(failure) => {
            let (hash, events, seconds) = (trace.hash(), trace.events(), trace.last_ms() / 1000);
            println!(
                "seed {seed}: FAILED after {seconds} s ({took:.1} s of CPU), trace {hash} of {events} events: {failure}"
            );
            println!("repeat it: {}", plan.command());
            false
        }
    }
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[allow(clippy::disallowed_methods, reason = "a seed that nobody chose has to come from somewhere")]
fn fresh_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_secs() % 1_000_000_000
}
