//! Tests of a storage node: one binary, so that what they share is compiled and linked once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod amnesia;
mod consensus;
mod disk;
mod drive;
mod drive_log;
mod duties;
mod groups;
mod hanging;
mod hostile;
mod local_node;
mod locks;
mod repair;
mod several_nodes;
mod store_scrub;
mod support;
mod trust;
