//! One meaning passed off as another: merged and repeated parameters, line breaks in values, forwarded addresses.

use super::client::{Ask, Defect, PayloadMode, Place, encode};
use super::*;

/// A URL presigned with version 2.
fn version_2(ask: Ask) -> Ask {
    ask.how(Place::QueryV2, PayloadMode::Unsigned, Defect::None)
}

/// A bucket that keeps versions, with an old one of `k` (its id) and a newer one.
async fn two_versions() -> (S3Server, String) {
    let server = S3Server::new().await;
    let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(server.send(&server.ask("PUT", "/bkt?versioning").body(versioning)).await.status, 200);
    let answer = server.send(&server.ask("PUT", "/bkt/k").body("old")).await;
    let version = answer.header("x-amz-version-id").unwrap().to_owned();
    server.put("k", "new").await;
    (server, version)
}

#[tokio::test]
async fn parameters_of_version_2_are_not_merged() {
    let (server, version) = two_versions().await;
    let target = format!("/bkt/k?response-content-disposition=attachment&versionId={version}");
    let ask = version_2(server.ask("GET", &target));
    assert_eq!(server.send(&ask).await.body, b"old");
    let wire = String::from_utf8(ask.wire()).unwrap();
    let merged = wire.replacen("attachment&versionId=", "attachment%26versionId%3D", 1);
    assert_ne!(merged, wire);
    let answer = server.send_raw(merged.as_bytes()).await;
    assert_eq!((answer.status, answer.code()), (403, "AccessDenied"), "{answer:?}");

    // A part of an upload is not made a copy over the key that is there.
    let answer = server.send(&server.ask("POST", "/bkt/k?uploads")).await;
    let upload = answer.between("<UploadId>", "</UploadId>").to_owned();
    let copy =
        server.ask("PUT", &format!("/bkt/k?partNumber=1&uploadId={upload}")).header("x-amz-copy-source", "/bkt/k");
    let wire = String::from_utf8(version_2(copy).wire()).unwrap();
    let merged = wire.replacen("1&uploadId=", "1%26uploadId%3D", 1);
    assert_eq!(server.send_raw(merged.as_bytes()).await.code(), "AccessDenied");
    assert_eq!(server.send_raw(wire.as_bytes()).await.status, 200);
    assert_eq!(server.get("k").await.body, b"new");
}

#[tokio::test]
async fn a_parameter_has_one_value() {
    let (server, version) = two_versions().await;
    let twice = |place: Place, second: &str| {
        let target = format!("/bkt/k?versionId={version}&versionId={second}");
        server.ask("GET", &target).how(place, PayloadMode::Unsigned, Defect::None)
    };
    for place in [Place::Header, Place::Query, Place::QueryV2] {
        let answer = server.send(&twice(place, "null")).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidArgument"), "{place:?} {answer:?}");
    }
    assert_eq!(server.send(&twice(Place::QueryV2, &version)).await.code(), "AccessDenied");
}

#[tokio::test]
async fn no_operation_passes_over_a_version_or_a_part() {
    let (server, version) = two_versions().await;
    let commands = server.world.cluster.ranges.commands().len();
    for (method, target) in [
        ("PUT", format!("/bkt/k?versionId={version}")),
        ("PUT", "/bkt/k?partNumber=1".to_owned()),
        ("POST", format!("/bkt/k?uploads&versionId={version}")),
        ("POST", format!("/bkt?delete&versionId={version}")),
        ("DELETE", format!("/bkt?versionId={version}")),
        ("DELETE", "/bkt/k?partNumber=1".to_owned()),
    ] {
        for headers in [&[][..], &[("x-amz-copy-source", "/bkt/k")]] {
            for place in [Place::Header, Place::Query, Place::QueryV2] {
                let mut ask = server.ask(method, &target).how(place, PayloadMode::Unsigned, Defect::None);
                ask.headers.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
                let answer = server.send(&ask).await;
                assert_eq!((answer.status, answer.code()), (400, "InvalidArgument"), "{method} {target}: {answer:?}");
            }
        }
    }
    assert_eq!(server.world.cluster.ranges.commands().len(), commands);
    assert_eq!(server.get("k").await.body, b"new");
}

#[tokio::test]
async fn values_may_hold_ampersands_and_equal_signs() {
    let server = S3Server::new().await;
    server.put("a%26b%3Dc", "content").await;
    let disposition = "attachment; filename=\"a&b=c&d\"";
    for place in [Place::Header, Place::Query, Place::QueryV2] {
        let get = server.ask("GET", "/bkt/a%26b%3Dc").hoisted("response-content-disposition", disposition);
        let answer = server.send(&get.how(place, PayloadMode::Unsigned, Defect::None)).await;
        assert_eq!(answer.header("content-disposition"), Some(disposition), "{place:?} {answer:?}");
        assert_eq!(answer.body, b"content");
        if place != Place::QueryV2 {
            let list = server.ask("GET", "/bkt").hoisted("prefix", "a&b=").hoisted("x-id", "a=b&c");
            let answer = server.send(&list.how(place, PayloadMode::Unsigned, Defect::None)).await;
            assert!(answer.text().contains("<Key>a&amp;b=c</Key>"), "{place:?} {answer:?}");
        }
    }
    // Taken apart, they are other parameters than were signed.
    for place in [Place::Query, Place::Header] {
        let get = server.ask("GET", "/bkt/k").hoisted("response-content-disposition", "a&versionId=null");
        let wire = String::from_utf8(get.how(place, PayloadMode::Unsigned, Defect::None).wire()).unwrap();
        let apart = wire.replacen("a%26versionId%3Dnull", "a&versionId=null", 1);
        assert_eq!(server.send_raw(apart.as_bytes()).await.code(), "SignatureDoesNotMatch", "{place:?}");
    }
}

#[tokio::test]
async fn no_value_breaks_a_line() {
    let server = S3Server::new().await;
    server.put("k", "content").await;
    let evil = encode("a\r\nx-evil: 1");
    for parameter in [
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
    ] {
        for value in [evil.clone(), encode("a\nx-evil:1"), encode("a\rx-evil:1"), encode("a\0"), encode("a\u{7f}")] {
            for place in [Place::Header, Place::Query, Place::QueryV2] {
                let ask = server.ask("GET", &format!("/bkt/k?{parameter}={value}"));
                let answer = server.send(&ask.how(place, PayloadMode::Unsigned, Defect::None)).await;
                assert_eq!((answer.status, answer.code()), (400, "InvalidArgument"), "{parameter}={value}: {answer:?}");
                assert_eq!(answer.header("x-evil"), None);
            }
        }
    }
    for name in ["x-amz-meta-a", "x-amz-website-redirect-location", "x-amz-tagging", "x-amz-meta-a%0d%0ax-evil"] {
        let mut ask = server.ask("PUT", &format!("/bkt/evil?{name}={evil}")).body("x");
        ask = ask.how(Place::Query, PayloadMode::Unsigned, Defect::None);
        let answer = server.send(&ask).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidArgument"), "{name}: {answer:?}");
    }
    assert_eq!(server.get("evil").await.status, 404);
    // A key may hold them: no header of an answer does.
    let created = server.send(&server.ask("PUT", &format!("/bkt/{evil}")).body("x")).await;
    assert_eq!((created.status, created.header("x-evil")), (200, None));
}
