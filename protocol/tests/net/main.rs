//! The transport over TLS on loopback: two processes' worth of endpoints in one runtime.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "a test may fail"
)]

mod calls;
mod ending;
mod hostile;
mod identity;
mod keys;
mod support;
mod trust;
