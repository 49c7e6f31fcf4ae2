//! The client over ranges, drives and nodes in memory: what is asked is answered, whatever these do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics is a test that fails"
)]

mod fair;
mod hints;
mod meta;
mod places;
mod reporting;
mod routing;
mod shards;
mod support;
