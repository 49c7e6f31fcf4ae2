//! Quotas of buckets: what does not fit is refused before its body is taken, and leaves nothing.

use couronne_gateway::engine::{
    Bucket, CreateUpload, DeleteObjectRequest, Engine, EngineError, PutObjectRequest, Written,
};
use couronne_gateway::testing::{FakeCluster, FakeShape};
use couronne_metadata::command::{Command, Refusal};
use couronne_metadata::ids::PartNumber;
use couronne_metadata::record::quota::Quota;
use couronne_metadata::usage::{Subject, Usage};

use super::support::*;

const QUOTA: u64 = 1_000_000;

/// A bucket that may hold so many bytes.
async fn bounded(cluster: &FakeCluster) -> Bucket {
    bucket(&cluster.engine, "bucket").await;
    let quota = Quota { bytes: Some(QUOTA), objects: None };
    cluster.engine.set_bucket_quota("bucket", Some(quota)).await.unwrap();
    cluster.engine.resolve_bucket("bucket").await.unwrap()
}

fn is_over<T>(done: &Result<T, EngineError>) -> bool {
    matches!(done, Err(EngineError::Refused(Refusal::QuotaExceeded)))
}

async fn held(engine: &Engine, bucket: &Bucket) -> i64 {
    Usage::sum(engine.usage(&Subject::Bucket(bucket.entry.id)).await.unwrap().values()).bytes
}

/// Puts a body that says how long it is, or does not; then how many of its pieces were not taken.
async fn put_pieces(
    engine: &Engine,
    bucket: &Bucket,
    len: usize,
    is_declared: bool,
) -> (Result<Written, EngineError>, usize) {
    let mut body = Pieces::cut(&bytes(1, len), 10_000, is_declared.then_some(len as u64));
    let done = match engine.stage(bucket, &key("new"), &mut body).await {
        Ok(staged) => engine.put_object(bucket, &staged, PutObjectRequest::default()).await,
        Err(error) => Err(error),
    };
    (done, body.pieces.len())
}

#[tokio::test]
async fn a_declared_length_over_what_is_left_is_refused_before_the_body_is_taken() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let (engine, bucket) = (&cluster.engine, bounded(&cluster).await);
    put(engine, &bucket, "old", &bytes(2, 600_000)).await.unwrap();
    let (refused, left) = put_pieces(engine, &bucket, 400_001, true).await;
    assert!(is_over(&refused), "{refused:?}");
    assert_eq!(left, 41, "no piece of the body was taken");
    assert_eq!(held(engine, &bucket).await, 600_000);
    put_pieces(engine, &bucket, 400_000, true).await.0.unwrap();
    assert_eq!(get(engine, &bucket, "new").await.unwrap(), bytes(1, 400_000));

    // What goes for it counts; what is deleted makes room at once.
    put(engine, &bucket, "old", &bytes(3, 600_000)).await.unwrap();
    assert!(is_over(&put(engine, &bucket, "old", &bytes(3, 600_001)).await));
    engine.delete(&bucket, &key("old"), DeleteObjectRequest::default()).await.unwrap();
    put(engine, &bucket, "other", &bytes(4, 600_000)).await.unwrap();
    engine.set_bucket_quota("bucket", None).await.unwrap();
    let bucket = engine.resolve_bucket("bucket").await.unwrap();
    put(engine, &bucket, "other", &bytes(5, 700_000)).await.unwrap();
}

#[tokio::test]
async fn what_is_found_too_long_in_the_end_is_abandoned() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let (engine, bucket) = (&cluster.engine, bounded(&cluster).await);
    put(engine, &bucket, "old", &bytes(2, 600_000)).await.unwrap();
    let (refused, left) = put_pieces(engine, &bucket, 400_001, false).await;
    assert!(is_over(&refused), "{refused:?}");
    assert_eq!(left, 0);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let abandoned =
        cluster.ranges.commands().iter().filter(|sent| matches!(sent.command, Command::Abandon { .. })).count();
    assert_eq!(abandoned, 1);
    assert!(get(engine, &bucket, "new").await.is_err());
    assert_eq!(held(engine, &bucket).await, 600_000);
}

#[tokio::test]
async fn a_part_takes_the_place_of_the_one_before() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let (engine, bucket) = (&cluster.engine, bounded(&cluster).await);
    let upload = engine.create_upload(&bucket, &key("k"), CreateUpload::default()).await.unwrap();
    let put_part = async |number: u16, len: usize| {
        let number = PartNumber::new(number).unwrap();
        let mut body = Pieces::cut(&bytes(u64::from(number.get()), len), 10_000, Some(len as u64));
        let staged = engine.stage_part(&bucket, &key("k"), (upload, number), &mut body).await?;
        engine.put_part(&bucket, &staged, upload, number).await.map(|_| ())
    };
    put_part(1, 700_000).await.unwrap();
    assert!(is_over(&put_part(2, 300_001).await));
    put_part(2, 300_000).await.unwrap();
    put_part(1, 700_000).await.unwrap();
    assert!(is_over(&put_part(1, 700_001).await));
    assert!(is_over(&put(engine, &bucket, "other", &bytes(2, 1)).await), "parts count");
    engine.abort_upload(&bucket, &key("k"), upload).await.unwrap();
    put(engine, &bucket, "other", &bytes(2, QUOTA as usize)).await.unwrap();
}

#[tokio::test]
async fn a_bucket_in_several_ranges_gets_no_quota() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let bucket = bucket(&cluster.engine, "bucket").await;
    cluster.ranges.cut(bucket.entry.id, b"m");
    let refused = cluster.engine.set_bucket_quota("bucket", Some(Quota { bytes: Some(1), objects: None })).await;
    assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{refused:?}");
    put(&cluster.engine, &bucket, "k", &bytes(1, 10)).await.unwrap();
}
