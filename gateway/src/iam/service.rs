//! The face's type, and a request as it reads one.
//!
//! Must not know: operations.

use std::sync::Arc;

use bytes::Bytes;

use super::form::FormFields;
use super::web_identity::VerifyWebIdentity;
use crate::front::RequestHead;

/// The face, with what is plugged into it.
#[derive(Clone, Default)]
pub struct Iam {
    /// What verifies the tokens of identity providers; without it AssumeRoleWithWebIdentity is not served.
    pub web_identity: Option<Arc<dyn VerifyWebIdentity>>,
}

/// A request.
pub struct QueryRequest {
    /// Its head.
    pub(super) head: RequestHead,
    /// Its parameters, from the query and the body.
    pub(super) form: FormFields,
    /// The body, as it was sent: its signature covers it.
    pub(super) body: Bytes,
}
