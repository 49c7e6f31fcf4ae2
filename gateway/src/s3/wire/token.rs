//! Continuation tokens: where a listing goes on, opaque to clients.
//!
//! Promises: a token says no more than the client could say itself with a marker, so it needs no secret.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::s3::error::{Result, S3Error};

/// Makes a token of the last name of a page.
pub fn write(last: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(last)
}

/// Reads a token.
pub fn read(token: &str) -> Result<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(token).ok().filter(|last| !last.is_empty()).ok_or_else(|| {
        S3Error::invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    })
}

/// Reads a token of a name that is text.
pub fn read_text(token: &str) -> Result<String> {
    String::from_utf8(read(token)?).map_err(|_| {
        S3Error::invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    })
}
