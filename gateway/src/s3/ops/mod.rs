//! The operations, one file each, and the one place that leads to them.
//!
//! Must not know: signatures, framing, how rows and chunks are stored.

use crate::auth::Authenticated;
use crate::metrics::Trace;
use crate::pipeline::Gateway;
use crate::response::Response;
use crate::s3::error::{Result, S3Error};
use crate::s3::operation::Operation;

/// Leads an authenticated request to its operation. One line each:
/// `Operation::ListBuckets => carry_out::<ListBuckets>(gateway, authenticated, trace).await,`
pub async fn dispatch(
    operation: Operation,
    gateway: &Gateway,
    authenticated: Authenticated,
    trace: &mut Trace,
) -> Result<Response> {
    let _ = (gateway, authenticated, trace);
    Err(S3Error::not_implemented(operation.name()))
}
