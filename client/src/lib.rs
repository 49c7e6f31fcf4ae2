//! The client of ranges and drives: every question to them goes through this crate, those of a gateway's verbs, of the
//! duties of storage nodes and of the code that keeps the cluster map.
//!
//! Promises: one router finds the leader of any range, the meta group's included, and seeks an outcome until it is
//! known or the time is up; bytes given out were verified; a chunk that was written may be acknowledged.
//! Must not know: HTTP, S3, Swift, objects, accounts.

mod client;
mod error;
mod pauses;
mod read;
mod reporting;
mod routing;
mod settings;
mod slow_drives;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod write;

pub use client::{Client, Components};
pub use error::ClientError;
pub use read::{ChunkRead, Slice};
pub use reporting::{Member, REPORT_EVERY, Reporter, report};
pub use routing::{
    BucketView, ClassUsage, IdentityRow, KnownRange, MetaGroup, Router, first_key, key_past, key_within, next_key,
};
pub use settings::Settings;
pub use write::{ChunkToWrite, ChunkWritten};
