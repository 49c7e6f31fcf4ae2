//! Tags of objects and buckets: the `x-amz-tagging` header and the `Tagging` document.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use crate::front::request::decode_text;
use crate::s3::error::{Code, Result, S3Error};
use crate::s3::wire::xml::{Element, Writer};

/// What tags are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// An object, which has 10 at most.
    Object,
    /// A bucket, which has 50 at most.
    Bucket,
}

/// The longest tag key and value, in characters.
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;
/// How the keys begin that are the service's own.
const RESERVED: &str = "aws:";

/// What is percent-encoded in the header.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// Tags, sorted by key as S3 shows them; keys are unique.
pub type Tags = Vec<(Box<str>, Box<str>)>;

/// Reads a header of the form `key=value&key`; both are form-encoded, a missing value is empty.
pub fn parse_header(text: &str) -> Result<Tags> {
    let invalid = || {
        S3Error::invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
            "x-amz-tagging",
            text,
        )
    };
    let mut tags = Tags::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A comma parts nothing, and an encoder would not have left it.
        if key.is_empty() || pair.contains(',') {
            return Err(invalid());
        }
        tags.push((form_decode(key).ok_or_else(invalid)?, form_decode(value).ok_or_else(invalid)?));
    }
    tags.sort();
    if duplicate(&tags).is_some() {
        return Err(invalid());
    }
    check(&tags, Of::Object)?;
    Ok(tags)
}

/// Writes the header.
pub fn header(tags: &Tags) -> String {
    let encoded = |text: &str| percent_encoding::utf8_percent_encode(text, ENCODED).to_string();
    let pairs: Vec<String> = tags.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
    pairs.join("&")
}

/// Reads the `Tagging` document.
pub fn read_document(document: &Element, of: Of) -> Result<Tags> {
    read_set(document.child("TagSet").ok_or(Code::MalformedXML)?, of)
}

/// Reads the element that has the tags for its children.
pub fn read_set(set: &Element, of: Of) -> Result<Tags> {
    let mut tags = Tags::new();
    for tag in set.children().iter().filter(|child| child.name() == "Tag") {
        let key = tag.child_text("Key").ok_or(Code::MalformedXML)?;
        let value = tag.child_text("Value").ok_or(Code::MalformedXML)?;
        tags.push((key.into(), value.into()));
    }
    tags.sort();
    if let Some(key) = duplicate(&tags) {
        let message = "Cannot provide multiple Tags with the same key";
        return Err(S3Error::with_message(Code::InvalidTag, message).detail("TagKey", key));
    }
    check(&tags, of)?;
    Ok(tags)
}

/// What there was, with the new ones beside or in their place.
pub fn merged(mut tags: Tags, new: &Tags, of: Of) -> Result<Tags> {
    tags.retain(|(key, _)| new.iter().all(|(other, _)| other != key));
    tags.extend_from_slice(new);
    tags.sort();
    check(&tags, of)?;
    Ok(tags)
}

/// The key that stands twice among sorted tags.
fn duplicate(tags: &Tags) -> Option<&str> {
    tags.iter().zip(tags.iter().skip(1)).find(|(tag, next)| tag.0 == next.0).map(|(tag, _)| &*tag.0)
}

fn form_decode(text: &str) -> Option<Box<str>> {
    decode_text(&text.replace('+', " ")).ok().map(String::into_boxed_str)
}

fn check(tags: &Tags, of: Of) -> Result<()> {
    let (tags_max, too_many) = match of {
        Of::Object => (10, "Object tags cannot be greater than 10"),
        Of::Bucket => (50, "Bucket tag count cannot be greater than 50"),
    };
    if tags.len() > tags_max {
        return Err(S3Error::with_message(Code::BadRequest, too_many));
    }
    for (key, value) in tags {
        let invalid = |message: &'static str| S3Error::with_message(Code::InvalidTag, message).detail("TagKey", &**key);
        if key.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED)) {
            return Err(invalid("System tags cannot be added/updated by requester"));
        }
        if key.is_empty() || key.chars().count() > KEY_CHARS_MAX || !key.chars().all(is_allowed) {
            return Err(invalid("The TagKey you have provided is invalid"));
        }
        if value.chars().count() > VALUE_CHARS_MAX || !value.chars().all(is_allowed) {
            return Err(invalid("The TagValue you have provided is invalid").detail("TagValue", &**value));
        }
    }
    Ok(())
}

/// Letters and digits of any script, blanks, and a few signs.
fn is_allowed(character: char) -> bool {
    let is_blank = character.is_whitespace() && !character.is_control();
    character.is_alphanumeric() || is_blank || "+-=._:/@".contains(character)
}

/// Writes the `Tagging` document.
pub fn document(tags: &Tags) -> String {
    Writer::document("Tagging", |xml| write_set(xml, "TagSet", tags))
}

/// Writes the element that has the tags for its children.
pub fn write_set(xml: &mut Writer, name: &'static str, tags: &Tags) {
    xml.element(name, |xml| {
        for (key, value) in tags {
            xml.element("Tag", |xml| {
                xml.text("Key", key);
                xml.text("Value", value);
            });
        }
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_header_is_read_as_a_form() {
        let tags = parse_header("foo=bar&bar&a%20b=c+d&e=f=g").unwrap();
        let expect = [("a b", "c d"), ("bar", ""), ("e", "f=g"), ("foo", "bar")];
        assert_eq!(tags, expect.map(|(k, v)| (k.into(), v.into())).to_vec());
        assert_eq!(parse_header("").unwrap(), Tags::new());
        let allowed = "%C3%A4%E6%97%A5%D9%A1+%2B-=._:/@x&awsome";
        assert_eq!(&*parse_header(allowed).unwrap()[1].0, "\u{e4}\u{65e5}\u{661} +-");
    }

    #[test]
    fn bad_tags_are_refused() {
        let eleven = (0..11).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join("&");
        for (text, code) in [
            ("a=1&a=2", Code::InvalidArgument),
            ("a=%ff", Code::InvalidArgument),
            ("=x", Code::InvalidArgument),
            ("=", Code::InvalidArgument),
            ("key%", Code::InvalidArgument),
            ("key1=val1,key2=val2", Code::InvalidArgument),
            ("a=b%2Cc", Code::InvalidTag),
            ("user!name=x", Code::InvalidTag),
            ("a=b%09c", Code::InvalidTag),
            ("aws:x=1", Code::InvalidTag),
            ("AWS:x=1", Code::InvalidTag),
            (eleven.as_str(), Code::BadRequest),
            (&"k".repeat(129), Code::InvalidTag),
            (&format!("k={}", "v".repeat(257)), Code::InvalidTag),
        ] {
            assert_eq!(parse_header(text).unwrap_err().code(), code, "{text}");
        }
    }
}
