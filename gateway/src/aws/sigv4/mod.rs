//! Signature Version 4: what a request claims, what its signature covers, and whether it is the caller's.
//!
//! Source: "AWS Signature Version 4 for API requests", AWS IAM User Guide.
//! Must not know: how a face words what is wrong, what secures a body.

pub mod canonical;
pub mod claim;
pub mod signer;

pub use claim::{Scope, SignatureLocation, SignedAt, V4};
pub use signer::Signer;

/// The one algorithm that is served.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How far a request's time may be from ours, in seconds.
pub const SKEW_SECONDS_MAX: i64 = 15 * 60;

/// For how long a presigned URL may be good, in seconds: a week.
pub const PRESIGN_SECONDS_MAX: u64 = 7 * 24 * 3600;
