//! The records of a drive's log, and how they stand in a batch's body.
//!
//! ```text
//! kind u8 | replica u64 | then by kind:
//!   1 Entry     term u64 | index u64 | payload kind u8 | payload
//!   2 Vote      term u64 | candidate u64 | committed u8
//!   3 Truncate  keep u8 | last index kept u64
//!   4 Purge     term u64 | index u64
//!   5 Destroy
//!   6 Base      vote flag u8 [term, candidate, committed] | purged flag u8 [term, index] | destroyed u8
//!   7 Retire    file sequence u64 (replica 0)
//! payload: 0 blank | 1 members | 2 length u32, effects
//! members: count of sets u32 { count u32 { replica u64 } } | count u32 { replica u64 | drive u128 }
//! ```
//! Integers are big-endian. A batch's checksum covers its records, so they carry none. The layout is fixed, not of the
//! field codec: every command of every range is written and read back as such a record, and the effects of an entry
//! stay where they are in the batch's memory. A new need gets a new kind.
//! Must not know: files, consensus rules.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes};
use couronne_ring::DriveId;

use super::types::{Entry, Members, Payload, Position, ReplicaId, Vote};
use couronne_base::fixed::{Malformed, Reader, put_count, put_string};

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Appends an entry.
    Entry(Entry),
    /// Saves a vote.
    Vote(Vote),
    /// Drops every entry after this index (all, if `None`).
    Truncate(Option<u64>),
    /// Forgets every entry up to this position; it is in the flushed store.
    Purge(Position),
    /// Ends the replica for good. Kept, so that its id is never taken for a fresh one.
    Destroy,
    /// What stood before this file: the first records of every file, so that older files can go.
    Base {
        /// The vote then.
        vote: Option<Vote>,
        /// What was purged then.
        purged: Option<Position>,
        /// Whether the replica had been destroyed.
        destroyed: bool,
    },
    /// Files below this sequence hold nothing needed any more: durable before one of them is used again.
    Retire(u64),
}

/// Appends a record of `replica` to a batch's body.
pub(super) fn encode(to: &mut Vec<u8>, replica: ReplicaId, record: &Record) {
    let kind = match record {
        Record::Entry(_) => 1,
        Record::Vote(_) => 2,
        Record::Truncate(_) => 3,
        Record::Purge(_) => 4,
        Record::Destroy => 5,
        Record::Base { .. } => 6,
        Record::Retire(_) => 7,
    };
    to.put_u8(kind);
    to.put_u64(replica.0);
    match record {
        Record::Entry(entry) => encode_entry(to, entry),
        Record::Vote(vote) => put_vote(to, *vote),
        Record::Truncate(keep) => {
            to.put_u8(u8::from(keep.is_some()));
            to.put_u64(keep.unwrap_or_default());
        }
        Record::Purge(position) => put_position(to, *position),
        Record::Destroy => {}
        Record::Base { vote, purged, destroyed } => {
            to.put_u8(u8::from(vote.is_some()));
            vote.iter().for_each(|vote| put_vote(to, *vote));
            to.put_u8(u8::from(purged.is_some()));
            purged.iter().for_each(|purged| put_position(to, *purged));
            to.put_u8(u8::from(*destroyed));
        }
        Record::Retire(below) => to.put_u64(*below),
    }
}

/// Reads the records of a batch's body. Payloads share its memory.
pub(super) fn decode(body: &mut Bytes) -> Result<Vec<(ReplicaId, Record)>, Malformed> {
    let mut reader = Reader::new(body, "log record");
    let mut records = Vec::new();
    while !reader.is_empty() {
        let kind = reader.u8()?;
        let replica = ReplicaId(reader.u64()?);
        let record = match kind {
            1 => Record::Entry(decode_entry(&mut reader)?),
            2 => Record::Vote(take_vote(&mut reader)?),
            3 => {
                let keep = reader.flag()?;
                let index = reader.u64()?;
                Record::Truncate(keep.then_some(index))
            }
            4 => Record::Purge(take_position(&mut reader)?),
            5 => Record::Destroy,
            6 => {
                let vote = if reader.flag()? { Some(take_vote(&mut reader)?) } else { None };
                let purged = if reader.flag()? { Some(take_position(&mut reader)?) } else { None };
                Record::Base { vote, purged, destroyed: reader.flag()? }
            }
            7 => Record::Retire(reader.u64()?),
            _ => return Err(reader.malformed()),
        };
        records.push((replica, record));
    }
    Ok(records)
}

fn encode_entry(to: &mut Vec<u8>, entry: &Entry) {
    put_position(to, entry.position);
    match &entry.payload {
        Payload::Blank => to.put_u8(0),
        Payload::Members(members) => {
            to.put_u8(1);
            encode_members(to, members);
        }
        Payload::Effects(bytes) => {
            to.put_u8(2);
            put_string(to, bytes);
        }
    }
}

fn decode_entry(reader: &mut Reader<'_>) -> Result<Entry, Malformed> {
    let position = take_position(reader)?;
    let payload = match reader.u8()? {
        0 => Payload::Blank,
        1 => Payload::Members(decode_members(reader)?),
        2 => Payload::Effects(reader.string()?),
        _ => return Err(reader.malformed()),
    };
    Ok(Entry { position, payload })
}

/// Writes a group's members; the replica's own state row keeps them in this form too.
pub(crate) fn encode_members(to: &mut Vec<u8>, members: &Members) {
    put_count(to, members.voters.len());
    for set in &members.voters {
        put_count(to, set.len());
        set.iter().for_each(|replica| to.put_u64(replica.0));
    }
    put_count(to, members.places.len());
    for (replica, drive) in &members.places {
        to.put_u64(replica.0);
        to.put_u128(drive.0);
    }
}

/// Reads a group's members.
pub(crate) fn decode_members(reader: &mut Reader<'_>) -> Result<Members, Malformed> {
    let mut voters = Vec::new();
    for _ in 0..reader.count(4)? {
        let mut set = BTreeSet::new();
        for _ in 0..reader.count(8)? {
            set.insert(ReplicaId(reader.u64()?));
        }
        voters.push(set);
    }
    let mut places = BTreeMap::new();
    for _ in 0..reader.count(24)? {
        places.insert(ReplicaId(reader.u64()?), DriveId(reader.u128()?));
    }
    Ok(Members { voters, places })
}

/// Writes a vote.
pub(crate) fn put_vote(to: &mut Vec<u8>, vote: Vote) {
    to.put_u64(vote.term);
    to.put_u64(vote.candidate.0);
    to.put_u8(u8::from(vote.committed));
}

/// Reads a vote.
pub(crate) fn take_vote(reader: &mut Reader<'_>) -> Result<Vote, Malformed> {
    Ok(Vote { term: reader.u64()?, candidate: ReplicaId(reader.u64()?), committed: reader.flag()? })
}

/// Writes a position: term, then index.
pub(crate) fn put_position(to: &mut Vec<u8>, position: Position) {
    to.put_u64(position.term);
    to.put_u64(position.index);
}

/// Reads a position.
pub(crate) fn take_position(reader: &mut Reader<'_>) -> Result<Position, Malformed> {
    Ok(Position { term: reader.u64()?, index: reader.u64()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back() {
        let members = Members {
            voters: vec![BTreeSet::from([ReplicaId(1), ReplicaId(2)])],
            places: BTreeMap::from([(ReplicaId(1), DriveId(7)), (ReplicaId(2), DriveId(8))]),
        };
        let at = |index| Position { term: 3, index };
        let vote = Vote { term: 4, candidate: ReplicaId(2), committed: true };
        let records = vec![
            Record::Entry(Entry { position: at(0), payload: Payload::Blank }),
            Record::Entry(Entry { position: at(1), payload: Payload::Members(members) }),
            Record::Entry(Entry { position: at(2), payload: Payload::Effects(Bytes::from_static(b"rows")) }),
            Record::Vote(vote),
            Record::Truncate(None),
            Record::Truncate(Some(9)),
            Record::Purge(at(1)),
            Record::Destroy,
            Record::Retire(3),
            Record::Base { vote: Some(vote), purged: None, destroyed: false },
            Record::Base { vote: None, purged: Some(at(5)), destroyed: true },
        ];
        let mut body = Vec::new();
        records.iter().for_each(|record| encode(&mut body, ReplicaId(42), record));
        let whole = Bytes::from(body);
        let read = decode(&mut whole.clone()).unwrap();
        assert_eq!(read, records.into_iter().map(|record| (ReplicaId(42), record)).collect::<Vec<_>>());
        for cut in 0..whole.len() {
            // Any prefix either ends between two records or is refused; it never panics.
            let _ = decode(&mut whole.slice(..cut));
        }
    }
}
