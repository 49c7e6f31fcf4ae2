//! The gateway: the front that every request passes, S3 as its first face, identity, the verbs on objects. It keeps
//! nothing: kill one at any moment.
//!
//! Promises: every request runs through one pipeline; all faces share the engine's verbs.
//! Must not know: disks, consensus.

pub mod access;
pub mod audit;
pub mod aws;
pub mod engine;
pub mod front;
pub mod guarded;
pub mod iam;
pub mod identity;
mod json;
pub mod metrics;
pub mod s3;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
