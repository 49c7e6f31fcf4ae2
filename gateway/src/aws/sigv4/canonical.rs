//! The canonical request: what a signature covers.
//!
//! Promises: covers the same query that routing and storage use, encoded once. Which headers that matter were sent and not
//! signed is told ([`unsigned_headers`]): an unsigned one would let the holder of a URL turn a PUT into a copy of what its
//! signer may read.
//! Must not know: keys, how a face writes the path.
//!
//! Source: "Create a signed AWS API request", AWS IAM User Guide.

use std::fmt::Write as _;

use http::HeaderName;
use http::header::HOST;

use super::{SignatureLocation, V4};
use crate::front::RequestHead;

/// A request as it was sent.
pub trait SentRequest {
    /// Its head.
    fn head(&self) -> &RequestHead;

    /// Whether the head's header of this name was sent as one.
    fn was_sent(&self, name: &str) -> bool;
}

impl SentRequest for RequestHead {
    fn head(&self) -> &RequestHead {
        self
    }

    fn was_sent(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }
}

/// The canonical request with this path; `payload` is its last line.
pub fn text(request: &impl SentRequest, path: &str, signed: &V4, payload: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    text.extend_from_slice(request.head().method.as_str().as_bytes());
    text.push(b'\n');
    text.extend_from_slice(path.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(query(request.head(), signed.place).as_bytes());
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

/// The headers that matter and are not signed: the host, and every `x-amz-*` header that was sent.
pub fn unsigned_headers<'r>(request: &'r impl SentRequest, signed: &V4) -> Vec<&'r str> {
    let is_signed = |name: &str| signed.signed_headers.binary_search_by(|signed| signed.as_str().cmp(name)).is_ok();
    let names = request.head().headers.keys().map(HeaderName::as_str);
    let amz = names.filter(|name| name.starts_with("x-amz-") && request.was_sent(name));
    let mut unsigned: Vec<_> = amz.filter(|name| !is_signed(name)).collect();
    if !is_signed(HOST.as_str()) {
        unsigned.push(HOST.as_str());
    }
    unsigned
}

/// Names and values encoded, sorted by name, then value. A presigned URL's own signature is left out.
fn query(request: &RequestHead, place: SignatureLocation) -> String {
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
fn header_value(request: &impl SentRequest, name: &str, text: &mut Vec<u8>) {
    if name == HOST.as_str() {
        text.extend_from_slice(request.head().host.as_bytes());
        return;
    }
    if !request.was_sent(name) {
        return;
    }
    let mut values = request.head().headers.get_all(name).iter().peekable();
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
pub fn encode(bytes: &[u8], keep_slashes: bool) -> String {
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
