//! The HTTP half of a request: path, query and headers parsed once, at the door.
//!
//! Promises: the path is percent-decoded exactly once; signature, authorization and storage all see that one result. A
//! target that holds raw bytes which no target may is refused. Nothing is normalised: `..`, `//` and `%25` in a key
//! stay what they are.
//! Must not know: what a face reads from path, query and headers.

mod origin;

use http::header::{HOST, HeaderName};
use http::request::Parts;
use http::{HeaderMap, Method, Uri, Version};

use super::error::Rejection;
use super::request_id::RequestId;
pub use origin::Origin;

/// The query, decoded: names and values in the order sent. A name without `=` has an empty value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a raw query string. As on S3, `+` is a space.
    pub fn parse(raw: &str) -> Result<Self, Rejection> {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode_text(&name.replace('+', " "))?, decode_text(&value.replace('+', " "))?))
        });
        Ok(Self(decoded.collect::<Result<_, Rejection>>()?))
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Whether a name is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All pairs, in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A request without its body, before its face read it.
#[derive(Debug)]
pub struct RequestHead {
    /// Its identity.
    pub id: RequestId,
    /// When it came; microseconds since 1970, by the wall.
    pub received_us: u64,
    /// Where it comes from.
    pub origin: Origin,
    /// The version of HTTP that it came over.
    pub version: Version,
    /// Its method.
    pub method: Method,
    /// The whole path, decoded once.
    pub path: Vec<u8>,
    /// The whole path as it was sent; for its signature only.
    pub raw_path: String,
    /// The host as the client named it, with the port if it did: what a signature covers.
    pub host: String,
    /// The query.
    pub query: Query,
    /// The headers, as they came.
    pub headers: HeaderMap,
}

impl RequestHead {
    /// Parses a request's head.
    pub fn parse(head: Parts, id: RequestId, origin: Origin, received_us: u64) -> Result<Self, Rejection> {
        if !is_plain(&head.uri) {
            return Err(Rejection::MalformedTarget);
        }
        let host = host(&head)?;
        let path = decode(head.uri.path())?;
        let query = Query::parse(head.uri.query().unwrap_or_default())?;
        let raw_path = head.uri.path().to_owned();
        let Parts { method, version, headers, .. } = head;
        Ok(Self { id, received_us, origin, version, method, path, raw_path, host, query, headers })
    }

    /// A header that has one value: refused if it is repeated or not text.
    pub fn header(&self, name: impl Into<HeaderNameRef>) -> Result<Option<&str>, Rejection> {
        let name = name.into().0;
        let mut values = self.headers.get_all(&name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Rejection::RepeatedHeader(name));
        }
        match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => Ok(Some(text.trim())),
            Err(_) => Err(Rejection::HeaderNotText(name)),
        }
    }
}

/// A header's name, from a name or from a lower-case literal.
pub struct HeaderNameRef(HeaderName);

impl From<HeaderName> for HeaderNameRef {
    fn from(name: HeaderName) -> Self {
        Self(name)
    }
}

impl From<&'static str> for HeaderNameRef {
    fn from(name: &'static str) -> Self {
        Self(HeaderName::from_static(name))
    }
}

/// Whether path and query are printable ASCII: what else a name holds is percent-encoded, and is not taken for text in
/// any one encoding.
fn is_plain(uri: &Uri) -> bool {
    uri.path_and_query().is_none_or(|target| target.as_str().bytes().all(|byte| byte.is_ascii_graphic()))
}

/// HTTP/1 has one Host header; HTTP/2 has `:authority`, which wins.
fn host(head: &Parts) -> Result<String, Rejection> {
    if let Some(authority) = head.uri.authority() {
        return Ok(authority.as_str().to_owned());
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Rejection::BadHost);
    };
    Ok(host.to_str().map_err(|_| Rejection::BadHost)?.trim().to_owned())
}

/// Percent-decodes once. A `%` that no two hexadecimal digits follow is refused: it has no one meaning.
pub fn decode(raw: &str) -> Result<Vec<u8>, Rejection> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        match (bytes.next().and_then(hex_digit), bytes.next().and_then(hex_digit)) {
            (Some(high), Some(low)) => decoded.push(high << 4 | low),
            _ => return Err(Rejection::MalformedTarget),
        }
    }
    Ok(decoded)
}

/// Percent-decodes once into text.
pub fn decode_text(raw: &str) -> Result<String, Rejection> {
    String::from_utf8(decode(raw)?).map_err(|_| Rejection::MalformedTarget)
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_has_one_host() {
        let parse = |request: http::request::Builder| {
            let id = RequestId::from_random([0; 16]);
            RequestHead::parse(request.body(()).unwrap().into_parts().0, id, Origin::default(), 0)
        };
        let get = || http::Request::get("/b/a%2Fb?x=%41");
        let head = parse(get().header(HOST, "a")).unwrap();
        assert_eq!((head.path.as_slice(), head.raw_path.as_str()), (&b"/b/a/b"[..], "/b/a%2Fb"));
        assert_eq!((head.host.as_str(), head.query.get("x")), ("a", Some("A")));
        assert!(matches!(parse(get().header(HOST, "a").header(HOST, "b")), Err(Rejection::BadHost)));
        assert!(matches!(parse(get()), Err(Rejection::BadHost)));
    }

    #[test]
    fn a_target_is_printable_ascii() {
        for (target, expected) in [
            ("/b/a~!$'()*,;:@|^", true),
            ("/b/%C3%BC?x=%00", true),
            ("/b/\u{fc}", false),
            ("/b?x=\u{fc}", false),
            ("/b?\u{1f451}", false),
        ] {
            let uri = http::Uri::try_from(target.as_bytes()).unwrap();
            assert_eq!(is_plain(&uri), expected, "{target}");
        }
    }

    #[test]
    fn queries_are_decoded_once() {
        let query = Query::parse("a=1&b&c=%2525+x&&a=2").unwrap();
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.get("b"), Some(""));
        assert_eq!(query.get("c"), Some("%25 x"));
        assert_eq!(query.iter().count(), 4);
        assert!(Query::parse("a=%").is_err());
    }

    proptest! {
        #[test]
        fn decoding_never_panics(raw in ".{0,64}") {
            let _ = decode(&raw);
            let _ = Query::parse(&raw);
        }
    }
}
