//! Tests of a range's rows: one binary, so that what they share is compiled and linked once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod blobs;
mod degraded;
mod encoding;
mod identity;
mod model;
mod objects;
mod recovery;
mod registry;
mod repeats;
mod stores;
mod support;
mod uploads;
mod usage;
