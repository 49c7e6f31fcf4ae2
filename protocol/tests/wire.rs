//! The encoding of questions and answers: golden bytes, round trips, bytes of ill will.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Debug;

use bytes::Bytes;
use couronne_base::codec::Value;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::{AttributeChange, Command, CommandRequest, Expect, InvalidReason, Outcome, Refusal};
use couronne_metadata::ids::{BucketId, CommitId, Generation, ObjectKey, Ordinal, RangeId, VersionId};
use couronne_metadata::query::{Answer, Entry, ListQuery, Ownership, Page, Query as Question, SystemRow};
use couronne_placement::{BlobId, ChunkId, Geometry, PolicyId, ResidencyClass, ShardId};
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeError};
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardError, ShardFrames};
use couronne_protocol::transport::{HEAD_BYTES_MAX, Message};
use couronne_protocol::wire::{
    DeleteBlob, DeleteShard, Describe, Done, Execute, GetShardAt, Payload, PutShardAt, Query, Ranges, ReportShard,
    RestoreShardAt, VerifyShard, pack, pack_reply, unpack, unpack_reply,
};
use couronne_ring::{DriveId, Epoch};
use proptest::prelude::*;

/// Counts what the thread allocates.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATED.try_with(|allocated| allocated.set(allocated.get() + layout.size()));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What `work` allocates, in bytes.
fn allocated(work: impl FnOnce()) -> usize {
    let before = ALLOCATED.with(Cell::get);
    work();
    ALLOCATED.with(Cell::get) - before
}

fn shard() -> ShardId {
    ShardId { chunk: ChunkId { blob: BlobId::from_bytes([1; BlobId::BYTES]), index: 0x0203_0405 }, number: 6 }
}

fn owner() -> Owner {
    Owner { bucket: BucketId::from_bytes([7; 16]), key: ObjectKey::new("key").unwrap() }
}

fn geometry() -> Geometry {
    Geometry::new(4, 2, 4 << 20).unwrap()
}

fn put() -> PutShardAt {
    PutShardAt {
        drive: DriveId(8),
        request: PutShard {
            shard: shard(),
            owner: owner(),
            geometry: geometry(),
            policy: PolicyId(3),
            class: ResidencyClass(2),
            epoch: Epoch(300),
            frames: vec![1, u64::MAX],
            payload: Bytes::from_static(b"payload"),
        },
    }
}

fn frames() -> ShardFrames {
    let payload = Bytes::from_static(b"frames");
    ShardFrames { geometry: geometry(), shard_len: 1 << 20, checksums: vec![5], payload }
}

fn get() -> GetShardAt {
    GetShardAt { drive: DriveId(8), request: GetShard { shard: shard(), first_frame: 0, frames: 16 } }
}

fn descriptor() -> RangeDescriptor {
    RangeDescriptor {
        id: RangeId(9),
        generation: Generation(300),
        start: Bytes::from_static(b"a"),
        end: Bytes::new(),
        replicas: vec![DriveId(1), DriveId(u128::MAX)],
    }
}

fn address() -> RangeAddress {
    RangeAddress { range: RangeId(9), generation: Generation(1), replica: DriveId(8) }
}

fn request(command: Command) -> CommandRequest {
    CommandRequest {
        commit: CommitId::from_bytes([2; 16]),
        deadline_ms: 1,
        bucket: BucketId::from_bytes([7; 16]),
        rules_version: 2,
        key: ObjectKey::new("key").unwrap(),
        command,
        seen: None,
        is_repeat: false,
    }
}

fn query(query: Question) -> Query {
    Query { address: address(), query: QueryRequest { bucket: BucketId::SYSTEM, rules_version: Some(4), query } }
}

fn hex(message: &Message) -> String {
    let hex = |bytes: &Bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{}/{}", hex(&message.head), hex(&message.body))
}

fn golden<P: Payload + Clone + PartialEq + Debug>(value: &P, fixed: &str) {
    let message = pack(value.clone());
    assert_eq!(hex(&message), fixed, "{value:?}");
    assert_eq!(unpack::<P>(message).unwrap(), *value);
}

fn golden_reply<D, F>(reply: Result<D, F>, fixed: &str)
where
    D: Payload + Clone + PartialEq + Debug,
    F: Value + Clone + PartialEq + Debug,
{
    let message = pack_reply::<D, F>(reply.clone());
    assert_eq!(hex(&message), fixed, "{reply:?}");
    assert_eq!(unpack_reply::<D, F>(message).unwrap(), reply);
}

#[test]
fn questions_to_drives_are_encoded_as_fixed() {
    golden(
        &put(),
        "010110000000000000000000000000000000080225010101010101010101010101010101010101010101010101010101\
         01010101010203040506031701100707070707070707070707070707070702036b657904060402004000000501030601\
         020702ac0208100000000000000001ffffffffffffffff/7061796c6f6164",
    );
    golden(
        &get(),
        "01011000000000000000000000000000000008022d012501010101010101010101010101010101010101010101010101\
         010101010101010203040506020100030110/",
    );
    golden(
        &ReportShard { drive: DriveId(8), shard: shard(), owner: owner() },
        "010110000000000000000000000000000000080225010101010101010101010101010101010101010101010101010101\
         01010101010203040506031701100707070707070707070707070707070702036b6579/",
    );
    golden(
        &DeleteShard { drive: DriveId(8), shard: shard(), owner: owner() },
        "010110000000000000000000000000000000080225010101010101010101010101010101010101010101010101010101\
         01010101010203040506031701100707070707070707070707070707070702036b6579/",
    );
    golden(
        &DeleteBlob { drive: DriveId(8), blob: BlobId::from_bytes([1; BlobId::BYTES]), owner: owner() },
        "010110000000000000000000000000000000080220010101010101010101010101010101010101010101010101010101\
         0101010101031701100707070707070707070707070707070702036b6579/",
    );
    golden(
        &RestoreShardAt(put()),
        "010110000000000000000000000000000000080225010101010101010101010101010101010101010101010101010101\
         01010101010203040506031701100707070707070707070707070707070702036b657904060402004000000501030601\
         020702ac0208100000000000000001ffffffffffffffff/7061796c6f6164",
    );
    golden(
        &VerifyShard { drive: DriveId(8), shard: shard() },
        "010110000000000000000000000000000000080225010101010101010101010101010101010101010101010101010101\
         01010101010203040506/",
    );
}

#[test]
fn answers_of_drives_are_encoded_as_fixed() {
    golden_reply::<_, ShardError>(Ok(frames()), "0101170106040200400000020380804003080000000000000005/6672616d6573");
    golden_reply::<_, ShardError>(Ok(Done), "010100/");
    golden_reply::<_, ShardError>(Ok(3u64), "01010103/");
    golden_reply::<Done, _>(Err(ShardError::NotFound), "0102020100/");
    golden_reply::<Done, _>(Err(ShardError::StaleEpoch(Epoch(300))), "01020602040102ac02/");
    golden_reply::<Done, _>(Err(ShardError::Conflict), "0102020800/");
    golden_reply::<Done, _>(Err(ShardError::Corrupt("why".to_owned())), "01020704050103776879/");
}

#[test]
fn questions_to_ranges_are_encoded_as_fixed() {
    golden(&Describe { start: Bytes::from_static(b"a"), end: Bytes::new() }, "010101610200/");
    golden(
        &Execute { address: address(), request: request(Command::DropRules { name: "b".into() }) },
        "010118010109020101031000000000000000000000000000000008023601100202020202020202020202020202020202\
         010103100707070707070707070707070707070704010205036b657906050b03010162/",
    );
    let key = ObjectKey::new("key").unwrap();
    golden(
        &query(Question::Get { key, version: Some(VersionId::Null) }),
        "010118010109020101031000000000000000000000000000000008022001100000000000000000000000000000000002\
         01040309010701036b65790200/",
    );
}

#[test]
fn answers_of_ranges_are_encoded_as_fixed() {
    golden_reply::<_, RangeError>(
        Ok(Ranges { ranges: vec![descriptor()] }),
        "01013201300101090202ac0203016104000510000000000000000000000000000000010510ffffffffffffffffffffff\
         ffffffffff/",
    );
    golden_reply::<_, RangeError>(Ok(Outcome::Done { ordinal: Ordinal(300) }), "01010604040102ac02/");
    golden_reply::<_, RangeError>(Ok(Answer::OwnsBlob(Ownership::Disowned)), "0101060c0401020200/");
    golden_reply::<Outcome, _>(Err(RangeError::Refused(Refusal::Locked)), "010206010401020a00/");
    golden_reply::<Outcome, _>(
        Err(RangeError::NotLeader(Some(DriveId(8)))),
        "0102140212011000000000000000000000000000000008/",
    );
    golden_reply::<Outcome, _>(
        Err(RangeError::StaleRange(vec![descriptor()])),
        "010234033201300101090202ac0203016104000510000000000000000000000000000000010510ffffffffffffffffff\
         ffffffffffffff/",
    );
    golden_reply::<Outcome, _>(Err(RangeError::StaleRules), "0102020400/");
    golden_reply::<Outcome, _>(Err(RangeError::Overloaded), "0102020500/");
    let reason = "why".to_owned();
    golden_reply::<Outcome, _>(Err(RangeError::Unavailable { reason, maybe_done: true }), "010209060701037768790200/");
    golden_reply::<Outcome, _>(Err(RangeError::Corrupt("why".to_owned())), "01020707050103776879/");
}

#[test]
fn an_answer_too_long_for_a_head_travels_as_a_body() {
    let rows = vec![(
        ObjectKey::new("key").unwrap(),
        SystemRow { version: Ordinal(1), value: Bytes::from(vec![5; HEAD_BYTES_MAX]) },
    )];
    let reply: Result<Answer, RangeError> = Ok(Answer::SystemScan(rows, false));
    let message = pack_reply(reply.clone());
    assert!(message.head.is_empty() && message.body.len() > HEAD_BYTES_MAX);
    assert_eq!(unpack_reply::<Answer, RangeError>(message).unwrap(), reply);
}

#[test]
fn a_newer_peer_may_add_fields() {
    let message = pack(get());
    let mut head = message.head.to_vec();
    head.extend_from_slice(&[99, 3, b'n', b'e', b'w']);
    assert_eq!(unpack::<GetShardAt>(Message::of(head.into())).unwrap(), get());
}

#[test]
fn messages_without_bytes_or_with_cut_checksums_are_refused() {
    assert!(unpack::<GetShardAt>(Message::default()).is_err());
    assert!(unpack_reply::<Done, ShardError>(Message::default()).is_err());
    let head = pack(put()).head;
    assert!(unpack::<PutShardAt>(Message::of(head.slice(..head.len() - 1))).is_err());
    let mut cut = head.to_vec();
    let at = cut.len() - 17;
    assert_eq!(cut[at], 16, "the length of two checksums");
    cut[at] = 15;
    cut.pop();
    assert!(unpack::<PutShardAt>(Message::of(cut.into())).is_err());
}

fn drive() -> impl Strategy<Value = DriveId> {
    any::<u128>().prop_map(DriveId)
}

fn any_shard() -> impl Strategy<Value = ShardId> {
    (any::<[u8; BlobId::BYTES]>(), any::<u32>(), any::<u8>())
        .prop_map(|(blob, index, number)| ShardId { chunk: ChunkId { blob: BlobId::from_bytes(blob), index }, number })
}

fn any_owner() -> impl Strategy<Value = Owner> {
    (any::<[u8; 16]>(), "\\PC{1,40}")
        .prop_map(|(bucket, key)| Owner { bucket: BucketId::from_bytes(bucket), key: ObjectKey::new(key).unwrap() })
}

fn any_geometry() -> impl Strategy<Value = Geometry> {
    (1u8..17, 0u8..16, 1u32..(16 << 20)).prop_map(|(k, m, chunk)| Geometry::new(k, m, chunk).unwrap())
}

fn any_bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn any_put() -> impl Strategy<Value = PutShardAt> {
    let placed = (any::<u16>(), any::<u16>(), any::<u64>());
    let bytes = (prop::collection::vec(any::<u64>(), 0..40), any_bytes());
    (drive(), any_shard(), any_owner(), any_geometry(), placed, bytes).prop_map(
        |(drive, shard, owner, geometry, (policy, class, epoch), (frames, payload))| {
            let (policy, class, epoch) = (PolicyId(policy), ResidencyClass(class), Epoch(epoch));
            PutShardAt { drive, request: PutShard { shard, owner, geometry, policy, class, epoch, frames, payload } }
        },
    )
}

fn any_frames() -> impl Strategy<Value = ShardFrames> {
    (any_geometry(), any::<u32>(), prop::collection::vec(any::<u64>(), 0..40), any_bytes())
        .prop_map(|(geometry, shard_len, checksums, payload)| ShardFrames { geometry, shard_len, checksums, payload })
}

fn any_shard_error() -> impl Strategy<Value = ShardError> {
    prop_oneof![
        Just(ShardError::NotFound),
        any::<u64>().prop_map(|epoch| ShardError::StaleEpoch(Epoch(epoch))),
        Just(ShardError::Full),
        ".*".prop_map(ShardError::Corrupt),
        ".*".prop_map(ShardError::Refused),
        Just(ShardError::Overloaded),
        Just(ShardError::Conflict),
        ".*".prop_map(ShardError::Down),
    ]
}

fn any_descriptor() -> impl Strategy<Value = RangeDescriptor> {
    (any::<u64>(), any::<u64>(), any_bytes(), any_bytes(), prop::collection::vec(drive(), 0..6)).prop_map(
        |(id, generation, start, end, replicas)| RangeDescriptor {
            id: RangeId(id),
            generation: Generation(generation),
            start,
            end,
            replicas,
        },
    )
}

fn any_address() -> impl Strategy<Value = RangeAddress> {
    (any::<u64>(), any::<u64>(), drive()).prop_map(|(range, generation, replica)| RangeAddress {
        range: RangeId(range),
        generation: Generation(generation),
        replica,
    })
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::DropRules { name: "b".into() }),
        prop::option::of(any_bytes()).prop_map(|value| Command::SystemWrite { expect: Expect::Absent, value }),
        any_bytes().prop_map(|row| Command::Reaped { row }),
        any::<u64>().prop_map(|horizon_ms| Command::AdvanceHorizon { horizon_ms }),
        any::<bool>().prop_map(|hold| Command::UpdateAttributes {
            version: None,
            change: AttributeChange::LegalHold(hold),
            bypass_governance: hold,
        }),
    ]
}

fn any_question() -> impl Strategy<Value = Question> {
    let list = (any_bytes(), any_bytes(), any::<bool>(), any::<u32>()).prop_map(|(prefix, after, reverse, limit)| {
        Question::List(ListQuery { prefix, after, reverse, limit, ..ListQuery::default() })
    });
    let get = any_owner().prop_map(|owner| Question::Get { key: owner.key, version: None });
    prop_oneof![
        list,
        get,
        (any_shard(), any::<u32>()).prop_map(|(after, limit)| Question::Blobs { after: Some(after.chunk.blob), limit })
    ]
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let row = || (any_owner(), any::<u64>(), any_bytes());
    let scan = (prop::collection::vec(row(), 0..5), any::<bool>()).prop_map(|(rows, more)| {
        let row =
            |(owner, version, value): (Owner, u64, Bytes)| (owner.key, SystemRow { version: Ordinal(version), value });
        Answer::SystemScan(rows.into_iter().map(row).collect(), more)
    });
    let page = (prop::collection::vec(any_bytes(), 0..5), any::<bool>()).prop_map(|(prefixes, truncated)| {
        Answer::List(Page { entries: prefixes.into_iter().map(Entry::CommonPrefix).collect(), truncated })
    });
    prop_oneof![scan, page, Just(Answer::Get(None)), Just(Answer::OwnsBlob(Ownership::Unknown))]
}

fn any_range_error() -> impl Strategy<Value = RangeError> {
    prop_oneof![
        Just(RangeError::Refused(Refusal::Invalid(InvalidReason::NoLock))),
        prop::option::of(drive()).prop_map(RangeError::NotLeader),
        prop::collection::vec(any_descriptor(), 0..4).prop_map(RangeError::StaleRange),
        Just(RangeError::StaleRules),
        Just(RangeError::Overloaded),
        Just(RangeError::Full),
        (".*", any::<bool>()).prop_map(|(reason, maybe_done)| RangeError::Unavailable { reason, maybe_done }),
        ".*".prop_map(RangeError::Corrupt),
    ]
}

fn comes_back<P: Payload + Clone + PartialEq + Debug>(value: P) {
    assert_eq!(unpack::<P>(pack(value.clone())).unwrap(), value);
}

fn reply_comes_back<D, F>(reply: Result<D, F>)
where
    D: Payload + Clone + PartialEq + Debug,
    F: Value + Clone + PartialEq + Debug,
{
    assert_eq!(unpack_reply::<D, F>(pack_reply(reply.clone())).unwrap(), reply);
}

/// Reads a head as everything it could be; whatever comes of it, the memory taken stays small.
fn read_as_everything(head: &Bytes) {
    let bound = 4096 + 100 * head.len();
    let message = || Message::of(head.clone());
    macro_rules! each {
        ($($read:expr;)*) => { $(
            let taken = allocated(|| assert!(matches!($read, Ok(_) | Err(_))));
            assert!(taken <= bound, "{} bytes for {} in {}", taken, head.len(), stringify!($read));
        )* };
    }
    each! {
        unpack::<PutShardAt>(message());
        unpack::<GetShardAt>(message());
        unpack::<ReportShard>(message());
        unpack::<DeleteShard>(message());
        unpack::<DeleteBlob>(message());
        unpack::<VerifyShard>(message());
        unpack::<Describe>(message());
        unpack::<Execute>(message());
        unpack::<Query>(message());
        unpack_reply::<ShardFrames, ShardError>(message());
        unpack_reply::<Done, ShardError>(message());
        unpack_reply::<u64, ShardError>(message());
        unpack_reply::<Ranges, RangeError>(message());
        unpack_reply::<Outcome, RangeError>(message());
        unpack_reply::<Answer, RangeError>(message());
    }
}

/// Cuts a head at a place, and bends a bit of it.
fn bend(head: &Bytes, at: usize, bit: usize) {
    let at = at % head.len();
    read_as_everything(&head.slice(..at));
    let mut bent = head.to_vec();
    bent[at] ^= 1 << (bit % 8);
    read_as_everything(&bent.into());
}

proptest! {
    #[test]
    fn messages_of_drives_come_back_and_bent_ones_do_no_harm(
        put in any_put(),
        frames in any_frames(),
        error in any_shard_error(),
        count: u64,
        at: usize,
        bit: usize,
    ) {
        let (drive, shard, owner) = (put.drive, put.request.shard, put.request.owner.clone());
        for message in [pack(put.clone()), pack_reply::<_, ShardError>(Ok(frames.clone()))] {
            bend(&message.head, at, bit);
        }
        bend(&pack_reply::<Done, _>(Err(error.clone())).head, at, bit);
        comes_back(put);
        comes_back(GetShardAt { drive, request: GetShard { shard, first_frame: 3, frames: u32::MAX } });
        comes_back(ReportShard { drive, shard, owner: owner.clone() });
        comes_back(DeleteShard { drive, shard, owner: owner.clone() });
        comes_back(DeleteBlob { drive, blob: shard.chunk.blob, owner });
        comes_back(VerifyShard { drive, shard });
        reply_comes_back::<_, ShardError>(Ok(frames));
        reply_comes_back::<_, ShardError>(Ok(count));
        reply_comes_back::<Done, _>(Err(error));
    }

    #[test]
    fn messages_of_ranges_come_back_and_bent_ones_do_no_harm(
        address in any_address(),
        command in any_command(),
        question in any_question(),
        answer in any_answer(),
        ranges in prop::collection::vec(any_descriptor(), 0..5),
        error in any_range_error(),
        at: usize,
        bit: usize,
    ) {
        let execute = Execute { address, request: request(command) };
        let query = Query { address, query: QueryRequest { bucket: BucketId::SYSTEM, rules_version: None, query: question } };
        for message in [pack(execute.clone()), pack(query.clone()), pack_reply::<_, RangeError>(Ok(answer.clone()))] {
            bend(&message.head, at, bit);
        }
        bend(&pack_reply::<Outcome, _>(Err(error.clone())).head, at, bit);
        comes_back(execute);
        comes_back(query);
        reply_comes_back::<_, RangeError>(Ok(answer));
        reply_comes_back::<_, RangeError>(Ok(Ranges { ranges }));
        reply_comes_back::<_, RangeError>(Ok(Outcome::Done { ordinal: Ordinal(at as u64) }));
        reply_comes_back::<Outcome, _>(Err(error));
    }

    #[test]
    fn any_bytes_give_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_as_everything(&Bytes::from([&[1][..], &bytes].concat()));
    }

    #[test]
    fn many_small_fields_take_little_memory(number in 1u8..16, tag in 1u8..8, count in 0usize..4000) {
        // A field of a list within a choice within an answer, empty and repeated.
        let list: Vec<u8> = [tag, 0].repeat(count);
        let mut head = vec![1, number];
        for len in [list.len() + 4, list.len()] {
            head.extend_from_slice(&[(len & 0x7f) as u8 | 0x80, (len >> 7 & 0x7f) as u8]);
            head.push(tag);
        }
        head.pop();
        head.extend_from_slice(&list);
        read_as_everything(&head.into());
    }
}
