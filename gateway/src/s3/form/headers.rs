//! The fields of a form as the headers that a PutObject of the same would have.
//!
//! Promises: a field that asks for something is a header, or is refused; none is taken and forgotten, but those of other names
//! than S3 has for objects, which an application sends for itself.
//! Must not know: what a header means.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::s3::error::{Result, S3Error};
use crate::s3::fields::{Fields, OF_SIGNATURES};
use crate::s3::wire::{tags, xml};

/// The fields that are headers of the same name, beside all that begin as S3's own do.
const OF_OBJECTS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
];
/// Headers of requests whose body is something else than a file in a form.
const OF_OTHER_BODIES: [&str; 3] = ["x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer"];
/// How the headers begin that a copy has.
const OF_COPIES: &str = "x-amz-copy-source";

/// The headers of a PutObject.
pub fn of_fields(fields: &Fields) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter() {
        let invalid = |message: &'static str| S3Error::invalid_argument(message, name, value);
        let (header, text) = match name {
            "acl" => ("x-amz-acl", value.to_owned()),
            "tagging" => ("x-amz-tagging", tagging(value)?),
            name if OF_SIGNATURES.contains(&name) => continue,
            name if OF_OTHER_BODIES.contains(&name) || name.starts_with(OF_COPIES) => {
                return Err(invalid("A form has no such field."));
            }
            name if OF_OBJECTS.contains(&name) || name.starts_with("x-amz-") => (name, value.to_owned()),
            _ => continue,
        };
        let header = HeaderName::try_from(header).map_err(|_| invalid("The field cannot be a header."))?;
        let text = HeaderValue::try_from(text).map_err(|_| invalid("The field cannot be a header."))?;
        headers.append(header, text);
    }
    Ok(headers)
}

/// The header of the tags that the field has as a document.
fn tagging(document: &str) -> Result<String> {
    let document = xml::read_list(document.as_bytes(), "Tagging", "Tag")?;
    Ok(tags::header(&tags::read_document(&document, tags::Of::Object)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::error::Code;

    fn code(name: &str, value: &str) -> Code {
        of_fields(&Fields::of(&[(name, value)])).unwrap_err().code()
    }

    #[test]
    fn fields_are_headers_of_an_object() {
        let tags = "<Tagging><TagSet><Tag><Key>a b</Key><Value>&amp;=</Value></Tag><Tag><Key>c</Key><Value/></Tag></TagSet></Tagging>";
        let headers = of_fields(&Fields::of(&[
            ("key", "a"),
            ("acl", "private"),
            ("content-type", "text/plain"),
            ("x-amz-meta-name", "\u{fc}"),
            ("x-amz-credential", "c"),
            ("policy", "p"),
            ("other", "o"),
        ]));
        let headers = headers.unwrap();
        let mut said: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), std::str::from_utf8(value.as_bytes()).unwrap()))
            .collect();
        said.sort_unstable();
        let expected = [("content-type", "text/plain"), ("x-amz-acl", "private"), ("x-amz-meta-name", "\u{fc}")];
        assert_eq!(said, expected);
        let tags = tags.replace("&amp;=", "1/2 3");
        let headers = of_fields(&Fields::of(&[("tagging", &tags)])).unwrap();
        assert_eq!(headers.get("x-amz-tagging").unwrap(), "a%20b=1%2F2%203&c=");
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for (name, value) in [
            ("x-amz-meta-a", "a\r\nb: c"),
            ("x-amz-meta-a b", "c"),
            ("x-amz-\u{fc}", "c"),
            ("x-amz-copy-source", "b/k"),
            ("x-amz-copy-source-if-match", "e"),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ] {
            assert_eq!(code(name, value), Code::InvalidArgument, "{name}");
        }
        assert_eq!(code("tagging", "<Tagging/>"), Code::MalformedXML);
        assert_eq!(code("tagging", "a=b"), Code::MalformedXML);
    }
}
