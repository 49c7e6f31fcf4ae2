//! What a request claims of its signature: the Authorization header, or the query of a presigned URL.
//! Version 2 is taken in presigned URLs only (see `presigned_v2`).
//!
//! Promises: nothing here is believed yet; whatever is malformed has the code that AWS gives it.
//! Must not know: secrets, what was signed.
//!
//! Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference.

use http::header::{AUTHORIZATION, DATE};

use super::SigningVersion;
use super::presigned_v2::Presigned;
use crate::aws::sigv4::claim::{header_fields, parse_credential, parse_signature, parse_signed_headers};
use crate::aws::sigv4::{ALGORITHM, PRESIGN_SECONDS_MAX, SignatureLocation, SignedAt, V4};
use crate::s3::address::Request;
use crate::s3::error::{Code, Result, S3Error};
use crate::s3::hoisted::OF_SIGNATURES;

/// What a request claims, in whichever way it is signed.
pub(super) enum SignedRequest {
    /// With version 4.
    V4(V4),
    /// As a URL presigned with version 2.
    PresignedV2(Presigned),
}

impl SignedRequest {
    /// Reads a request's credentials, wherever they stand; `None`: it has none.
    pub(super) fn of(request: &Request) -> Result<Option<Self>> {
        let header = request.header(AUTHORIZATION)?;
        let in_query = OF_SIGNATURES.iter().any(|name| request.query.has(name));
        let version_2 = Presigned::is_meant(request);
        match (header, in_query, version_2) {
            (Some(header), false, false) => V4::of_header(request, header).map(|signed| Some(Self::V4(signed))),
            (None, true, false) => V4::of_query(request).map(|signed| Some(Self::V4(signed))),
            (None, false, true) => Presigned::of(request).map(|signed| Some(Self::PresignedV2(signed))),
            (None, false, false) => Ok(None),
            _ => Err(S3Error::with_message(
                Code::InvalidArgument,
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                 parameter or the Authorization header should be specified",
            )),
        }
    }

    /// The access key that the request names.
    pub(super) fn access_key(&self) -> &str {
        match self {
            Self::V4(signed) => &signed.access_key,
            Self::PresignedV2(signed) => &signed.access_key,
        }
    }

    /// The version of its signature.
    pub(super) const fn version(&self) -> SigningVersion {
        match self {
            Self::V4(_) => SigningVersion::V4,
            Self::PresignedV2(_) => SigningVersion::V2,
        }
    }

    /// Its signature, if the request is a presigned URL.
    pub(super) fn link(&self) -> Option<Box<str>> {
        let signature = match self {
            Self::V4(V4 { place: SignatureLocation::Header, .. }) => return None,
            Self::V4(signed) => &signed.signature[..],
            Self::PresignedV2(signed) => signed.signature(),
        };
        Some(signature.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl V4 {
    fn of_header(request: &Request, header: &str) -> Result<Self> {
        let malformed = || S3Error::new(Code::AuthorizationHeaderMalformed);
        let (algorithm, fields) = header.split_once(' ').unwrap_or((header, ""));
        if algorithm != ALGORITHM {
            return Err(if algorithm == "AWS" || algorithm.starts_with("AWS4-") {
                unsupported()
            } else {
                S3Error::invalid_argument("Unsupported Authorization Type", "Authorization", algorithm)
            });
        }
        let [credential, headers, signature] = header_fields(fields).ok_or_else(malformed)?;
        let (access_key, scope) = credential.and_then(parse_credential).ok_or_else(malformed)?;
        let signed_at = match request.header("x-amz-date")? {
            Some(text) => SignedAt::parse(text),
            None => request.header(DATE)?.and_then(SignedAt::parse_http),
        };
        let signed_at = signed_at.ok_or_else(|| {
            S3Error::with_message(Code::AccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
        })?;
        if !signed_at.text.starts_with(&scope.date) {
            return Err(S3Error::with_message(
                Code::AuthorizationHeaderMalformed,
                "The authorization header is malformed; Invalid credential date. This date is not the same as X-Amz-Date.",
            ));
        }
        Ok(Self {
            place: SignatureLocation::Header,
            access_key,
            scope,
            signed_at,
            signed_headers: headers.and_then(parse_signed_headers).ok_or_else(malformed)?,
            signature: signature.and_then(parse_signature).ok_or_else(malformed)?,
        })
    }

    fn of_query(request: &Request) -> Result<Self> {
        let wrong = |message: &'static str| S3Error::with_message(Code::AuthorizationQueryParametersError, message);
        let field = |name: &str| {
            let mut values = request.query.iter().filter(|(n, _)| *n == name).map(|(_, value)| value);
            match (values.next(), values.next()) {
                (Some(value), None) => Ok(value),
                _ => Err(wrong(
                    "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                     X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
                )),
            }
        };
        if field("X-Amz-Algorithm")? != ALGORITHM {
            return Err(wrong("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
        }
        let (credential, date, expires) = (field("X-Amz-Credential")?, field("X-Amz-Date")?, field("X-Amz-Expires")?);
        let (headers, signature) = (field("X-Amz-SignedHeaders")?, field("X-Amz-Signature")?);
        let signed_at = SignedAt::parse(date)
            .ok_or_else(|| wrong("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
        let expires_s = parse_expires(expires).map_err(wrong)?;
        let (access_key, scope) = parse_credential(credential).ok_or_else(|| {
            wrong(
                "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; \
                 expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
            )
        })?;
        if !signed_at.text.starts_with(&scope.date) {
            let day = signed_at.text.get(..8).unwrap_or_default();
            let message = format!(
                "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{day}\".",
                scope.date
            );
            return Err(S3Error::with_message(Code::AuthorizationQueryParametersError, message));
        }
        Ok(Self {
            place: SignatureLocation::Query { expires_s },
            access_key,
            scope,
            signed_at,
            signed_headers: parse_signed_headers(headers).ok_or_else(|| wrong("X-Amz-SignedHeaders is malformed"))?,
            // What does not parse cannot match.
            signature: parse_signature(signature).ok_or(Code::SignatureDoesNotMatch)?,
        })
    }
}

fn unsupported() -> S3Error {
    S3Error::with_message(
        Code::InvalidRequest,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
}

/// For how long a URL is valid, in seconds, up to a week; else what is wrong, in AWS's words where it has some.
fn parse_expires(text: &str) -> std::result::Result<u64, &'static str> {
    match text.parse::<i64>() {
        Err(_) => Err("X-Amz-Expires should be a number"),
        Ok(i64::MIN..0) => Err("X-Amz-Expires must be non-negative"),
        Ok(seconds) => u64::try_from(seconds).ok().filter(|seconds| *seconds <= PRESIGN_SECONDS_MAX).ok_or(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less \
             than 604800 seconds",
        ),
    }
}
