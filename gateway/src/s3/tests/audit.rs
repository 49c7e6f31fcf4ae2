//! What the audit says of requests: every operation kind by every way in which it ends.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::bodies::crc32;
use super::client::{Defect, PayloadMode, Place};
use super::*;
use crate::audit::AuditSettings;
use crate::audit::tests::Audited;
use couronne_base::network::Network;

/// A server with an audit, and a bucket `bkt` of the owner's that was made before the audit began.
struct AuditedServer {
    server: S3Server,
    audited: Audited,
}

impl AuditedServer {
    async fn start(settings: AuditSettings, server: ServerSettings) -> Self {
        let mut world = World::new().await;
        world.bucket("bkt", "acme").await;
        let audited = Audited::start(settings, world.cluster.env.clone());
        world.audit = audited.audit.clone();
        let listener = listen(world.gateway(S3::default(), FrontSettings::default()), server, None).await;
        Self { server: S3Server { world, listener, http2: None }, audited }
    }

    async fn new() -> Self {
        Self::start(AuditSettings::default(), ServerSettings::default()).await
    }

    /// Sends a request, which ends with this status; its event.
    async fn event(&self, number: usize, ask: &Ask, status: u16) -> Value {
        let answer = self.server.send(ask).await;
        assert_eq!(answer.status, status, "{answer:?}");
        let event = self.audited.events(number).await.pop().unwrap();
        assert_eq!(event["id"].as_str(), answer.header("x-amz-request-id"), "{event:#}");
        assert_eq!(event["status"], status);
        event
    }
}

/// Whether an event has what a pattern has.
fn fits(event: &Value, pattern: &Value) -> bool {
    match (event, pattern) {
        (Value::Object(event), Value::Object(pattern)) => {
            pattern.iter().all(|(name, value)| fits(event.get(name).unwrap_or(&Value::Null), value))
        }
        (event, pattern) => event == pattern,
    }
}

fn check(event: &Value, pattern: &Value) {
    assert!(fits(event, pattern), "{event:#}\ndoes not fit {pattern:#}");
}

#[tokio::test]
async fn every_kind_of_request_by_every_way_it_ends() {
    let audited = AuditedServer::new().await;
    let server = &audited.server;
    let (owner, other) = (&server.world.owner, &server.world.other);
    let ask = |method: &str, target: &str| server.ask(method, target);
    let of_other = |mut ask: Ask| {
        ask.keys = other.clone();
        ask
    };
    let how = |ask: Ask, defect| ask.how(Place::Header, PayloadMode::Signed, defect);
    let number = server.world.identity.account("acme").await.unwrap().number;
    let user = json!({
        "kind": "user", "account": number, "account_name": "acme", "access_key": owner.access_key,
        "arn": format!("arn:aws:iam::{number}:user/user"),
    });
    let unknown = |key: &str| json!({ "kind": "unknown", "claimed_access_key": key });
    let allowed = json!({ "effect": "allow" });
    let on_k = json!({ "bucket": "bkt", "key": "k" });
    let rows = [
        (
            ask("PUT", "/bkt/k").body("x"),
            200,
            json!({
                "operation": "PutObject", "action": "s3:PutObject", "kind": "change", "outcome": "done", "who": user,
                "what": on_k, "decision": allowed, "received_bytes": 1, "face": "s3", "event": "request",
            }),
        ),
        (
            of_other(ask("PUT", "/bkt/k").body("x")),
            403,
            json!({
                "operation": "PutObject", "outcome": "denied", "code": "AccessDenied", "what": on_k,
                "who": { "kind": "user", "account_name": "other" },
                "decision": { "effect": "deny", "reason": "no policy and no ACL of the resource allows it" },
            }),
        ),
        (
            of_other(ask("GET", "/bkt/k")),
            403,
            json!({
                "operation": "GetObject", "kind": "read", "outcome": "denied", "decision": { "effect": "deny" },
            }),
        ),
        (
            how(ask("GET", "/bkt/k"), Defect::Anonymous),
            403,
            json!({
                "operation": "GetObject", "outcome": "denied", "who": { "kind": "anonymous" },
            }),
        ),
        (
            how(ask("PUT", "/bkt/k").body("x"), Defect::WrongSecret),
            403,
            json!({
                "operation": "PutObject", "kind": "change", "outcome": "denied", "code": "SignatureDoesNotMatch",
                "what": on_k, "who": unknown(&owner.access_key), "decision": null,
            }),
        ),
        (
            how(ask("GET", "/bkt/k"), Defect::UnknownKey),
            403,
            json!({
                "operation": "GetObject", "kind": "read", "outcome": "denied", "code": "InvalidAccessKeyId",
                "who": { "kind": "unknown" },
            }),
        ),
        (
            how(ask("PUT", "/bkt/k").body("x"), Defect::OtherPayload),
            400,
            json!({
                "operation": "PutObject", "outcome": "failed", "code": "XAmzContentSHA256Mismatch", "who": user,
                "decision": allowed,
            }),
        ),
        (
            ask("PUT", "/none/k").body("x"),
            404,
            json!({
                "operation": "PutObject", "outcome": "failed", "code": "NoSuchBucket", "what": { "bucket": "none" },
            }),
        ),
        (
            ask("PUT", "/bkt/k").header("x-amz-expected-bucket-owner", "111122223333").body("x"),
            403,
            json!({
                "operation": "PutObject", "outcome": "denied",
                "decision": { "effect": "deny", "reason": "the bucket is not what the request demands" },
            }),
        ),
        (
            ask("PUT", "/bkt/c").header("x-amz-copy-source", "/bkt/k%2521?versionId=null"),
            404,
            json!({
                "operation": "CopyObject", "outcome": "failed",
                "what": { "key": "c", "source": { "bucket": "bkt", "key": "k%21", "version": "null" } },
            }),
        ),
        (
            ask("DELETE", "/bkt/k?versionId=null"),
            204,
            json!({
                "operation": "DeleteObject", "action": "s3:DeleteObjectVersion", "outcome": "done",
                "what": { "key": "k", "version": "null" },
            }),
        ),
        (
            ask("PUT", "/bkt?website").body("x"),
            501,
            json!({ "kind": "unknown", "outcome": "failed", "code": "NotImplemented" }),
        ),
        (
            ask("PUT", "/new"),
            200,
            json!({
                "operation": "CreateBucket", "kind": "change", "outcome": "done", "what": { "bucket": "new" },
            }),
        ),
        (of_other(ask("DELETE", "/new")), 403, json!({ "operation": "DeleteBucket", "outcome": "denied" })),
    ];
    for (at, (ask, status, pattern)) in rows.iter().enumerate() {
        // A request that reads, between them, has none.
        server.send(&server.ask("GET", "/bkt?list-type=2")).await;
        check(&audited.event(at + 1, ask, *status).await, pattern);
    }
    let (events, text) = audited.audited.end().await;
    assert_eq!(events.len(), rows.len());
    for secret in [&owner.secret, &other.secret, "Signature=", "Credential=", "root secret"] {
        assert!(!text.contains(secret), "{secret} in the audit");
    }
}

#[tokio::test]
async fn each_step_of_a_multipart_upload_has_an_event() {
    let audited = AuditedServer::new().await;
    let server = &audited.server;
    let begun = server.send(&server.ask("POST", "/bkt/m?uploads")).await;
    let upload = begun.between("<UploadId>", "</UploadId>").to_owned();
    let part = server.ask("PUT", &format!("/bkt/m?partNumber=1&uploadId={upload}")).body("part");
    let event = audited.event(2, &part, 200).await;
    check(&event, &json!({ "operation": "UploadPart", "what": { "key": "m", "upload": upload } }));
    let tag = server.send(&part).await.header("etag").unwrap().to_owned();
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part></CompleteMultipartUpload>"
    );
    let complete = server.ask("POST", &format!("/bkt/m?uploadId={upload}")).body(&document);
    let event = audited.event(4, &complete, 200).await;
    check(&event, &json!({ "operation": "CompleteMultipartUpload", "outcome": "done", "what": { "upload": upload } }));
    let abort = server.ask("DELETE", "/bkt/m?uploadId=none");
    check(&audited.event(5, &abort, 404).await, &json!({ "operation": "AbortMultipartUpload", "outcome": "failed" }));
}

#[tokio::test]
async fn of_many_deletions_each_key_is_listed_with_its_result() {
    let audited = AuditedServer::new().await;
    let server = &audited.server;
    server.put("there", "x").await;
    let document = "<Delete><Object><Key>there</Key></Object><Object><Key>a&amp;&quot;b</Key></Object>\
                    <Object><Key>v</Key><VersionId>nonsense</VersionId></Object></Delete>";
    let ask = server.ask("POST", "/bkt?delete").header("x-amz-checksum-crc32", &crc32(document.as_bytes()));
    let event = audited.event(2, &ask.clone().body(document), 200).await;
    let objects = &event["what"]["objects"];
    check(&event, &json!({ "operation": "DeleteObjects", "outcome": "done", "what": { "bucket": "bkt" } }));
    assert_eq!(objects[0], json!({ "key": "there", "result": "OK" }));
    assert_eq!(objects[1], json!({ "key": "a&\"b", "result": "OK" }));
    assert_eq!((&objects[2]["key"], &objects[2]["version"]), (&json!("v"), &json!("nonsense")));
    assert_ne!(objects[2]["result"], "OK");

    // Another's keys are denied one by one.
    let mut theirs = ask.body(document);
    theirs.keys = server.world.other.clone();
    let event = audited.event(3, &theirs, 200).await;
    assert_eq!(event["what"]["objects"][0], json!({ "key": "there", "result": "AccessDenied" }));

    // Of long keys only so many are listed, and the others counted.
    let key = |number: usize| format!("{number:04}{}", "k".repeat(1_000));
    let objects: String = (0..1_000).map(|number| format!("<Object><Key>{}</Key></Object>", key(number))).collect();
    let document = format!("<Delete>{objects}</Delete>");
    let ask = server.ask("POST", "/bkt?delete").header("x-amz-checksum-crc32", &crc32(document.as_bytes()));
    let event = audited.event(4, &ask.body(&document), 200).await;
    let listed = event["what"]["objects"].as_array().unwrap();
    assert!(listed.len() > 100 && listed.iter().all(|object| object["result"] == "OK"), "{}", listed.len());
    assert_eq!(event["what"]["objects_omitted"], json!(1_000 - listed.len()));
    assert_eq!(listed[99]["key"], json!(key(99)));
}

#[tokio::test]
async fn a_request_whose_client_leaves_has_an_event_and_what_is_no_request_has_none() {
    let audited = AuditedServer::new().await;
    let server = &audited.server;
    let (head, _) = server.ask("PUT", "/bkt/k").body("never sent whole").head_and_body();
    let mut connection = wire::open(server.listener.address, &head).await;
    connection.write_all(b"never").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    drop(connection);
    let event = audited.audited.events(1).await.pop().unwrap();
    check(
        &event,
        &json!({ "operation": "PutObject", "kind": "change", "what": { "key": "k" }, "who": { "kind": "user" } }),
    );
    assert!(event["outcome"] == "abandoned" || event["outcome"] == "failed", "{event:#}");

    server.send_raw(b"PUT /bkt/\x7f HTTP/1.1\r\nhost: a\r\n\r\n").await;
    server.send_raw(b"GET /bkt/%zz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    // What nobody could read, and was meant to change something: its method and path are all that is known.
    server.send_raw(b"PUT /bkt/%zz?X-Amz-Signature=0 HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
    let events = audited.audited.events(2).await;
    assert_eq!(events.len(), 2);
    let http = json!({ "method": "PUT", "path": "/bkt/%zz" });
    check(&events[1], &json!({ "kind": "unknown", "outcome": "failed", "code": "InvalidURI", "http": http }));
    check(&events[1], &json!({ "who": { "kind": "unknown" }, "status": 400 }));
}

#[tokio::test]
async fn the_clients_address_is_the_one_that_a_trusted_proxy_names() {
    let trusted_proxies = vec![Network::parse("127.0.0.0/8").unwrap()];
    let proxied = ServerSettings { trusted_proxies, ..ServerSettings::default() };
    for (settings, client) in [(ServerSettings::default(), "127.0.0.1"), (proxied, "203.0.113.9")] {
        let audited = AuditedServer::start(AuditSettings::default(), settings).await;
        let agent = format!("agent \"with\\quotes\" {}", "x".repeat(1_000));
        let ask =
            audited.server.ask("PUT", "/bkt/k").header("x-forwarded-for", "203.0.113.9").header("user-agent", &agent);
        let event = audited.event(1, &ask.body("x"), 200).await;
        assert_eq!(event["whence"]["client"], client);
        let peer = event["whence"]["peer"].as_str().unwrap();
        assert!(peer.starts_with("127.0.0.1:"), "{peer}");
        let said = event["whence"]["user_agent"].as_str().unwrap();
        assert!(said.starts_with("agent \"with\\quotes\" xxx") && said.len() < 270, "{said}");
    }
}

#[tokio::test]
async fn reads_have_events_if_that_is_asked_for() {
    let audited =
        AuditedServer::start(AuditSettings { reads: true, ..AuditSettings::default() }, ServerSettings::default())
            .await;
    let server = &audited.server;
    let event = audited.event(1, &server.ask("GET", "/bkt/none"), 404).await;
    check(&event, &json!({ "operation": "GetObject", "kind": "read", "outcome": "failed", "code": "NoSuchKey" }));
    check(&event, &json!({ "decision": { "effect": "allow" }, "what": { "key": "none" } }));
    let list = server.ask("GET", "/bkt?list-type=2").how(Place::Query, PayloadMode::Unsigned, Defect::None);
    let event = audited.event(2, &list, 200).await;
    check(&event, &json!({ "operation": "ListObjectsV2", "action": "s3:ListBucket", "outcome": "done" }));
    assert!(event["sent_bytes"].as_u64().unwrap() > 0);
    let (_, text) = audited.audited.end().await;
    assert!(!text.contains("X-Amz-"), "{text}");
}

#[tokio::test]
async fn without_room_for_its_event_a_change_is_refused_and_nothing_done() {
    let settings = AuditSettings {
        on_full: crate::audit::OnFull::Refuse,
        queue_bytes_max: 0,
        // Longer than a request takes that comes between.
        wait_ms: 2_000,
        ..AuditSettings::default()
    };
    let audited = AuditedServer::start(settings, ServerSettings::default()).await;
    let server = &audited.server;
    // Two requests under way hold all of the room.
    let (head, body) = server.ask("PUT", "/bkt/k").body("slowly").head_and_body();
    let mut waiting = Vec::new();
    for _ in 0..2 {
        waiting.push(wire::open(server.listener.address, &head).await);
    }
    // Others are served until both have come.
    let mut number = 0;
    let refused = loop {
        let target = format!("/bkt/{number}");
        let answer = server.send(&server.ask("PUT", &target).body("x")).await;
        if answer.status == 503 {
            assert_eq!(answer.code(), "SlowDown");
            break target;
        }
        number += 1;
        assert!(number < 10_000);
    };
    assert_eq!(server.send(&server.ask("GET", &refused)).await.status, 404, "nothing was done");
    for mut connection in waiting {
        connection.write_all(&body).await.unwrap();
        assert_eq!(wire::read(&mut connection).await.status, 200);
    }
    assert!(audited.audited.metrics().contains("couronne_audit_refused_requests_total 1\n"));
}
