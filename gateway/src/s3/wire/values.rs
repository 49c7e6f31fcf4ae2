//! Headers and query parameters as typed values, with S3's own errors for what does not parse.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};

use crate::s3::error::{Result, S3Error};

/// A header that has one value, as text; `InvalidArgument` if it is repeated or not UTF-8.
pub fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(S3Error::invalid_argument("The header may be sent once only.", name, "?"));
    }
    std::str::from_utf8(value.as_bytes())
        .map(Some)
        .map_err(|_| S3Error::invalid_argument("The header is not UTF-8.", name, "?"))
}

/// A header value of text that we made or checked. What cannot stand in a header (a line break in a
/// stored name) becomes empty rather than a second header.
pub fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).unwrap_or(HeaderValue::from_static(""))
}

/// A query parameter that is a number from 0 to `most`; S3 caps silently what is larger.
/// `default` if it is absent or empty.
pub fn bounded(name: &str, value: Option<&str>, default: u32, most: u32) -> Result<u32> {
    let Some(text) = value.filter(|text| !text.is_empty()) else { return Ok(default.min(most)) };
    match text.parse::<i64>() {
        Ok(number) if number < 0 || number > i64::from(i32::MAX) => Err(S3Error::invalid_argument(
            format!("Argument {name} must be an integer between 0 and {}", i32::MAX),
            name,
            text,
        )),
        Ok(number) => Ok(u32::try_from(number).unwrap_or(most).min(most)),
        Err(_) => Err(S3Error::invalid_argument(
            format!("Provided {name} not an integer or within integer range"),
            name,
            text,
        )),
    }
}

/// How names in a listing are to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameEncoding {
    /// Names as they are.
    Plain,
    /// Names percent-encoded, `/` kept.
    Url,
}

impl NameEncoding {
    /// Reads `encoding-type`.
    pub fn parse(value: Option<&str>) -> Result<Self> {
        match value {
            None | Some("") => Ok(Self::Plain),
            Some(text) if text.eq_ignore_ascii_case("url") => Ok(Self::Url),
            Some(text) => {
                Err(S3Error::invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", text))
            }
        }
    }

    /// A name as the listing shows it.
    pub fn encode(self, name: &[u8]) -> Cow<'_, str> {
        match self {
            // Nearly all are UTF-8, which is found out faster than it is mended.
            Self::Plain => str::from_utf8(name).map_or_else(|_| String::from_utf8_lossy(name), Cow::from),
            Self::Url => percent_encoding::percent_encode(name, LISTED).into(),
        }
    }
}

/// What S3 leaves as it is under `encoding-type=url`.
const LISTED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/');

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::s3::error::Code;

    #[test]
    fn limits_are_capped_and_checked() {
        for (text, expect) in
            [(None, 1000), (Some(""), 1000), (Some("0"), 0), (Some("7"), 7), (Some("2147483647"), 1000)]
        {
            assert_eq!(bounded("max-keys", text, 1000, 1000).unwrap(), expect, "{text:?}");
        }
        for text in ["blah", "-1", "2147483648", "99999999999999999999", "1.5", " 1"] {
            assert_eq!(
                bounded("max-keys", Some(text), 1000, 1000).unwrap_err().code(),
                Code::InvalidArgument,
                "{text}"
            );
        }
    }

    #[test]
    fn names_are_encoded_as_asked() {
        let url = NameEncoding::parse(Some("url")).unwrap();
        assert_eq!(url.encode("a/b c+d%\u{1}\u{e9}~*".as_bytes()), "a/b%20c%2Bd%25%01%C3%A9%7E*");
        assert_eq!(NameEncoding::parse(None).unwrap().encode(b"a b"), "a b");
        assert_eq!(NameEncoding::parse(Some("base64")).unwrap_err().code(), Code::InvalidArgument);
    }
}
