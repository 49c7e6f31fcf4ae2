//! Storage nodes: drives and their shard store, replicas of metadata ranges, background duties.
//!
//! Promises: what was answered is durable; what does not verify is never served.
//! Must not know: S3, Swift, HTTP.

pub mod clock;
pub mod consensus;
pub mod disk;
pub mod drive;
pub mod duties;
pub mod log;
mod losses;
pub mod node;
pub mod range_server;
pub mod replica;
