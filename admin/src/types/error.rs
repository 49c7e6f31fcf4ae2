//! Refusals: a code that programs read, and words for a person.
//!
//! Promises: each code has one HTTP status. Must not know: what was asked.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a request was refused, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The body, or a value in it, is not what the endpoint takes.
    InvalidRequest,
    /// The admin token is missing or wrong.
    Unauthenticated,
    /// The token reads only.
    Forbidden,
    /// Too many wrong tokens were tried of late.
    TooManyRequests,
    /// There is no such endpoint, or nothing of this name.
    NotFound,
    /// The path takes other methods.
    MethodNotAllowed,
    /// The present state does not allow the request.
    Conflict,
    /// The body is longer than the server takes.
    BodyTooLarge,
    /// Nothing was done: a process that must answer does not. Another try may succeed.
    Unavailable,
    /// No answer came in time: the order may have been carried out, or yet be.
    OutcomeUnknown,
    /// The server failed. Codes that a client does not know count as this one.
    #[serde(other)]
    Internal,
}

impl ErrorCode {
    /// The status of the HTTP response.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::OutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[error("{message}")]
pub struct ApiError {
    /// Why, for programs.
    pub code: ErrorCode,
    /// Why, for a person.
    pub message: String,
}

impl ApiError {
    /// A refusal.
    pub fn new(code: ErrorCode, message: impl ToString) -> Self {
        Self { code, message: message.to_string() }
    }
}
