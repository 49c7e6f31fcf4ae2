//! The engine over a cluster in memory: what is put is what is got, whatever drives and ranges do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics is a test that fails"
)]

mod buckets;
mod faults;
mod identity;
mod listing;
mod objects;
mod quotas;
mod routing;
mod support;
mod uploads;
