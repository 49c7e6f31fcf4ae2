//! The authenticate stage: the caller, and whether the request is the one that the caller signed.
//!
//! Promises: it names a caller only for a request whose signature was verified, every `x-amz-*` header included, wherever the
//! credentials stood and however the payload is secured; a request with no trace of a signature is anonymous. What is wrong with a chunk or trailer shows when the body is read, before anything commits.
//! Must not know: operations, buckets.

pub(crate) mod chunked;
pub(super) mod form;
pub mod payload;
mod presigned_v2;
mod signed_request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use payload::{Mode, Payload};
use signed_request::SignedRequest;

use super::address::Request;
use super::error::{Code, Result, S3Error};
use super::face::{BUCKET_REGION, S3};
use super::fields::PostForm;
use super::wire::dates::iso_date_s;
use super::wire::values::header_value;
use crate::aws::sigv4::{SKEW_SECONDS_MAX, Scope, SignatureLocation, Signer, V4, canonical};
use crate::front::Gateway;
use crate::front::face::Verified;
use crate::identity::{Credential, TokenFault};

/// The header, or the parameter of a presigned URL, that has a session's token.
const SECURITY_TOKEN: &str = "x-amz-security-token";

/// Finds the caller. Whatever is wrong, nothing was touched.
pub(super) async fn authenticate(gateway: &Gateway<S3>, request: &Request) -> Result<Verified<Payload>> {
    if let Some(PostForm { fields, .. }) = &request.form {
        return form::authenticate(gateway, request, fields).await;
    }
    let Some(signed) = SignedRequest::of(request)? else {
        let payload = Payload::of_anonymous(request)?;
        return Ok(Verified { caller: gateway.identity.anonymous(), payload, link: None });
    };
    let token = request.header(SECURITY_TOKEN)?;
    let caller = find_caller(gateway, signed.access_key(), token, signed.version()).await?;
    let payload = verify(request, &signed, &caller, &gateway.face)?;
    gateway.identity.note_use(&caller, "s3", gateway.face.region());
    Ok(Verified { caller, payload, link: signed.link() })
}

/// The access key that a request names.
pub(super) fn claimed_key(request: &Request) -> Option<Box<str>> {
    match &request.form {
        Some(form) => form::claimed_key(&form.fields),
        None => SignedRequest::of(request).ok().flatten().map(|signed| signed.access_key().into()),
    }
}

/// The version of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SigningVersion {
    V2,
    V4,
}

async fn find_caller(
    gateway: &Gateway<S3>,
    access_key: &str,
    token: Option<&str>,
    version: SigningVersion,
) -> Result<Arc<Credential>> {
    let unknown = || S3Error::new(Code::InvalidAccessKeyId).detail("AWSAccessKeyId", access_key);
    let Some(token) = token else {
        return gateway.identity.credential(access_key).await?.ok_or_else(unknown);
    };
    if version == SigningVersion::V2 {
        return Err(Code::InvalidToken.into());
    }
    match gateway.identity.session_credential(access_key, token).await? {
        Ok(caller) => Ok(caller),
        Err(TokenFault::Malformed) => Err(S3Error::new(Code::InvalidToken).detail("Token-0", token)),
        Err(TokenFault::Expired) => Err(S3Error::new(Code::ExpiredToken).detail("Token-0", token)),
        Err(TokenFault::Void) => Err(unknown()),
    }
}

/// Verifies all that the head can show: scope, time, coverage, signature.
fn verify(request: &Request, signed: &SignedRequest, caller: &Credential, face: &S3) -> Result<Payload> {
    match signed {
        SignedRequest::V4(signed) => verify_v4(request, signed, caller, face),
        SignedRequest::PresignedV2(signed) => signed.verify(request, &caller.secret),
    }
}

fn verify_v4(request: &Request, signed: &V4, caller: &Credential, face: &S3) -> Result<Payload> {
    check_time(signed, request.received_us)?;
    check_scope(signed, face)?;
    check_coverage(request, signed)?;
    let (word, mode) = Mode::of(request, signed.place)?;
    let signer = Signer::of(caller, &signed.scope, &signed.signed_at.text);
    let mut first = None;
    for path in paths(request) {
        let canonical = canonical::text(request, &path, signed, word);
        let text = signer.string_to_sign(&canonical);
        if signer.verify(&text, &signed.signature) {
            return Ok(mode.verified(signer, signed.signature));
        }
        first.get_or_insert((text, canonical));
    }
    let (text, canonical) = first.unwrap_or_default();
    let error = does_not_match(&signed.access_key, text.as_bytes(), &hex::encode(signed.signature));
    Err(error
        .detail("CanonicalRequest", String::from_utf8_lossy(&canonical))
        .detail("CanonicalRequestBytes", spaced_hex(&canonical)))
}

/// The ways in which senders write the path that they sign: as AWS defines it, from the decoded path;
/// and as they sent it, where that differs. Either names one path only.
fn paths(request: &Request) -> impl Iterator<Item = String> {
    let defined = canonical::encode(&request.path, true);
    let sent = (request.raw_path != defined).then(|| request.raw_path.clone());
    std::iter::once(defined).chain(sent)
}

/// Refuses a request of which a header that matters is not signed.
fn check_coverage(request: &Request, signed: &V4) -> Result<()> {
    let unsigned = canonical::unsigned_headers(request, signed);
    if unsigned.is_empty() {
        return Ok(());
    }
    let message = "There were headers present in the request which were not signed";
    Err(S3Error::with_message(Code::AccessDenied, message).detail("HeadersNotSigned", unsigned.join(", ")))
}

/// `SignatureDoesNotMatch`, with what was to be signed: by it a client's author finds the difference. It holds nothing that
/// the client did not send.
fn does_not_match(access_key: &str, string_to_sign: &[u8], provided: &str) -> S3Error {
    S3Error::new(Code::SignatureDoesNotMatch)
        .detail("AWSAccessKeyId", access_key)
        .detail("StringToSign", String::from_utf8_lossy(string_to_sign))
        .detail("SignatureProvided", provided)
        .detail("StringToSignBytes", spaced_hex(string_to_sign))
}

/// Bytes as S3 shows them in errors: `41 57 53`.
fn spaced_hex(bytes: &[u8]) -> String {
    let digits = hex::encode(bytes);
    let mut text = String::with_capacity(digits.len() / 2 * 3);
    for (number, digit) in digits.chars().enumerate() {
        if number > 0 && number % 2 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `AccessDenied` of a URL that was good until a time, in seconds since 1970.
fn expired(until_s: i64, now_s: i64) -> S3Error {
    S3Error::with_message(Code::AccessDenied, "Request has expired")
        .detail("Expires", iso_date_s(until_s))
        .detail("ServerTime", iso_date_s(now_s))
}

fn check_scope(signed: &V4, face: &S3) -> Result<()> {
    let (code, what) = match signed.place {
        SignatureLocation::Header => (Code::AuthorizationHeaderMalformed, Code::AuthorizationHeaderMalformed.message()),
        SignatureLocation::Query { .. } => {
            (Code::AuthorizationQueryParametersError, "Error parsing the X-Amz-Credential parameter")
        }
    };
    check_service_and_region(&signed.scope, face, code, what)
}

/// Whether a scope is of S3, and of the cluster's region; else the error begins with `what`.
fn check_service_and_region(scope: &Scope, face: &S3, code: Code, what: &str) -> Result<()> {
    if scope.service != "s3" {
        let message = format!("{what}; incorrect service \"{}\". This endpoint belongs to \"s3\".", scope.service);
        return Err(S3Error::with_message(code, message));
    }
    if !face.regions.contains(&scope.region) {
        let expected = face.region();
        let message = format!("{what}; the region '{}' is wrong; expecting '{expected}'", scope.region);
        // The answer to a HEAD has no body to say it.
        let error = S3Error::with_message(code, message).detail("Region", expected);
        return Err(error.header(BUCKET_REGION, header_value(expected)));
    }
    Ok(())
}

fn check_time(signed: &V4, now_us: u64) -> Result<()> {
    let now = i64::try_from(now_us / 1_000_000).unwrap_or(i64::MAX);
    let age = now.saturating_sub(signed.signed_at.seconds);
    match signed.place {
        SignatureLocation::Header if age.abs() > SKEW_SECONDS_MAX => Err(S3Error::new(Code::RequestTimeTooSkewed)
            .detail("RequestTime", signed.signed_at.text.as_str())
            .detail("ServerTime", iso_date_s(now))
            .detail("MaxAllowedSkewMilliseconds", (SKEW_SECONDS_MAX * 1000).to_string())),
        SignatureLocation::Query { .. } if age < -SKEW_SECONDS_MAX => {
            Err(S3Error::with_message(Code::AccessDenied, "Request is not yet valid"))
        }
        SignatureLocation::Query { expires_s } => {
            let until = signed.signed_at.seconds.saturating_add_unsigned(expires_s);
            let error = || expired(until, now).detail("X-Amz-Expires", expires_s.to_string());
            if now < until { Ok(()) } else { Err(error()) }
        }
        SignatureLocation::Header => Ok(()),
    }
}
