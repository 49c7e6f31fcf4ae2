//! S3 as clients see it: a server in this process over a cluster in memory, spoken to in raw bytes, so that nothing
//! between helps or hides.

mod audit;
mod bodies;
mod bounds;
mod client;
mod documents;
mod forms;
mod framing;
mod hoisting;
mod http2;
mod logs;
mod malformed;
mod matrix;
mod model;
mod operations;
mod smuggling;

use crate::front::server::{ServerSettings, tls_config};
use crate::front::tests::wire::Answer;
use crate::front::tests::{Listener, World, encrypted, listen, toy, wire};
use crate::front::{ByPath, FrontSettings};
use crate::s3::S3;
use client::Ask;
use http2::Http2;

/// A server whose one face is S3, with a bucket `bkt` of the owner's.
struct S3Server {
    world: World,
    listener: Listener,
    /// Where requests go that are not raw bytes, unless over HTTP/1.
    http2: Option<Http2>,
}

impl S3Server {
    async fn new() -> Self {
        let server = Self::without_bucket(ServerSettings::default(), FrontSettings::default(), S3::default()).await;
        assert_eq!(server.send(&server.ask("PUT", "/bkt")).await.status, 200);
        server
    }

    async fn without_bucket(server: ServerSettings, settings: FrontSettings, face: S3) -> Self {
        let world = World::new().await;
        let listener = listen(world.gateway(face, settings), server, None).await;
        Self { world, listener, http2: None }
    }

    /// Without a bucket, over HTTP/2.
    async fn over_http2() -> Self {
        let world = World::new().await;
        let tls = tls_config(encrypted::CERT, encrypted::KEY).unwrap();
        let gateway = world.gateway(S3::default(), FrontSettings::default());
        let listener = listen(gateway, ServerSettings::default(), Some(tls)).await;
        let http2 = Some(Http2::connect(listener.address).await);
        Self { world, listener, http2 }
    }

    /// A request of the owner's.
    fn ask(&self, method: &str, target: &str) -> Ask {
        Ask::new(method, target, &self.world.owner, self.world.cluster.env.clock.wall_us())
    }

    async fn send(&self, ask: &Ask) -> Answer {
        match &self.http2 {
            Some(http2) => http2.send(ask).await,
            None => self.send_raw(&ask.wire()).await,
        }
    }

    async fn send_raw(&self, wire: &[u8]) -> Answer {
        wire::exchange(self.listener.address, wire).await
    }

    async fn put(&self, key: &str, body: &str) {
        let answer = self.send(&self.ask("PUT", &format!("/bkt/{key}")).body(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn get(&self, key: &str) -> Answer {
        self.send(&self.ask("GET", &format!("/bkt/{key}"))).await
    }
}

impl Answer {
    /// The S3 code of an error body; empty if there is none.
    fn code(&self) -> &str {
        self.between("<Code>", "</Code>")
    }
}

#[tokio::test]
async fn answers_carry_ids_and_count() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    let answer = server.get("k").await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()), "{answer:?}");
    assert_eq!(answer.header("x-amz-request-id").unwrap().len(), 16);
    for name in ["x-amz-id-2", "date"] {
        assert!(answer.header(name).is_some(), "{name}");
    }
    assert_eq!(answer.header("server"), Some("Couronne"));
    let head = server.send(&server.ask("HEAD", "/bkt/k")).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("5"), 0));
    let head = server.send(&server.ask("HEAD", "/bkt/none")).await;
    assert_eq!((head.status, head.body.len()), (404, 0));
    let gone = server.get("none").await;
    assert_eq!(gone.code(), "NoSuchKey");
    assert!(gone.text().contains(gone.header("x-amz-request-id").unwrap()));
    let page = server.world.metrics.render().unwrap();
    assert!(page.contains("couronne_requests_total{code=\"OK\",operation=\"PutObject\"} 1"), "{page}");
    assert!(page.contains("couronne_requests_total{code=\"NoSuchKey\",operation=\"GetObject\"} 1"), "{page}");
    assert!(page.contains("couronne_received_bytes_total{operation=\"PutObject\"} 5"), "{page}");
    assert!(page.contains("couronne_sent_bytes_total{operation=\"GetObject\"}"), "{page}");
    assert!(page.contains("stage=\"execute\""), "{page}");
}

#[tokio::test]
async fn strange_keys_stay_as_they_are() {
    let server = S3Server::new().await;
    for (number, encoded) in [
        "..%2F..%2Fx",
        "../../etc",
        "%2F%2Fa",
        "a//b",
        "%2525",
        "%25",
        "a%00b",
        "%F0%9F%91%91",
        "a%20b",
        "a%2Bb",
        "a%3Fb",
        "%2E",
    ]
    .iter()
    .enumerate()
    {
        server.put(encoded, &number.to_string()).await;
    }
    let listing = server.send(&server.ask("GET", "/bkt?list-type=2&encoding-type=url")).await;
    assert_eq!(listing.text().matches("<Key>").count(), 12, "{}", listing.text());
    assert_eq!(server.get("%2E%2E/%2e%2e/x").await.body, b"0");
    assert_eq!(server.get("a%2F%2Fb").await.body, b"3");
    assert_eq!(server.get("%25").await.body, b"5");
    assert_eq!(server.get("a%3fb").await.body, b"10");
    assert_eq!(server.get(&"k".repeat(1025)).await.code(), "KeyTooLongError");
    server.put(&"k".repeat(1024), "x").await;
}

#[tokio::test]
async fn another_face_beside_it_shares_its_listener_and_its_buckets() {
    let world = World::new().await;
    world.bucket("bkt", "acme").await;
    let faces = ByPath {
        prefix: "/notes",
        below: world.gateway(toy::Toy, FrontSettings::default()),
        others: world.gateway(S3::default(), FrontSettings::default()),
    };
    let listener = listen(faces, ServerSettings::default(), None).await;
    let server = S3Server { world, listener, http2: None };
    server.put("k", "hello").await;
    let (key, secret) = (&server.world.owner.access_key, &server.world.owner.secret);
    let show = format!("GET /notes/bkt/k HTTP/1.1\r\nhost: localhost\r\nauthorization: Toy {key}:{secret}\r\n\r\n");
    let shown = server.send_raw(show.as_bytes()).await;
    assert_eq!((shown.status, shown.body.as_slice()), (200, b"hello".as_slice()), "{shown:?}");
    assert!(shown.header("x-toy-id").is_some() && shown.header("x-amz-request-id").is_none(), "{shown:?}");
    assert_eq!(server.get("k").await.body, b"hello");
    assert_eq!(server.send(&server.ask("GET", "/notes/bkt/k")).await.status, 401, "a signature of S3's means nothing");
}
