//! The bytes of requests and answers.
//!
//! Promises: reading hostile bytes ends in [`Malformed`]; what was read encodes to the same bytes;
//! effects and rows share the memory of the message they came in.
//! Must not know: whether a message is plausible.

use bytes::{BufMut, Bytes};
use couronne_protocol::transport::Message;
use couronne_ring::DriveId;

use super::{
    Answer, AppendAnswer, AppendAsk, Ask, ENTRIES_BYTES_MAX, ENTRIES_MAX, PIECE_BYTES_MAX, Refusal, Request, Sender,
    SnapshotBegin, TransferLeadership, VoteAnswer, VoteAsk,
};
use crate::consensus::types::{Entry, Members, Payload, Position, ReplicaId};
use crate::consensus::{RowsDigest, SnapshotPiece};
use crate::log::{ENTRY_BYTES_MAX, decode_members, encode_members, put_position, put_vote, take_position, take_vote};
use couronne_base::fixed::{Malformed, Reader, put_count, put_string};

const VERSION: u8 = 1;

/// The least bytes of an entry in an append's head: its position and the kind of its payload.
const ENTRY_HEAD_BYTES: usize = 17;

/// The least bytes of a row in a piece: two lengths.
const ROW_BYTES: usize = 8;

pub(super) fn encode_request(request: &Request) -> Message {
    let kind = match &request.ask {
        Ask::Vote(_) => 1,
        Ask::Append(_) => 2,
        Ask::Begin(_) => 3,
        Ask::Piece { .. } => 4,
        Ask::End { .. } => 5,
        Ask::TransferLeadership(_) => 6,
        Ask::Digest { .. } => 7,
    };
    let mut head = vec![VERSION, kind];
    head.put_u64(request.from.replica.0);
    head.put_u128(request.from.drive.0);
    head.put_u64(request.to.0);
    let mut body = Bytes::new();
    match &request.ask {
        Ask::Vote(ask) => {
            put_vote(&mut head, ask.vote);
            put_optional(&mut head, ask.last);
        }
        Ask::Append(ask) => body = encode_append(&mut head, ask),
        Ask::Begin(begin) => {
            head.put_u64(begin.session);
            put_vote(&mut head, begin.vote);
            put_position(&mut head, begin.applied);
        }
        Ask::Piece { session, sequence, rows } => {
            head.put_u64(*session);
            head.put_u64(*sequence);
            body = encode_rows(rows);
        }
        Ask::End { session, pieces } => {
            head.put_u64(*session);
            head.put_u64(*pieces);
        }
        Ask::TransferLeadership(transfer) => {
            put_vote(&mut head, transfer.vote);
            head.put_u64(transfer.successor.0);
            put_optional(&mut head, transfer.last);
        }
        Ask::Digest { index } => head.put_u64(*index),
    }
    Message { head: head.into(), body }
}

pub(super) fn decode_request(message: Message) -> Result<Request, Malformed> {
    let Message { mut head, body } = message;
    let mut reader = Reader::new(&mut head, "request of a replica");
    if reader.u8()? != VERSION {
        return Err(reader.malformed());
    }
    let kind = reader.u8()?;
    let from = Sender { replica: ReplicaId(reader.u64()?), drive: DriveId(reader.u128()?) };
    let to = ReplicaId(reader.u64()?);
    if !matches!(kind, 2 | 4) && !body.is_empty() {
        return Err(reader.malformed());
    }
    let ask = match kind {
        1 => Ask::Vote(VoteAsk { vote: take_vote(&mut reader)?, last: take_optional(&mut reader)? }),
        2 => Ask::Append(decode_append(&mut reader, body)?),
        3 => {
            let session = reader.u64()?;
            let vote = take_vote(&mut reader)?;
            Ask::Begin(SnapshotBegin { session, vote, applied: take_position(&mut reader)? })
        }
        4 => Ask::Piece { session: reader.u64()?, sequence: reader.u64()?, rows: decode_rows(body)? },
        5 => Ask::End { session: reader.u64()?, pieces: reader.u64()? },
        6 => {
            let (vote, successor) = (take_vote(&mut reader)?, ReplicaId(reader.u64()?));
            Ask::TransferLeadership(TransferLeadership { vote, successor, last: take_optional(&mut reader)? })
        }
        7 => Ask::Digest { index: reader.u64()? },
        _ => return Err(reader.malformed()),
    };
    if reader.is_empty() { Ok(Request { from, to, ask }) } else { Err(reader.malformed()) }
}

/// Writes an append's head; gives its body. The effects of one entry go out as they are, those of
/// several are put together, a copy that costs less than a message each.
fn encode_append(head: &mut Vec<u8>, ask: &AppendAsk) -> Bytes {
    put_vote(head, ask.vote);
    put_optional(head, ask.previous);
    put_optional(head, ask.committed);
    put_count(head, ask.entries.len());
    let mut effects = Vec::new();
    for entry in &ask.entries {
        put_position(head, entry.position);
        match &entry.payload {
            Payload::Blank => head.put_u8(0),
            Payload::Members(members) => {
                head.put_u8(1);
                put_string(head, &members_bytes(members));
            }
            Payload::Effects(bytes) => {
                head.put_u8(2);
                put_count(head, bytes.len());
                effects.push(bytes);
            }
        }
    }
    match effects.as_slice() {
        [one] => Bytes::clone(one),
        several => {
            let mut body = Vec::with_capacity(several.iter().map(|bytes| bytes.len()).sum());
            several.iter().for_each(|bytes| body.extend_from_slice(bytes));
            body.into()
        }
    }
}

fn decode_append(reader: &mut Reader<'_>, mut body: Bytes) -> Result<AppendAsk, Malformed> {
    let vote = take_vote(reader)?;
    let previous = take_optional(reader)?;
    let committed = take_optional(reader)?;
    let count = reader.count(ENTRY_HEAD_BYTES)?;
    if count > ENTRIES_MAX || body.len() > ENTRY_BYTES_MAX {
        return Err(reader.malformed());
    }
    let is_large = body.len() > ENTRIES_BYTES_MAX;
    let mut with_effects = 0usize;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let position = take_position(reader)?;
        let payload = match reader.u8()? {
            0 => Payload::Blank,
            1 => Payload::Members(take_members(reader)?),
            2 => {
                let len = usize::try_from(reader.u32()?).map_err(|_| reader.malformed())?;
                if len > body.len() {
                    return Err(reader.malformed());
                }
                with_effects = with_effects.saturating_add(1);
                Payload::Effects(body.split_to(len))
            }
            _ => return Err(reader.malformed()),
        };
        entries.push(Entry { position, payload });
    }
    if !body.is_empty() || (is_large && with_effects > 1) {
        return Err(reader.malformed());
    }
    Ok(AppendAsk { vote, previous, entries, committed })
}

fn members_bytes(members: &Members) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_members(&mut bytes, members);
    bytes
}

/// Members in their one form: sorted, none twice.
fn take_members(reader: &mut Reader<'_>) -> Result<Members, Malformed> {
    let bytes = reader.string()?;
    let mut rest = bytes.clone();
    let mut inner = Reader::new(&mut rest, "members");
    let members = decode_members(&mut inner)?;
    if inner.is_empty() && members_bytes(&members) == bytes { Ok(members) } else { Err(reader.malformed()) }
}

fn encode_rows(rows: &SnapshotPiece) -> Bytes {
    let bytes = rows.iter().map(|(key, value)| ROW_BYTES + key.len() + value.len()).sum::<usize>();
    let mut body = Vec::with_capacity(4 + bytes);
    put_count(&mut body, rows.len());
    for (key, value) in rows {
        put_string(&mut body, key);
        put_string(&mut body, value);
    }
    body.into()
}

fn decode_rows(mut body: Bytes) -> Result<SnapshotPiece, Malformed> {
    if body.len() > PIECE_BYTES_MAX {
        return Err(Malformed("piece of a snapshot"));
    }
    let mut reader = Reader::new(&mut body, "piece of a snapshot");
    let count = reader.count(ROW_BYTES)?;
    let mut rows = SnapshotPiece::with_capacity(count);
    for _ in 0..count {
        rows.push((reader.string()?, reader.string()?));
    }
    if reader.is_empty() { Ok(rows) } else { Err(reader.malformed()) }
}

pub(super) fn encode_answer(answer: &Answer) -> Message {
    let mut head = vec![VERSION];
    match answer {
        Answer::Refused(refusal) => {
            head.put_u8(0);
            head.put_u8(refusal_number(*refusal));
        }
        Answer::Vote(answer) => {
            head.put_u8(1);
            put_vote(&mut head, answer.vote);
            put_optional(&mut head, answer.last);
            head.put_u8(u8::from(answer.granted));
        }
        Answer::Append(answer) => {
            head.put_u8(2);
            encode_append_answer(&mut head, answer);
        }
        Answer::GoOn => head.put_u8(3),
        Answer::Follows(vote) => {
            head.put_u8(4);
            put_vote(&mut head, *vote);
        }
        Answer::Digest(digest) => {
            head.put_u8(5);
            match digest {
                RowsDigest::Pending => head.put_u8(0),
                RowsDigest::Unknown => head.put_u8(1),
                RowsDigest::Unreadable => head.put_u8(2),
                RowsDigest::Of(digest) => {
                    head.put_u8(3);
                    head.put_slice(digest);
                }
            }
        }
    }
    Message::of(head.into())
}

fn encode_append_answer(head: &mut Vec<u8>, answer: &AppendAnswer) {
    match answer {
        AppendAnswer::All => head.put_u8(0),
        AppendAnswer::UpTo(last) => {
            head.put_u8(1);
            put_optional(head, *last);
        }
        AppendAnswer::Conflict => head.put_u8(2),
        AppendAnswer::HigherVote(vote) => {
            head.put_u8(3);
            put_vote(head, *vote);
        }
    }
}

pub(super) fn decode_answer(message: Message) -> Result<Answer, Malformed> {
    let Message { mut head, body } = message;
    let mut reader = Reader::new(&mut head, "answer of a replica");
    if reader.u8()? != VERSION || !body.is_empty() {
        return Err(reader.malformed());
    }
    let answer = match reader.u8()? {
        0 => Answer::Refused(refusal(reader.u8()?).ok_or(reader.malformed())?),
        1 => {
            let vote = take_vote(&mut reader)?;
            Answer::Vote(VoteAnswer { vote, last: take_optional(&mut reader)?, granted: reader.flag()? })
        }
        2 => Answer::Append(match reader.u8()? {
            0 => AppendAnswer::All,
            1 => AppendAnswer::UpTo(take_optional(&mut reader)?),
            2 => AppendAnswer::Conflict,
            3 => AppendAnswer::HigherVote(take_vote(&mut reader)?),
            _ => return Err(reader.malformed()),
        }),
        3 => Answer::GoOn,
        4 => Answer::Follows(take_vote(&mut reader)?),
        5 => Answer::Digest(match reader.u8()? {
            0 => RowsDigest::Pending,
            1 => RowsDigest::Unknown,
            2 => RowsDigest::Unreadable,
            3 => RowsDigest::Of(take_digest(&mut reader)?),
            _ => return Err(reader.malformed()),
        }),
        _ => return Err(reader.malformed()),
    };
    if reader.is_empty() { Ok(answer) } else { Err(reader.malformed()) }
}

const fn refusal_number(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::Unknown => 1,
        Refusal::Quiet => 2,
        Refusal::Stopped => 3,
        Refusal::Contradiction => 4,
        Refusal::Session => 5,
        Refusal::Failed => 6,
        Refusal::SnapshotPending => 7,
    }
}

const fn refusal(number: u8) -> Option<Refusal> {
    match number {
        1 => Some(Refusal::Unknown),
        2 => Some(Refusal::Quiet),
        3 => Some(Refusal::Stopped),
        4 => Some(Refusal::Contradiction),
        5 => Some(Refusal::Session),
        6 => Some(Refusal::Failed),
        7 => Some(Refusal::SnapshotPending),
        _ => None,
    }
}

fn take_digest(reader: &mut Reader<'_>) -> Result<[u8; 32], Malformed> {
    let mut digest = [0; 32];
    for half in digest.chunks_exact_mut(16) {
        half.copy_from_slice(&reader.u128()?.to_be_bytes());
    }
    Ok(digest)
}

fn put_optional(to: &mut Vec<u8>, position: Option<Position>) {
    to.put_u8(u8::from(position.is_some()));
    position.into_iter().for_each(|position| put_position(to, position));
}

fn take_optional(reader: &mut Reader<'_>) -> Result<Option<Position>, Malformed> {
    if reader.flag()? { Ok(Some(take_position(reader)?)) } else { Ok(None) }
}
