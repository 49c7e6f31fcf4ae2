//! Request bodies: from the connection to plain bytes.
//!
//! Promises: what an operation reads was unframed, and every chunk signature was checked before the end
//! is told; what the sender said of the whole (length, MD5, SHA-256, checksum) goes along as [`Expected`]
//! to whoever hashes it. A silent client is given up after a while. Memory does not grow with the body.
//! Must not know: operations, how bodies are stored.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use couronne_metadata::record::ChecksumAlgorithm;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Body as _;

use crate::auth::chunked::{Decoder, Step};
use crate::auth::payload::Payload;
use crate::engine::{BodyError, BodyHashes, BodySource, Expected, ExpectedChecksum};
use crate::pipeline::GatewaySettings;
use crate::request::Request;
use crate::s3::checksum;
use crate::s3::error::{Code, Result, S3Error};

/// A body as the server hands it over.
pub type Incoming = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// The largest body that an operation without one is sent, in bytes.
const DISCARDED_BYTES_MAX: usize = 64 << 10;
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";

/// What an operation does with its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyUse {
    /// Nothing: it is verified to be what was signed, and dropped.
    None,
    /// It reads it: whole with [`Body::document`], or as a stream through [`BodySource`].
    Read {
        /// Whether `x-amz-checksum-*` headers speak of this body (in CompleteMultipartUpload they speak
        /// of the object).
        checksum_covers_body: bool,
    },
}

/// A request's body.
pub struct Body {
    incoming: Incoming,
    framing: Framing,
    length: Option<u64>,
    expected: Expected,
    stall: Duration,
    touched: bool,
    document: Option<Bytes>,
}

enum Framing {
    Plain,
    Chunked {
        decoder: Box<Decoder>,
        input: Bytes,
        /// The checksum that a trailer is to bring.
        announced: Option<ChecksumAlgorithm>,
        trailer: Option<Bytes>,
    },
}

impl Body {
    /// A body secured in this way, of a request whose head was verified.
    pub(crate) fn new(
        incoming: Incoming,
        payload: Payload,
        request: &Request,
        body_use: BodyUse,
        settings: &GatewaySettings,
    ) -> Result<Self> {
        let covered = matches!(body_use, BodyUse::Read { checksum_covers_body: true });
        let header = if covered { checksum::of_headers(&request.headers)? } else { None };
        let mut expected = Expected { md5: content_md5(request)?, sha256: None, checksum: None };
        let (framing, length, announced) = match payload {
            Payload::Unsigned => (Framing::Plain, plain_length(request, &incoming)?, None),
            Payload::Signed(sha256) => {
                expected.sha256 = Some(sha256);
                (Framing::Plain, plain_length(request, &incoming)?, None)
            }
            Payload::Chunked { signatures, trailers } => {
                let length = decoded_length(request)?;
                let announced = if trailers { announced_checksum(request)? } else { None };
                let decoder = Box::new(Decoder::new(length, signatures, trailers));
                (Framing::Chunked { decoder, input: Bytes::new(), announced, trailer: None }, Some(length), announced)
            }
        };
        expected.checksum = match (header, announced) {
            (Some(_), Some(_)) => {
                return Err(S3Error::with_message(
                    Code::InvalidRequest,
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
                ));
            }
            (Some((algorithm, value)), None) => Some(ExpectedChecksum { algorithm, value: Some(value) }),
            (None, announced) => announced.map(|algorithm| ExpectedChecksum { algorithm, value: None }),
        };
        let stall = Duration::from_millis(settings.body_stall_ms);
        Ok(Self { incoming, framing, length, expected, stall, touched: false, document: None })
    }

    /// The whole body, at most `bytes_max` bytes, verified against all that its sender said of it.
    /// May be asked for again.
    pub async fn document(&mut self, bytes_max: usize) -> Result<Bytes> {
        if let Some(document) = &self.document {
            return Ok(document.clone());
        }
        let mut hashes = BodyHashes::new(self.expected.clone());
        let mut document = BytesMut::new();
        while let Some(bytes) = self.receive().await? {
            if document.len() + bytes.len() > bytes_max {
                return Err(Code::MaxMessageLengthExceeded.into());
            }
            hashes.update(&bytes);
            document.extend_from_slice(&bytes);
        }
        hashes.finish(self.trailer_checksum().as_deref())?;
        let document = document.freeze();
        self.document = Some(document.clone());
        Ok(document)
    }

    /// Reads to the end what the operation has no use for, and verifies it.
    pub(crate) async fn discard(&mut self) -> Result<()> {
        self.document(DISCARDED_BYTES_MAX).await.map(|_| ())
    }

    /// Asks for a checksum where the client sent none: a part of an upload that is to have one.
    pub fn want_checksum(&mut self, algorithm: ChecksumAlgorithm) {
        self.expected.checksum.get_or_insert(ExpectedChecksum { algorithm, value: None });
    }

    /// Whether bytes were given out that cannot be given out again.
    pub const fn is_touched(&self) -> bool {
        self.touched
    }

    async fn receive(&mut self) -> std::result::Result<Option<Bytes>, BodyError> {
        let Framing::Chunked { decoder, input, announced, trailer } = &mut self.framing else {
            return frame(&mut self.incoming, self.stall).await;
        };
        loop {
            match decoder.step(input)? {
                Step::Data(data) => return Ok(Some(data)),
                Step::NeedInput | Step::End => {}
            }
            match frame(&mut self.incoming, self.stall).await? {
                Some(more) => *input = more,
                None => break,
            }
        }
        decoder.finish()?;
        *trailer = match (*announced, decoder.trailers()) {
            (None, []) => None,
            (Some(algorithm), [(name, value)]) if checksum::header(algorithm) == name.as_str() => {
                Some(checksum::parse_digest(algorithm, value).ok_or(BodyError::Trailer)?)
            }
            _ => return Err(BodyError::Trailer),
        };
        Ok(None)
    }
}

#[async_trait]
impl BodySource for Body {
    fn length(&self) -> Option<u64> {
        self.length
    }

    fn expected(&self) -> Expected {
        self.expected.clone()
    }

    async fn next(&mut self) -> std::result::Result<Option<Bytes>, BodyError> {
        self.touched = true;
        self.receive().await
    }

    fn trailer_checksum(&mut self) -> Option<Bytes> {
        match &mut self.framing {
            Framing::Plain => None,
            Framing::Chunked { trailer, .. } => trailer.take(),
        }
    }
}

/// The next bytes from the connection. HTTP's own trailers mean nothing here and are dropped.
async fn frame(incoming: &mut Incoming, stall: Duration) -> std::result::Result<Option<Bytes>, BodyError> {
    loop {
        match tokio::time::timeout(stall, incoming.frame()).await.map_err(|_| BodyError::TimedOut)? {
            None => return Ok(None),
            Some(Err(error)) => return Err(BodyError::Disconnected(error.to_string())),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn content_md5(request: &Request) -> Result<Option<[u8; 16]>> {
    let Some(text) = request.header("content-md5")? else { return Ok(None) };
    let digest = BASE64_STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    digest.map(Some).ok_or_else(|| S3Error::new(Code::InvalidDigest).detail("Content-MD5", text))
}

/// The length of a body that is not framed. A sender that speaks of another length once decoded did frame
/// it: stored as it is, the framing would become part of the object.
fn plain_length(request: &Request, incoming: &Incoming) -> Result<Option<u64>> {
    let length = incoming.size_hint().exact();
    if request.headers.contains_key(DECODED_LENGTH) && Some(decoded_length(request)?) != length {
        let message = "x-amz-decoded-content-length implies a STREAMING value of x-amz-content-sha256";
        return Err(S3Error::with_message(Code::InvalidRequest, message));
    }
    Ok(length)
}

fn decoded_length(request: &Request) -> Result<u64> {
    let text = request.header(DECODED_LENGTH)?.ok_or(Code::MissingContentLength)?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| S3Error::invalid_argument("The length is not a number", "x-amz-decoded-content-length", text))
}

/// The checksum that `x-amz-trailer` announces: the only kind of trailer there is.
fn announced_checksum(request: &Request) -> Result<Option<ChecksumAlgorithm>> {
    let Some(names) = request.header("x-amz-trailer")? else { return Ok(None) };
    let algorithm = checksum::ALGORITHMS
        .into_iter()
        .find(|algorithm| checksum::header(*algorithm).as_str().eq_ignore_ascii_case(names));
    algorithm.map(Some).ok_or_else(|| {
        S3Error::with_message(Code::InvalidRequest, "The value specified in the x-amz-trailer header is not supported")
    })
}
