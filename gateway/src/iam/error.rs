//! The errors of the query protocol: code, status, message as AWS words it; and the document that tells one.
//!
//! Promises: whatever goes wrong, a client sees a code of this table; an inner failure's text never reaches a client.
//! Must not know: where in the gateway an error arose.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use super::api::Service;
use crate::aws::xml::Writer;
use crate::front::{FaceError, RequestId, Response};

/// Declares the codes, so that no list can forget one.
macro_rules! codes {
    ($($name:ident $status:literal,)*) => {
        /// A code of an error. Names and statuses are AWS's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = concat!("Status ", stringify!($status), ".")] $name,)*
        }

        impl Code {
            /// The code as documents have it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                let status = match self {
                    $(Self::$name => $status,)*
                };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    };
}

codes! {
    AccessDenied 403,
    ConcurrentModification 409,
    DeleteConflict 409,
    EntityAlreadyExists 409,
    ExpiredToken 403,
    ExpiredTokenException 400,
    IDPCommunicationError 400,
    IDPRejectedClaim 403,
    IncompleteSignature 400,
    InternalFailure 500,
    InvalidAction 400,
    InvalidClientTokenId 403,
    InvalidIdentityToken 400,
    InvalidInput 400,
    LimitExceeded 409,
    MalformedPolicyDocument 400,
    MalformedQueryString 400,
    MissingAction 400,
    MissingAuthenticationToken 403,
    NoSuchEntity 404,
    NotImplemented 501,
    PackedPolicyTooLarge 400,
    RequestEntityTooLarge 413,
    ServiceUnavailable 503,
    SignatureDoesNotMatch 403,
    Throttling 400,
    UnmodifiableEntity 400,
    ValidationError 400,
}

/// An error on its way to the client. Everything in it may be shown to any client.
#[derive(Clone, Debug)]
pub struct QueryError {
    code: Code,
    message: Box<str>,
    /// The API whose error it is.
    service: Service,
}

/// What a step of the face ends with.
pub(super) type QueryResult<T> = std::result::Result<T, QueryError>;

impl QueryError {
    /// An error with a message; until it is said otherwise it is one of IAM's.
    pub fn new(code: Code, message: impl Into<Box<str>>) -> Self {
        Self { code, message: message.into(), service: Service::Iam }
    }

    /// The same of this API.
    #[must_use]
    pub fn of(self, service: Service) -> Self {
        Self { service, ..self }
    }

    /// A credential that is none.
    pub fn unknown_credential() -> Self {
        Self::new(Code::InvalidClientTokenId, "The security token included in the request is invalid.")
    }
}

impl FaceError for QueryError {
    fn code_name(&self) -> &'static str {
        self.code.name()
    }

    fn into_response(self, _: &str, id: RequestId) -> Response {
        let status = self.code.status();
        let body = Writer::in_namespace("ErrorResponse", self.service.namespace(), |xml| {
            xml.element("Error", |xml| {
                xml.text("Type", if status.is_server_error() { "Receiver" } else { "Sender" });
                xml.text("Code", self.code.name());
                xml.text("Message", &self.message);
            });
            xml.value("RequestId", id);
        });
        let mut response = Response::new(status).header(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        response.body = body.into();
        response
    }
}
