//! The ordered index: row keys, records, commands (evaluate, then apply), ranges, listing.
//!
//! Promises: evaluation reads a view and gives a plain batch of row writes; applying a batch is the
//! same on every replica. Runs over a small `Store` trait: RocksDB, or memory in tests.
//! Must not know: HTTP, networks, consensus, drives.

pub mod answer;
pub mod apply;
pub mod command;
pub mod effect;
mod encoding;
pub mod evaluate;
pub mod ids;
pub mod key;
pub mod latch;
pub mod marks;
pub mod memory;
pub mod query;
pub mod record;
pub mod rocks;
pub mod store;
pub mod store_scrub;
pub mod system;
pub mod usage;
pub mod watermarks;
