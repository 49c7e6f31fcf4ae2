//! What a cluster of real processes loses, for a while or for good: nodes, zones, drives, time.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod amnesia;
mod beyond;
mod campaign;
mod damage;
mod first_start;
mod full;
mod groups;
mod hanging;
mod replaced;
mod rot;
mod safety;
mod segments;
mod stale;
mod zones;
