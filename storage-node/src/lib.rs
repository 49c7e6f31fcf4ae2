//! Storage nodes: drives and their shard store, replicas of metadata ranges, background duties.
//!
//! Each folder knows those before it only: `disk > log > drives > consensus > replicas > membership > duties > node`.
//! Promises: what was answered is durable; what does not verify is never served.
//! Must not know: S3, Swift, HTTP.

pub mod clock;
mod cluster_time;
pub mod consensus;
pub mod disk;
pub mod drives;
pub mod duties;
mod error;
pub mod log;
mod membership;
pub mod node;
pub mod replicas;
mod rounds;
mod stop;
mod surroundings;
