//! A response on its way out: status, headers, and a body that is empty, at hand, or streamed.
//!
//! Must not know: operations, the engine, how bytes are sent.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Why a body broke off. The connection is cut, so that no client takes a part for the whole.
#[derive(Debug, thiserror::Error)]
#[error("sending a response body: {0}")]
pub struct StreamError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A body's bytes as they come.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, StreamError>> + Send>>;

/// A response's body.
#[derive(Default)]
pub enum ResponseBody {
    /// None.
    #[default]
    Empty,
    /// All of it at once.
    Bytes(Bytes),
    /// Exactly `len` bytes, as they come.
    Stream {
        /// The length in bytes, told to the client beforehand.
        len: u64,
        /// The bytes.
        stream: BodyStream,
    },
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream { len, .. } => write!(f, "Stream({len})"),
        }
    }
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<String> for ResponseBody {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

/// A response. The server adds Content-Length, Date and Server; the face adds the request's id.
///
/// For HEAD, set `content-length` to what GET would have sent and leave the body empty.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: ResponseBody,
}

impl Response {
    /// A response without headers or body.
    pub fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: ResponseBody::Empty }
    }

    /// 200 without a body.
    pub fn ok() -> Self {
        Self::new(StatusCode::OK)
    }

    /// 204.
    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT)
    }

    /// 200 with an XML document.
    pub fn xml(document: impl Into<ResponseBody>) -> Self {
        let mut response = Self::ok().header(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        response.body = document.into();
        response
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}
