//! How a stage or an operation ends without an answer.
//!
//! Promises: that a bucket is stale is a variant of its own, so no face can take it for an error of the client's:
//! an [`EngineError`] becomes a [`FrontError`] here, and nowhere else.
//! Must not know: status codes, how a face words anything.

use http::HeaderName;

use super::request_id::RequestId;
use super::response::Response;
use crate::engine::EngineError;
use crate::identity::IdentityError;

/// What the front itself refuses, or what the engine could not do. Each face words it as its API does.
#[derive(Debug)]
pub enum Rejection {
    /// The path or query does not parse: a `%` that no two hexadecimal digits follow, text that is not UTF-8, a `#`, or
    /// bytes that a target may hold percent-encoded only.
    MalformedTarget,
    /// What was sent is no head of a request.
    MalformedHead,
    /// The request has both Content-Length and Transfer-Encoding.
    FramedTwice,
    /// The body has another coding of HTTP's own than `chunked`.
    UnknownCoding,
    /// The request's headers are more, or its head is longer, than is taken.
    TooManyHeaders,
    /// The request has not one Host header that is text.
    BadHost,
    /// A header that may be sent once only was repeated.
    RepeatedHeader(HeaderName),
    /// A header is not text.
    HeaderNotText(HeaderName),
    /// The caller may not do this.
    AccessDenied,
    /// The credential by which the caller was found may be used no more.
    CredentialGone,
    /// The audit has no room for the request's event.
    AuditFull,
    /// An identity could not be read.
    Identity(IdentityError),
    /// A body that is to be read whole is longer than it may be.
    DocumentTooLong,
    /// The rules of a bucket changed again each time the request was authorized anew.
    RulesKeepChanging,
    /// A bucket's name leads to no bucket, or could not be looked up.
    Unresolved {
        /// The name.
        bucket: Box<str>,
        /// Why.
        error: EngineError,
    },
    /// The engine did not do it.
    Engine(EngineError),
}

/// A face's error on its way to a client.
pub trait FaceError: From<Rejection> + Send + 'static {
    /// The error's name in the API: metric label, log field. Of a closed set.
    fn code_name(&self) -> &'static str;

    /// The answer. `resource` is the request's path, decoded.
    fn into_response(self, resource: &str, id: RequestId) -> Response;
}

/// How a stage or an operation ends without an answer.
#[derive(Debug)]
pub enum FrontError<E> {
    /// A bucket's rules changed since it was resolved. Nothing was done: the bucket is to be resolved and the request
    /// to be authorized again.
    Stale,
    /// The face's own error, for the client.
    Face(E),
}

impl<E> FrontError<E> {
    /// Changes the face's error.
    #[must_use]
    pub fn map(self, change: impl FnOnce(E) -> E) -> Self {
        match self {
            Self::Stale => Self::Stale,
            Self::Face(error) => Self::Face(change(error)),
        }
    }
}

impl<E: FaceError> FrontError<E> {
    /// What the client is told, once nothing is repeated any more.
    pub fn into_face(self) -> E {
        match self {
            Self::Stale => Rejection::RulesKeepChanging.into(),
            Self::Face(error) => error,
        }
    }
}

impl<E: FaceError> From<EngineError> for FrontError<E> {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::StaleRules => Self::Stale,
            error => Self::Face(Rejection::Engine(error).into()),
        }
    }
}

/// What the front refuses, in the words of the face.
pub(super) fn of_face<E: FaceError>(rejection: Rejection) -> FrontError<E> {
    FrontError::Face(rejection.into())
}
