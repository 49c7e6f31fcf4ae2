//! How the bodies of S3's requests are framed, and what their senders say of them.
//!
//! Promises: a body that is aws-chunked is stored without its framing; a trailer is the announced one or refused.
//! Must not know: how bodies are received or stored.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use couronne_metadata::record::ChecksumAlgorithm;

use super::address::Request;
use super::auth::chunked::Decoder;
use super::auth::payload::Payload;
use super::error::{Code, Result, S3Error};
use super::wire::checksum;
use crate::engine::{BodyError, Expected, ExpectedChecksum};
use crate::front::BodyUse;
use crate::front::body::Framing;
use crate::front::face::{BodyDecoder, DecoderStep};

const DECODED_LENGTH: &str = "x-amz-decoded-content-length";

/// Takes aws-chunked framing off, and the announced checksum from its trailer.
pub struct AwsChunked {
    decoder: Decoder,
    /// The checksum that a trailer is to bring.
    announced: Option<ChecksumAlgorithm>,
}

impl BodyDecoder for AwsChunked {
    fn step(&mut self, input: &mut Bytes) -> std::result::Result<DecoderStep, BodyError> {
        self.decoder.step(input)
    }

    fn finish(&mut self) -> std::result::Result<Option<Bytes>, BodyError> {
        self.decoder.finish()?;
        match (self.announced, self.decoder.trailers()) {
            (None, []) => Ok(None),
            (Some(algorithm), [(name, value)]) if checksum::header(algorithm) == name.as_str() => {
                checksum::parse_digest(algorithm, value).map(Some).ok_or(BodyError::Trailer)
            }
            _ => Err(BodyError::Trailer),
        }
    }
}

/// How the body of a request is framed whose head was verified; `sent_bytes` is its length as HTTP tells it.
pub(super) fn framing(
    request: &Request,
    payload: Payload,
    body_use: BodyUse,
    sent_bytes: Option<u64>,
) -> Result<Framing<AwsChunked>> {
    let covered = matches!(body_use, BodyUse::Read { checksum_covers_body: true });
    let header = if covered { checksum::of_headers(&request.headers)? } else { None };
    let mut expected = Expected { md5: content_md5(request)?, sha256: None, checksum: None };
    let (decoder, length, announced) = match payload {
        Payload::Unsigned => (None, plain_length(request, sent_bytes)?, None),
        Payload::Signed(sha256) => {
            expected.sha256 = Some(sha256);
            (None, plain_length(request, sent_bytes)?, None)
        }
        Payload::Chunked { signatures, trailers } => {
            let length = decoded_length(request)?;
            let announced = if trailers { announced_checksum(request)? } else { None };
            let decoder = Decoder::new(length, signatures, trailers);
            (Some(Box::new(AwsChunked { decoder, announced })), Some(length), announced)
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
    Ok(Framing { decoder, length, expected })
}

fn content_md5(request: &Request) -> Result<Option<[u8; 16]>> {
    let Some(text) = request.header("content-md5")? else { return Ok(None) };
    let digest = BASE64_STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    digest.map(Some).ok_or_else(|| S3Error::new(Code::InvalidDigest).detail("Content-MD5", text))
}

/// The length of a body that is not framed. A sender that speaks of another length once decoded did frame
/// it: stored as it is, the framing would become part of the object.
fn plain_length(request: &Request, sent_bytes: Option<u64>) -> Result<Option<u64>> {
    if request.headers.contains_key(DECODED_LENGTH) && Some(decoded_length(request)?) != sent_bytes {
        let message = "x-amz-decoded-content-length implies a STREAMING value of x-amz-content-sha256";
        return Err(S3Error::with_message(Code::InvalidRequest, message));
    }
    Ok(sent_bytes)
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
