//! How the bodies of S3's requests are framed, and what their senders say of them.
//!
//! Promises: a body that is aws-chunked is stored without its framing; a trailer is the announced one or refused.
//! Where an operation needs a body, a request that does not say whether it has one is refused. A body that is larger
//! than S3 takes in one request is refused before any of it is taken, or, if its sender does not say its length, as
//! soon as it is. A checksum that the head speaks of is verified, or the request is refused: none is passed over.
//! Must not know: how bodies are received or stored.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use couronne_metadata::record::ChecksumAlgorithm;
use http::Version;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::address::Request;
use super::auth::chunked::Decoder;
use super::auth::payload::Payload;
use super::error::{Code, Result, S3Error};
use super::form::file::FilePart;
use super::wire::checksum;
use crate::aws::sigv4::canonical::SentRequest as _;
use crate::engine::{BodyError, Expected, ExpectedChecksum};
use crate::front::BodyUse;
use crate::front::body::Framing;
use crate::front::face::{BodyDecoder, DecoderStep};

const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
const SDK_ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";
const TRAILER: &str = "x-amz-trailer";
/// The largest body of one request. Bytes.
const BODY_BYTES_MAX: u64 = couronne_metadata::evaluate::BLOB_BYTES_MAX;

/// How a body becomes what is stored.
#[allow(clippy::large_enum_variant, reason = "the front boxes it")]
pub enum Unframe {
    /// It is aws-chunked.
    AwsChunked(AwsChunked),
    /// It is sent as it is, and how long it will be its sender does not say.
    Counted {
        /// How many more bytes may come.
        left: u64,
    },
    /// It is the file of a form.
    File(FilePart),
}

impl BodyDecoder for Unframe {
    fn step(&mut self, input: &mut Bytes) -> std::result::Result<DecoderStep, BodyError> {
        match self {
            Self::AwsChunked(chunked) => chunked.decoder.step(input),
            Self::Counted { .. } if input.is_empty() => Ok(DecoderStep::NeedInput),
            Self::Counted { left } => {
                let taken = u64::try_from(input.len()).ok().and_then(|bytes| left.checked_sub(bytes));
                *left = taken.ok_or(BodyError::TooLarge { bytes_max: BODY_BYTES_MAX })?;
                Ok(DecoderStep::Data(std::mem::take(input)))
            }
            Self::File(file) => file.step(input),
        }
    }

    fn finish(&mut self) -> std::result::Result<Option<Bytes>, BodyError> {
        match self {
            Self::AwsChunked(chunked) => chunked.finish(),
            Self::Counted { .. } => Ok(None),
            Self::File(file) => file.finish().map(|()| None),
        }
    }
}

/// Takes aws-chunked framing off, and the announced checksum from its trailer.
pub struct AwsChunked {
    decoder: Decoder,
    /// The checksum that a trailer is to bring.
    announced: Option<ChecksumAlgorithm>,
}

impl AwsChunked {
    fn finish(&mut self) -> std::result::Result<Option<Bytes>, BodyError> {
        self.decoder.finish()?;
        match (self.announced, self.decoder.trailers()) {
            (None, []) => Ok(None),
            (Some(algorithm), [(name, value)]) if checksum::header(algorithm) == name.as_str() => {
                checksum::parse_digest(algorithm, value).map(Some).ok_or(BodyError::TrailerValue(algorithm))
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
) -> Result<Framing<Unframe>> {
    if matches!(body_use, BodyUse::Read { .. }) && request.form.is_none() && !says_its_length(request) {
        return Err(Code::MissingContentLength.into());
    }
    let covered = matches!(body_use, BodyUse::Read { checksum_covers_body: true } | BodyUse::Optional);
    let header = if covered { checksum::of_headers(&request.headers)? } else { None };
    let is_announced = request.headers.contains_key(TRAILER);
    let mut expected = Expected { md5: content_md5(request)?, sha256: None, checksum: None };
    let (decoder, length, announced) = match payload {
        // No trailer comes, and what it was to bring would go unverified.
        Payload::Unsigned | Payload::Signed(_) | Payload::Chunked { trailers: false, .. } | Payload::File { .. }
            if is_announced =>
        {
            return Err(Code::MalformedTrailerError.into());
        }
        Payload::Unsigned => (None, plain_length(request, sent_bytes)?, None),
        Payload::Signed(sha256) => {
            expected.sha256 = Some(sha256);
            (None, plain_length(request, sent_bytes)?, None)
        }
        Payload::Chunked { signatures, trailers } => {
            let length = decoded_length(request)?;
            let announced = if trailers { announced_checksum(request)? } else { None };
            let decoder = Decoder::new(length, signatures, trailers);
            (Some(Unframe::AwsChunked(AwsChunked { decoder, announced })), Some(length), announced)
        }
        Payload::File { lengths } => {
            let boundary = request.form.as_ref().map_or("", |form| &form.boundary);
            let lengths = *lengths.start()..=BODY_BYTES_MAX.min(*lengths.end());
            (Some(Unframe::File(FilePart::new(boundary, lengths))), None, None)
        }
    };
    if let Some(length) = length.filter(|length| *length > BODY_BYTES_MAX) {
        return Err(S3Error::new(Code::EntityTooLarge)
            .detail("ProposedSize", length.to_string())
            .detail("MaxSizeAllowed", BODY_BYTES_MAX.to_string()));
    }
    let decoder = decoder.or_else(|| length.is_none().then_some(Unframe::Counted { left: BODY_BYTES_MAX }));
    expected.checksum = match (header, announced) {
        (Some(_), Some(_)) => return Err(checksum::several()),
        (Some((algorithm, value)), None) => Some(ExpectedChecksum { algorithm, value: Some(value) }),
        (None, announced) => announced.map(|algorithm| ExpectedChecksum { algorithm, value: None }),
    };
    if covered {
        expected.checksum = as_sdk_says(request, expected.checksum)?;
    }
    Ok(Framing { decoder: decoder.map(Box::new), length, expected })
}

/// An SDK says the algorithm of the checksum that it sends beside. A presigner says it in the query, before there is a
/// body: its checksum is computed and kept.
fn as_sdk_says(request: &Request, sent: Option<ExpectedChecksum>) -> Result<Option<ExpectedChecksum>> {
    let invalid = |message: &'static str| Err(S3Error::with_message(Code::InvalidRequest, message));
    let Some(text) = request.header(SDK_ALGORITHM)? else { return Ok(sent) };
    let algorithm = checksum::parse_algorithm(text)?;
    match sent {
        Some(sent) if sent.algorithm == algorithm => Ok(Some(sent)),
        Some(_) => invalid("Value for x-amz-sdk-checksum-algorithm header is invalid."),
        None if request.was_sent(SDK_ALGORITHM) => invalid(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers \
             were found.",
        ),
        None => Ok(Some(ExpectedChecksum { algorithm, value: None })),
    }
}

/// Whether the head says where the body ends. Over HTTP/2, which AWS does not speak, the frames themselves say it.
fn says_its_length(request: &Request) -> bool {
    request.version >= Version::HTTP_2
        || request.headers.contains_key(CONTENT_LENGTH)
        || request.headers.contains_key(TRANSFER_ENCODING)
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
    let Some(names) = request.header(TRAILER)? else { return Ok(None) };
    let algorithm = ChecksumAlgorithm::ALL
        .into_iter()
        .find(|algorithm| checksum::header(*algorithm).as_str().eq_ignore_ascii_case(names));
    algorithm.map(Some).ok_or_else(|| {
        S3Error::with_message(Code::InvalidRequest, "The value specified in the x-amz-trailer header is not supported")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_unknown_length_ends_where_none_may_be_larger() {
        let mut unframe = Unframe::Counted { left: 3 };
        let mut step = |bytes: &'static [u8]| unframe.step(&mut Bytes::from_static(bytes));
        assert!(matches!(step(b"ab"), Ok(DecoderStep::Data(data)) if data == "ab"));
        assert!(matches!(step(b""), Ok(DecoderStep::NeedInput)));
        assert!(matches!(step(b"c"), Ok(DecoderStep::Data(data)) if data == "c"));
        assert!(matches!(step(b"d"), Err(BodyError::TooLarge { bytes_max: BODY_BYTES_MAX })));
    }
}
