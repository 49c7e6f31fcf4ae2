//! Operation x credential place x payload mode x defect, generated from the table of operations, over HTTP/1 and HTTP/2:
//! whatever is wrong with a request, it is denied and touches no data.
//!
//! Source: MinIO CVE-2025-31489, 2026-40344, 2026-41145; Swift CVE-2026-71191; RustFS GHSA-g8w9-qw9q-fghr.

use couronne_metadata::command::CommandRequest;

use super::client::{Ask, Defect, PayloadMode, Place};
use super::{Answer, FrontSettings, S3, S3Server, ServerSettings};
use crate::s3::operation::{Entry, Operation};
use crate::s3::route::{Level, Selector};

const PLACES: [Place; 2] = [Place::Header, Place::Query];
const MODES: [PayloadMode; 5] = [
    PayloadMode::Unsigned,
    PayloadMode::Signed,
    PayloadMode::Chunks,
    PayloadMode::ChunksTrailer,
    PayloadMode::UnsignedTrailer,
];
/// What the object holds that no defective request may learn or change: nothing that a request says itself.
const KEPT: &str = "kept from others";
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
    Defect::Unjoined,
];

/// All operations but that of a form, which is signed in its fields (`forms/`).
fn signed_in_the_head() -> impl Iterator<Item = &'static Operation> {
    Operation::ALL.iter().filter(|operation| **operation != Operation::PostObject)
}

/// A well-formed request for each operation, from its entry in the table: method, target, headers, body.
fn example(
    operation: Operation,
    upload: &str,
) -> (&'static str, String, Vec<(&'static str, &'static str)>, &'static str) {
    use Operation as Op;
    let Entry { method, level, selector, .. } = *operation.entry();
    let path = match (operation, level, selector.sub_resource()) {
        // Some write beside what the others need.
        (Op::CreateBucket, ..) => "/new",
        (Op::CopyObject, ..) => "/bkt/k2",
        (Op::CreateMultipartUpload, ..) => "/bkt/m2",
        (_, Level::Object, Some("uploadId")) => "/bkt/m",
        (_, Level::Service | Level::Control, _) => "/",
        (_, Level::Account, _) => "/v20180820/configuration/publicAccessBlock",
        (_, Level::Resource, _) => "/v20180820/tags/arn%3Aaws%3As3%3A%3A%3Abkt",
        (_, Level::Bucket, _) => "/bkt",
        (_, Level::Object, _) => "/bkt/k",
    };
    let query = match (operation, selector) {
        (Op::UploadPart | Op::UploadPartCopy, _) => format!("?partNumber=1&uploadId={upload}"),
        (_, Selector::Sub("uploadId")) => format!("?uploadId={upload}"),
        (_, Selector::Parameter(name, value)) => format!("?{name}={value}"),
        (_, selector) => selector.sub_resource().map(|name| format!("?{name}")).unwrap_or_default(),
    };
    let headers = match (operation, selector) {
        (_, Selector::Header("x-amz-copy-source") | Selector::SubHeader(_, "x-amz-copy-source")) => {
            vec![("x-amz-copy-source", "/bkt/k")]
        }
        (Op::PutBucketAcl | Op::PutObjectAcl, _) => vec![("x-amz-acl", "private")],
        (Op::GetObjectAttributes, _) => vec![("x-amz-object-attributes", "ETag")],
        (Op::DeleteObjects, _) => vec![("content-md5", "5DKh5iefM5MSKvRILIuFwQ==")],
        _ => vec![],
    };
    (method, format!("{path}{query}"), headers, example_body(operation))
}

fn example_body(operation: Operation) -> &'static str {
    use Operation as Op;
    match operation {
        Op::PutObject => "new content",
        Op::UploadPart => "a part",
        Op::DeleteObjects => "<Delete><Object><Key>k</Key></Object></Delete>",
        Op::PutBucketVersioning => "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        Op::PutObjectLockConfiguration => {
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
        }
        Op::PutObjectTagging => "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
        Op::PutObjectRetention => {
            "<Retention><PayloadMode>GOVERNANCE</PayloadMode><RetainUntilDate>2040-01-01T00:00:00Z</RetainUntilDate></Retention>"
        }
        Op::TagResource => {
            "<TagResourceRequest><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags></TagResourceRequest>"
        }
        Op::PutObjectLegalHold => "<LegalHold><Status>ON</Status></LegalHold>",
        Op::CompleteMultipartUpload => {
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>\
             <ETag>\"5d41402abc4b2a76b9719d911017c592\"</ETag></Part></CompleteMultipartUpload>"
        }
        _ => "",
    }
}

struct Scene {
    server: S3Server,
    upload: String,
    /// The owner's account.
    number: String,
}

impl Scene {
    async fn new() -> Self {
        Self::on(S3Server::without_bucket(ServerSettings::default(), FrontSettings::default(), S3::default()).await)
            .await
    }

    async fn over_http2() -> Self {
        Self::on(S3Server::over_http2().await).await
    }

    async fn on(server: S3Server) -> Self {
        // With object lock, so that operations on locks go as far as their bodies.
        let create = server.ask("PUT", "/bkt").header("x-amz-bucket-object-lock-enabled", "true");
        assert_eq!(server.send(&create).await.status, 200);
        server.put("k", KEPT).await;
        let answer = server.send(&server.ask("POST", "/bkt/m?uploads")).await;
        let (_, after) = answer.text().split_once("<UploadId>").unwrap();
        let upload = after.split_once('<').unwrap().0.to_owned();
        let number = server.world.identity.account("acme").await.unwrap().number.to_string();
        Self { server, upload, number }
    }

    fn ask(&self, operation: Operation, place: Place, mode: PayloadMode, defect: Defect) -> Ask {
        let (method, target, headers, body) = example(operation, &self.upload);
        let mut ask = self.server.ask(method, &target).body(body).how(place, mode, defect);
        ask.headers.extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        if matches!(operation.entry().level, Level::Account | Level::Resource) {
            ask.headers.push(("x-amz-account-id".to_owned(), self.number.clone()));
        }
        if defect == Defect::Unjoined {
            ask.keys = self.server.world.other.clone();
        }
        ask
    }

    /// How much was changed so far.
    fn changes(&self) -> (usize, usize) {
        let cluster = &self.server.world.cluster;
        // That a key was used is noted in any case.
        let is_note = |sent: &CommandRequest| sent.key.as_str().starts_with("key-used/");
        (cluster.ranges.commands().iter().filter(|sent| !is_note(sent)).count(), cluster.drives.shards().len())
    }
}

#[tokio::test]
async fn a_defect_in_the_head_is_denied_and_touches_nothing() {
    deny_heads(Scene::new().await).await;
}

#[tokio::test]
async fn a_defect_in_the_head_is_denied_over_http2() {
    deny_heads(Scene::over_http2().await).await;
}

/// Whether the request was denied. A batch of deletions by a caller without rights is so key by key, as on S3.
fn is_denied(operation: Operation, defect: Defect, answer: &Answer) -> bool {
    let is_batch = operation == Operation::DeleteObjects && matches!(defect, Defect::Unjoined | Defect::Anonymous);
    let each_is_denied = || answer.code() == "AccessDenied" && !answer.text().contains("<Deleted>");
    answer.status == 403 || is_batch && answer.status == 200 && each_is_denied()
}

async fn deny_heads(scene: Scene) {
    let before = scene.changes();
    for operation in signed_in_the_head() {
        for place in PLACES {
            for mode in MODES {
                for defect in HEAD_DEFECTS {
                    // What belongs to no bucket belongs to the account that asks.
                    let own = matches!(operation, Operation::ListBuckets | Operation::CreateBucket);
                    if own && defect == Defect::Unjoined {
                        continue;
                    }
                    let answer = scene.server.send(&scene.ask(*operation, place, mode, defect)).await;
                    assert!(
                        is_denied(*operation, defect, &answer),
                        "{operation:?} {place:?} {mode:?} {defect:?}: {answer:?}"
                    );
                    assert!(!answer.text().contains(KEPT), "{operation:?} {place:?} {mode:?} {defect:?}");
                }
            }
        }
    }
    assert_eq!(scene.changes(), before);
    assert_eq!(scene.server.get("k").await.body, KEPT.as_bytes());
}

#[tokio::test]
async fn a_defect_in_the_body_is_refused_and_commits_nothing() {
    refuse_bodies(Scene::new().await).await;
}

#[tokio::test]
async fn a_defect_in_the_body_is_refused_over_http2() {
    refuse_bodies(Scene::over_http2().await).await;
}

async fn refuse_bodies(scene: Scene) {
    let before = scene.changes();
    for operation in signed_in_the_head() {
        for place in PLACES {
            for (mode, defect, code) in [
                (PayloadMode::Signed, Defect::OtherPayload, "XAmzContentSHA256Mismatch"),
                (PayloadMode::Chunks, Defect::OtherChunk, "SignatureDoesNotMatch"),
                (PayloadMode::ChunksTrailer, Defect::OtherChunk, "SignatureDoesNotMatch"),
                (PayloadMode::ChunksTrailer, Defect::OtherTrailer, "SignatureDoesNotMatch"),
            ] {
                let mut ask = scene.ask(*operation, place, mode, defect);
                if defect == Defect::OtherTrailer {
                    ask.trailer = Some(("x-amz-checksum-crc32".to_owned(), "NSRBwg==".to_owned()));
                }
                let head = ask.method == "HEAD";
                let answer = scene.server.send(&ask).await;
                assert!(matches!(answer.status, 400 | 403), "{operation:?} {place:?} {mode:?} {defect:?}: {answer:?}");
                assert!(head || answer.code() == code, "{operation:?} {place:?} {mode:?} {defect:?}: {answer:?}");
            }
        }
    }
    assert_eq!(scene.changes(), before);
    assert_eq!(scene.server.get("k").await.body, KEPT.as_bytes());
}

/// Version 2 signs fewer parameters: what it does not sign is denied, whatever else is right.
#[tokio::test]
async fn version_2_denies_what_it_does_not_sign() {
    deny_version_2(Scene::new().await).await;
    deny_version_2(Scene::over_http2().await).await;
}

async fn deny_version_2(scene: Scene) {
    let before = scene.changes();
    for operation in signed_in_the_head() {
        for defect in HEAD_DEFECTS {
            let own = matches!(operation, Operation::ListBuckets | Operation::CreateBucket);
            if (own && defect == Defect::Unjoined) || defect == Defect::UnsignedHost {
                continue;
            }
            let answer = scene.server.send(&scene.ask(*operation, Place::QueryV2, PayloadMode::Unsigned, defect)).await;
            assert!(is_denied(*operation, defect, &answer), "{operation:?} {defect:?}: {answer:?}");
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
        let answer =
            scene.server.send(&scene.ask(operation, Place::QueryV2, PayloadMode::Unsigned, Defect::None)).await;
        assert_eq!(answer.status, status, "{operation:?}: {answer:?}");
    }
}

/// Without this the tests above might pass because every request is denied.
#[tokio::test]
async fn without_a_defect_none_is_denied() {
    for place in PLACES {
        for mode in MODES {
            for scene in [Scene::new().await, Scene::over_http2().await] {
                for operation in signed_in_the_head() {
                    let answer = scene.server.send(&scene.ask(*operation, place, mode, Defect::None)).await;
                    let fine = answer.status != 403 && answer.status < 500;
                    assert!(fine, "{operation:?} {place:?} {mode:?}: {answer:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_copy_needs_both_its_buckets() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let mut create = server.ask("PUT", "/theirs");
    create.keys = server.world.other.clone();
    assert_eq!(server.send(&create).await.status, 200);
    for (target, source) in [("/theirs/x", "/bkt/k"), ("/bkt/x", "/theirs/x"), ("/bkt/x", "/theirs/none")] {
        for keys in [&server.world.owner, &server.world.other] {
            let mut copy = server.ask("PUT", target).header("x-amz-copy-source", source);
            copy.keys = keys.clone();
            let answer = server.send(&copy).await;
            assert_eq!(answer.code(), "AccessDenied", "{target} {source}");
        }
        let upload = format!("/bkt/m?partNumber=1&uploadId={}", scene.upload);
        let answer = server.send(&server.ask("PUT", &upload).header("x-amz-copy-source", "/theirs/x")).await;
        assert_eq!(answer.code(), "AccessDenied");
    }
}

#[tokio::test]
async fn a_copy_that_names_no_source_is_told_in_the_words_of_s3() {
    let scene = Scene::new().await;
    let server = &scene.server;
    for target in ["/bkt/x".to_owned(), format!("/bkt/m?partNumber=1&uploadId={}", scene.upload)] {
        for source in ["", "/", "//", "/aaa", "aaa", "aaa/"] {
            let answer = server.send(&server.ask("PUT", &target).header("x-amz-copy-source", source)).await;
            assert_eq!((answer.status, answer.code()), (400, "InvalidArgument"), "{target} {source}: {answer:?}");
            assert_eq!(
                answer.between("<Message>", "</Message>"),
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
            );
        }
    }
}

#[tokio::test]
async fn the_expected_owner_is_compared() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let account = server.world.identity.account("acme").await.unwrap().number;
    let with = |owner: &str| server.ask("GET", "/bkt/k").header("x-amz-expected-bucket-owner", owner);
    assert_eq!(server.send(&with(&account)).await.status, 200);
    assert_eq!(server.send(&with("111122223333")).await.code(), "AccessDenied");
    let copy = |owner: &str| {
        let copy = server.ask("PUT", "/bkt/k2").header("x-amz-copy-source", "/bkt/k");
        copy.header("x-amz-source-expected-bucket-owner", owner)
    };
    assert_eq!(server.send(&copy("111122223333")).await.code(), "AccessDenied");
    assert_eq!(server.send(&copy(&account)).await.status, 200);
}
