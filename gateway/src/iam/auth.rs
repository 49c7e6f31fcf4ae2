//! The authenticate stage: the caller, and whether the request is the one that the caller signed; and which requests are for
//! this face at all.
//!
//! Promises: it answers only for a request whose signature was verified, its body and every `x-amz-*` header included, or of
//! which an identity provider's token was.
//! Must not know: operations but AssumeRoleWithWebIdentity, which alone is not signed.

use std::sync::Arc;

use aws_lc_rs::digest;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;

use super::api::Service;
use super::error::{Code, QueryError, QueryResult};
use super::service::{Iam, QueryRequest};
use crate::access::arn;
use crate::aws::sigv4::claim::{header_fields, parse_credential, parse_signature, parse_signed_headers};
use crate::aws::sigv4::{
    ALGORITHM, PRESIGN_SECONDS_MAX, SKEW_SECONDS_MAX, SignatureLocation, SignedAt, Signer, V4, canonical,
};
use crate::front::face::Verified;
use crate::front::request::Query;
use crate::front::{Gateway, Rejection};
use crate::identity::oidc::{self, Provider, TokenError};
use crate::identity::{
    CallerIdentity, CallerKind, Credential, CredentialSource, Secret, TokenFault, oidc_provider_name,
};

/// The one operation that is not signed.
pub(super) const UNSIGNED: &str = "AssumeRoleWithWebIdentity";

const FORM: &str = "application/x-www-form-urlencoded";

/// Whether a request is for this face: `/` with a signature of a scope of IAM or STS, or without a signature and a form.
pub fn is_meant(head: &Parts) -> bool {
    if head.uri.path() != "/" {
        return false;
    }
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(authorization) = header(AUTHORIZATION) {
        let fields = authorization.strip_prefix(ALGORITHM).map(str::trim_start);
        let credential =
            fields.and_then(|fields| fields.split(',').find_map(|field| field.trim().strip_prefix("Credential=")));
        return credential.is_some_and(is_of_service);
    }
    let query = head.uri.query().and_then(|query| Query::parse(query).ok()).unwrap_or_default();
    if let Some(credential) = query.get("X-Amz-Credential") {
        return is_of_service(credential);
    }
    let is_form = header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with(FORM)) && head.method == "POST";
    is_form || query.get("Action") == Some(UNSIGNED)
}

fn is_of_service(credential: &str) -> bool {
    parse_credential(credential).is_some_and(|(_, scope)| Service::of_name(&scope.service).is_some())
}

/// What a request claims of its signature, if it claims any.
pub(super) fn claimed(request: &QueryRequest) -> QueryResult<Option<V4>> {
    let incomplete = |message: &str| QueryError::new(Code::IncompleteSignature, message);
    let header = request.head.header(AUTHORIZATION)?;
    let query = |name: &str| request.head.query.get(name);
    let (place, algorithm, fields, date) = match (header, query("X-Amz-Credential")) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(incomplete("Only one auth mechanism allowed.")),
        (Some(header), None) => {
            let (algorithm, fields) = header.split_once(' ').unwrap_or((header, ""));
            let fields = header_fields(fields).ok_or_else(|| incomplete("The Authorization header is malformed."))?;
            (SignatureLocation::Header, Some(algorithm), fields, request.head.header("x-amz-date")?)
        }
        (None, credential) => {
            let expires_s = query("X-Amz-Expires").map_or(Ok(SKEW_SECONDS_MAX.unsigned_abs()), str::parse);
            let expires_s = expires_s.ok().filter(|seconds| *seconds <= PRESIGN_SECONDS_MAX);
            let expires_s =
                expires_s.ok_or_else(|| incomplete("X-Amz-Expires is a number of seconds, up to a week."))?;
            let fields = [credential, query("X-Amz-SignedHeaders"), query("X-Amz-Signature")];
            (SignatureLocation::Query { expires_s }, query("X-Amz-Algorithm"), fields, query("X-Amz-Date"))
        }
    };
    if algorithm != Some(ALGORITHM) {
        return Err(incomplete("Only AWS4-HMAC-SHA256 is supported."));
    }
    let [credential, signed_headers, signature] = fields;
    let claim = || {
        let (access_key, scope) = parse_credential(credential?)?;
        let signed_at = SignedAt::parse(date?).filter(|at| at.text.starts_with(&scope.date))?;
        let signed_headers = parse_signed_headers(signed_headers?)?;
        Some(V4 { place, access_key, scope, signed_at, signed_headers, signature: parse_signature(signature?)? })
    };
    let message = "The request signature does not conform to AWS standards: Credential, SignedHeaders, Signature and a date are needed.";
    claim().map(Some).ok_or_else(|| incomplete(message))
}

/// The API that a request is for: that of its signature's scope.
pub(super) fn service(request: &QueryRequest) -> Service {
    let claimed = claimed(request).ok().flatten();
    claimed.map_or(Some(Service::Sts), |signed| Service::of_name(&signed.scope.service)).unwrap_or(Service::Iam)
}

/// Finds the caller. Whatever is wrong, nothing was touched.
pub(super) async fn authenticate(gateway: &Gateway<Iam>, request: &QueryRequest) -> QueryResult<Verified<()>> {
    let Some(signed) = claimed(request)? else {
        let caller = verify_web_identity(gateway, request).await?;
        return Ok(Verified { caller, payload: (), link: None });
    };
    let caller = find_caller(gateway, request, &signed.access_key).await?;
    verify(request, &signed, &caller)?;
    gateway.identity.note_use(&caller, &signed.scope.service, &signed.scope.region);
    let is_link = matches!(signed.place, SignatureLocation::Query { .. });
    let link = is_link.then(|| hex::encode(signed.signature).into());
    Ok(Verified { caller, payload: (), link })
}

async fn find_caller(gateway: &Gateway<Iam>, request: &QueryRequest, access_key: &str) -> QueryResult<Arc<Credential>> {
    let identity = &gateway.identity;
    let unreadable = |error| QueryError::from(Rejection::Identity(error));
    let token = match request.head.header("x-amz-security-token")? {
        Some(token) => Some(token),
        None => request.head.query.get("X-Amz-Security-Token"),
    };
    let Some(token) = token else {
        let found = identity.credential(access_key).await.map_err(unreadable)?;
        return found.ok_or_else(QueryError::unknown_credential);
    };
    match identity.session_credential(access_key, token).await.map_err(unreadable)? {
        Ok(caller) => Ok(caller),
        Err(TokenFault::Expired) => {
            Err(QueryError::new(Code::ExpiredToken, "The security token included in the request is expired"))
        }
        Err(TokenFault::Malformed | TokenFault::Void) => Err(QueryError::unknown_credential()),
    }
}

/// Verifies time, coverage and signature.
fn verify(request: &QueryRequest, signed: &V4, caller: &Credential) -> QueryResult<()> {
    check_time(signed, request.head.received_us)?;
    if Service::of_name(&signed.scope.service).is_none() {
        return Err(QueryError::new(
            Code::IncompleteSignature,
            "Credential should be scoped to a service of this endpoint.",
        ));
    }
    let unsigned = canonical::unsigned_headers(&request.head, signed);
    if !unsigned.is_empty() {
        let message = format!("'{}' must be a 'SignedHeader' in the AWS Authorization.", unsigned.join("', '"));
        return Err(QueryError::new(Code::IncompleteSignature, message));
    }
    let body = hex::encode(digest::digest(&digest::SHA256, &request.body));
    let signer = Signer::of(caller, &signed.scope, &signed.signed_at.text);
    let text = canonical::text(&request.head, "/", signed, &body);
    if signer.verify(&signer.string_to_sign(&text), &signed.signature) {
        return Ok(());
    }
    Err(QueryError::new(
        Code::SignatureDoesNotMatch,
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    ))
}

fn check_time(signed: &V4, now_us: u64) -> QueryResult<()> {
    let now = i64::try_from(now_us / 1_000_000).unwrap_or(i64::MAX);
    let at = &signed.signed_at;
    let until = match signed.place {
        SignatureLocation::Header => at.seconds.saturating_add(SKEW_SECONDS_MAX),
        SignatureLocation::Query { expires_s } => at.seconds.saturating_add_unsigned(expires_s),
    };
    let words = if at.seconds > now.saturating_add(SKEW_SECONDS_MAX) {
        "Signature not yet current"
    } else if until < now {
        "Signature expired"
    } else {
        return Ok(());
    };
    Err(QueryError::new(Code::SignatureDoesNotMatch, format!("{words}: {}", at.text)))
}

/// The caller that an identity provider vouches for. It counts as one of the account whose role it asks for.
async fn verify_web_identity(gateway: &Gateway<Iam>, request: &QueryRequest) -> QueryResult<Arc<Credential>> {
    let form = &request.form;
    if form.get("Action") != Some(UNSIGNED) {
        return Err(QueryError::new(Code::MissingAuthenticationToken, "Request is missing Authentication Token"));
    }
    let Some(verifier) = gateway.identity.verifier() else {
        return Err(QueryError::new(Code::NotImplemented, "Tokens of identity providers are not served here."));
    };
    let (token, role) = (form.need("WebIdentityToken")?, form.need("RoleArn")?);
    let unknown =
        || QueryError::new(Code::InvalidIdentityToken, "No OpenIDConnect provider found in your account for it");
    let number = arn::split(role).map(|[_, _, _, _, number, _]| number).ok_or_else(unknown)?;
    let account = gateway.identity.account_by_number(number).await.map_err(|_| unknown())?;
    let issuer = oidc::unverified_issuer(token).map_err(refused)?;
    let name: Box<str> = oidc_provider_name(&issuer).map_err(|_| unknown())?.into();
    let row = gateway.identity.oidc_provider(&account, &name).await.map_err(|_| unknown())?;
    let arn: Box<str> = account.arn("oidc-provider", "/", &name).into();
    let provider = Provider { account: account.id.clone(), issuer, client_ids: row.client_ids.to_vec() };
    let claims = verifier.verify(&provider, token).await.map_err(refused)?;
    let kind = CallerKind::WebIdentity { provider: arn.clone(), claims: Arc::new(claims) };
    let caller = CallerIdentity { kind, ..CallerIdentity::of_root(account) };
    Ok(Arc::new(Credential::new(arn, Secret::new(Vec::new()), caller, CredentialSource::WebIdentity)))
}

fn refused(error: TokenError) -> QueryError {
    let code = match error {
        TokenError::Invalid(_) => Code::InvalidIdentityToken,
        TokenError::Expired => Code::ExpiredTokenException,
        TokenError::RejectedClaim(_) => Code::IDPRejectedClaim,
        TokenError::Communication => Code::IDPCommunicationError,
    };
    QueryError::new(code, error.to_string())
}
