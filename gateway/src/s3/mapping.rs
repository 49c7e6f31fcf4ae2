//! The one place that turns what the engine and the front say into S3's codes.
//!
//! Must not know: which operation asked. One that knows better (which key, which part) adds details.

use couronne_metadata::command::Refusal;
use couronne_metadata::ids::{KEY_BYTES_MAX, KeyError};
use http::{HeaderName, HeaderValue};

use crate::engine::{BodyError, DigestKind, EngineError};
use crate::front::Rejection;
use crate::identity::IdentityError;
use crate::s3::error::{Code, S3Error};
use crate::s3::wire::checksum;
use crate::s3::wire::xml::XmlError;

impl S3Error {
    /// What the engine could not do. Not a `From`: an operation's error is a [`crate::front::FrontError`], which knows of
    /// stale buckets.
    pub fn of_engine(error: EngineError) -> Self {
        match error {
            EngineError::Refused(refusal) => refusal.into(),
            EngineError::DeleteMarker { .. } => Self::new(Code::NoSuchKey)
                .header(HeaderName::from_static("x-amz-delete-marker"), HeaderValue::from_static("true")),
            EngineError::BucketAlreadyExists => Code::BucketAlreadyExists.into(),
            EngineError::BucketAlreadyOwnedByYou => Code::BucketAlreadyOwnedByYou.into(),
            EngineError::BucketBusy => Code::OperationAborted.into(),
            EngineError::NoSuchPolicy => Code::InvalidLocationConstraint.into(),
            // An operation hands it to the front, which repeats; what reaches a client was repeated often enough.
            EngineError::StaleRules => Code::ServiceUnavailable.into(),
            EngineError::Body(error) => error.into(),
            EngineError::Digest(kind) => match kind {
                DigestKind::Md5 => Code::BadDigest.into(),
                DigestKind::SignedSha256 => Code::XAmzContentSHA256Mismatch.into(),
                DigestKind::Checksum(algorithm) => checksum::mismatch(algorithm),
            },
            EngineError::EntityTooLarge => Code::EntityTooLarge.into(),
            EngineError::SlowDown(_) => Code::SlowDown.into(),
            EngineError::Full => Code::InsufficientStorage.into(),
            EngineError::ObjectChanged | EngineError::Unavailable(_) => {
                tracing::warn!(%error, "the engine cannot serve");
                Code::ServiceUnavailable.into()
            }
            EngineError::Unreadable(_) | EngineError::Corrupt(_) => {
                tracing::error!(%error, "stored data cannot be given back");
                Code::InternalError.into()
            }
        }
    }
}

impl From<Rejection> for S3Error {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::MalformedTarget => Code::InvalidURI.into(),
            Rejection::MalformedHead => Code::BadRequest.into(),
            Rejection::FramedTwice => {
                Self::with_message(Code::BadRequest, "A request has either Content-Length or Transfer-Encoding.")
            }
            Rejection::UnknownCoding => Self::new(Code::NotImplemented).detail("Header", "Transfer-Encoding"),
            Rejection::TooManyHeaders => Code::RequestHeaderSectionTooLarge.into(),
            Rejection::BadHost => Self::with_message(Code::BadRequest, "A request has one Host header."),
            Rejection::RepeatedHeader(name) => {
                Self::invalid_argument("The header may be sent once only", name.as_str(), "")
            }
            Rejection::HeaderNotText(name) => Self::invalid_argument("The header is not text", name.as_str(), ""),
            Rejection::AccessDenied => Code::AccessDenied.into(),
            Rejection::CredentialGone => Code::InvalidAccessKeyId.into(),
            Rejection::AuditFull => Code::SlowDown.into(),
            Rejection::Identity(error) => error.into(),
            Rejection::DocumentTooLong => Code::MaxMessageLengthExceeded.into(),
            Rejection::RulesKeepChanging => Code::ServiceUnavailable.into(),
            Rejection::Unresolved { bucket, error } => Self::of_engine(error).detail("BucketName", bucket),
            Rejection::Engine(error) => Self::of_engine(error),
        }
    }
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::PreconditionFailed => Code::PreconditionFailed.into(),
            Refusal::NoSuchKey => Code::NoSuchKey.into(),
            Refusal::NoSuchVersion => Code::NoSuchVersion.into(),
            Refusal::IsDeleteMarker => Self::new(Code::MethodNotAllowed).detail("ResourceType", "DeleteMarker"),
            Refusal::NoSuchUpload => Code::NoSuchUpload.into(),
            Refusal::InvalidPart(number) => Self::new(Code::InvalidPart).detail("PartNumber", number.get().to_string()),
            Refusal::InvalidPartOrder => Code::InvalidPartOrder.into(),
            Refusal::EntityTooSmall { number, size } => Self::new(Code::EntityTooSmall)
                .detail("ProposedSize", size.to_string())
                .detail("PartNumber", number.get().to_string()),
            Refusal::BadDigest => {
                Self::with_message(Code::BadDigest, "The checksum you specified did not match the calculated checksum.")
            }
            Refusal::WrongSize { said, computed } => {
                let message = format!(
                    "The provided 'x-amz-mp-object-size' header value {said} does not match what was computed: {computed}"
                );
                Self::with_message(Code::InvalidRequest, message)
            }
            Refusal::Locked => {
                Self::with_message(Code::AccessDenied, "Access Denied because object protected by object lock.")
            }
            Refusal::NoSuchBucket => Code::NoSuchBucket.into(),
            Refusal::BucketNotEmpty => Code::BucketNotEmpty.into(),
            Refusal::Conflict => Code::OperationAborted.into(),
            Refusal::QuotaExceeded => Code::QuotaExceeded.into(),
            Refusal::StaleRules | Refusal::BlobRefused | Refusal::DeadlinePassed => Code::ServiceUnavailable.into(),
            Refusal::Invalid(reason) => {
                tracing::error!(%reason, "a command contradicts itself");
                Code::InternalError.into()
            }
        }
    }
}

impl From<KeyError> for S3Error {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::TooLong => Self::new(Code::KeyTooLongError).detail("MaxSizeAllowed", KEY_BYTES_MAX.to_string()),
            KeyError::Empty | KeyError::NotUtf8 => Code::InvalidURI.into(),
        }
    }
}

impl From<XmlError> for S3Error {
    fn from(_: XmlError) -> Self {
        Code::MalformedXML.into()
    }
}

impl From<BodyError> for S3Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Incomplete | BodyError::Disconnected(_) => Code::IncompleteBody.into(),
            BodyError::TooLong => {
                Self::with_message(Code::IncompleteBody, "The request body is longer than its declared length.")
            }
            BodyError::TooLarge { bytes_max } => {
                Self::new(Code::EntityTooLarge).detail("MaxSizeAllowed", bytes_max.to_string())
            }
            BodyError::TooSmall { bytes, bytes_min } => Self::new(Code::EntityTooSmall)
                .detail("ProposedSize", bytes.to_string())
                .detail("MinSizeAllowed", bytes_min.to_string()),
            BodyError::ShortChunk { number, bytes } => Self::new(Code::InvalidChunkSizeError)
                .detail("Chunk", number.to_string())
                .detail("BadChunkSize", bytes.to_string()),
            BodyError::Malformed(what) => Self::with_message(Code::InvalidRequest, what),
            BodyError::Form(what) => Self::new(Code::MalformedPOSTRequest).detail("Reason", what),
            BodyError::Signature => Code::SignatureDoesNotMatch.into(),
            BodyError::Trailer => Code::MalformedTrailerError.into(),
            BodyError::TrailerValue(algorithm) => {
                let name = checksum::header(algorithm);
                Self::with_message(Code::InvalidRequest, format!("Value for {name} trailing header is invalid."))
            }
            BodyError::TimedOut => Code::RequestTimeout.into(),
            BodyError::Short(_) => Code::SlowDown.into(),
            BodyError::Source(error) => Self::of_engine(*error),
        }
    }
}

impl From<IdentityError> for S3Error {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Engine(error) => Self::of_engine(error),
            IdentityError::UnknownPrincipal(named) => {
                Self::with_message(Code::MalformedPolicy, "Invalid principal in policy").detail("Detail", &*named)
            }
            other => {
                tracing::error!(error = %other, "an identity cannot be read");
                Code::InternalError.into()
            }
        }
    }
}
