//! The map's bytes, its changes one by one, and random sequences of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod encoding;
mod expelling;
mod forming;
mod hearing;
mod joining;
mod leaders;
mod log_ends;
mod placing;
mod policies;
mod registering;
mod rotating;
mod sequences;
mod support;
mod view;
