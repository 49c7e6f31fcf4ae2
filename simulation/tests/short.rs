//! The short form of the simulation: seeds that are always run, each twice, and some that nobody has run.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking, and say their seeds"
)]

use couronne_placement::Redundancy;
use couronne_simulation::run::{Plan, Report, run};
use couronne_simulation::trace::Trace;
use couronne_simulation::world::founding::Shape;

fn plan(seed: u64, policy: &str) -> Plan {
    let redundancy: Redundancy = policy.parse().unwrap();
    let zones = if seed.is_multiple_of(2) { 3 } else { 6 };
    Plan {
        seed,
        shape: Shape { redundancy, zones, drives: if seed.is_multiple_of(3) { 2 } else { 1 }, ..Shape::default() },
        seconds: 15,
        rounds: 2,
        calm: false,
        last: false,
    }
}

fn run_well(plan: &Plan) -> Report {
    match run(plan, Trace::default()) {
        Ok(report) => report,
        Err(failure) => panic!("{failure}\nrepeat it: {}", plan.command()),
    }
}

/// The same seed gives the same trace.
fn run_twice(plan: &Plan) {
    let (first, second) = (run_well(plan), run_well(plan));
    println!("seed {}: {first}", plan.seed);
    assert_eq!(first, second, "two runs part: {}", plan.command());
}

#[test]
fn an_erasure_coded_cluster_loses_nothing() {
    run_twice(&plan(1, "ec:4+2"));
    run_twice(&plan(2, "ec:4+2"));
}

#[test]
fn a_replicated_cluster_loses_nothing() {
    run_twice(&plan(3, "replicated:3"));
}

#[test]
fn orphans_go_and_nothing_else() {
    run_well(&Plan { rounds: 1, last: true, ..plan(4, "ec:4+2") });
}

#[test]
#[allow(clippy::disallowed_methods, reason = "seeds that nobody has run have to come from somewhere")]
fn nothing_is_lost_under_a_seed_that_nobody_has_run() {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = since.as_secs() % 1_000_000_000 + u64::from(std::process::id());
    let plan = plan(seed, "ec:4+2");
    println!("{}", plan.command());
    println!("seed {seed}: {}", run_well(&plan));
}
