//! What an object carries beside its bytes: from request headers, and back into response headers.
//!
//! Promises: a header that asks for something not served (encryption) is refused; it is never
//! accepted and forgotten.

use bytes::Bytes;
use couronne_metadata::record::{Attributes, Pair};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::identity::Credential;
use crate::s3::address::Request;
use crate::s3::error::{Code, Result, S3Error};
use crate::s3::ops::acl::NewOwnership;
use crate::s3::wire::values::header_text;
use crate::s3::wire::{lock, tags};

const USER_PREFIX: &str = "x-amz-meta-";
/// The most user metadata, names and values together, in bytes.
const USER_BYTES_MAX: usize = 2048;
/// System headers that are kept with the object as they were sent.
const SYSTEM_HEADERS: [&str; 6] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"];
/// Those of them that are lists: several lines are one (RFC 9110, 5.3). Of the others there is one line.
const LISTS: [&str; 3] = ["cache-control", "content-encoding", "content-language"];
const REDIRECT: &str = "x-amz-website-redirect-location";
const STORAGE_CLASS: &str = "x-amz-storage-class";
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";
/// The longest place to redirect to, in bytes.
const REDIRECT_BYTES_MAX: usize = 2048;
/// The class that objects are of whose writer names none.
const STANDARD: &str = "STANDARD";
/// The storage classes of S3. Objects of all are stored alike, and can be read at once.
const STORAGE_CLASSES: [&str; 15] = [
    STANDARD,
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "OUTPOSTS",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
    "FSX_OPENZFS",
    "FSX_ONTAP",
    "AWS_BACKUP_WARM",
    "AWS_BACKUP_LOW_COST_WARM",
];

/// What the attributes of a copy are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// System headers and user metadata from the request, not from the source.
    pub metadata: bool,
    /// Tags likewise.
    pub tags: bool,
}

/// Reads the attributes of a new object from a request; its owner is for the operation to say.
pub fn of_request(request: &Request) -> Result<Attributes> {
    of_headers(&request.headers, request.received_us / 1000, Replaces { metadata: true, tags: true })
}

/// Reads what a request for a copy says of it. What comes from the source is not read.
pub fn of_copy_request(request: &Request, replaces: Replaces) -> Result<Attributes> {
    of_headers(&request.headers, request.received_us / 1000, replaces)
}

fn of_headers(headers: &HeaderMap, now_ms: u64, read: Replaces) -> Result<Attributes> {
    refuse_unserved(headers)?;
    let (retention, legal_hold) = lock::of_headers(headers, now_ms)?;
    let mut kept = own_headers(headers)?;
    let mut attributes = Attributes {
        retention,
        legal_hold: legal_hold == Some(true),
        legal_hold_said: legal_hold.is_some(),
        ..Attributes::default()
    };
    if read.metadata {
        kept.extend(system_headers(headers)?);
        attributes.metadata = user_metadata(headers)?;
    }
    if read.tags {
        attributes.tags =
            header_text(headers, "x-amz-tagging")?.map(tags::parse_header).transpose()?.unwrap_or_default();
    }
    Ok(Attributes { headers: kept, ..attributes })
}

/// The attributes of a copy: what its request gives, and the rest from the source. Storage class, redirect and lock are
/// never copied.
pub fn of_copy(source: &Attributes, given: &Attributes, replaces: Replaces) -> Attributes {
    let mut attributes = given.clone();
    if !replaces.metadata {
        let is_copied = |(name, _): &&Pair| !matches!(&**name, REDIRECT | STORAGE_CLASS);
        attributes.headers.extend(source.headers.iter().filter(is_copied).cloned());
        attributes.metadata.clone_from(&source.metadata);
    }
    if !replaces.tags {
        attributes.tags.clone_from(&source.tags);
    }
    attributes
}

/// The attributes of an object that this principal wrote and this account owns.
pub fn owned(attributes: Attributes, ownership: NewOwnership, caller: &Credential) -> Attributes {
    let NewOwnership { owner, acl } = ownership;
    Attributes { owner, acl, writer: caller.caller.writer().into(), ..attributes }
}

/// Whether a request says of a new object what a copy never takes along.
pub fn are_own(request: &Request) -> bool {
    [REDIRECT, STORAGE_CLASS].into_iter().any(|name| request.headers.contains_key(name))
}

/// The headers that say of one object what a copy of it never takes along.
fn own_headers(headers: &HeaderMap) -> Result<Vec<Pair>> {
    let mut kept = Vec::new();
    if let Some(location) = header_text(headers, REDIRECT)?.filter(|location| !location.is_empty()) {
        let is_place = ["/", "http://", "https://"].iter().any(|prefix| location.starts_with(prefix));
        if !is_place || location.len() > REDIRECT_BYTES_MAX {
            return Err(Code::InvalidRedirectLocation.into());
        }
        kept.push((REDIRECT.into(), Bytes::copy_from_slice(location.as_bytes())));
    }
    if let Some(class) = header_text(headers, STORAGE_CLASS)? {
        if !STORAGE_CLASSES.contains(&class) {
            return Err(S3Error::new(Code::InvalidStorageClass).detail("StorageClassRequested", class));
        }
        // As on S3 nothing is said of the standard class.
        if class != STANDARD {
            kept.push((STORAGE_CLASS.into(), Bytes::copy_from_slice(class.as_bytes())));
        }
    }
    Ok(kept)
}

/// The storage class of an object, as its writer named it.
pub fn storage_class(attributes: &Attributes) -> &str {
    match attributes.storage_class() {
        "" => STANDARD,
        class => class,
    }
}

fn system_headers(headers: &HeaderMap) -> Result<Vec<Pair>> {
    let mut kept = Vec::new();
    for name in SYSTEM_HEADERS {
        let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        if lines.len() > 1 && !LISTS.contains(&name) {
            return Err(S3Error::invalid_argument("The header may be sent once only", name, "?"));
        }
        let value = match name {
            "content-encoding" => without_aws_chunked(&lines.join(&b","[..])),
            _ => lines.join(&b","[..]).into(),
        };
        if !value.is_empty() {
            kept.push((name.into(), value));
        }
    }
    Ok(kept)
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
    lock::refuse_unserved(headers)
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

    const ALL: Replaces = Replaces { metadata: true, tags: true };

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
            ("content-encoding", "aws-chunked"),
            ("content-encoding", "gzip, aws-chunked"),
            ("content-encoding", "br"),
            ("cache-control", "no-cache"),
            ("cache-control", "max-age=5"),
            ("x-amz-storage-class", "GLACIER_IR"),
            ("x-amz-meta-a", "1"),
            ("x-amz-meta-a", "2"),
            ("x-amz-tagging", "k=v&l"),
            ("x-unrelated", "x"),
        ]);
        let attributes = of_headers(&sent, 0, ALL).unwrap();
        let mut back = HeaderMap::new();
        into_headers(&attributes, &mut back);
        let expect = headers(&[
            ("content-type", "text/plain"),
            ("content-encoding", "gzip,br"),
            ("cache-control", "no-cache,max-age=5"),
            ("x-amz-storage-class", "GLACIER_IR"),
            ("x-amz-meta-a", "1,2"),
            ("x-amz-tagging-count", "2"),
        ]);
        assert_eq!(back, expect);
    }

    #[test]
    fn a_header_that_is_no_list_has_one_line() {
        for name in ["content-type", "content-disposition", "expires", "x-amz-storage-class"] {
            let twice = headers(&[(name, "STANDARD"), (name, "STANDARD")]);
            assert_eq!(of_headers(&twice, 0, ALL).unwrap_err().code(), Code::InvalidArgument, "{name}");
        }
    }

    #[test]
    fn a_copy_takes_along_what_is_not_the_sources_own() {
        let source = of_headers(
            &headers(&[
                ("content-type", "a/b"),
                ("x-amz-meta-a", "1"),
                ("x-amz-tagging", "k=v"),
                ("x-amz-storage-class", "GLACIER"),
                ("x-amz-website-redirect-location", "/x"),
            ]),
            0,
            ALL,
        );
        let source = source.unwrap();
        let long = "x".repeat(2049);
        let asked = headers(&[
            ("content-type", "c/d"),
            ("x-amz-meta-b", &long),
            ("x-amz-tagging", "aws:no=1"),
            ("x-amz-storage-class", "SNOW"),
        ]);
        let copies = Replaces { metadata: false, tags: false };
        let copy = of_copy(&source, &of_headers(&asked, 0, copies).unwrap(), copies);
        assert_eq!((&copy.metadata, &copy.tags), (&source.metadata, &source.tags));
        let pair = |name: &str, value: &'static str| (name.into(), Bytes::from_static(value.as_bytes()));
        assert_eq!(copy.headers, [pair("x-amz-storage-class", "SNOW"), pair("content-type", "a/b")]);
        assert_eq!(of_headers(&asked, 0, ALL).unwrap_err().code(), Code::MetadataTooLarge);
        let plain = of_copy(&source, &of_headers(&HeaderMap::new(), 0, copies).unwrap(), copies);
        assert_eq!((plain.headers, storage_class(&copy)), (vec![pair("content-type", "a/b")], "SNOW"));
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
            ("x-amz-storage-class", "COLD", Code::InvalidStorageClass),
            ("x-amz-storage-class", "standard_ia", Code::InvalidStorageClass),
            ("x-amz-storage-class", "", Code::InvalidStorageClass),
            ("x-amz-object-lock-event-hold", "ON", Code::NotImplemented),
            ("x-amz-website-redirect-location", "ftp://x", Code::InvalidRedirectLocation),
            ("x-amz-website-redirect-location", "elsewhere", Code::InvalidRedirectLocation),
            ("x-amz-meta-a", long.as_str(), Code::MetadataTooLarge),
        ] {
            assert_eq!(of_headers(&headers(&[(name, value)]), 0, ALL).unwrap_err().code(), code, "{name}");
        }
    }
}
