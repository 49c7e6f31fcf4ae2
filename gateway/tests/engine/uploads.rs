//! Multipart: parts of any size, inline or not, and ranges over them.

use couronne_base::testing::paused;
use couronne_gateway::engine::{BytesBody, CompleteUpload, CreateUpload, EngineError};
use couronne_gateway::testing::{FakeCluster, FakeShape};
use couronne_metadata::command::{CompletedPart, Precondition, Refusal};
use couronne_metadata::ids::PartNumber;
use proptest::prelude::*;

use super::support::*;

fn number(number: u16) -> PartNumber {
    PartNumber::new(number).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn parts_make_one_object(
        sizes in proptest::collection::vec(prop_oneof![1usize..3000, 1usize..300_000], 1..7),
        uniform: bool, gap in 1u16..4, at in any::<(u32, u32)>(), seed: u64,
    ) {
        let shape = FakeShape {
            chunk_bytes: 100_000, inline_bytes_max: 1000, copies_bytes_max: 5000, drives: 7, seed, ..FakeShape::default()
        };
        paused().block_on(async {
            let cluster = FakeCluster::new(&shape);
            let (engine, bucket) = (&cluster.engine, bucket(&cluster.engine, "bucket").await);
            let upload = engine.create_upload(&bucket, &key("k"), CreateUpload::default()).await.unwrap();
            let mut whole = Vec::new();
            let mut completed = Vec::new();
            for (index, size) in sizes.iter().enumerate() {
                let size = if uniform { sizes[0] } else { *size };
                let part = number(if uniform { index as u16 + 1 } else { index as u16 * gap + 1 });
                let body = bytes(seed ^ index as u64, size);
                let staged = engine.stage(&bucket, &key("k"), &mut BytesBody::new(body.clone())).await.unwrap();
                let written = engine.put_part(&bucket, &staged, upload, part).await.unwrap();
                whole.extend_from_slice(&body);
                completed.push(CompletedPart { number: part, etag: Some(written.etag), checksum: None });
            }
            let listed = engine.list_parts(&bucket, &key("k"), upload, 0, 1000).await.unwrap();
            prop_assert_eq!(listed.parts.len(), sizes.len());
            let complete = CompleteUpload {
                upload, parts: completed.clone(), checksum: None, size: None, part_bytes_min: 0,
                condition: Precondition::default(),
            };
            let written = engine.complete_upload(&bucket, &key("k"), complete.clone()).await.unwrap();
            prop_assert_eq!(written.size, whole.len() as u64);
            prop_assert_eq!(written.etag.parts, Some(sizes.len() as u16));
            let again = engine.complete_upload(&bucket, &key("k"), complete).await.unwrap();
            prop_assert_eq!(&again, &written);

            let handle = engine.open(&bucket, &key("k"), None).await.unwrap();
            let len = whole.len();
            prop_assert_eq!(read(&handle, 0..len as u64).await.unwrap(), &whole[..]);
            let (start, end) = (at.0 as usize % (len + 1), at.1 as usize % (len + 1));
            let (start, end) = (start.min(end), start.max(end));
            prop_assert_eq!(read(&handle, start as u64..end as u64).await.unwrap(), &whole[start..end]);
            let mut position = 0;
            // Parts are counted, whatever their numbers.
            for nth in 1..=completed.len() as u16 {
                let span = handle.part(number(nth)).await.unwrap().unwrap();
                prop_assert_eq!(span.range.start, position);
                prop_assert_eq!(span.count, Some(sizes.len() as u16));
                position = span.range.end;
            }
            prop_assert_eq!(position, len as u64);
            prop_assert_eq!(handle.part(number(completed.len() as u16 + 1)).await.unwrap(), None);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn an_upload_that_is_gone_is_no_such_upload() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let (engine, bucket) = (&cluster.engine, bucket(&cluster.engine, "bucket").await);
    let upload = engine.create_upload(&bucket, &key("k"), CreateUpload::default()).await.unwrap();
    assert!(engine.upload(&bucket, &key("k"), upload).await.is_ok());
    let staged = engine.stage(&bucket, &key("k"), &mut BytesBody::new(bytes(1, 100_000))).await.unwrap();
    engine.abort_upload(&bucket, &key("k"), upload).await.unwrap();
    let late = engine.put_part(&bucket, &staged, upload, number(1)).await;
    assert!(matches!(late, Err(EngineError::Refused(Refusal::NoSuchUpload))), "{late:?}");
    for gone in [
        engine.upload(&bucket, &key("k"), upload).await.err(),
        engine.list_parts(&bucket, &key("k"), upload, 0, 10).await.err(),
        engine.abort_upload(&bucket, &key("k"), upload).await.err(),
    ] {
        assert!(matches!(gone, Some(EngineError::Refused(Refusal::NoSuchUpload))), "{gone:?}");
    }
    engine.delete_bucket(&bucket).await.unwrap();
}

#[tokio::test]
async fn a_plain_object_is_its_own_part_one() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let (engine, bucket) = (&cluster.engine, bucket(&cluster.engine, "bucket").await);
    put(engine, &bucket, "k", &bytes(1, 10)).await.unwrap();
    let handle = engine.open(&bucket, &key("k"), None).await.unwrap();
    let span = handle.part(number(1)).await.unwrap().unwrap();
    assert_eq!((span.range, span.count), (0..10, None));
    assert_eq!(handle.part(number(2)).await.unwrap(), None);
    assert!(handle.parts(0, 10).await.unwrap().parts.is_empty());
}
