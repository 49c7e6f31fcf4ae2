//! What `x-amz-content-sha256` says of the payload. An unknown word is refused, never guessed.
//!
//! Must not know: how bodies are read.

use std::ops::RangeInclusive;

use crate::aws::sigv4::claim::parse_signature;
use crate::aws::sigv4::{SignatureLocation, Signer};
use crate::s3::address::Request;
use crate::s3::error::{Code, Result, S3Error};

const HEADER: &str = "x-amz-content-sha256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How a payload is secured, as its sender says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The payload is not secured.
    Unsigned,
    /// The signature covers the payload's SHA-256.
    Signed([u8; 32]),
    /// In aws-chunked framing, each chunk signed or none, with or without trailers.
    Chunked { signed: bool, trailers: bool },
}

/// How a payload is secured, once its request was verified.
pub enum Payload {
    /// The payload is not secured.
    Unsigned,
    /// The signature covers the payload's SHA-256.
    Signed([u8; 32]),
    /// In aws-chunked framing.
    Chunked {
        /// What verifies the chunks, and the signature that the first one continues.
        signatures: Option<Box<ChunkSignatures>>,
        /// Whether trailers may follow.
        trailers: bool,
    },
    /// It is the file of a form, of which the form's policy secures the length alone.
    File {
        /// How many bytes it may have.
        lengths: RangeInclusive<u64>,
    },
}

impl Payload {
    /// The payload of a request that is neither signed nor a form: what a signature would have to secure cannot be.
    pub(super) fn of_anonymous(request: &Request) -> Result<Self> {
        match request.header(HEADER)?.map(Mode::parse).transpose()? {
            None | Some(Mode::Unsigned) => Ok(Self::Unsigned),
            Some(Mode::Signed(sha256)) => Ok(Self::Signed(sha256)),
            Some(Mode::Chunked { signed: false, trailers }) => Ok(Self::Chunked { signatures: None, trailers }),
            Some(Mode::Chunked { signed: true, .. }) => Err(Code::AccessDenied.into()),
        }
    }
}

/// A chain of chunk signatures.
pub struct ChunkSignatures {
    pub(super) signer: Signer,
    pub(super) previous: [u8; 32],
}

impl Mode {
    /// Reads the word, and returns it with its meaning: the canonical request holds it as it was sent.
    pub(super) fn of(request: &Request, place: SignatureLocation) -> Result<(&str, Self)> {
        let header = request.header(HEADER)?;
        let word = match place {
            SignatureLocation::Header => header.ok_or_else(|| {
                let message = "Missing required header for this request: x-amz-content-sha256";
                S3Error::with_message(Code::InvalidRequest, message)
            })?,
            SignatureLocation::Query { .. } => header.unwrap_or(UNSIGNED),
        };
        Ok((word, Self::parse(word)?))
    }

    /// The same for a URL presigned with version 2, whose query holds no word.
    pub(super) fn of_presigned_v2(request: &Request) -> Result<Self> {
        Self::parse(request.header(HEADER)?.unwrap_or(UNSIGNED))
    }

    fn parse(word: &str) -> Result<Self> {
        Ok(match word {
            UNSIGNED => Self::Unsigned,
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Self::Chunked { signed: true, trailers: false },
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Self::Chunked { signed: true, trailers: true },
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Self::Chunked { signed: false, trailers: true },
            _ => Self::Signed(parse_signature(word).ok_or_else(|| {
                let message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                               STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER \
                               or a valid sha256 value.";
                S3Error::invalid_argument(message, HEADER, word)
            })?),
        })
    }

    /// The payload of a request that was verified with this signature.
    pub(super) fn verified(self, signer: Signer, signature: [u8; 32]) -> Payload {
        match self {
            Self::Unsigned => Payload::Unsigned,
            Self::Signed(sha256) => Payload::Signed(sha256),
            Self::Chunked { signed, trailers } => Payload::Chunked {
                signatures: signed.then(|| Box::new(ChunkSignatures { signer, previous: signature })),
                trailers,
            },
        }
    }
}
