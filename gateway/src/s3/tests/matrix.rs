//! Operation x credential place x payload mode x defect, generated from the operations' enum: whatever
//! is wrong with a request, it is denied and touches no data.
//!
//! Source: MinIO CVE-2025-31489, 2026-40344, 2026-41145; Swift CVE-2026-71191; RustFS GHSA-g8w9-qw9q-fghr.

use super::client::{Ask, Defect, Mode, Place};
use super::{GatewaySettings, House, ServerSettings};
use crate::s3::operation::Operation;

const PLACES: [Place; 2] = [Place::Header, Place::Query];
const MODES: [Mode; 5] = [Mode::Unsigned, Mode::Signed, Mode::Chunks, Mode::ChunksTrailer, Mode::UnsignedTrailer];
/// Defects that the head alone shows.
const HEAD_DEFECTS: [Defect; 10] = [
    Defect::Anonymous,
    Defect::WrongSecret,
    Defect::UnknownKey,
    Defect::WrongSignature,
    Defect::UnsignedHeader,
    Defect::UnsignedHost,
    Defect::OtherPath,
    Defect::OtherQuery,
    Defect::Skewed,
    Defect::Stranger,
];

/// A well-formed request for each operation: method, target, headers, body.
#[rustfmt::skip]
fn example(operation: Operation, upload: &str) -> (&'static str, String, Vec<(&'static str, &'static str)>, &'static str) {
    use Operation as Op;
    let copy = vec![("x-amz-copy-source", "/bkt/k")];
    let (method, target, headers, body) = match operation {
        Op::ListBuckets => ("GET", "/".to_owned(), vec![], ""),
        Op::CreateBucket => ("PUT", "/new".into(), vec![], ""),
        Op::HeadBucket => ("HEAD", "/bkt".into(), vec![], ""),
        Op::DeleteBucket => ("DELETE", "/bkt".into(), vec![], ""),
        Op::GetBucketLocation => ("GET", "/bkt?location".into(), vec![], ""),
        Op::GetBucketVersioning => ("GET", "/bkt?versioning".into(), vec![], ""),
        Op::PutBucketVersioning => ("PUT", "/bkt?versioning".into(), vec![],
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        Op::GetBucketAcl => ("GET", "/bkt?acl".into(), vec![], ""),
        Op::PutBucketAcl => ("PUT", "/bkt?acl".into(), vec![("x-amz-acl", "private")], ""),
        Op::GetBucketOwnershipControls => ("GET", "/bkt?ownershipControls".into(), vec![], ""),
        Op::GetObjectLockConfiguration => ("GET", "/bkt?object-lock".into(), vec![], ""),
        Op::PutObjectLockConfiguration => ("PUT", "/bkt?object-lock".into(), vec![],
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"),
        Op::GetAbsentConfiguration => ("GET", "/bkt?policy".into(), vec![], ""),
        Op::DeleteAbsentConfiguration => ("DELETE", "/bkt?policy".into(), vec![], ""),
        Op::ListObjects => ("GET", "/bkt".into(), vec![], ""),
        Op::ListObjectsV2 => ("GET", "/bkt?list-type=2".into(), vec![], ""),
        Op::ListObjectVersions => ("GET", "/bkt?versions".into(), vec![], ""),
        Op::ListMultipartUploads => ("GET", "/bkt?uploads".into(), vec![], ""),
        Op::DeleteObjects => ("POST", "/bkt?delete".into(), vec![("content-md5", "5DKh5iefM5MSKvRILIuFwQ==")],
            "<Delete><Object><Key>k</Key></Object></Delete>"),
        Op::PutObject => ("PUT", "/bkt/k".into(), vec![], "new content"),
        Op::GetObject => ("GET", "/bkt/k".into(), vec![], ""),
        Op::HeadObject => ("HEAD", "/bkt/k".into(), vec![], ""),
        Op::DeleteObject => ("DELETE", "/bkt/k".into(), vec![], ""),
        Op::CopyObject => ("PUT", "/bkt/k2".into(), copy, ""),
        Op::GetObjectAttributes => ("GET", "/bkt/k?attributes".into(), vec![("x-amz-object-attributes", "ETag")], ""),
        Op::GetObjectAcl => ("GET", "/bkt/k?acl".into(), vec![], ""),
        Op::PutObjectAcl => ("PUT", "/bkt/k?acl".into(), vec![("x-amz-acl", "private")], ""),
        Op::GetObjectTagging => ("GET", "/bkt/k?tagging".into(), vec![], ""),
        Op::PutObjectTagging => ("PUT", "/bkt/k?tagging".into(), vec![],
            "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
        Op::DeleteObjectTagging => ("DELETE", "/bkt/k?tagging".into(), vec![], ""),
        Op::GetObjectRetention => ("GET", "/bkt/k?retention".into(), vec![], ""),
        Op::PutObjectRetention => ("PUT", "/bkt/k?retention".into(), vec![],
            "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2040-01-01T00:00:00Z</RetainUntilDate></Retention>"),
        Op::GetObjectLegalHold => ("GET", "/bkt/k?legal-hold".into(), vec![], ""),
        Op::PutObjectLegalHold => ("PUT", "/bkt/k?legal-hold".into(), vec![], "<LegalHold><Status>ON</Status></LegalHold>"),
        Op::CreateMultipartUpload => ("POST", "/bkt/m2?uploads".into(), vec![], ""),
        Op::UploadPart => ("PUT", format!("/bkt/m?partNumber=1&uploadId={upload}"), vec![], "a part"),
        Op::UploadPartCopy => ("PUT", format!("/bkt/m?partNumber=1&uploadId={upload}"), copy, ""),
        Op::CompleteMultipartUpload => ("POST", format!("/bkt/m?uploadId={upload}"), vec![],
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"5d41402abc4b2a76b9719d911017c592\"</ETag></Part></CompleteMultipartUpload>"),
        Op::AbortMultipartUpload => ("DELETE", format!("/bkt/m?uploadId={upload}"), vec![], ""),
        Op::ListParts => ("GET", format!("/bkt/m?uploadId={upload}"), vec![], ""),
    };
    (method, target, headers, body)
}

struct Scene {
    house: House,
    upload: String,
}

impl Scene {
    async fn new() -> Self {
        // With object lock, so that operations on locks go as far as their bodies.
        let house = House::without_bucket(ServerSettings::default(), GatewaySettings::default(), None).await;
        let create = house.ask("PUT", "/bkt").header("x-amz-bucket-object-lock-enabled", "true");
        assert_eq!(house.send(&create).await.status, 200);
        house.put("k", "content").await;
        let answer = house.send(&house.ask("POST", "/bkt/m?uploads")).await;
        let (_, after) = answer.text().split_once("<UploadId>").unwrap();
        let upload = after.split_once('<').unwrap().0.to_owned();
        Self { house, upload }
    }

    fn ask(&self, operation: Operation, place: Place, mode: Mode, defect: Defect) -> Ask {
        let (method, target, headers, body) = example(operation, &self.upload);
        let mut ask = self.house.ask(method, &target).body(body).how(place, mode, defect);
        ask.headers.extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        if defect == Defect::Stranger {
            ask.keys = self.house.stranger.clone();
        }
        ask
    }

    /// How much was changed so far.
    fn changes(&self) -> (usize, usize) {
        (self.house.cluster.ranges.commands().len(), self.house.cluster.drives.shards().len())
    }
}

#[tokio::test]
async fn a_defect_in_the_head_is_denied_and_touches_nothing() {
    let scene = Scene::new().await;
    let before = scene.changes();
    for operation in Operation::ALL {
        for place in PLACES {
            for mode in MODES {
                for defect in HEAD_DEFECTS {
                    // What belongs to no bucket belongs to whoever asks.
                    let own = matches!(operation, Operation::ListBuckets | Operation::CreateBucket);
                    if own && defect == Defect::Stranger {
                        continue;
                    }
                    let answer = scene.house.send(&scene.ask(*operation, place, mode, defect)).await;
                    assert_eq!(answer.status, 403, "{operation:?} {place:?} {mode:?} {defect:?}: {answer:?}");
                    assert!(!answer.text().contains("content"), "{operation:?} {place:?} {mode:?} {defect:?}");
                }
            }
        }
    }
    assert_eq!(scene.changes(), before);
    assert_eq!(scene.house.get("k").await.body, b"content");
}

#[tokio::test]
async fn a_defect_in_the_body_is_refused_and_commits_nothing() {
    let scene = Scene::new().await;
    let before = scene.changes();
    for operation in Operation::ALL {
        for place in PLACES {
            for (mode, defect, code) in [
                (Mode::Signed, Defect::OtherPayload, "XAmzContentSHA256Mismatch"),
                (Mode::Chunks, Defect::OtherChunk, "SignatureDoesNotMatch"),
                (Mode::ChunksTrailer, Defect::OtherChunk, "SignatureDoesNotMatch"),
                (Mode::ChunksTrailer, Defect::OtherTrailer, "SignatureDoesNotMatch"),
            ] {
                let mut ask = scene.ask(*operation, place, mode, defect);
                if defect == Defect::OtherTrailer {
                    ask.trailer = Some(("x-amz-checksum-crc32".to_owned(), "NSRBwg==".to_owned()));
                }
                let head = ask.method == "HEAD";
                let answer = scene.house.send(&ask).await;
                assert!(matches!(answer.status, 400 | 403), "{operation:?} {place:?} {mode:?} {defect:?}: {answer:?}");
                assert!(head || answer.code() == code, "{operation:?} {place:?} {mode:?} {defect:?}: {answer:?}");
            }
        }
    }
    assert_eq!(scene.changes(), before);
    assert_eq!(scene.house.get("k").await.body, b"content");
}

/// Version 2 signs fewer parameters: what it does not sign is denied, whatever else is right.
#[tokio::test]
async fn version_2_denies_what_it_does_not_sign() {
    let scene = Scene::new().await;
    let before = scene.changes();
    for operation in Operation::ALL {
        for defect in HEAD_DEFECTS {
            let own = matches!(operation, Operation::ListBuckets | Operation::CreateBucket);
            if (own && defect == Defect::Stranger) || defect == Defect::UnsignedHost {
                continue;
            }
            let answer = scene.house.send(&scene.ask(*operation, Place::QueryV2, Mode::Unsigned, defect)).await;
            assert_eq!(answer.status, 403, "{operation:?} {defect:?}: {answer:?}");
        }
    }
    assert_eq!(scene.changes(), before);
    for (operation, status) in [
        (Operation::GetObject, 200),
        (Operation::PutObject, 200),
        (Operation::ListParts, 200),
        (Operation::GetObjectLegalHold, 403),
        (Operation::GetObjectAttributes, 403),
        (Operation::ListObjectsV2, 403),
    ] {
        let answer = scene.house.send(&scene.ask(operation, Place::QueryV2, Mode::Unsigned, Defect::None)).await;
        assert_eq!(answer.status, status, "{operation:?}: {answer:?}");
    }
}

/// Without this the tests above might pass because every request is denied.
#[tokio::test]
async fn without_a_defect_none_is_denied() {
    for place in PLACES {
        for mode in MODES {
            let scene = Scene::new().await;
            for operation in Operation::ALL {
                let answer = scene.house.send(&scene.ask(*operation, place, mode, Defect::None)).await;
                assert!(answer.status != 403 && answer.status < 500, "{operation:?} {place:?} {mode:?}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_copy_needs_both_its_buckets() {
    let scene = Scene::new().await;
    let house = &scene.house;
    let mut create = house.ask("PUT", "/theirs");
    create.keys = house.stranger.clone();
    assert_eq!(house.send(&create).await.status, 200);
    for (target, source) in [("/theirs/x", "/bkt/k"), ("/bkt/x", "/theirs/x"), ("/bkt/x", "/theirs/none")] {
        for keys in [&house.owner, &house.stranger] {
            let mut copy = house.ask("PUT", target).header("x-amz-copy-source", source);
            copy.keys = keys.clone();
            let answer = house.send(&copy).await;
            assert_eq!(answer.code(), "AccessDenied", "{target} {source}");
        }
        let upload = format!("/bkt/m?partNumber=1&uploadId={}", scene.upload);
        let answer = house.send(&house.ask("PUT", &upload).header("x-amz-copy-source", "/theirs/x")).await;
        assert_eq!(answer.code(), "AccessDenied");
    }
}

#[tokio::test]
async fn the_expected_owner_is_compared() {
    let scene = Scene::new().await;
    let house = &scene.house;
    let account = house.gateway.identity.account("acme").await.unwrap().id;
    let with = |owner: &str| house.ask("GET", "/bkt/k").header("x-amz-expected-bucket-owner", owner);
    assert_eq!(house.send(&with(&account)).await.status, 200);
    assert_eq!(house.send(&with("111122223333")).await.code(), "AccessDenied");
    let copy = |owner: &str| {
        let copy = house.ask("PUT", "/bkt/k2").header("x-amz-copy-source", "/bkt/k");
        copy.header("x-amz-source-expected-bucket-owner", owner)
    };
    assert_eq!(house.send(&copy("111122223333")).await.code(), "AccessDenied");
    assert_eq!(house.send(&copy(&account)).await.status, 200);
}
