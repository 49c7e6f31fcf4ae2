//! Bodies of requests and responses.
//!
//! Promises: at most [`BODY_BYTES_MAX`] of a request are taken, within [`BODY_TIMEOUT`]; what it says is never quoted, as it
//! may be a secret, but for members that name things.
//! Must not know: what a body means.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::types::{ApiError, ErrorCode};

/// The largest body of a request, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 64 << 10;
/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Members of bodies that name things: the only ones that are ever quoted.
const NAMING: [&str; 13] = [
    "access_key",
    "active",
    "admin",
    "default",
    "email",
    "expires_ms",
    "keep_minutes",
    "kind",
    "name",
    "path",
    "policies",
    "policy",
    "user",
];

/// Takes the body of a request.
pub(super) async fn take(body: Incoming) -> Result<Bytes, ApiError> {
    let late = |_| ApiError::new(ErrorCode::InvalidRequest, "the body does not come");
    let body = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await.map_err(late)?;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return ApiError::new(ErrorCode::BodyTooLarge, format!("a body has at most {BODY_BYTES_MAX} bytes"));
        }
        ApiError::new(ErrorCode::InvalidRequest, format!("reading the body: {error}"))
    })?;
    Ok(body.to_bytes())
}

/// Reads a request's JSON.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    // The position is enough: the error's own words may quote a secret.
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message = format!("the body is not the JSON expected (line {line}, column {column})");
        ApiError::new(ErrorCode::InvalidRequest, message)
    })
}

/// What a body names, also in its member `of`.
pub(super) fn named(body: &Bytes) -> Vec<(&'static str, Box<str>)> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let of = body.get("of").unwrap_or(&Value::Null);
    let kind_of = of.get("kind").and_then(Value::as_str).map(|kind| ("of_kind", kind.into()));
    let name_of = of.get("name").and_then(Value::as_str).map(|name| ("of_name", name.into()));
    let members = NAMING.into_iter().filter_map(|name| Some((name, shown(body.get(name)?)?)));
    members.chain(kind_of).chain(name_of).collect()
}

fn shown(value: &Value) -> Option<Box<str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string().into()),
        Value::Array(values) => Some(values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ").into()),
        Value::Null | Value::Object(_) => None,
    }
}

/// A response of JSON; empty if there is nothing to say.
pub(super) fn json(status: StatusCode, message: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_string(message) {
        Ok(_) if status == StatusCode::NO_CONTENT => text(status, "application/json", String::new()),
        Ok(body) => text(status, "application/json", body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
    }
}

/// A response.
pub(super) fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
