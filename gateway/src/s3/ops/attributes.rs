//! What an object carries beside its bytes: from request headers, and back into response headers.
//!
//! Promises: a header that asks for something not served (encryption, an ACL) is refused; it is never
//! accepted and forgotten.

use bytes::Bytes;
use couronne_metadata::record::{Attributes, Pair};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::s3::address::Request;
use crate::s3::error::{Code, Result, S3Error};
use crate::s3::ops::acl;
use crate::s3::wire::values::header_text;
use crate::s3::wire::{lock, tags};

const USER_PREFIX: &str = "x-amz-meta-";
/// The most user metadata, names and values together, in bytes.
const USER_BYTES_MAX: usize = 2048;
/// System headers that are kept with the object as they were sent.
const SYSTEM_HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
];
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// Reads the attributes of a new object from a request; its owner is for the operation to say.
pub fn of_request(request: &Request) -> Result<Attributes> {
    of_headers(&request.headers, request.received_us / 1000)
}

fn of_headers(headers: &HeaderMap, now_ms: u64) -> Result<Attributes> {
    refuse_unserved(headers)?;
    let (retention, legal_hold) = lock::of_headers(headers, now_ms)?;
    Ok(Attributes {
        headers: system_headers(headers),
        metadata: user_metadata(headers)?,
        tags: header_text(headers, "x-amz-tagging")?.map(tags::parse_header).transpose()?.unwrap_or_default(),
        retention,
        legal_hold,
        ..Attributes::default()
    })
}

fn system_headers(headers: &HeaderMap) -> Vec<Pair> {
    let mut kept = Vec::new();
    for name in SYSTEM_HEADERS {
        let Some(value) = headers.get(name) else { continue };
        let value = match name {
            "content-encoding" => without_aws_chunked(value.as_bytes()),
            _ => Bytes::copy_from_slice(value.as_bytes()),
        };
        if !value.is_empty() {
            kept.push((name.into(), value));
        }
    }
    kept
}

/// `aws-chunked` tells how the body travelled, not what the object is: it goes, wherever it stands.
fn without_aws_chunked(value: &[u8]) -> Bytes {
    let Ok(text) = std::str::from_utf8(value) else { return Bytes::copy_from_slice(value) };
    if !text.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("aws-chunked")) {
        return Bytes::copy_from_slice(value);
    }
    let rest = text.split(',').map(str::trim).filter(|coding| !coding.eq_ignore_ascii_case("aws-chunked"));
    rest.collect::<Vec<_>>().join(",").into()
}

/// User metadata; a name that is sent twice gets its values joined by commas, as S3 does.
fn user_metadata(headers: &HeaderMap) -> Result<Vec<Pair>> {
    let mut metadata: Vec<Pair> = Vec::new();
    for name in headers.keys() {
        let Some(short) = name.as_str().strip_prefix(USER_PREFIX) else { continue };
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        metadata.push((short.into(), values.join(&b',').into()));
    }
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > USER_BYTES_MAX {
        return Err(S3Error::new(Code::MetadataTooLarge)
            .detail("Size", bytes.to_string())
            .detail("MaxSizeAllowed", USER_BYTES_MAX.to_string()));
    }
    Ok(metadata)
}

/// Refuses encryption headers: they ask for something that is not served.
pub fn refuse_encryption(headers: &HeaderMap) -> Result<()> {
    let prefixes = ["x-amz-server-side-encryption", "x-amz-copy-source-server-side-encryption-"];
    let asks = |name: &&str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    match headers.keys().map(HeaderName::as_str).find(asks) {
        Some(name) => Err(S3Error::not_implemented(name)),
        None => Ok(()),
    }
}

/// Refuses what would change how the object is stored or guarded and is not served.
fn refuse_unserved(headers: &HeaderMap) -> Result<()> {
    refuse_encryption(headers)?;
    if headers.contains_key("x-amz-write-offset-bytes") {
        return Err(S3Error::not_implemented("x-amz-write-offset-bytes"));
    }
    acl::check_headers(headers, Code::AccessControlListNotSupported)?;
    if header_text(headers, "x-amz-storage-class")?.is_some_and(|class| class != "STANDARD") {
        return Err(Code::InvalidStorageClass.into());
    }
    Ok(())
}

/// Adds an object's attributes to a response's headers.
pub fn into_headers(attributes: &Attributes, headers: &mut HeaderMap) {
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(DEFAULT_CONTENT_TYPE));
    for (name, value) in &attributes.headers {
        insert(headers, name, value);
    }
    for (name, value) in &attributes.metadata {
        insert(headers, &format!("{USER_PREFIX}{name}"), value);
    }
    lock::into_headers(attributes, headers);
    if !attributes.tags.is_empty() {
        insert(headers, "x-amz-tagging-count", attributes.tags.len().to_string().as_bytes());
    }
}

/// A stored name or value that no header can carry is left out: it cannot have come from an S3 client.
fn insert(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
        let mut map = HeaderMap::new();
        pairs.iter().map(pair).for_each(|(name, value)| {
            map.append(name, value);
        });
        map
    }

    #[test]
    fn attributes_come_back_as_they_were_sent() {
        let sent = headers(&[
            ("content-type", "text/plain"),
            ("content-encoding", "gzip, aws-chunked"),
            ("x-amz-meta-a", "1"),
            ("x-amz-meta-a", "2"),
            ("x-amz-tagging", "k=v&l"),
            ("x-unrelated", "x"),
        ]);
        let attributes = of_headers(&sent, 0).unwrap();
        let mut back = HeaderMap::new();
        into_headers(&attributes, &mut back);
        let expect = headers(&[
            ("content-type", "text/plain"),
            ("content-encoding", "gzip"),
            ("x-amz-meta-a", "1,2"),
            ("x-amz-tagging-count", "2"),
        ]);
        assert_eq!(back, expect);
    }

    #[test]
    fn only_the_transfer_coding_is_stripped() {
        for (sent, kept) in
            [("aws-chunked", ""), ("aws-chunked,gzip", "gzip"), ("a,AWS-Chunked,b", "a,b"), ("a, b", "a, b")]
        {
            assert_eq!(without_aws_chunked(sent.as_bytes()), kept.as_bytes(), "{sent}");
        }
    }

    #[test]
    fn what_is_not_served_is_refused() {
        let long = "x".repeat(2048);
        for (name, value, code) in [
            ("x-amz-server-side-encryption", "AES256", Code::NotImplemented),
            ("x-amz-server-side-encryption-customer-key", "k", Code::NotImplemented),
            ("x-amz-grant-read", "id=1", Code::AccessControlListNotSupported),
            ("x-amz-acl", "public-read", Code::AccessControlListNotSupported),
            ("x-amz-storage-class", "GLACIER", Code::InvalidStorageClass),
            ("x-amz-meta-a", long.as_str(), Code::MetadataTooLarge),
        ] {
            assert_eq!(of_headers(&headers(&[(name, value)]), 0).unwrap_err().code(), code, "{name}");
        }
    }
}
