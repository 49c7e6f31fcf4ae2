//! Bodies as the engine takes them: plain bytes, and what their sender said of them.
//!
//! An implementation of [`BodySource`] has undone transfer and chunk encodings and checked chunk
//! signatures. The engine alone hashes whole bodies, each algorithm once, and compares.
//! Must not know: HTTP.

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::fair::Short;
use couronne_metadata::record::ChecksumAlgorithm;
use thiserror::Error;

use super::error::EngineError;

/// A body being received.
#[async_trait]
pub trait BodySource: Send {
    /// How many bytes there will be, if the sender said so. The engine refuses a body of another length.
    fn length(&self) -> Option<u64>;

    /// What is to be hashed, and what the results must be.
    fn expected(&self) -> Expected;

    /// The next bytes, of any length; `None` once the body has ended well.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError>;

    /// After the end: the checksum that a trailer gave, if one did. It must be of the algorithm that
    /// [`Expected::checksum`] announced.
    fn trailer_checksum(&mut self) -> Option<Bytes> {
        None
    }
}

/// What to hash while receiving. CRC-64/NVME is always computed, for the row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// `Content-MD5`, decoded. (MD5 is computed anyway, for the entity tag.)
    pub md5: Option<[u8; 16]>,
    /// The SHA-256 of the payload that the signature covers.
    pub sha256: Option<[u8; 32]>,
    /// The checksum that the object or part is to carry.
    pub checksum: Option<ExpectedChecksum>,
}

/// A checksum to compute, to compare if a value was given (here or in a trailer), and to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedChecksum {
    /// Its algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// The digest from a header, decoded.
    pub value: Option<Bytes>,
}

/// Why a body did not end well.
#[derive(Debug, Error)]
pub enum BodyError {
    /// It ended before the length its sender said.
    #[error("the body is shorter than declared")]
    Incomplete,
    /// It went on past the length its sender said.
    #[error("the body is longer than declared")]
    TooLong,
    /// It goes on past what an object or a part may have, without a length that could have been refused before.
    #[error("the body is longer than {bytes_max} bytes")]
    TooLarge {
        /// The most that is taken.
        bytes_max: u64,
    },
    /// It ended before it had as many bytes as it has to.
    #[error("the body has {bytes} bytes, fewer than {bytes_min}")]
    TooSmall {
        /// What it has.
        bytes: u64,
        /// The least that is taken.
        bytes_min: u64,
    },
    /// A chunk that is smaller than all but the last have to be is followed by another.
    #[error("chunk {number} follows one of {bytes} bytes")]
    ShortChunk {
        /// The chunk that follows, counted from 1.
        number: u64,
        /// The size of the small one.
        bytes: u64,
    },
    /// Its chunk framing or trailer does not parse.
    #[error("malformed framing: {0}")]
    Malformed(&'static str),
    /// It is to be the file of a form, and the form does not parse.
    #[error("malformed form: {0}")]
    Form(&'static str),
    /// A chunk's or trailer's signature is wrong.
    #[error("a chunk signature does not match")]
    Signature,
    /// A digest that the source itself checks is wrong, or a trailer is not the announced one.
    #[error("the trailer is not what was announced")]
    Trailer,
    /// The value of a trailer is no digest of the algorithm that was announced.
    #[error("the trailer is no checksum of {0:?}")]
    TrailerValue(ChecksumAlgorithm),
    /// The sender was silent for too long.
    #[error("the sender stalled")]
    TimedOut,
    /// The request gave way to others.
    #[error("the request gave way to others: {0}")]
    Short(Short),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Disconnected(String),
    /// The source of a copy could not be read.
    #[error("reading the source: {0}")]
    Source(Box<EngineError>),
}

/// A body that is in memory already.
#[derive(Clone, Debug, Default)]
pub struct BytesBody {
    bytes: Option<Bytes>,
    length: u64,
    expected: Expected,
}

impl BytesBody {
    /// A body of these bytes, of which nothing is expected.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self::expecting(bytes, Expected::default())
    }

    /// A body of these bytes, of which this is expected.
    pub fn expecting(bytes: impl Into<Bytes>, expected: Expected) -> Self {
        let bytes = bytes.into();
        Self { length: bytes.len() as u64, bytes: Some(bytes), expected }
    }
}

#[async_trait]
impl BodySource for BytesBody {
    fn length(&self) -> Option<u64> {
        Some(self.length)
    }

    fn expected(&self) -> Expected {
        self.expected.clone()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        Ok(self.bytes.take().filter(|bytes| !bytes.is_empty()))
    }
}
