//! The face's type, and a request as it reads one.
//!
//! Must not know: operations.

use bytes::Bytes;

use super::form::FormFields;
use crate::front::RequestHead;

/// The face.
#[derive(Clone, Copy, Debug)]
pub struct Iam;

/// A request.
pub struct QueryRequest {
    /// Its head.
    pub(super) head: RequestHead,
    /// Its parameters, from the query and the body.
    pub(super) form: FormFields,
    /// The body, as it was sent: its signature covers it.
    pub(super) body: Bytes,
}
