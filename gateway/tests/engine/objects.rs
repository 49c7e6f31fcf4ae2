//! Objects of all sizes and shapes, whole and in ranges; conditions, versions, digests.

use bytes::Bytes;
use couronne_base::testing::paused;
use couronne_gateway::engine::{
    BodyError, DeleteObjectRequest, DigestKind, EngineError, Expected, ExpectedChecksum, PutObjectRequest,
};
use couronne_gateway::testing::{FakeCluster, FakeShape};
use couronne_metadata::command::{AttributeChange, EtagSet, Precondition, Refusal, SeenVersion};
use couronne_metadata::ids::VersionId;
use couronne_metadata::record::{ChecksumAlgorithm, Versioning};
use couronne_metadata::usage::{Subject, Usage};
use couronne_placement::Redundancy;
use proptest::prelude::*;

use super::support::*;

const SMALL: FakeShape = FakeShape {
    redundancy: Redundancy::Erasure { k: 4, m: 2 },
    drives: 7,
    drives_per_node: 1,
    zones: 1,
    ranges: 3,
    chunk_bytes: 256 << 10,
    inline_bytes_max: 1 << 10,
    copies_bytes_max: 16 << 10,
    seed: 1,
};

#[tokio::test]
async fn what_is_put_is_what_is_got_at_every_threshold() {
    let cluster = FakeCluster::new(&SMALL);
    let bucket = bucket(&cluster.engine, "bucket").await;
    let chunk = SMALL.chunk_bytes as usize;
    for len in [0, 1, 1023, 1024, 1025, 16 << 10, (16 << 10) + 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 5]
    {
        let body = bytes(len as u64, len);
        let written = put(&cluster.engine, &bucket, "key", &body).await.unwrap();
        assert_eq!(written.size, len as u64);
        assert_eq!(get(&cluster.engine, &bucket, "key").await.unwrap(), body, "{len} bytes");
    }
}

#[tokio::test]
async fn the_tag_is_the_md5() {
    let cluster = FakeCluster::new(&SMALL);
    let bucket = bucket(&cluster.engine, "bucket").await;
    let written = put(&cluster.engine, &bucket, "key", &Bytes::from_static(b"123456789")).await.unwrap();
    assert_eq!(hex::encode(written.etag.digest), "25f9e794323b453885f5181f1b624d0b");
    assert_eq!(written.etag.parts, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_shape_size_cut_and_range(
        k in 1u8..7, m in 0u8..4, chunk_bytes in 70_000u32..300_000, len in 0usize..900_000,
        piece in 1usize..200_000, declared: bool, at in any::<(u32, u32)>(), seed: u64,
    ) {
        let redundancy = match (k, m) {
            (1, 0) => Redundancy::Single,
            (1, m) => Redundancy::Replicated(m + 1),
            (k, m) => Redundancy::Erasure { k, m: m.max(1) },
        };
        let shape = FakeShape { redundancy, drives: 10, chunk_bytes, seed, copies_bytes_max: 20_000, ..SMALL };
        paused().block_on(async {
            let cluster = FakeCluster::new(&shape);
            let bucket = bucket(&cluster.engine, "bucket").await;
            let body = bytes(seed, len);
            let mut source = Pieces::cut(&body, piece, declared.then_some(len as u64));
            let staged = cluster.engine.stage(&bucket, &key("k"), &mut source).await.unwrap();
            prop_assert_eq!(staged.crc64(), crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &body));
            cluster.engine.put_object(&bucket, &staged, PutObjectRequest::default()).await.unwrap();
            let (start, end) = (at.0 as usize % (len + 1), at.1 as usize % (len + 1));
            let (start, end) = (start.min(end), start.max(end));
            let handle = cluster.engine.open(&bucket, &key("k"), None).await.unwrap();
            prop_assert_eq!(read(&handle, start as u64..end as u64).await.unwrap(), body.slice(start..end));
            prop_assert_eq!(read(&handle, 0..len as u64).await.unwrap(), body);
            prop_assert!(cluster.drives.reports().is_empty());
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_broken_digest_never_commits_and_the_blob_is_abandoned() {
    let cluster = FakeCluster::new(&SMALL);
    let bucket = bucket(&cluster.engine, "bucket").await;
    let body = bytes(3, 600_000);
    let checksum = |value: Option<Bytes>| Some(ExpectedChecksum { algorithm: ChecksumAlgorithm::Crc32c, value });
    let wrong = Some(Bytes::from_static(&[1, 2, 3, 4]));
    let with = |expected: Expected, trailer: Option<Bytes>| Pieces {
        expected,
        trailer,
        ..Pieces::cut(&body, 10_000, Some(600_000))
    };
    let cases = [
        (with(Expected { md5: Some([1; 16]), ..Expected::default() }, None), DigestKind::Md5),
        (with(Expected { sha256: Some([1; 32]), ..Expected::default() }, None), DigestKind::SignedSha256),
        (
            with(Expected { checksum: checksum(wrong.clone()), ..Expected::default() }, None),
            DigestKind::Checksum(ChecksumAlgorithm::Crc32c),
        ),
        (
            with(Expected { checksum: checksum(None), ..Expected::default() }, wrong),
            DigestKind::Checksum(ChecksumAlgorithm::Crc32c),
        ),
    ];
    for (mut source, kind) in cases {
        let staged = cluster.engine.stage(&bucket, &key("k"), &mut source).await;
        assert!(matches!(staged, Err(EngineError::Digest(found)) if found == kind), "{kind:?}");
    }
    settle().await;
    let abandoned = cluster.ranges.commands().iter().filter(|sent| is_abandon(sent)).count();
    assert_eq!(abandoned, 4);
    assert!(matches!(get(&cluster.engine, &bucket, "k").await, Err(EngineError::Refused(Refusal::NoSuchKey))));
}

#[tokio::test]
async fn a_body_of_another_length_or_that_breaks_off_never_commits() {
    let cluster = FakeCluster::new(&SMALL);
    let bucket = bucket(&cluster.engine, "bucket").await;
    for len in [10, 2_000, 600_000] {
        let body = bytes(3, len);
        let stage = async |mut source: Pieces| cluster.engine.stage(&bucket, &key("k"), &mut source).await.err();
        let short = stage(Pieces::cut(&body, 1000, Some(len as u64 + 1))).await;
        assert!(matches!(short, Some(EngineError::Body(BodyError::Incomplete))), "{short:?}");
        let long = stage(Pieces::cut(&body, 1000, Some(len as u64 - 1))).await;
        assert!(matches!(long, Some(EngineError::Body(BodyError::TooLong))), "{long:?}");
        let broken = Pieces { error: Some(BodyError::TimedOut), ..Pieces::cut(&body, 1000, Some(len as u64 + 9)) };
        assert!(matches!(stage(broken).await, Some(EngineError::Body(BodyError::TimedOut))));
    }
    assert!(matches!(get(&cluster.engine, &bucket, "k").await, Err(EngineError::Refused(Refusal::NoSuchKey))));
}

#[tokio::test]
async fn a_staged_body_that_is_dropped_is_abandoned_and_one_that_was_sent_is_not() {
    let cluster = FakeCluster::new(&SMALL);
    let bucket = bucket(&cluster.engine, "bucket").await;
    let body = bytes(3, 600_000);
    let stage = async || {
        let mut source = Pieces::cut(&body, 10_000, None);
        cluster.engine.stage(&bucket, &key("k"), &mut source).await.unwrap()
    };
    let abandoned = || cluster.ranges.commands().iter().filter(|sent| is_abandon(sent)).count();
    drop(stage().await);
    settle().await;
    assert_eq!(abandoned(), 1);

    let staged = stage().await;
    cluster.engine.put_object(&bucket, &staged, PutObjectRequest::default()).await.unwrap();
    drop(staged);
    settle().await;
    assert_eq!(abandoned(), 1);

    // A refusal is a known outcome: nothing names the blob.
    let staged = stage().await;
    let put = PutObjectRequest { condition: if_absent(), ..PutObjectRequest::default() };
    let refused = cluster.engine.put_object(&bucket, &staged, put).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::PreconditionFailed))));
    drop(staged);
    settle().await;
    assert_eq!(abandoned(), 2);
    assert_eq!(get(&cluster.engine, &bucket, "k").await.unwrap(), body);
}

#[tokio::test]
async fn conditions_hold() {
    let cluster = FakeCluster::new(&SMALL);
    let (engine, bucket) = (&cluster.engine, bucket(&cluster.engine, "bucket").await);
    let put_if = async |body: &Bytes, condition: Precondition| {
        let mut source = Pieces::cut(body, 1000, None);
        let staged = engine.stage(&bucket, &key("k"), &mut source).await.unwrap();
        engine.put_object(&bucket, &staged, PutObjectRequest { condition, ..PutObjectRequest::default() }).await
    };
    let (first, second) = (bytes(1, 5000), bytes(2, 5000));
    let etag = |written: &couronne_gateway::engine::Written| Precondition {
        if_match: Some(EtagSet::Tags(vec![written.etag])),
        ..Precondition::default()
    };
    let one = put_if(&first, if_absent()).await.unwrap();
    assert!(matches!(put_if(&second, if_absent()).await, Err(EngineError::Refused(Refusal::PreconditionFailed))));
    assert_eq!(get(engine, &bucket, "k").await.unwrap(), first);
    let two = put_if(&second, etag(&one)).await.unwrap();
    assert!(two.ordinal > one.ordinal);
    assert!(matches!(put_if(&first, etag(&one)).await, Err(EngineError::Refused(Refusal::PreconditionFailed))));
    assert_eq!(get(engine, &bucket, "k").await.unwrap(), second);
}

#[tokio::test]
async fn versions_are_kept_read_and_removed() {
    let cluster = FakeCluster::new(&SMALL);
    let engine = &cluster.engine;
    let mut asked = create("bucket", "alice");
    asked.versioning = Versioning::Enabled;
    let bucket = engine.create_bucket(asked).await.unwrap();
    let (first, second) = (bytes(1, 100_000), bytes(2, 50));
    let one = put(engine, &bucket, "k", &first).await.unwrap();
    let two = put(engine, &bucket, "k", &second).await.unwrap();
    let deleted = engine.delete(&bucket, &key("k"), DeleteObjectRequest::default()).await.unwrap();
    let marker = deleted.marker.unwrap();
    assert!(matches!(
        get(engine, &bucket, "k").await,
        Err(EngineError::Refused(Refusal::NoSuchKey) | EngineError::DeleteMarker { .. })
    ));
    let named = engine.open(&bucket, &key("k"), Some(marker)).await.err();
    assert!(matches!(named, Some(EngineError::DeleteMarker { version, .. }) if version == marker), "{named:?}");
    assert_eq!(get_version(engine, &bucket, "k", one.version).await.unwrap(), first);
    assert_eq!(get_version(engine, &bucket, "k", two.version).await.unwrap(), second);
    let gone = DeleteObjectRequest { version: Some(two.version), ..DeleteObjectRequest::default() };
    engine.delete(&bucket, &key("k"), gone).await.unwrap();
    let missing = get_version(engine, &bucket, "k", two.version).await;
    assert!(matches!(missing, Err(EngineError::Refused(Refusal::NoSuchVersion))), "{missing:?}");
    assert!(matches!(two.version, VersionId::Ordinal(_)));
}

#[tokio::test]
async fn a_copy_is_equal_and_its_own() {
    let cluster = FakeCluster::new(&SMALL);
    let (engine, bucket) = (&cluster.engine, bucket(&cluster.engine, "bucket").await);
    let body = bytes(9, 700_001);
    let written = put(engine, &bucket, "from", &body).await.unwrap();
    let handle = engine.open(&bucket, &key("from"), None).await.unwrap();
    let mut source = handle.body(0..700_001, Some(ChecksumAlgorithm::Sha256)).await.unwrap();
    let staged = engine.stage(&bucket, &key("to"), &mut source).await.unwrap();
    let copied = engine.put_object(&bucket, &staged, PutObjectRequest::default()).await.unwrap();
    assert_eq!(copied.etag, written.etag);
    assert_eq!(copied.checksum.unwrap().value.len(), 32);
    engine.delete(&bucket, &key("from"), DeleteObjectRequest::default()).await.unwrap();
    assert_eq!(get(engine, &bucket, "to").await.unwrap(), body);
}

#[tokio::test]
async fn usage_is_what_is_there() {
    let cluster = FakeCluster::new(&SMALL);
    let (engine, bucket) = (&cluster.engine, bucket(&cluster.engine, "bucket").await);
    cluster.ranges.cut(bucket.entry.id, b"m");
    for at in ["a", "b", "x"] {
        put(engine, &bucket, at, &bytes(1, 1000)).await.unwrap();
    }
    engine.delete(&bucket, &key("b"), DeleteObjectRequest::default()).await.unwrap();
    for subject in [Subject::Bucket(bucket.entry.id), Subject::Account(bucket.entry.account.clone())] {
        let usage = Usage::sum(engine.usage(&subject).await.unwrap().values());
        assert_eq!(usage, Usage { objects: 2, bytes: 2000, ..Usage::default() }, "{subject:?}");
    }
}

/// Lets spawned tasks run.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn is_abandon(request: &couronne_metadata::command::CommandRequest) -> bool {
    matches!(request.command, couronne_metadata::command::Command::Abandon { .. })
}

/// A verb that was allowed because of what stood with an object reads or changes that object as it was then, or says that
/// it is another by now.
#[tokio::test]
async fn what_was_decided_by_one_version_touches_no_other() {
    let cluster = FakeCluster::new(&SMALL);
    let (engine, at) = (&cluster.engine, key("key"));
    let bucket = bucket(engine, "bucket").await;
    put(engine, &bucket, "key", &Bytes::from_static(b"one")).await.unwrap();
    let decided = async || {
        let record = engine.record_of(&bucket, &at, None).await.unwrap();
        let found = record.map(|record| (record.ordinal, record.attributes.revision));
        bucket.decided_by(Some((at.clone(), SeenVersion { version: None, found })))
    };
    let tag = async |bucket: &_, value: &str| {
        let change = AttributeChange::Tags(vec![("class".into(), value.into())]);
        engine.update_attributes(bucket, &at, None, change, false).await
    };
    let first = decided().await;
    assert_eq!(get(engine, &first, "key").await.unwrap(), "one");
    tag(&bucket, "secret").await.unwrap();
    assert!(matches!(get(engine, &first, "key").await, Err(EngineError::StaleRules)));
    assert!(matches!(tag(&first, "public").await, Err(EngineError::StaleRules)));
    let second = decided().await;
    assert_eq!(get(engine, &second, "key").await.unwrap(), "one");
    put(engine, &bucket, "key", &Bytes::from_static(b"two")).await.unwrap();
    assert!(matches!(get(engine, &second, "key").await, Err(EngineError::StaleRules)));
    let deleted = engine.delete(&second, &at, DeleteObjectRequest::default()).await;
    assert!(matches!(deleted, Err(EngineError::StaleRules)));
    // Of another key nothing was decided.
    put(engine, &bucket, "another", &Bytes::from_static(b"three")).await.unwrap();
    assert_eq!(get(engine, &second, "another").await.unwrap(), "three");
    let third = decided().await;
    engine.delete(&third, &at, DeleteObjectRequest::default()).await.unwrap();
    assert!(matches!(get(engine, &third, "key").await, Err(EngineError::StaleRules)));
    let absent = decided().await;
    assert!(matches!(get(engine, &absent, "key").await, Err(EngineError::Refused(Refusal::NoSuchKey))));
}
