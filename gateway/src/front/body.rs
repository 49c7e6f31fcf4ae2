//! Request bodies: from the connection to plain bytes.
//!
//! Promises: what an operation reads was unframed by the face's decoder, which checks signatures before the end is told;
//! what the sender said of the whole (length, MD5, SHA-256, checksum) goes along as [`Expected`] to whatever hashes it. A
//! client that is silent for a while or too slow is given up. Memory does not grow with the body; that of a body read
//! whole is taken from a pool as it comes, in the name of the request's bucket.
//! Must not know: faces, operations, how bodies are stored.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use couronne_base::fair::{Claim, Holder, Pool, Short, lend};
use couronne_metadata::record::ChecksumAlgorithm;
use hyper::body::Body as _;
use tokio::time::{Instant, sleep_until};

use super::error::Rejection;
use super::face::{BodyDecoder as _, DecoderStep, Face};
use super::gateway::FrontSettings;
use super::limits::frames::{Frames, Incoming};
use super::limits::pace::{LeastRate, Pace};
use super::limits::under_way::UnderWay;
use crate::engine::{BodyError, BodyHashes, BodySource, Expected, ExpectedChecksum};

/// The largest body that an operation without one is sent, in bytes.
const DISCARDED_BYTES_MAX: usize = 64 << 10;

/// What a byte of a document takes: itself, and what is made of it while it is read. Bytes.
const DOCUMENT_COST: u64 = 4;

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
    /// It reads it if there is one; checksums in the head speak of it.
    Optional,
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

/// What a body is received with.
pub(super) struct Reception {
    /// The request's place.
    pub(super) under_way: UnderWay,
    /// Until when the request has to be answered.
    pub(super) deadline: Instant,
    /// The memory of bodies that are read whole.
    pub(super) documents: Pool,
}

/// A request's body.
pub struct Body<F: Face> {
    frames: Frames,
    reception: Reception,
    /// The holder that memory is taken for.
    holder: Holder,
    least: LeastRate,
    pace: Pace,
    decoder: Option<Box<F::Decoder>>,
    /// What came and is still framed, or was given back.
    input: Bytes,
    trailer: Option<Bytes>,
    length: Option<u64>,
    expected: Expected,
    stall: Duration,
    touched: bool,
    document: Option<Bytes>,
}

impl<F: Face> Body<F> {
    /// A body as HTTP has it, of a request whose caller is not known yet.
    pub(super) fn new(incoming: Incoming, reception: Reception, holder: Holder, settings: &FrontSettings) -> Self {
        let length = incoming.size_hint().exact();
        Self {
            frames: Frames::new(incoming),
            reception,
            holder,
            least: settings.least_rate(),
            pace: Pace::default(),
            decoder: None,
            input: Bytes::new(),
            trailer: None,
            length,
            expected: Expected::default(),
            stall: Duration::from_millis(settings.body_stall_ms),
            touched: false,
            document: None,
        }
    }

    /// From now on it is framed in this way: its request's head was verified.
    pub(super) fn set_framing(&mut self, framing: Framing<F::Decoder>) {
        let Framing { decoder, length, expected } = framing;
        (self.decoder, self.length, self.expected) = (decoder, length, expected);
    }

    /// The next bytes of what is part of the request itself and stands before the body; `None` at the end. Those of them that
    /// are the body's are to be given back ([`Body::give_back`]).
    pub async fn opening(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.receive().await
    }

    /// Gives back the last of the bytes that came: they are the first of the body.
    pub fn give_back(&mut self, rest: Bytes) {
        self.input = rest;
    }

    /// Its memory counts for this holder.
    pub(super) fn counts_for(&mut self, holder: Holder) {
        self.holder = holder;
    }

    /// The whole body, at most `bytes_max` bytes, verified against all that its sender said of it.
    /// May be asked for again.
    pub async fn document(&mut self, bytes_max: usize) -> Result<Bytes, Rejection> {
        if let Some(document) = &self.document {
            return Ok(document.clone());
        }
        // What is longer than it may be is not read at all if its sender says so.
        if self.length.is_some_and(|length| length > bytes_max as u64) {
            return Err(Rejection::DocumentTooLong);
        }
        let need = self.length.unwrap_or(bytes_max as u64).saturating_mul(DOCUMENT_COST);
        let mut share = None;
        let mut hashes = BodyHashes::new(self.expected.clone());
        let mut document = BytesMut::new();
        while let Some(bytes) = self.receive().await.map_err(|error| Rejection::Engine(error.into()))? {
            if document.len().saturating_add(bytes.len()) > bytes_max {
                return Err(Rejection::DocumentTooLong);
            }
            let cost = (bytes.len() as u64).saturating_mul(DOCUMENT_COST);
            let Reception { documents, under_way, .. } = &self.reception;
            let share = share.get_or_insert_with(|| documents.claim(&self.holder, need, under_way.cut()));
            let wait = share.patience().give_up_after;
            share.take_in_steps(cost, wait).await.map_err(|short| Rejection::Engine(short.into()))?;
            hashes.update(&bytes);
            document.extend_from_slice(&bytes);
        }
        hashes.finish(self.trailer.take().as_deref()).map_err(Rejection::Engine)?;
        share.iter().for_each(Claim::settle);
        let document = lend(document.freeze(), share.map(Arc::new).as_ref());
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
        loop {
            let Some(decoder) = &mut self.decoder else {
                let given_back = std::mem::take(&mut self.input);
                return if given_back.is_empty() { self.piece().await } else { Ok(Some(given_back)) };
            };
            match decoder.step(&mut self.input)? {
                DecoderStep::Data(data) => return Ok(Some(data)),
                DecoderStep::NeedInput | DecoderStep::End => {}
            }
            match self.piece().await? {
                Some(more) => self.input = more,
                None => break,
            }
        }
        self.trailer = match &mut self.decoder {
            Some(decoder) => decoder.finish()?,
            None => None,
        };
        Ok(None)
    }

    /// The next bytes from the connection.
    async fn piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Self { frames, pace, reception, stall, .. } = self;
        let Reception { under_way, deadline, .. } = reception;
        let mut moved = |bytes: usize| {
            pace.moved(bytes as u64);
            under_way.moved(bytes);
        };
        // What is here already is not waited for.
        if let Some(piece) = frames.piece_now(&mut moved) {
            return piece;
        }
        let since = Instant::now();
        let awaits_client = under_way.await_client();
        let piece = tokio::select! {
            biased;
            piece = frames.piece(&mut moved) => piece,
            () = under_way.cut().wait() => return Err(BodyError::Short(Short::Cut)),
            () = sleep_until((since + *stall).min(*deadline)) => return Err(BodyError::TimedOut),
        };
        drop(awaits_client);
        if self.pace.is_too_slow(since.elapsed(), self.least) { Err(BodyError::TimedOut) } else { piece }
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
