//! The authenticate stage: who asks, and whether the request is the one that they signed.
//!
//! Promises: only this module makes an [`Authenticated`]; it exists only for a request whose signature
//! was verified, every `x-amz-*` header included, wherever the credentials stood and however the payload
//! is secured. What is wrong with a chunk or trailer shows when the body is read, before anything commits.
//! Must not know: operations, buckets.

mod canonical;
pub(crate) mod chunked;
mod claim;
pub(crate) mod payload;
mod presigned_v2;
mod sigv4;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::body::{Body, BodyUse, Incoming};
use crate::identity::Credential;
use crate::pipeline::{Gateway, GatewaySettings, Parsed};
use crate::request::Request;
use crate::s3::error::{Code, Result, S3Error};
use claim::{Claim, Place, V4};
use payload::{Mode, Payload};
use sigv4::Signer;

/// How far a request's time may be from ours, in seconds.
const SKEW_SECONDS_MAX: i64 = 15 * 60;

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
    payload: Payload,
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
        let body = Body::new(self.incoming, self.payload, &self.request, body, settings)?;
        Ok((self.request, self.caller, body))
    }
}

/// Finds out who asks. Whatever is wrong, nothing was touched.
pub async fn authenticate(gateway: &Gateway, parsed: Parsed) -> Result<Authenticated> {
    let Parsed { request, body, .. } = parsed;
    let claim = Claim::of(&request)?;
    let credential = gateway.identity.credential(claim.access_key()).await?;
    let caller = credential
        .ok_or_else(|| S3Error::new(Code::InvalidAccessKeyId).detail("AWSAccessKeyId", claim.access_key()))?;
    let payload = verify(&request, &claim, &caller, &gateway.settings.auth)?;
    Ok(Authenticated { request: Arc::new(request), caller, payload, incoming: body })
}

/// Verifies all that the head can show: scope, time, coverage, signature.
fn verify(request: &Request, claim: &Claim, caller: &Credential, settings: &AuthSettings) -> Result<Payload> {
    if request.headers.contains_key("x-amz-security-token") || request.query.has("X-Amz-Security-Token") {
        // There are no temporary credentials yet, so no token can be valid.
        return Err(Code::InvalidToken.into());
    }
    match claim {
        Claim::V4(claim) => verify_v4(request, claim, caller, settings),
        Claim::PresignedV2(claim) => claim.verify(request, &caller.secret),
    }
}

fn verify_v4(request: &Request, claim: &V4, caller: &Credential, settings: &AuthSettings) -> Result<Payload> {
    check_scope(claim, settings)?;
    check_time(claim, request.received_us)?;
    canonical::check_coverage(request, claim)?;
    let (word, mode) = Mode::of(request, claim.place)?;
    let signer = Signer::of(caller, &claim.scope, &claim.signed_at.text);
    for path in canonical::paths(request) {
        let canonical = canonical::digest(request, &path, claim, word)?;
        if signer.verify_request(&canonical, &claim.signature) {
            return Ok(mode.verified(signer, claim.signature));
        }
    }
    Err(S3Error::new(Code::SignatureDoesNotMatch).detail("AWSAccessKeyId", claim.access_key.as_str()))
}

fn check_scope(claim: &V4, settings: &AuthSettings) -> Result<()> {
    let code = match claim.place {
        Place::Header => Code::AuthorizationHeaderMalformed,
        Place::Query { .. } => Code::AuthorizationQueryParametersError,
    };
    if claim.scope.service != "s3" {
        let message = format!(
            "{}; incorrect service \"{}\". This endpoint belongs to \"s3\".",
            code.message(),
            claim.scope.service
        );
        return Err(S3Error::with_message(code, message));
    }
    if !settings.regions.contains(&claim.scope.region) {
        let expected = settings.regions.first().map_or("", String::as_str);
        let message =
            format!("{}; the region '{}' is wrong; expecting '{expected}'", code.message(), claim.scope.region);
        return Err(S3Error::with_message(code, message).detail("Region", expected));
    }
    Ok(())
}

fn check_time(claim: &V4, now_us: u64) -> Result<()> {
    let now = i64::try_from(now_us / 1_000_000).unwrap_or(i64::MAX);
    let age = now.saturating_sub(claim.signed_at.seconds);
    match claim.place {
        Place::Header if age.abs() > SKEW_SECONDS_MAX => Err(S3Error::new(Code::RequestTimeTooSkewed)
            .detail("RequestTime", claim.signed_at.text.as_str())
            .detail("MaxAllowedSkewMilliseconds", (SKEW_SECONDS_MAX * 1000).to_string())),
        Place::Query { .. } if age < -SKEW_SECONDS_MAX => {
            Err(S3Error::with_message(Code::AccessDenied, "Request is not yet valid"))
        }
        Place::Query { expires_s } if i64::try_from(expires_s).is_ok_and(|expires| age > expires) => {
            Err(S3Error::with_message(Code::AccessDenied, "Request has expired"))
        }
        Place::Header | Place::Query { .. } => Ok(()),
    }
}
