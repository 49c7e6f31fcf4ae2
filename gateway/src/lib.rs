//! The gateway: S3, Swift, identity, admin. It keeps nothing: kill one at any moment.
//!
//! Promises: every request runs through one pipeline; both faces share the engine's verbs.
//! Must not know: disks, consensus.

pub mod auth;
pub mod authorize;
pub mod body;
pub mod engine;
pub mod identity;
pub mod metrics;
pub mod pipeline;
pub mod request;
pub mod response;
pub mod s3;
pub mod server;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
