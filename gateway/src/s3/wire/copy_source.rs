//! The `x-amz-copy-source` header: which object a copy reads.
//!
//! Promises: the header is percent-decoded exactly once, so `%2525` names a key with `%25` in it, and a
//! `?` that is part of the key (sent as `%3F`) is not taken for the query.

use percent_encoding::percent_decode_str;

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
    /// Reads `/bucket/key` or `bucket/key`, either with `?versionId=...`. `None` if it has no such form.
    pub fn parse(header: &str) -> Option<Self> {
        let (path, version) = match header.split_once("?versionId=") {
            Some((path, version)) => (path, Some(decode(version)?)),
            None => (header, None),
        };
        let decoded: Vec<u8> = percent_decode_str(path).collect();
        let decoded = decoded.strip_prefix(b"/").unwrap_or(&decoded);
        let slash = decoded.iter().position(|byte| *byte == b'/')?;
        let (bucket, rest) = decoded.split_at_checked(slash)?;
        let key = rest.strip_prefix(b"/")?;
        if bucket.is_empty() || key.is_empty() {
            return None;
        }
        Some(Self { bucket: String::from_utf8(bucket.to_vec()).ok()?, key: key.to_vec(), version })
    }
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
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
        assert_eq!(CopySource::parse(header), expect, "{header}");
    }

    #[test]
    fn a_source_is_decoded_once() {
        check("/b/k", Some(("b", "k", None)));
        check("b/k/l//m", Some(("b", "k/l//m", None)));
        check("b%2Fk", Some(("b", "k", None)));
        check("b/%20_a+b", Some(("b", " _a+b", None)));
        check("b/a%2525", Some(("b", "a%25", None)));
        check("b/%", Some(("b", "%", None)));
        check("b/foo?bar", Some(("b", "foo?bar", None)));
        check("b/foo%3FversionId=x", Some(("b", "foo?versionId=x", None)));
        check("b/%3FversionId%3D?versionId=v%20w", Some(("b", "?versionId=", Some("v w"))));
        check("b//k", Some(("b", "/k", None)));
    }

    #[test]
    fn what_names_no_object_is_refused() {
        for header in ["", "/", "b", "b/", "/b", "/b/", "//k"] {
            check(header, None);
        }
    }
}
