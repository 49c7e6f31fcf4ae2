//! A whole cluster in one process, seeded: storage nodes and gateways as they are, over a simulated
//! network, simulated drives, clocks and random numbers, with a workload, faults and a checker.
//!
//! Promises: the same seed gives the same trace. Must not know: HTTP, TLS, real files.

pub mod clients;
pub mod faults;
pub mod judge;
pub mod run;
pub mod trace;
pub mod world;
