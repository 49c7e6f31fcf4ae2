//! Messages between replicas: every one reads back, no bytes do harm, and the wire stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use couronne_protocol::transport::Message;
use couronne_ring::DriveId;
use proptest::prelude::*;

use super::*;
use crate::consensus::types::{Members, Payload};

fn position() -> impl Strategy<Value = Position> {
    (0u64..1000, 0u64..1 << 62).prop_map(|(term, index)| Position { term, index })
}

fn vote(committed: bool) -> impl Strategy<Value = Vote> {
    (1000u64..1 << 62, Just(committed)).prop_map(|(term, committed)| Vote { term, candidate: ReplicaId(7), committed })
}

fn any_vote() -> impl Strategy<Value = Vote> {
    (0u64..1 << 62, any::<u64>(), any::<bool>()).prop_map(|(term, candidate, committed)| Vote {
        term,
        candidate: ReplicaId(candidate),
        committed,
    })
}

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..most).prop_map(Bytes::from)
}

fn payload() -> impl Strategy<Value = Payload> {
    let members = (
        proptest::collection::vec(proptest::collection::btree_set(any::<u64>().prop_map(ReplicaId), 0..5), 0..3),
        proptest::collection::btree_map(any::<u64>().prop_map(ReplicaId), any::<u128>().prop_map(DriveId), 0..5),
    );
    prop_oneof![
        Just(Payload::Blank),
        members.prop_map(|(voters, places)| Payload::Members(Members { voters, places })),
        bytes(200).prop_map(Payload::Effects),
    ]
}

fn append() -> impl Strategy<Value = AppendAsk> {
    let entries = proptest::collection::vec((0u64..3, payload()), 0..6);
    let previous = proptest::option::of((0u64..900, 0u64..(1 << 62) - 10));
    (vote(true), previous, entries, proptest::option::of(position())).prop_map(
        |(vote, previous, entries, committed)| {
            let previous = previous.map(|(term, index)| Position { term, index });
            let mut last = previous;
            let entries = entries.into_iter().map(|(step, payload)| {
                let term = last.map_or(0, |last| last.term) + step;
                let position = Position { term, index: last.map_or(0, |last| last.index + 1) };
                last = Some(position);
                Entry { position, payload }
            });
            AppendAsk { vote, previous, entries: entries.collect(), committed }
        },
    )
}

fn ask() -> impl Strategy<Value = Ask> {
    let rows = proptest::collection::vec((bytes(20), bytes(60)), 0..6);
    prop_oneof![
        (vote(false), proptest::option::of(position())).prop_map(|(vote, last)| Ask::Vote(VoteAsk { vote, last })),
        append().prop_map(Ask::Append),
        (any::<u64>(), vote(true), position()).prop_map(|(session, vote, applied)| Ask::Begin(SnapshotBegin {
            session,
            vote,
            applied
        })),
        (any::<u64>(), any::<u64>(), rows).prop_map(|(session, sequence, rows)| Ask::Piece { session, sequence, rows }),
        (any::<u64>(), any::<u64>()).prop_map(|(session, pieces)| Ask::End { session, pieces }),
        (0u64..1 << 62).prop_map(|index| Ask::Digest { index }),
        (vote(true), any::<u64>(), proptest::option::of(position())).prop_map(|(vote, successor, last)| {
            Ask::TransferLeadership(TransferLeadership { vote, successor: ReplicaId(successor), last })
        }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    (any::<u128>(), any::<u64>(), ask()).prop_map(|(drive, to, ask)| {
        let from = Sender { replica: ReplicaId(7), drive: DriveId(drive) };
        Request { from, to: ReplicaId(to), ask }
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let last = || proptest::option::of(position());
    let refusals = [
        Refusal::Unknown,
        Refusal::Quiet,
        Refusal::Stopped,
        Refusal::Contradiction,
        Refusal::Session,
        Refusal::Failed,
        Refusal::SnapshotPending,
    ];
    prop_oneof![
        proptest::sample::select(refusals.to_vec()).prop_map(Answer::Refused),
        (any_vote(), last(), any::<bool>()).prop_map(|(vote, last, granted)| Answer::Vote(VoteAnswer {
            vote,
            last,
            granted
        })),
        Just(Answer::Append(AppendAnswer::All)),
        last().prop_map(|last| Answer::Append(AppendAnswer::UpTo(last))),
        Just(Answer::Append(AppendAnswer::Conflict)),
        any_vote().prop_map(|vote| Answer::Append(AppendAnswer::HigherVote(vote))),
        Just(Answer::GoOn),
        any_vote().prop_map(Answer::Follows),
        proptest::sample::select(vec![RowsDigest::Pending, RowsDigest::Unknown, RowsDigest::Unreadable])
            .prop_map(Answer::Digest),
        any::<[u8; 32]>().prop_map(|digest| Answer::Digest(RowsDigest::Of(digest))),
    ]
}

/// Changes one byte, or cuts or adds some, of the head or the body.
fn damage(message: &Message, at: usize, by: u8, cut: bool) -> Message {
    let change = |bytes: &Bytes| {
        let mut bytes = bytes.to_vec();
        if cut {
            bytes.truncate(at % (bytes.len() + 1));
        } else if !bytes.is_empty() {
            let at = at % bytes.len();
            bytes[at] ^= by;
        }
        Bytes::from(bytes)
    };
    if by.is_multiple_of(2) {
        Message { head: change(&message.head), body: message.body.clone() }
    } else {
        Message { head: message.head.clone(), body: change(&message.body) }
    }
}

proptest! {
    #[test]
    fn requests_read_back(request in request()) {
        prop_assert_eq!(Request::decode(request.encode()).unwrap(), request);
    }

    #[test]
    fn answers_read_back(answer in answer()) {
        prop_assert_eq!(Answer::decode(answer.encode()).unwrap(), answer);
    }

    /// What reads at all has no other form.
    #[test]
    fn damaged_requests_are_refused_or_mean_what_they_say(request in request(), at: usize, by in 1u8.., cut: bool) {
        let damaged = damage(&request.encode(), at, by, cut);
        if let Ok(read) = Request::decode(damaged.clone()) {
            prop_assert_eq!(read.encode(), damaged);
        }
    }

    #[test]
    fn damaged_answers_are_refused_or_mean_what_they_say(answer in answer(), at: usize, by in 1u8.., cut: bool) {
        let damaged = damage(&answer.encode(), at, by, cut);
        if let Ok(read) = Answer::decode(damaged.clone()) {
            prop_assert_eq!(read.encode(), damaged);
        }
    }

    #[test]
    fn noise_is_refused(head in bytes(200), body in bytes(200)) {
        let message = Message { head, body };
        if let Ok(read) = Request::decode(message.clone()) {
            prop_assert_eq!(read.encode(), message.clone());
        }
        if let Ok(read) = Answer::decode(message.clone()) {
            prop_assert_eq!(read.encode(), message);
        }
    }
}

fn from() -> Sender {
    Sender { replica: ReplicaId(7), drive: DriveId(9) }
}

fn decode(ask: Ask) -> Result<Request, Malformed> {
    Request::decode(Request { from: from(), to: ReplicaId(8), ask }.encode())
}

#[test]
fn what_no_replica_says_is_refused() {
    let leads = Vote { term: 5, candidate: ReplicaId(7), committed: true };
    let at = |term, index| Position { term, index };
    let entry = |position| Entry { position, payload: Payload::Blank };
    let append =
        |vote, previous, entries, committed| decode(Ask::Append(AppendAsk { vote, previous, entries, committed }));
    assert!(append(leads, Some(at(4, 1)), vec![entry(at(4, 2)), entry(at(5, 3))], Some(at(5, 3))).is_ok());
    assert!(append(Vote { candidate: ReplicaId(6), ..leads }, None, vec![], None).is_err(), "another's vote");
    assert!(append(Vote { committed: false, ..leads }, None, vec![], None).is_err(), "does not lead");
    assert!(append(leads, Some(at(4, 1)), vec![entry(at(4, 3))], None).is_err(), "a hole");
    assert!(append(leads, Some(at(4, 1)), vec![entry(at(3, 2))], None).is_err(), "terms go back");
    assert!(append(leads, None, vec![entry(at(1, 1))], None).is_err(), "not from the beginning");
    assert!(append(leads, Some(at(6, 1)), vec![], None).is_err(), "a term after the leader's");
    assert!(append(leads, None, vec![], Some(at(6, 1))).is_err(), "committed after the leader's term");
    assert!(append(leads, Some(at(4, u64::MAX)), vec![entry(at(4, 0))], None).is_err(), "the index wraps");
    let stands = Vote { committed: false, ..leads };
    assert!(decode(Ask::Vote(VoteAsk { vote: stands, last: None })).is_ok());
    assert!(decode(Ask::Vote(VoteAsk { vote: leads, last: None })).is_err(), "leads already");
    assert!(decode(Ask::Vote(VoteAsk { vote: Vote { candidate: ReplicaId(1), ..stands }, last: None })).is_err());
    assert!(decode(Ask::Vote(VoteAsk { vote: stands, last: Some(at(6, 0)) })).is_err());
    assert!(decode(Ask::Begin(SnapshotBegin { session: 1, vote: leads, applied: at(6, 9) })).is_err());
    let hand = |vote, last| decode(Ask::TransferLeadership(TransferLeadership { vote, successor: ReplicaId(8), last }));
    assert!(hand(leads, Some(at(5, 9))).is_ok());
    assert!(hand(stands, None).is_err(), "does not lead");
    assert!(hand(Vote { candidate: ReplicaId(8), ..leads }, None).is_err(), "another's leadership");
    assert!(hand(leads, Some(at(6, 0))).is_err(), "a term after the leader's");
}

/// A term or an index near the end of its numbers would overflow at the next election or entry, after it was made durable.
#[test]
fn numbers_that_no_range_counts_up_to_are_refused() {
    let at = |term, index| Position { term, index };
    let votes = |term| {
        (
            Vote { term, candidate: ReplicaId(7), committed: false },
            Vote { term, candidate: ReplicaId(7), committed: true },
        )
    };
    let entry = |position| Entry { position, payload: Payload::Blank };
    let append = |vote, previous, entries, committed| Ask::Append(AppendAsk { vote, previous, entries, committed });
    for (number, is_taken) in [(1000, true), (1 << 62, false), (u64::MAX - 1, false), (u64::MAX, false)] {
        let ((stands, leads), (_, led)) = (votes(number), votes(1));
        let far = Some(at(1, number));
        let asks = [
            Ask::Vote(VoteAsk { vote: stands, last: None }),
            Ask::Vote(VoteAsk { vote: votes(1).0, last: far }),
            append(leads, None, vec![], None),
            append(led, far, vec![], None),
            append(led, None, vec![], far),
            append(led, Some(at(1, number - 1)), vec![entry(at(1, number))], None),
            Ask::Begin(SnapshotBegin { session: 1, vote: leads, applied: at(1, 1) }),
            Ask::Begin(SnapshotBegin { session: 1, vote: led, applied: at(1, number) }),
            Ask::TransferLeadership(TransferLeadership { vote: led, successor: ReplicaId(8), last: far }),
            Ask::Digest { index: number },
        ];
        for ask in asks {
            assert_eq!(decode(ask.clone()).is_ok(), is_taken, "{ask:?}");
        }
        let answers = [
            Answer::Vote(VoteAnswer { vote: stands, last: None, granted: false }),
            Answer::Vote(VoteAnswer { vote: votes(1).0, last: far, granted: false }),
            Answer::Append(AppendAnswer::UpTo(far)),
            Answer::Append(AppendAnswer::HigherVote(leads)),
            Answer::Follows(leads),
        ];
        for answer in answers {
            assert_eq!(Answer::decode(answer.encode()).is_ok(), is_taken, "{answer:?}");
        }
    }
}

#[test]
fn an_append_is_bounded_unless_one_entry_is_large() {
    let vote = Vote { term: 5, candidate: ReplicaId(7), committed: true };
    let append = |sizes: &[usize]| {
        let entries = (0u64..).zip(sizes).map(|(index, size)| Entry {
            position: Position { term: 5, index },
            payload: Payload::Effects(vec![1; *size].into()),
        });
        decode(Ask::Append(AppendAsk { vote, previous: None, entries: entries.collect(), committed: None }))
    };
    assert!(append(&[ENTRIES_BYTES_MAX / 2, ENTRIES_BYTES_MAX / 2]).is_ok());
    assert!(append(&[ENTRIES_BYTES_MAX / 2, ENTRIES_BYTES_MAX / 2 + 1]).is_err());
    assert!(append(&[ENTRY_BYTES_MAX]).is_ok());
    assert!(append(&[ENTRY_BYTES_MAX + 1]).is_err());
    assert!(append(&vec![0; ENTRIES_MAX]).is_ok());
    assert!(append(&vec![0; ENTRIES_MAX + 1]).is_err());
}

#[test]
fn one_entry_travels_without_a_copy() {
    let effects = Bytes::from(vec![3; 1000]);
    let entry = Entry { position: Position { term: 1, index: 0 }, payload: Payload::Effects(effects.clone()) };
    let vote = Vote { term: 5, candidate: ReplicaId(7), committed: true };
    let ask = Ask::Append(AppendAsk { vote, previous: None, entries: vec![entry], committed: None });
    let message = Request { from: from(), to: ReplicaId(8), ask }.encode();
    assert_eq!(message.body.as_ptr(), effects.as_ptr());
}

/// The wire of version 1: these bytes are read by every later release.
#[test]
fn the_wire_stays_as_it_is() {
    let at = |term, index| Position { term, index };
    let leads = Vote { term: 5, candidate: ReplicaId(7), committed: true };
    let members = Members {
        voters: vec![BTreeSet::from([ReplicaId(7), ReplicaId(8)])],
        places: BTreeMap::from([(ReplicaId(7), DriveId(9)), (ReplicaId(8), DriveId(10))]),
    };
    let entries = vec![
        Entry { position: at(4, 2), payload: Payload::Blank },
        Entry { position: at(4, 3), payload: Payload::Members(members) },
        Entry { position: at(5, 4), payload: Payload::Effects(Bytes::from_static(b"ab")) },
        Entry { position: at(5, 5), payload: Payload::Effects(Bytes::from_static(b"c")) },
    ];
    let rows = vec![(Bytes::from_static(b"k"), Bytes::from_static(b"value"))];
    let asks = [
        Ask::Vote(VoteAsk { vote: Vote { committed: false, ..leads }, last: Some(at(4, 2)) }),
        Ask::Append(AppendAsk { vote: leads, previous: Some(at(4, 1)), entries, committed: None }),
        Ask::Begin(SnapshotBegin { session: 0x1122, vote: leads, applied: at(4, 9) }),
        Ask::Piece { session: 0x1122, sequence: 3, rows },
        Ask::End { session: 0x1122, pieces: 4 },
        Ask::TransferLeadership(TransferLeadership { vote: leads, successor: ReplicaId(8), last: Some(at(5, 5)) }),
        Ask::Digest { index: 9 },
    ];
    let mut lines = Vec::new();
    for ask in asks {
        let message = Request { from: from(), to: ReplicaId(8), ask }.encode();
        lines.push(format!("{}.{}", hex(&message.head), hex(&message.body)));
    }
    let answers = [
        Answer::Refused(Refusal::Quiet),
        Answer::Vote(VoteAnswer { vote: leads, last: None, granted: true }),
        Answer::Append(AppendAnswer::All),
        Answer::Append(AppendAnswer::UpTo(Some(at(5, 5)))),
        Answer::Append(AppendAnswer::Conflict),
        Answer::Append(AppendAnswer::HigherVote(leads)),
        Answer::GoOn,
        Answer::Follows(leads),
        Answer::Digest(RowsDigest::Unreadable),
        Answer::Digest(RowsDigest::Of([7; 32])),
    ];
    lines.extend(answers.iter().map(|answer| hex(&answer.encode().head)));
    assert_eq!(lines.join("\n"), include_str!("golden.txt").trim_end());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
