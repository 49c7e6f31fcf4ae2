//! Request bodies: from the connection to plain bytes.
//!
//! Promises: what an operation reads was unframed by the face's decoder, which checks signatures before the end is told;
//! what the sender said of the whole (length, MD5, SHA-256, checksum) goes along as [`Expected`] to whatever hashes it. A
//! silent client is given up after a while. Memory does not grow with the body.
//! Must not know: faces, operations, how bodies are stored.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use couronne_metadata::record::ChecksumAlgorithm;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;

use super::error::Rejection;
use super::face::{BodyDecoder as _, DecoderStep, Face};
use super::gateway::FrontSettings;
use crate::engine::{BodyError, BodyHashes, BodySource, Expected, ExpectedChecksum};

/// A body as the server hands it over.
pub type Incoming = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// The largest body that an operation without one is sent, in bytes.
const DISCARDED_BYTES_MAX: usize = 64 << 10;

/// What an operation does with its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyUse {
    /// Nothing: it is verified to be what was signed, and dropped.
    None,
    /// It reads it: whole with [`Body::document`], or as a stream through [`BodySource`].
    Read {
        /// Whether checksums in the head speak of this body (that of a request which completes an upload speaks of the
        /// object).
        checksum_covers_body: bool,
    },
}

/// How a body is framed, and what its sender said of it.
pub struct Framing<D> {
    /// Takes the framing off; `None` for a body that is sent as it is.
    pub decoder: Option<Box<D>>,
    /// The length without its framing, in bytes, if the sender said it.
    pub length: Option<u64>,
    /// What is to be hashed, and what the results must be.
    pub expected: Expected,
}

/// A request's body.
pub struct Body<F: Face> {
    incoming: Incoming,
    decoder: Option<Box<F::Decoder>>,
    /// What came and is still framed.
    input: Bytes,
    trailer: Option<Bytes>,
    length: Option<u64>,
    expected: Expected,
    stall: Duration,
    touched: bool,
    document: Option<Bytes>,
}

impl<F: Face> Body<F> {
    /// A body framed in this way, of a request whose head was verified.
    pub(super) fn new(incoming: Incoming, framing: Framing<F::Decoder>, settings: &FrontSettings) -> Self {
        let Framing { decoder, length, expected } = framing;
        let stall = Duration::from_millis(settings.body_stall_ms);
        let (input, trailer, document) = (Bytes::new(), None, None);
        Self { incoming, decoder, input, trailer, length, expected, stall, touched: false, document }
    }

    /// The whole body, at most `bytes_max` bytes, verified against all that its sender said of it.
    /// May be asked for again.
    pub async fn document(&mut self, bytes_max: usize) -> Result<Bytes, Rejection> {
        if let Some(document) = &self.document {
            return Ok(document.clone());
        }
        let mut hashes = BodyHashes::new(self.expected.clone());
        let mut document = BytesMut::new();
        while let Some(bytes) = self.receive().await.map_err(|error| Rejection::Engine(error.into()))? {
            if document.len() + bytes.len() > bytes_max {
                return Err(Rejection::DocumentTooLong);
            }
            hashes.update(&bytes);
            document.extend_from_slice(&bytes);
        }
        hashes.finish(self.trailer.take().as_deref()).map_err(Rejection::Engine)?;
        let document = document.freeze();
        self.document = Some(document.clone());
        Ok(document)
    }

    /// Reads to the end what the operation has no use for, and verifies it.
    pub(super) async fn discard(&mut self) -> Result<(), Rejection> {
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

    async fn receive(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Some(decoder) = &mut self.decoder else {
            return frame(&mut self.incoming, self.stall).await;
        };
        loop {
            match decoder.step(&mut self.input)? {
                DecoderStep::Data(data) => return Ok(Some(data)),
                DecoderStep::NeedInput | DecoderStep::End => {}
            }
            match frame(&mut self.incoming, self.stall).await? {
                Some(more) => self.input = more,
                None => break,
            }
        }
        self.trailer = decoder.finish()?;
        Ok(None)
    }
}

#[async_trait]
impl<F: Face> BodySource for Body<F> {
    fn length(&self) -> Option<u64> {
        self.length
    }

    fn expected(&self) -> Expected {
        self.expected.clone()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.touched = true;
        self.receive().await
    }

    fn trailer_checksum(&mut self) -> Option<Bytes> {
        self.trailer.take()
    }
}

/// The next bytes from the connection. HTTP's own trailers mean nothing here and are dropped.
async fn frame(incoming: &mut Incoming, stall: Duration) -> Result<Option<Bytes>, BodyError> {
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
