//! The authenticate stage: who asks, and whether the request is the one that they signed.
//!
//! Promises: only this module makes an [`Authenticated`]; it exists only for a request whose signature
//! was verified, every `x-amz-*` header included.
//! Must not know: operations, buckets.

use std::sync::Arc;

use crate::body::{Body, BodyUse, Incoming};
use crate::identity::Credential;
use crate::pipeline::{Gateway, GatewaySettings, Parsed};
use crate::request::Request;
use crate::s3::error::{Code, Result};

/// What an operator may tune of authentication.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// The regions that a signature's scope may name. Clients that guess wrongly are told the first.
    pub regions: Vec<String>,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self { regions: vec!["us-east-1".to_owned()] }
    }
}

/// A request whose signature was verified.
pub struct Authenticated {
    request: Arc<Request>,
    caller: Arc<Credential>,
    incoming: Incoming,
}

impl Authenticated {
    /// The head.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Who asks.
    pub fn caller(&self) -> &Credential {
        &self.caller
    }

    /// Takes it apart, with the body as its operation uses it.
    pub fn into_parts(
        self,
        body: BodyUse,
        settings: &GatewaySettings,
    ) -> Result<(Arc<Request>, Arc<Credential>, Body)> {
        let _ = (body, settings, self.incoming);
        Err(Code::NotImplemented.into())
    }
}

/// Finds out who asks. Whatever is wrong, nothing was touched.
pub async fn authenticate(gateway: &Gateway, parsed: Parsed) -> Result<Authenticated> {
    let _ = (gateway, parsed.request, parsed.body);
    Err(Code::AccessDenied.into())
}
