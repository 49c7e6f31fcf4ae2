//! A request as the pipeline sees it: path, query and headers parsed once, at the door.
//!
//! Promises: the path is percent-decoded exactly once; signature, authorization and storage all see that
//! one result. Nothing is normalised: `..`, `//` and `%25` in a key stay what they are.
//! Must not know: signatures, operations, the engine.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use couronne_metadata::ids::{KeyError, ObjectKey};
use http::header::{HOST, HeaderName};
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::s3::error::{Code, Result, S3Error};
use crate::s3::operation::Level;

/// A request's identity in its response, its log line and its error body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId {
    id: Box<str>,
    host: Box<str>,
}

impl RequestId {
    /// Makes an id of random bytes.
    pub fn from_random(random: [u8; 16]) -> Self {
        let (id, host) = random.split_at(8);
        Self { id: hex::encode_upper(id).into(), host: BASE64_STANDARD.encode(host).into() }
    }

    /// `x-amz-request-id`: 16 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// `x-amz-id-2`.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// A bucket's name as a request has it: 1 to 255 bytes without control characters or slashes.
/// Whether a new bucket may be called so is for its creation to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BucketName(Box<str>);

impl BucketName {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 255;

    /// Checks and takes a name.
    pub fn new(name: &str) -> Result<Self> {
        let fits = !name.is_empty() && name.len() <= Self::BYTES_MAX;
        if !fits || name.contains(|c: char| c.is_control() || c == '/') {
            return Err(S3Error::new(Code::InvalidBucketName).detail("BucketName", name));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The query, decoded: names and values in the order sent. A name without `=` has an empty value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a raw query string. As on S3, `+` is a space.
    pub fn parse(raw: &str) -> Result<Self> {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode_text(&name.replace('+', " "))?, decode_text(&value.replace('+', " "))?))
        });
        Ok(Self(decoded.collect::<Result<_>>()?))
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

/// A request without its body.
#[derive(Debug)]
pub struct Request {
    /// Its identity.
    pub id: RequestId,
    /// When it came; microseconds since 1970, by the wall.
    pub received_us: u64,
    /// Its method.
    pub method: Method,
    /// The whole path, decoded once.
    pub path: Vec<u8>,
    /// The whole path as it was sent; for its signature only.
    pub raw_path: String,
    /// The host as the client named it, with the port if it did: what the signature covers.
    pub host: String,
    /// The bucket, from the path or the host.
    pub bucket: Option<BucketName>,
    /// Whether it was the host that named the bucket.
    pub is_virtual_host: bool,
    /// The key.
    pub key: Option<ObjectKey>,
    /// The query.
    pub query: Query,
    /// The headers, as they came.
    pub headers: HeaderMap,
}

impl Request {
    /// Parses a request's head. `base_domains` are the domains below which a bucket's name is a host name;
    /// lower case, without a leading dot.
    pub fn parse(head: Parts, id: RequestId, received_us: u64, base_domains: &[String]) -> Result<Self> {
        let host = host(&head)?;
        let path = decode(head.uri.path())?;
        let query = Query::parse(head.uri.query().unwrap_or_default())?;
        let host_bucket = bucket_of_host(&host, base_domains);
        let is_virtual_host = host_bucket.is_some();
        let (bucket, key) = match host_bucket {
            Some(bucket) => (Some(bucket.to_owned()), path.strip_prefix(b"/").unwrap_or(&path).to_vec()),
            None => split_path(&path)?,
        };
        let bucket = bucket.as_deref().map(BucketName::new).transpose()?;
        let key = if key.is_empty() { None } else { Some(ObjectKey::new(key).map_err(key_error)?) };
        let (method, headers) = (head.method, head.headers);
        let raw_path = head.uri.path().to_owned();
        Ok(Self { id, received_us, method, path, raw_path, host, bucket, is_virtual_host, key, query, headers })
    }

    /// How deep the path reaches.
    pub const fn level(&self) -> Level {
        match (&self.bucket, &self.key) {
            (None, _) => Level::Service,
            (Some(_), None) => Level::Bucket,
            (Some(_), Some(_)) => Level::Object,
        }
    }

    /// The bucket of an operation whose route has one.
    pub fn need_bucket(&self) -> Result<&BucketName> {
        self.bucket.as_ref().ok_or_else(|| Code::InvalidURI.into())
    }

    /// The key of an operation whose route has one.
    pub fn need_key(&self) -> Result<&ObjectKey> {
        self.key.as_ref().ok_or_else(|| Code::InvalidURI.into())
    }

    /// A header that has one value: refused if it is repeated or not text.
    pub fn header(&self, name: impl Into<HeaderNameRef>) -> Result<Option<&str>> {
        let name = name.into().0;
        let mut values = self.headers.get_all(&name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(S3Error::invalid_argument("The header may be sent once only", name.as_str(), ""));
        }
        let text = std::str::from_utf8(value.as_bytes()).map(str::trim);
        text.map(Some).map_err(|_| S3Error::invalid_argument("The header is not text", name.as_str(), ""))
    }

    /// What an error body calls the resource: the path, as text.
    pub fn resource(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
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

/// HTTP/1 has one Host header; HTTP/2 has `:authority`, which wins.
fn host(head: &Parts) -> Result<String> {
    if let Some(authority) = head.uri.authority() {
        return Ok(authority.as_str().to_owned());
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(S3Error::with_message(Code::BadRequest, "A request has one Host header."));
    };
    Ok(host.to_str().map_err(|_| S3Error::new(Code::BadRequest))?.trim().to_owned())
}

fn bucket_of_host<'h>(host: &'h str, base_domains: &[String]) -> Option<&'h str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    base_domains.iter().find_map(|domain| {
        let (head, tail) = name.split_at_checked(name.len().checked_sub(domain.len())?)?;
        if tail.eq_ignore_ascii_case(domain) {
            head.strip_suffix('.').filter(|bucket| !bucket.is_empty())
        } else {
            None
        }
    })
}

fn split_path(path: &[u8]) -> Result<(Option<String>, Vec<u8>)> {
    let rest = path.strip_prefix(b"/").ok_or_else(|| S3Error::new(Code::InvalidURI))?;
    if rest.is_empty() {
        return Ok((None, Vec::new()));
    }
    let mut halves = rest.splitn(2, |byte| *byte == b'/');
    let bucket = halves.next().unwrap_or_default().to_vec();
    let bucket = String::from_utf8(bucket).map_err(|_| S3Error::new(Code::InvalidURI))?;
    Ok((Some(bucket), halves.next().unwrap_or_default().to_vec()))
}

fn key_error(error: KeyError) -> S3Error {
    match error {
        KeyError::TooLong => S3Error::new(Code::KeyTooLongError).detail("MaxSizeAllowed", "1024"),
        KeyError::Empty | KeyError::NotUtf8 => Code::InvalidURI.into(),
    }
}

/// Percent-decodes once. A `%` that no two hexadecimal digits follow is refused: it has no one meaning.
pub fn decode(raw: &str) -> Result<Vec<u8>> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        match (bytes.next().and_then(hex_digit), bytes.next().and_then(hex_digit)) {
            (Some(high), Some(low)) => decoded.push(high << 4 | low),
            _ => return Err(Code::InvalidURI.into()),
        }
    }
    Ok(decoded)
}

/// Percent-decodes once into text.
pub fn decode_text(raw: &str) -> Result<String> {
    String::from_utf8(decode(raw)?).map_err(|_| Code::InvalidURI.into())
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

    fn parse(host: &str, target: &str) -> Result<Request> {
        let request = http::Request::get(target).header(HOST, host).body(()).unwrap();
        Request::parse(request.into_parts().0, RequestId::from_random([0; 16]), 0, &["s3.example.org".to_owned()])
    }

    fn check(host: &str, target: &str, bucket: Option<&str>, key: Option<&str>) {
        let request = parse(host, target).unwrap();
        assert_eq!(request.bucket.as_ref().map(BucketName::as_str), bucket, "{host} {target}");
        assert_eq!(request.key.as_ref().map(ObjectKey::as_str), key, "{host} {target}");
    }

    #[test]
    fn bucket_and_key_come_from_path_or_host() {
        check("localhost:9000", "/", None, None);
        check("localhost", "/b", Some("b"), None);
        check("localhost", "/b/", Some("b"), None);
        check("localhost", "/b/k", Some("b"), Some("k"));
        check("s3.example.org:443", "/b/k", Some("b"), Some("k"));
        check("photos.s3.example.org", "/k/x", Some("photos"), Some("k/x"));
        check("my.photos.S3.Example.org:80", "/", Some("my.photos"), None);
        check("evils3.example.org", "/b/k", Some("b"), Some("k"));
        check(".s3.example.org", "/b/k", Some("b"), Some("k"));
    }

    #[test]
    fn keys_stay_as_they_are() {
        check("h", "/b//k", Some("b"), Some("/k"));
        check("h", "/b/../../etc/passwd", Some("b"), Some("../../etc/passwd"));
        check("h", "/b/a%2F..%2Fb", Some("b"), Some("a/../b"));
        check("h", "/b/%2525", Some("b"), Some("%25"));
        check("h", "/b/a%00b", Some("b"), Some("a\0b"));
        check("h", "/b/%F0%9F%91%91", Some("b"), Some("\u{1f451}"));
        check("h", "/b/a+b", Some("b"), Some("a+b"));
        check("h", "/b/./", Some("b"), Some("./"));
    }

    #[test]
    fn bad_targets_have_their_codes() {
        let code = |target: &str| parse("h", target).unwrap_err().code();
        assert_eq!(code("/b/%zz"), Code::InvalidURI);
        assert_eq!(code("/b/%4"), Code::InvalidURI);
        assert_eq!(code("/b/%ff"), Code::InvalidURI);
        assert_eq!(code("//k"), Code::InvalidBucketName);
        assert_eq!(code(&format!("/b/{}", "k".repeat(1025))), Code::KeyTooLongError);
        assert!(parse("h", &format!("/b/{}", "k".repeat(1024))).is_ok());
        let two = http::Request::get("/").header(HOST, "a").header(HOST, "b").body(()).unwrap();
        assert!(Request::parse(two.into_parts().0, RequestId::from_random([0; 16]), 0, &[]).is_err());
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
