//! What S3 reads from a request's head: the bucket and the key, from the host or the path, and headers in the query; of a form
//! the key and the headers are in its fields.
//!
//! Promises: bucket and key are parts of the one decoded path that the signature covers, but for the key of a form, which its
//! policy covers. No parameter has two values: the signature covers them sorted, so which is the first would be anybody's
//! choice. Of the head of a form no header counts that says something of an object.
//! Must not know: signatures, operations, the engine.

use std::fmt;
use std::ops::Deref;

use couronne_metadata::ids::ObjectKey;
use http::{HeaderMap, HeaderName};

use super::error::{Code, Result, S3Error};
use super::fields::PostForm;
use super::hoisted::Hoisted;
use super::route::Level;
use crate::access::arn::AccountNumber;
use crate::aws::sigv4::canonical::SentRequest;
use crate::front::RequestHead;
use crate::front::request::Query;
use crate::front::resources::{CopyBetween, InBucket, NewBucket};

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

/// How the paths of S3 Control begin, which SDKs send to the same endpoint: no bucket is meant.
const CONTROL: &[u8] = b"/v20180820/";
/// The one parameter that is a list: of S3 Control's UntagResource.
pub const TAG_KEYS: &str = "tagKeys";

/// The headers in the head of a form that count beside its fields: what its sender says of itself, and what only can make
/// the request fail.
const OF_FORMS: [&str; 7] = [
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "referer",
    "user-agent",
    "x-amz-expected-bucket-owner",
];

/// A request without its body. It is also its [`RequestHead`].
#[derive(Debug)]
pub struct Request {
    head: RequestHead,
    hoisted: Hoisted,
    /// The bucket, from the path or the host.
    pub bucket: Option<BucketName>,
    /// Whether it was the host that named the bucket.
    pub is_virtual_host: bool,
    /// The key.
    pub key: Option<ObjectKey>,
    /// What stands before the file, if the request is a form.
    pub form: Option<PostForm>,
    /// The depth of a path of S3 Control's.
    control: Option<Level>,
}

impl Deref for Request {
    type Target = RequestHead;

    fn deref(&self) -> &RequestHead {
        &self.head
    }
}

/// Headers that stand in the query only were not sent as such: the signature covers them as parameters.
impl SentRequest for Request {
    fn head(&self) -> &RequestHead {
        &self.head
    }

    fn was_sent(&self, name: &str) -> bool {
        self.headers.contains_key(name) && !self.hoisted.contains(name)
    }
}

impl Request {
    /// Finds bucket and key. `base_domains` are the domains below which a bucket's name is a host name;
    /// lower case, without a leading dot.
    pub fn parse(mut head: RequestHead, base_domains: &[String]) -> Result<Self> {
        let host_bucket = bucket_of_host(&head.host, base_domains);
        // SDKs put the account's number before the endpoint's name.
        let is_control =
            head.path.starts_with(CONTROL) && host_bucket.is_none_or(|label| AccountNumber::parse(label).is_some());
        refuse_two_values(&head.query, if is_control { TAG_KEYS } else { "" })?;
        let host_bucket = host_bucket.map(str::to_owned);
        let hoisted = Hoisted::take(&mut head)?;
        if is_control {
            let (control, bucket) = control(&head.path);
            let bucket = bucket.map(BucketName::new).transpose()?;
            let (is_virtual_host, key, form) = (false, None, None);
            return Ok(Self { head, hoisted, bucket, is_virtual_host, key, form, control: Some(control) });
        }
        let is_virtual_host = host_bucket.is_some();
        let (bucket, key) = match host_bucket {
            Some(bucket) => (Some(bucket), head.path.strip_prefix(b"/").unwrap_or(&head.path).to_vec()),
            None => split_path(&head.path)?,
        };
        let bucket = bucket.as_deref().map(BucketName::new).transpose()?;
        let key = if key.is_empty() { None } else { Some(ObjectKey::new(key)?) };
        Ok(Self { head, hoisted, bucket, is_virtual_host, key, form: None, control: None })
    }

    /// From now on the request is what its form says, whose fields are these headers of the object.
    pub fn take_form(&mut self, form: PostForm, mut headers: HeaderMap) -> Result<()> {
        let missing =
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.";
        let key = form.fields.get("key").ok_or_else(|| S3Error::invalid_argument(missing, "key", ""))?;
        if key.is_empty() {
            return Err(S3Error::invalid_argument("User key must have a length greater than 0.", "key", ""));
        }
        self.key = Some(ObjectKey::new(key.as_bytes().to_vec())?);
        for name in OF_FORMS.map(HeaderName::from_static) {
            if !headers.contains_key(&name) {
                let sent = self.head.headers.get_all(&name).iter();
                headers.extend(sent.map(|value| (name.clone(), value.clone())));
            }
        }
        self.head.headers = headers;
        self.form = Some(form);
        Ok(())
    }

    /// The names of the headers that were sent as such.
    pub fn sent_names(&self) -> impl Iterator<Item = &str> {
        self.headers.keys().map(HeaderName::as_str).filter(|name| !self.hoisted.contains(name))
    }

    /// How deep the path reaches. That of a form does not name the key.
    pub const fn level(&self) -> Level {
        match (self.control, &self.bucket, &self.key, &self.form) {
            (Some(level), ..) => level,
            (None, None, ..) => Level::Service,
            (None, Some(_), None, _) | (None, Some(_), _, Some(_)) => Level::Bucket,
            (None, Some(_), Some(_), None) => Level::Object,
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

    /// The bucket that the request names, to be created.
    pub fn new_bucket(&self) -> Result<NewBucket> {
        Ok(NewBucket(self.need_bucket()?.as_str().into()))
    }

    /// The bucket that the request names.
    pub fn in_bucket(&self) -> Result<InBucket> {
        Ok(InBucket { name: self.need_bucket()?.as_str().into(), as_of_now: false })
    }

    /// The same, for operations that answer from the registry row alone.
    pub fn in_bucket_as_of_now(&self) -> Result<InBucket> {
        Ok(InBucket { as_of_now: true, ..self.in_bucket()? })
    }

    /// The bucket that the request names, to be written from another one.
    pub fn copy_from(&self, source: &BucketName) -> Result<CopyBetween> {
        Ok(CopyBetween { source: source.as_str().into(), target: self.need_bucket()?.as_str().into() })
    }
}

/// Refuses a parameter that has two values, but for the one that is a list.
fn refuse_two_values(query: &Query, list: &str) -> Result<()> {
    let mut pairs: Vec<_> = query.iter().filter(|(name, _)| *name != list).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut neighbours = pairs.windows(2).filter_map(|pair| pair.first().zip(pair.last()));
    match neighbours.find(|(one, other)| one.0 == other.0) {
        None => Ok(()),
        Some(((name, value), _)) => Err(S3Error::invalid_argument("The parameter may be sent once only", name, value)),
    }
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

/// How deep a path of S3 Control's reaches, and the bucket whose ARN it names.
fn control(path: &[u8]) -> (Level, Option<&str>) {
    let rest = path.strip_prefix(CONTROL).and_then(|rest| std::str::from_utf8(rest).ok()).unwrap_or_default();
    let arn = rest.strip_prefix("tags/").and_then(|arn| arn.strip_prefix("arn:aws:s3:::"));
    match arn.filter(|name| !name.is_empty() && !name.contains('/')) {
        Some(bucket) => (Level::Resource, Some(bucket)),
        None if rest == "configuration/publicAccessBlock" => (Level::Account, None),
        None => (Level::Control, None),
    }
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

#[cfg(test)]
mod tests {
    use http::header::HOST;

    use super::*;
    use crate::front::{Origin, RequestId};

    fn parse(host: &str, target: &str) -> Result<Request> {
        let request = http::Request::get(target).header(HOST, host).body(()).unwrap();
        let head = RequestHead::parse(request.into_parts().0, RequestId::from_random([0; 16]), Origin::default(), 0)?;
        Request::parse(head, &["s3.example.org".to_owned()])
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
    fn paths_of_s3_control_name_no_key() {
        let level = |host: &str, target: &str| parse(host, target).unwrap().level();
        check("h", "/v20180820/tags/arn%3Aaws%3As3%3A%3A%3Ab-c", Some("b-c"), None);
        for host in ["h", "111122223333.h", "111122223333.s3.example.org"] {
            assert_eq!(level(host, "/v20180820/tags/arn:aws:s3:::b"), Level::Resource);
            assert_eq!(level(host, "/v20180820/configuration/publicAccessBlock"), Level::Account);
            for other in ["jobs", "", "tags/", "tags/arn:aws:s3:::", "tags/arn:aws:s3:::b/k", "tags/arn:aws:s3:eu:1:b"]
            {
                assert_eq!(level(host, &format!("/v20180820/{other}")), Level::Control, "{other}");
            }
        }
        check("b.s3.example.org", "/v20180820/tags/x", Some("b"), Some("v20180820/tags/x"));
        assert!(parse("h", "/v20180820/tags/arn:aws:s3:::b?tagKeys=a&tagKeys=b").is_ok());
        assert!(parse("h", "/b/k?tagKeys=a&tagKeys=b").is_err());
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
        assert_eq!(code("/b/k?versionId=a&x=&versionId=b"), Code::InvalidArgument);
        assert!(parse("h", "/b/k?x-id=a&x-id=a").is_ok());
    }
}
