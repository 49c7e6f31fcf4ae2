//! A whole cluster in one process, seeded: storage nodes and gateways as they are, over a simulated
//! network, simulated drives, clocks and chance, with a workload, faults and a checker.
//!
//! Promises: the same seed gives the same trace. Must not know: HTTP, TLS, real files.

pub mod actions;
pub mod audit;
pub mod checker;
pub mod disks;
pub mod faults;
pub mod founding;
pub mod history;
pub mod network;
pub mod notes;
pub mod panics;
pub mod parts;
pub mod process;
pub mod run;
pub mod trace;
pub mod values;
pub mod workload;
pub mod world;
