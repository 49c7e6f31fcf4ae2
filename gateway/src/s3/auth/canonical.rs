//! The canonical request: what a signature covers.
//!
//! Promises: covers the same path and query that routing and storage use, encoded once; the path is not
//! normalised. Every `x-amz-*` header that was sent is covered, or the request is refused:
//! an unsigned one would let the holder of a URL turn a PUT into a copy of what its signer may read.
//! Must not know: keys.
//!
//! Source: "Signature Calculations for the Authorization Header", Amazon S3 API Reference.

use std::fmt::Write as _;

use http::header::HOST;

use super::signed_request::{SignatureLocation, V4};
use crate::s3::address::Request;
use crate::s3::error::{Code, Result, S3Error};

/// The ways in which senders write the path that they sign: as AWS defines it, from the decoded path;
/// and as they sent it, where that differs. Either names one path only.
pub(super) fn paths(request: &Request) -> impl Iterator<Item = String> {
    let defined = encode(&request.path, true);
    let sent = (request.raw_path != defined).then(|| request.raw_path.clone());
    std::iter::once(defined).chain(sent)
}

/// The canonical request with this path.
pub(super) fn text(request: &Request, path: &str, signed: &V4, payload: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    text.extend_from_slice(request.method.as_str().as_bytes());
    text.push(b'\n');
    text.extend_from_slice(path.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(query(request, signed.place).as_bytes());
    text.push(b'\n');
    for name in &signed.signed_headers {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        header_value(request, name, &mut text);
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(signed.signed_headers.join(";").as_bytes());
    text.push(b'\n');
    text.extend_from_slice(payload.as_bytes());
    text
}

/// Refuses a request of which a header that matters is not signed.
pub(super) fn check_coverage(request: &Request, signed: &V4) -> Result<()> {
    let signed = |name: &str| signed.signed_headers.binary_search_by(|signed| signed.as_str().cmp(name)).is_ok();
    let mut unsigned: Vec<_> =
        request.sent_names().filter(|name| name.starts_with("x-amz-") && !signed(name)).collect();
    if !signed(HOST.as_str()) {
        unsigned.push(HOST.as_str());
    }
    if unsigned.is_empty() {
        return Ok(());
    }
    let message = "There were headers present in the request which were not signed";
    Err(S3Error::with_message(Code::AccessDenied, message).detail("HeadersNotSigned", unsigned.join(", ")))
}

/// Names and values encoded, sorted by name, then value. A presigned URL's own signature is left out.
fn query(request: &Request, place: SignatureLocation) -> String {
    let presigned = matches!(place, SignatureLocation::Query { .. });
    let covered = request.query.iter().filter(|(name, _)| !(presigned && *name == "X-Amz-Signature"));
    let mut pairs: Vec<_> =
        covered.map(|(name, value)| (encode(name.as_bytes(), false), encode(value.as_bytes(), false))).collect();
    pairs.sort_unstable();
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(&name);
        text.push('=');
        text.push_str(&value);
    }
    text
}

/// The values of one name joined by commas, each trimmed, runs of white space inside made one space. A header that was not
/// sent counts as empty: some clients sign names of headers that they leave out.
fn header_value(request: &Request, name: &str, text: &mut Vec<u8>) {
    if name == HOST.as_str() {
        text.extend_from_slice(request.host.as_bytes());
        return;
    }
    if !request.was_sent(name) {
        return;
    }
    let mut values = request.headers.get_all(name).iter().peekable();
    while let Some(value) = values.next() {
        let mut words = value.as_bytes().split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        if let Some(first) = words.next() {
            text.extend_from_slice(first);
        }
        for word in words {
            text.push(b' ');
            text.extend_from_slice(word);
        }
        if values.peek().is_some() {
            text.push(b',');
        }
    }
}

/// Percent-encodes all but unreserved characters, and slashes where they may stay.
fn encode(bytes: &[u8], keep_slashes: bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(*byte)),
            b'/' if keep_slashes => text.push('/'),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}
