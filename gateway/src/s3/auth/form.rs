//! The signature of a form: its policy is what is signed, with version 4 or, as S3 still takes it, with version 2.
//!
//! Promises: a form that has any field of a signature has all of one version, or is refused; the policy is verified before it is
//! read, and then holds.
//! Must not know: what a policy may say, what is done with the file.
//!
//! Source: "Browser-Based Uploads Using POST (AWS Signature Version 4)", Amazon S3 API Reference, and "Browser-based uploads
//! using POST (AWS signature version 2)".

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::payload::Payload;
use super::signed_request::SignedRequest;
use super::{SECURITY_TOKEN, SigningVersion, check_service_and_region, does_not_match, find_caller};
use crate::aws::sigv4::claim::{parse_credential, parse_signature};
use crate::aws::sigv4::{ALGORITHM, Scope, Signer};
use crate::front::Gateway;
use crate::front::face::Verified;
use crate::identity::Credential;
use crate::s3::address::Request;
use crate::s3::error::{Code, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::fields::Fields;
use crate::s3::form::policy::PostPolicy;

const POLICY: &str = "policy";
const ACCESS_KEY_V2: &str = "awsaccesskeyid";
const SIGNATURE_V2: &str = "signature";
const ALGORITHM_V4: &str = "x-amz-algorithm";
const CREDENTIAL_V4: &str = "x-amz-credential";
const DATE_V4: &str = "x-amz-date";
const SIGNATURE_V4: &str = "x-amz-signature";

/// What a form claims of its signature.
enum SignedForm<'f> {
    V4 { scope: Scope, date: &'f str, signature: &'f str },
    V2 { signature: &'f str },
}

/// Refuses a form whose head is signed, too.
pub(in crate::s3) fn refuse_signed_head(request: &Request) -> Result<()> {
    if SignedRequest::of(request)?.is_none() {
        return Ok(());
    }
    let message = "Only one auth mechanism allowed; a form is signed in its fields";
    Err(S3Error::with_message(Code::InvalidArgument, message))
}

/// Finds the caller of a form, and whether its policy allows what the fields say; a form with no trace of a signature is
/// anonymous.
pub(super) async fn authenticate(
    gateway: &Gateway<S3>,
    request: &Request,
    fields: &Fields,
) -> Result<Verified<Payload>> {
    let has_any = |names: &[&str]| names.iter().any(|name| fields.get(name).is_some());
    let is_v4 = has_any(&[ALGORITHM_V4, CREDENTIAL_V4, DATE_V4, SIGNATURE_V4]);
    if !is_v4 && !has_any(&[POLICY, ACCESS_KEY_V2, SIGNATURE_V2, SECURITY_TOKEN]) {
        let payload = Payload::File { lengths: 0..=u64::MAX };
        return Ok(Verified { caller: gateway.identity.anonymous(), payload, link: None });
    }
    let policy = need(fields, POLICY)?;
    let (access_key, signed) = if is_v4 { of_v4(fields)? } else { of_v2(fields)? };
    let token = fields.get(SECURITY_TOKEN);
    let version = if is_v4 { SigningVersion::V4 } else { SigningVersion::V2 };
    let caller = find_caller(gateway, &access_key, token, version).await?;
    let signature = verify(&gateway.face, &caller, &access_key, policy, &signed)?;
    let policy = PostPolicy::read(policy)?;
    policy.check(fields, request.need_bucket()?.as_str(), request.received_us)?;
    gateway.identity.note_use(&caller, "s3", gateway.face.region());
    Ok(Verified { caller, payload: Payload::File { lengths: policy.lengths() }, link: Some(signature.into()) })
}

/// The access key that a form names.
pub(super) fn claimed_key(fields: &Fields) -> Option<Box<str>> {
    let of_v4 = || fields.get(CREDENTIAL_V4)?.split('/').next();
    of_v4().or_else(|| fields.get(ACCESS_KEY_V2)).map(Into::into)
}

fn need<'f>(fields: &'f Fields, name: &str) -> Result<&'f str> {
    fields.get(name).ok_or_else(|| {
        let message = format!(
            "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
        );
        S3Error::invalid_argument(message, name, "")
    })
}

fn of_v4(fields: &Fields) -> Result<(String, SignedForm<'_>)> {
    let algorithm = need(fields, ALGORITHM_V4)?;
    if algorithm != ALGORITHM {
        let message = format!("x-amz-algorithm only supports \"{ALGORITHM}\"");
        return Err(S3Error::invalid_argument(message, ALGORITHM_V4, algorithm));
    }
    let (credential, date, signature) =
        (need(fields, CREDENTIAL_V4)?, need(fields, DATE_V4)?, need(fields, SIGNATURE_V4)?);
    let parsed = parse_credential(credential).filter(|(_, scope)| date.starts_with(&scope.date));
    let (access_key, scope) = parsed.ok_or_else(|| {
        let message = "Error parsing the x-amz-credential field; the Credential is mal-formed, or of another date than \
                       x-amz-date; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
        S3Error::invalid_argument(message, CREDENTIAL_V4, credential)
    })?;
    Ok((access_key, SignedForm::V4 { scope, date, signature }))
}

fn of_v2(fields: &Fields) -> Result<(String, SignedForm<'_>)> {
    let access_key = need(fields, ACCESS_KEY_V2)?;
    Ok((access_key.to_owned(), SignedForm::V2 { signature: need(fields, SIGNATURE_V2)? }))
}

/// Verifies the signature of a policy, and gives it back.
fn verify<'f>(
    face: &S3,
    caller: &Credential,
    access_key: &str,
    policy: &str,
    signed: &SignedForm<'f>,
) -> Result<&'f str> {
    let (is_right, signature) = match signed {
        SignedForm::V4 { scope, date, signature } => {
            check_service_and_region(scope, face, Code::InvalidArgument, "Error parsing the x-amz-credential field")?;
            let signer = Signer::of(caller, scope, date);
            // What does not parse cannot match.
            (parse_signature(signature).is_some_and(|sent| signer.verify(policy, &sent)), *signature)
        }
        SignedForm::V2 { signature } => {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, caller.secret.expose());
            let sent = BASE64_STANDARD.decode(signature).unwrap_or_default();
            (hmac::verify(&key, policy.as_bytes(), &sent).is_ok(), *signature)
        }
    };
    if is_right { Ok(signature) } else { Err(does_not_match(access_key, policy.as_bytes(), signature)) }
}
