//! The `x-amz-copy-source` header: which object a copy reads.
//!
//! Promises: the header is decoded exactly once, as a form is: `%2525` names a key with `%25` in it, a `+` is a blank, and
//! a `?` that is part of the key (sent as `%3F`) is not taken for the query.

use crate::front::request::{decode, decode_text};

/// A copy's source as the header names it; bucket and key are not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The bucket's name.
    pub bucket: String,
    /// The key, decoded.
    pub key: Vec<u8>,
    /// The version, if one is named.
    pub version: Option<String>,
}

impl CopySource {
    /// Reads `/bucket/key` or `bucket/key`, either with `?versionId=...`; else what is wrong, in S3's words.
    pub fn parse(header: &str) -> Result<Self, &'static str> {
        const NO_KEY: &str = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
        const BAD_ESCAPE: &str = "Invalid copy source encoding";
        let (path, version) = match header.split_once("?versionId=") {
            Some((path, version)) => (path, Some(decode_text(version).map_err(|_| BAD_ESCAPE)?)),
            None => (header, None),
        };
        let decoded = decode(&path.replace('+', " ")).map_err(|_| BAD_ESCAPE)?;
        let decoded = decoded.strip_prefix(b"/").unwrap_or(&decoded);
        let slash = decoded.iter().position(|byte| *byte == b'/').ok_or(NO_KEY)?;
        let (bucket, rest) = decoded.split_at_checked(slash).ok_or(NO_KEY)?;
        let key = rest.strip_prefix(b"/").ok_or(NO_KEY)?;
        if bucket.is_empty() || key.is_empty() {
            return Err(NO_KEY);
        }
        let bucket = String::from_utf8(bucket.to_vec()).map_err(|_| BAD_ESCAPE)?;
        Ok(Self { bucket, key: key.to_vec(), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expect: Option<(&str, &str, Option<&str>)>) {
        let expect = expect.map(|(bucket, key, version)| CopySource {
            bucket: bucket.to_owned(),
            key: key.as_bytes().to_vec(),
            version: version.map(str::to_owned),
        });
        assert_eq!(CopySource::parse(header).ok(), expect, "{header}");
    }

    #[test]
    fn a_source_is_decoded_once() {
        check("/b/k", Some(("b", "k", None)));
        check("b/k/l//m", Some(("b", "k/l//m", None)));
        check("b%2Fk", Some(("b", "k", None)));
        check("b/%20_a+b%2B", Some(("b", " _a b+", None)));
        check("b/a%2525", Some(("b", "a%25", None)));
        check("b/foo?bar", Some(("b", "foo?bar", None)));
        check("b/foo%3FversionId=x", Some(("b", "foo?versionId=x", None)));
        check("b/%3FversionId%3D?versionId=v%20w", Some(("b", "?versionId=", Some("v w"))));
        check("b//k", Some(("b", "/k", None)));
    }

    #[test]
    fn what_names_no_object_is_refused() {
        for header in ["", "/", "b", "b/", "/b", "/b/", "//k", "b/%", "b/%ZZ", "b/k?versionId=%4", "%ff/k"] {
            check(header, None);
        }
    }
}
