//! A client that signs by itself and speaks in raw bytes, so that it can be wrong in every way.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::front::tests::Keys;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Header,
    Query,
    /// In the query, with version 2.
    QueryV2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PayloadMode {
    Unsigned,
    Signed,
    Chunks,
    ChunksTrailer,
    UnsignedTrailer,
}

/// What is wrong with a request. Each makes it another's, or nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    None,
    Anonymous,
    WrongSecret,
    UnknownKey,
    WrongSignature,
    UnsignedHeader,
    UnsignedHost,
    OtherPath,
    OtherQuery,
    Skewed,
    /// Right in every way, but of an account that owns nothing here.
    Unjoined,
    /// The payload is not the one that was signed.
    OtherPayload,
    /// The first chunk's signature is wrong.
    OtherChunk,
    /// The trailer is not the one that was signed.
    OtherTrailer,
}

/// A request to be signed and sent.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: String,
    /// Path and query, encoded as AWS would; the query sorted.
    pub(super) target: String,
    pub(super) host: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) keys: Keys,
    pub(super) place: Place,
    pub(super) mode: PayloadMode,
    pub(super) defect: Defect,
    pub(super) now_us: u64,
    /// The region that it is signed for.
    pub(super) region: &'static str,
    /// Whether the head says the body's length; else the body is sent as an HTTP chunk.
    pub(super) with_length: bool,
    /// Trailer to send, in a trailer mode.
    pub(super) trailer: Option<(String, String)>,
    /// The size of the chunks of a framed body; unset: half of it, or all of it if that is small.
    pub(super) chunk_bytes: Option<usize>,
    /// What the signature says of the payload, where that is not what the mode says.
    pub(super) word: Option<String>,
}

impl Ask {
    pub(super) fn new(method: &str, target: &str, keys: &Keys, now_us: u64) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            host: "localhost".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            keys: keys.clone(),
            place: Place::Header,
            mode: PayloadMode::Signed,
            defect: Defect::None,
            now_us,
            region: "us-east-1",
            with_length: true,
            trailer: None,
            chunk_bytes: None,
            word: None,
        }
    }

    pub(super) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a header that stands in the query.
    pub(super) fn hoisted(mut self, name: &str, value: &str) -> Self {
        let joint = if self.target.contains('?') { '&' } else { '?' };
        self.target.push_str(&format!("{joint}{name}={}", encode(value)));
        self
    }

    pub(super) fn how(mut self, place: Place, mode: PayloadMode, defect: Defect) -> Self {
        (self.place, self.mode, self.defect) = (place, mode, defect);
        self
    }

    /// The bytes of the request, signed, with what is wrong with it.
    pub(super) fn wire(&self) -> Vec<u8> {
        let (head, body) = self.head_and_body();
        [head.as_slice(), &body].concat()
    }

    pub(super) fn head_and_body(&self) -> (Vec<u8>, Vec<u8>) {
        if self.place == Place::QueryV2 {
            return (self.head_v2(), self.body.clone());
        }
        let skew = if self.defect == Defect::Skewed { 8 * 24 * 3600 } else { 0 };
        let at = i64::try_from(self.now_us / 1_000_000).unwrap() - skew;
        let at = jiff::Timestamp::from_second(at).unwrap().strftime("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{}/{}/s3/aws4_request", &at[..8], self.region);
        let key = self.signing_key(&at[..8]);
        let word = self.payload_word();

        let mut headers = self.headers.clone();
        headers.push(("host".into(), self.host.clone()));
        if matches!(self.mode, PayloadMode::Chunks | PayloadMode::ChunksTrailer | PayloadMode::UnsignedTrailer) {
            headers.push(("x-amz-decoded-content-length".into(), self.body.len().to_string()));
            headers.push(("content-encoding".into(), "aws-chunked".into()));
        }
        if let Some((name, _)) = &self.trailer {
            headers.push(("x-amz-trailer".into(), name.clone()));
        }
        if self.place == Place::Header {
            headers.push(("x-amz-date".into(), at.clone()));
        }
        if self.place == Place::Header || self.mode != PayloadMode::Unsigned {
            headers.push(("x-amz-content-sha256".into(), word.clone()));
        }
        headers.sort();
        let covered: Vec<_> =
            headers.iter().filter(|(name, _)| self.defect != Defect::UnsignedHost || name != "host").cloned().collect();
        let names = covered.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let access_key = if self.defect == Defect::UnknownKey { "NOBODY" } else { self.keys.access_key.as_str() };

        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let mut query: Vec<String> = query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
        query.iter_mut().filter(|pair| !pair.contains('=')).for_each(|pair| pair.push('='));
        if self.place == Place::Query && self.defect != Defect::Anonymous {
            let credential = format!("{access_key}/{scope}").replace('/', "%2F");
            query.extend([
                "X-Amz-Algorithm=AWS4-HMAC-SHA256".to_owned(),
                format!("X-Amz-Credential={credential}"),
                format!("X-Amz-Date={at}"),
                "X-Amz-Expires=600".to_owned(),
                format!("X-Amz-SignedHeaders={}", names.replace(';', "%3B")),
            ]);
        }
        query.sort_by(|one, two| one.split('=').cmp(two.split('=')));
        let lines: String = covered.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("{}\n{path}\n{}\n{lines}\n{names}\n{word}", self.method, query.join("&"));
        let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let mut signature = mac(&key, &to_sign);
        if self.defect == Defect::WrongSignature {
            signature = sha256(signature.as_bytes());
        }

        let mut path = path.to_owned();
        match self.defect {
            Defect::OtherPath => path.push('x'),
            Defect::OtherQuery => query.push("versionId=null".to_owned()),
            Defect::UnsignedHeader => headers.push(("x-amz-meta-unsigned".into(), "x".into())),
            _ => {}
        }
        match (self.place, self.defect) {
            (_, Defect::Anonymous) => {}
            (Place::Header, _) => headers.push((
                "authorization".into(),
                format!(
                    "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
                ),
            )),
            (Place::Query | Place::QueryV2, _) => query.push(format!("X-Amz-Signature={signature}")),
        }
        let body = self.framed(&key, &at, &scope, &signature);
        headers.push(if self.with_length {
            ("content-length".into(), body.len().to_string())
        } else {
            ("transfer-encoding".into(), "chunked".into())
        });
        let question = if query.is_empty() { "" } else { "?" };
        let mut head = format!("{} {path}{question}{} HTTP/1.1\r\n", self.method, query.join("&"));
        for (name, value) in &headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let body = if self.with_length {
            body
        } else {
            [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()
        };
        (head.into_bytes(), body)
    }

    /// A head presigned with version 2, for the defects that it can have.
    fn head_v2(&self) -> Vec<u8> {
        let skew = if self.defect == Defect::Skewed { 3600 } else { 0 };
        let expires = (self.now_us / 1_000_000 + 600 - skew).to_string();
        let mut headers = self.headers.clone();
        headers.sort();
        let value = |name: &str| headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
        let amz: String =
            headers.iter().filter(|(n, _)| n.starts_with("x-amz-")).map(|(n, v)| format!("{n}:{v}\n")).collect();
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let mut parts: Vec<_> = query.split('&').filter(|part| !part.is_empty()).collect();
        parts.sort_unstable();
        let unescaped = |part: &&str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        let question = if parts.is_empty() { "" } else { "?" };
        let md5 = value("content-md5");
        let text = format!(
            "{}\n{md5}\n\n{expires}\n{amz}{path}{question}{}",
            self.method,
            parts.iter().map(unescaped).collect::<Vec<_>>().join("&")
        );
        let secret = if self.defect == Defect::WrongSecret { "wrong" } else { self.keys.secret.as_str() };
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        let mut signature = BASE64_STANDARD.encode(hmac::sign(&key, text.as_bytes()));
        if self.defect == Defect::WrongSignature {
            signature.replace_range(..4, "AAAA");
        }
        let access_key = if self.defect == Defect::UnknownKey { "NOBODY" } else { self.keys.access_key.as_str() };
        let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let mut path = path.to_owned();
        let mut query: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        match self.defect {
            Defect::OtherPath => path.push('x'),
            Defect::OtherQuery => query.push("versionId=null".to_owned()),
            Defect::UnsignedHeader => headers.push(("x-amz-meta-unsigned".into(), "x".into())),
            _ => {}
        }
        if self.defect != Defect::Anonymous {
            query.push(format!("AWSAccessKeyId={access_key}&Signature={signature}&Expires={expires}"));
        }
        headers.push(("host".into(), self.host.clone()));
        headers.push(("content-length".into(), self.body.len().to_string()));
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{} {path}?{} HTTP/1.1\r\n{lines}\r\n", self.method, query.join("&")).into_bytes()
    }

    fn payload_word(&self) -> String {
        if let Some(word) = &self.word {
            return word.clone();
        }
        match self.mode {
            PayloadMode::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            PayloadMode::Signed if self.defect == Defect::OtherPayload => sha256(b"another payload"),
            PayloadMode::Signed => sha256(&self.body),
            PayloadMode::Chunks => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
            PayloadMode::ChunksTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned(),
            PayloadMode::UnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        }
    }

    fn signing_key(&self, day: &str) -> hmac::Key {
        signing_key(if self.defect == Defect::WrongSecret { "wrong" } else { &self.keys.secret }, day, self.region)
    }

    /// The body in chunks and the last one, as the mode frames it.
    fn framed(&self, key: &hmac::Key, at: &str, scope: &str, seed: &str) -> Vec<u8> {
        if matches!(self.mode, PayloadMode::Unsigned | PayloadMode::Signed) {
            return self.body.clone();
        }
        let signed = self.mode != PayloadMode::UnsignedTrailer;
        let mut previous = seed.to_owned();
        let mut wire = Vec::new();
        let half = self.body.len().div_ceil(2);
        let chunk_bytes = self.chunk_bytes.unwrap_or(if half < 8192 { self.body.len().max(1) } else { half });
        for chunk in self.body.chunks(chunk_bytes).chain([&b""[..]]) {
            let context = format!("{at}\n{scope}\n{previous}\n{}\n{}", sha256(b""), sha256(chunk));
            previous = mac(key, &format!("AWS4-HMAC-SHA256-PAYLOAD\n{context}"));
            if self.defect == Defect::OtherChunk {
                previous = sha256(previous.as_bytes());
            }
            let extension = if signed { format!(";chunk-signature={previous}") } else { String::new() };
            wire.extend(format!("{:x}{extension}\r\n", chunk.len()).into_bytes());
            wire.extend(chunk);
            if !chunk.is_empty() {
                wire.extend(b"\r\n");
            }
        }
        if let Some((name, value)) = &self.trailer {
            let line = format!("{name}:{value}\n");
            let sent = if self.defect == Defect::OtherTrailer { "AAAAAA==" } else { value };
            wire.extend(format!("{name}:{sent}\r\n").into_bytes());
            if signed {
                let context = format!("{at}\n{scope}\n{previous}\n{}", sha256(line.as_bytes()));
                let signature = mac(key, &format!("AWS4-HMAC-SHA256-TRAILER\n{context}"));
                wire.extend(format!("x-amz-trailer-signature:{signature}\r\n").into_bytes());
            }
        }
        wire.extend(b"\r\n");
        wire
    }
}

/// A value as it stands in a query.
pub(super) fn encode(value: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(value, KEPT).to_string()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

/// The key of version 4 for a day and a region.
pub(super) fn signing_key(secret: &str, day: &str, region: &str) -> hmac::Key {
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
    for step in [day, region, "s3", "aws4_request"] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, step.as_bytes()).as_ref());
    }
    key
}

pub(super) fn mac(key: &hmac::Key, text: &str) -> String {
    hex::encode(hmac::sign(key, text.as_bytes()))
}
