//! Signature Version 2 in presigned URLs: what `aws s3 presign` of aws-cli 1 makes for us-east-1, as AWS
//! still takes it. In headers version 2 is refused.
//!
//! Promises: stricter than AWS where version 2 leaves gaps. A parameter that it does not sign is refused,
//! so the holder of a URL cannot turn it into another operation; nor is one taken that is repeated, or whose value reads
//! as further parameters (values are signed unescaped). Every `x-amz-*` header is signed; a URL is valid for seven days at
//! most, as in version 4. What no server can tell: that a signer put `&` and a signed name into a value, and another took
//! them for two parameters.
//! Must not know: accounts, bodies.
//!
//! Source: "Signing and authenticating REST requests (AWS signature version 2)", Amazon S3 API Reference.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::CONTENT_TYPE;

use super::payload::{Mode, Payload};
use crate::identity::Secret;
use crate::s3::address::Request;
use crate::s3::error::{Code, Result, S3Error};

const ACCESS_KEY: &str = "AWSAccessKeyId";
const SIGNATURE: &str = "Signature";
const EXPIRES: &str = "Expires";
const LIFETIME_SECONDS_MAX: u64 = 7 * 24 * 3600;

/// The parameters that version 2 signs, ascending.
const SIGNED: &[&str] = &[
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// What a presigned URL claims.
pub(super) struct Presigned {
    pub(super) access_key: String,
    signature: Vec<u8>,
    /// As it stands in the string to sign: seconds since 1970.
    expires: String,
}

impl Presigned {
    /// Whether a request's query is meant as one.
    pub(super) fn is_meant(request: &Request) -> bool {
        request.query.has(ACCESS_KEY) || request.query.has(SIGNATURE)
    }

    /// Reads the signed.
    pub(super) fn of(request: &Request) -> Result<Self> {
        let field = |name: &str| {
            let mut values = request.query.iter().filter(|(n, _)| *n == name).map(|(_, value)| value);
            match (values.next(), values.next()) {
                (Some(value), None) => Ok(value.to_owned()),
                _ => Err(S3Error::with_message(
                    Code::AccessDenied,
                    "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
                )),
            }
        };
        // What does not parse cannot match.
        let signature = BASE64_STANDARD.decode(field(SIGNATURE)?).map_err(|_| Code::SignatureDoesNotMatch)?;
        Ok(Self { access_key: field(ACCESS_KEY)?, signature, expires: field(EXPIRES)? })
    }

    /// What was signed with.
    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Verifies the signature.
    pub(super) fn verify(&self, request: &Request, secret: &Secret) -> Result<Payload> {
        self.check_time(request.received_us / 1_000_000)?;
        check_coverage(request)?;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose());
        let text = self.text(request);
        if hmac::verify(&key, &text, &self.signature).is_err() {
            return Err(super::does_not_match(&self.access_key, &text, &BASE64_STANDARD.encode(&self.signature)));
        }
        match Mode::of_presigned_v2(request)? {
            Mode::Unsigned => Ok(Payload::Unsigned),
            Mode::Signed(sha256) => Ok(Payload::Signed(sha256)),
            Mode::Chunked { .. } => {
                let message = "Streaming payloads need AWS4-HMAC-SHA256.";
                Err(S3Error::with_message(Code::InvalidRequest, message))
            }
        }
    }

    fn check_time(&self, now_s: u64) -> Result<()> {
        let expires: u64 = self.expires.parse().map_err(|_| {
            let message = format!("Invalid date (should be seconds since epoch): {}", self.expires);
            S3Error::with_message(Code::AccessDenied, message)
        })?;
        if now_s > expires {
            let [until, now] = [expires, now_s].map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
            return Err(super::expired(until, now));
        }
        if expires - now_s > LIFETIME_SECONDS_MAX {
            let message = "Expires must be less than a week (in seconds) ahead; that is 604800.";
            return Err(S3Error::with_message(Code::AccessDenied, message));
        }
        Ok(())
    }

    /// The string to sign.
    fn text(&self, request: &Request) -> Vec<u8> {
        let header = |name: &str| request.headers.get(name).map_or(&b""[..], |value| value.as_bytes());
        let mut text = Vec::with_capacity(256);
        let lines: [&[u8]; 4] = [
            request.method.as_str().as_bytes(),
            header("content-md5"),
            header(CONTENT_TYPE.as_str()),
            self.expires.as_bytes(),
        ];
        for line in lines {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        let mut names: Vec<_> = request.sent_names().filter(|name| name.starts_with("x-amz-")).collect();
        names.sort_unstable();
        for name in names {
            let values: Vec<_> =
                request.headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).collect();
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            text.extend_from_slice(&values.join(&b','));
            text.push(b'\n');
        }
        resource(request, &mut text);
        text
    }
}

/// The bucket if the host named it, the path as it was sent, and the parameters that are signed.
fn resource(request: &Request, text: &mut Vec<u8>) {
    if request.is_virtual_host
        && let Some(bucket) = &request.bucket
    {
        text.push(b'/');
        text.extend_from_slice(bucket.as_str().as_bytes());
    }
    text.extend_from_slice(request.raw_path.as_bytes());
    let mut signed: Vec<_> = request.query.iter().filter(|(name, _)| SIGNED.contains(name)).collect();
    signed.sort_unstable();
    for (number, (name, value)) in signed.into_iter().enumerate() {
        text.push(if number == 0 { b'?' } else { b'&' });
        text.extend_from_slice(name.as_bytes());
        if !value.is_empty() {
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
        }
    }
}

fn check_coverage(request: &Request) -> Result<()> {
    let known = |name: &str| SIGNED.contains(&name) || [ACCESS_KEY, SIGNATURE, EXPIRES].contains(&name);
    let refused = |message: &'static str, name: &str| {
        Err(S3Error::with_message(Code::AccessDenied, message).detail("ParametersNotSigned", name))
    };
    let mut names = BTreeSet::new();
    for (name, value) in request.query.iter() {
        if !known(name) {
            return refused("There were parameters present in the request which were not signed", name);
        }
        if !names.insert(name) {
            return refused("A parameter may be sent once only", name);
        }
        if let Some(inner) = merged(value) {
            return refused("The value of a parameter reads as another parameter", inner);
        }
    }
    Ok(())
}

/// The parameter that a value would be taken for, too, in the string to sign.
fn merged(value: &str) -> Option<&str> {
    let rest = value.split('&').skip(1);
    rest.map(|part| part.split_once('=').map_or(part, |(name, _)| name)).find(|name| SIGNED.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::{Origin, RequestHead, RequestId};

    const EXAMPLE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const EXPIRY: u64 = 1_175_139_620;

    fn verify(target: &str, host: &str, header: Option<(&'static str, &'static str)>, now_s: u64) -> Result<Payload> {
        let mut request = http::Request::get(target).header("host", host);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let id = RequestId::from_random([0; 16]);
        let head = RequestHead::parse(head, id, Origin::default(), now_s * 1_000_000)?;
        let request = Request::parse(head, &["s3.amazonaws.com".to_owned()])?;
        assert!(Presigned::is_meant(&request));
        Presigned::of(&request)?.verify(&request, &Secret::new(EXAMPLE_SECRET))
    }

    /// AWS's example.
    const EXAMPLE: &str = "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&\
        Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620";
    const HOST: &str = "johnsmith.s3.amazonaws.com";

    fn code(target: &str, header: Option<(&'static str, &'static str)>, now_s: u64) -> Option<Code> {
        verify(target, HOST, header, now_s).err().map(|error| error.code())
    }

    #[test]
    fn the_example_of_aws_verifies_while_it_is_valid() {
        assert_eq!(code(EXAMPLE, None, EXPIRY - 60), None);
        assert_eq!(code(EXAMPLE, None, EXPIRY), None);
        assert_eq!(code(EXAMPLE, None, EXPIRY + 1), Some(Code::AccessDenied));
        assert_eq!(code(EXAMPLE, None, EXPIRY - 604_801), Some(Code::AccessDenied));
    }

    #[test]
    fn what_is_not_signed_is_refused() {
        let now = EXPIRY - 60;
        let changed = |from: &str, to: &str| code(&EXAMPLE.replace(from, to), None, now);
        assert_eq!(changed("puppy", "kitty"), Some(Code::SignatureDoesNotMatch));
        assert_eq!(changed("Npg", "Npf"), Some(Code::SignatureDoesNotMatch));
        assert_eq!(changed("1175139620", "1175139621"), Some(Code::SignatureDoesNotMatch));
        assert_eq!(changed("Expires=", "acl&Expires="), Some(Code::SignatureDoesNotMatch));
        assert_eq!(changed("Expires=", "attributes&Expires="), Some(Code::AccessDenied));
        assert_eq!(changed("Expires=", "legal-hold&Expires="), Some(Code::AccessDenied));
        assert_eq!(changed("Expires=1175139620", "Expires=never"), Some(Code::AccessDenied));
        assert_eq!(changed("&Expires=1175139620", ""), Some(Code::AccessDenied));
        assert_eq!(code(EXAMPLE, Some(("x-amz-copy-source", "a/b")), now), Some(Code::SignatureDoesNotMatch));
        assert_eq!(changed("Expires=", "AWSAccessKeyId=AKIA&Expires="), Some(Code::InvalidArgument));
        assert_eq!(changed("Expires=", "acl&acl&Expires="), Some(Code::AccessDenied));
        assert_eq!(changed("Expires=", "response-expires=a%26versionId%3Db&Expires="), Some(Code::AccessDenied));
        let elsewhere = verify(EXAMPLE, "other.s3.amazonaws.com", None, now);
        assert_eq!(elsewhere.err().map(|error| error.code()), Some(Code::SignatureDoesNotMatch));
    }
}
