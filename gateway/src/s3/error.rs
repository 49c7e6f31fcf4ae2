//! The one table of S3 error codes: code, HTTP status, message as AWS words it; and the error that carries one.
//!
//! Promises: whatever goes wrong, a client sees a code of this table; what the table does not say
//! (an inner failure's text, a path, a drive) never reaches a client.
//! Must not know: where in the gateway an error arose.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::front::{FrontError, RequestId};

/// Declares the codes, so that no list can forget one.
macro_rules! codes {
    ($($name:ident $status:literal $message:literal,)*) => {
        /// An S3 error code. Names and messages are S3's own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $message] $name,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as the body's `Code` element has it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The HTTP status.
            pub const fn status(self) -> StatusCode {
                match match self { $(Self::$name => StatusCode::from_u16($status),)* } {
                    Ok(status) => status,
                    Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
                }
            }

            /// The message, where the error has none of its own.
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$name => $message,)*
                }
            }
        }
    };
}

codes! {
    AccessControlListNotSupported 400 "The bucket does not allow ACLs",
    AccessDenied 403 "Access Denied",
    AmbiguousGrantByEmailAddress 400 "The e-mail address you provided is associated with more than one account.",
    AuthorizationHeaderMalformed 400 "The authorization header is malformed",
    AuthorizationQueryParametersError 400 "Error parsing the authorization query parameters",
    BadDigest 400 "The Content-MD5 you specified did not match what we received.",
    BadRequest 400 "An error occurred when parsing the HTTP request.",
    BucketAlreadyExists 409 "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
    BucketAlreadyOwnedByYou 409 "Your previous request to create the named bucket succeeded and you already own it.",
    BucketNotEmpty 409 "The bucket you tried to delete is not empty",
    ConditionalRequestConflict 409 "The conditional request cannot succeed due to a conflicting operation against this resource.",
    ContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed.",
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed size",
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed size",
    ExpiredToken 400 "The provided token has expired.",
    IllegalLocationConstraintException 400 "The specified location-constraint is not valid",
    IllegalVersioningConfigurationException 400 "The versioning configuration specified in the request is invalid.",
    IncompleteBody 400 "The request body terminated unexpectedly",
    InsufficientStorage 507 "The storage has no space left for this request. Reads and deletions go on.",
    InternalError 500 "We encountered an internal error. Please try again.",
    InvalidAccessKeyId 403 "The AWS Access Key Id you provided does not exist in our records.",
    InvalidArgument 400 "Invalid Argument",
    InvalidBucketAclWithBlockPublicAccessError 400 "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
    InvalidBucketAclWithObjectOwnership 400 "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    InvalidBucketName 400 "The specified bucket is not valid.",
    InvalidBucketState 409 "The request is not valid with the current state of the bucket.",
    InvalidChunkSizeError 403 "Only the last chunk is allowed to have a size less than 8192 bytes",
    InvalidDigest 400 "The Content-MD5 you specified was invalid.",
    InvalidLocationConstraint 400 "The specified location-constraint is not valid",
    InvalidObjectState 403 "The operation is not valid for the object's storage class",
    InvalidPart 400 "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    InvalidPartNumber 416 "The requested partnumber is not satisfiable",
    InvalidPartOrder 400 "The list of parts was not in ascending order. Parts must be ordered by part number.",
    InvalidRedirectLocation 400 "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    InvalidPolicyDocument 400 "The content of the form does not meet the conditions specified in the policy document.",
    InvalidRange 416 "The requested range is not satisfiable",
    InvalidRequest 400 "Invalid Request",
    InvalidRetentionPeriod 400 "The retention period is not valid.",
    InvalidStorageClass 400 "The storage class you specified is not valid",
    InvalidTag 400 "The tag provided was not a valid tag.",
    InvalidToken 400 "The provided token is malformed or otherwise invalid.",
    InvalidURI 400 "Couldn't parse the specified URI.",
    KeyTooLongError 400 "Your key is too long",
    MalformedACLError 400 "The XML you provided was not well-formed or did not validate against our published schema",
    MalformedPOSTRequest 400 "The body of your POST request is not well-formed multipart/form-data.",
    MalformedPolicy 400 "The policy is not in the valid JSON format",
    MalformedTrailerError 400 "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    MalformedXML 400 "The XML you provided was not well-formed or did not validate against our published schema",
    MaxMessageLengthExceeded 400 "Your request was too big.",
    MaxPostPreDataLengthExceededError 400 "Your POST request fields preceding the upload file were too large.",
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size",
    MethodNotAllowed 405 "The specified method is not allowed against this resource.",
    MissingContentLength 411 "You must provide the Content-Length HTTP header.",
    MissingRequestBodyError 400 "Request body is empty.",
    MissingSecurityHeader 400 "Your request was missing a required header",
    NoSuchBucket 404 "The specified bucket does not exist",
    NoSuchBucketPolicy 404 "The bucket policy does not exist",
    NoSuchCORSConfiguration 404 "The CORS configuration does not exist",
    NoSuchKey 404 "The specified key does not exist.",
    NoSuchLifecycleConfiguration 404 "The lifecycle configuration does not exist",
    NoSuchObjectLockConfiguration 404 "The specified object does not have a ObjectLock configuration",
    NoSuchPublicAccessBlockConfiguration 404 "The public access block configuration was not found",
    NoSuchTagSet 404 "The TagSet does not exist",
    NoSuchUpload 404 "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    NoSuchVersion 404 "The specified version does not exist.",
    NoSuchWebsiteConfiguration 404 "The specified bucket does not have a website configuration",
    NotImplemented 501 "A header you provided implies functionality that is not implemented",
    NotModified 304 "Not Modified",
    ObjectLockConfigurationNotFoundError 404 "Object Lock configuration does not exist for this bucket",
    OperationAborted 409 "A conflicting conditional operation is currently in progress against this resource. Please try again.",
    OwnershipControlsNotFoundError 404 "The bucket ownership controls were not found",
    PreconditionFailed 412 "At least one of the pre-conditions you specified did not hold",
    QuotaExceeded 403 "The quota of the account or bucket is exhausted.",
    ReplicationConfigurationNotFoundError 404 "The replication configuration was not found",
    RequestHeaderSectionTooLarge 400 "Your request header and query parameters exceed the maximum allowed size.",
    RequestTimeTooSkewed 403 "The difference between the request time and the current time is too large.",
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period.",
    ServerSideEncryptionConfigurationNotFoundError 404 "The server side encryption configuration was not found",
    ServiceUnavailable 503 "Service is unable to handle request.",
    SignatureDoesNotMatch 403 "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    SlowDown 503 "Please reduce your request rate.",
    TooManyBuckets 400 "You have attempted to create more buckets than allowed",
    UnexpectedContent 400 "This request does not support content",
    UnresolvableGrantByEmailAddress 400 "The e-mail address you provided does not match any account on record.",
    UnsupportedSignature 400 "The provided request is signed with an unsupported STS Token version or the signature version is not supported.",
    XAmzContentChecksumMismatch 400 "The provided 'x-amz-checksum' header does not match what was computed.",
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed.",
}

/// An S3 error on its way to the client. Everything in it may be shown to any client.
#[derive(Clone, Debug)]
pub struct S3Error {
    code: Code,
    /// Boxed, so that results stay small where nothing went wrong.
    said: Box<Details>,
}

/// What an error says beyond its code.
#[derive(Clone, Debug, Default)]
struct Details {
    message: Option<Cow<'static, str>>,
    details: Vec<(&'static str, String)>,
    headers: HeaderMap,
}

/// What reading a request gives.
pub type Result<T> = std::result::Result<T, S3Error>;

/// What executing an operation gives. A bucket that is stale is no [`S3Error`], so an error of the engine's becomes one
/// of these, and not one of those.
pub type Executed<T> = std::result::Result<T, FrontError<S3Error>>;

impl S3Error {
    /// An error with S3's own message.
    pub fn new(code: Code) -> Self {
        Self { code, said: Box::default() }
    }

    /// An error with a message of its own.
    pub fn with_message(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(code);
        error.said.message = Some(message.into());
        error
    }

    /// `InvalidArgument`, naming the argument and what was sent.
    pub fn invalid_argument(message: impl Into<Cow<'static, str>>, name: &str, value: &str) -> Self {
        Self::with_message(Code::InvalidArgument, message).detail("ArgumentName", name).detail("ArgumentValue", value)
    }

    /// `NotImplemented` for an operation or header of S3 that is not served.
    pub fn not_implemented(what: &str) -> Self {
        Self::with_message(Code::NotImplemented, format!("{what} is not implemented"))
    }

    /// Adds an element to the XML body, beside `Code` and `Message`.
    #[must_use]
    pub fn detail(mut self, element: &'static str, value: impl Into<String>) -> Self {
        self.said.details.push((element, value.into()));
        self
    }

    /// Adds a response header (`etag` on a 304, `x-amz-delete-marker` on a 404, ...).
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.said.headers.append(name, value);
        self
    }

    /// The code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The message the client sees.
    pub fn message(&self) -> &str {
        self.said.message.as_deref().unwrap_or(self.code.message())
    }

    /// The elements of the XML body beside `Code` and `Message`.
    pub(super) fn details(&self) -> &[(&'static str, String)] {
        &self.said.details
    }

    /// The headers of the answer.
    pub(super) fn into_headers(self) -> HeaderMap {
        self.said.headers
    }
}

/// What S3 calls the id of the host: the other half of the request's.
pub fn host_id(id: RequestId) -> String {
    BASE64_STANDARD.encode(id.as_bytes().get(8..).unwrap_or_default())
}

impl<T> From<T> for FrontError<S3Error>
where
    S3Error: From<T>,
{
    fn from(error: T) -> Self {
        Self::Face(error.into())
    }
}

impl From<Code> for S3Error {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message())
    }
}

impl std::error::Error for S3Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_error_status() {
        for code in Code::ALL {
            assert!(code.status().as_u16() >= 300, "{}", code.name());
        }
    }
}
