//! How the questions to drives and ranges, and their answers, are written into messages.
//!
//! ```text
//! question   = head: version ‖ record        body: a shard's bytes, of PutShard only
//! answer     = head: version ‖ field 1 (what was done) | field 2 (the error)
//!              body: frames, of GetShard only; or, where the head has no bytes, the head itself,
//!              which was too long for one
//! ```
//! The encoding is `metadata::codec`'s: fields have numbers, a reader skips those it does not know.
//! Promises: bytes of any origin give a value or [`Corrupt`], within a small multiple of their memory.
//! Must not know: how messages travel.

mod packed;
mod range;
mod shard;

use bytes::Bytes;
use couronne_base::codec::{Corrupt, Input, Value, Writer, decode, encode};

use crate::transport::{HEAD_BYTES_MAX, Message, Method};

pub use range::{Describe, Execute, Query, Ranges};
pub use shard::{DeleteBlob, DeleteShard, GetShardAt, PutShardAt, ReportShard, RestoreShardAt, VerifyShard};

/// A question: its method, and what answers it.
pub trait Ask: Payload + Send {
    /// How it is asked.
    const METHOD: Method;
    /// The answer.
    type Done: Payload;
    /// The error.
    type Failed: Value;
}

/// What travels as a head, encoded, and a body of bulk bytes.
pub trait Payload: Sized {
    /// All but the bulk bytes.
    type Head: Value;

    /// Takes it apart.
    fn split(self) -> (Self::Head, Bytes);

    /// Puts it together.
    fn join(head: Self::Head, body: Bytes) -> Result<Self, Corrupt>;
}

/// Most travels without a body.
impl<T: Value> Payload for T {
    type Head = T;

    fn split(self) -> (T, Bytes) {
        (self, Bytes::new())
    }

    fn join(head: T, _: Bytes) -> Result<T, Corrupt> {
        Ok(head)
    }
}

/// Nothing to tell but that it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done;

impl Value for Done {
    fn write(&self, _: &mut Writer) {}

    fn read(_: Input<'_>) -> Result<Self, Corrupt> {
        Ok(Self)
    }
}

/// Writes a question.
pub fn pack<A: Payload>(ask: A) -> Message {
    let (head, body) = ask.split();
    Message { head: encode(&head), body }
}

/// Reads a question.
pub fn unpack<A: Payload>(message: Message) -> Result<A, Corrupt> {
    A::join(decode(&message.head)?, message.body)
}

/// Writes an answer.
pub fn pack_reply<D: Payload, F: Value>(reply: Result<D, F>) -> Message {
    let (result, body) = match reply {
        Ok(done) => {
            let (head, body) = done.split();
            (Ok(head), body)
        }
        Err(failed) => (Err(failed), Bytes::new()),
    };
    let head = encode(&result);
    if head.len() > HEAD_BYTES_MAX && body.is_empty() {
        return Message { head: body, body: head };
    }
    Message { head, body }
}

/// Reads an answer.
pub fn unpack_reply<D: Payload, F: Value>(message: Message) -> Result<Result<D, F>, Corrupt> {
    let Message { mut head, mut body } = message;
    if head.is_empty() {
        std::mem::swap(&mut head, &mut body);
    }
    match decode::<Result<D::Head, F>>(&head)? {
        Ok(done) => D::join(done, body).map(Ok),
        Err(failed) => Ok(Err(failed)),
    }
}
