//! The front door as clients see it: a server in this process over a cluster in memory, spoken to in raw
//! bytes, so that nothing between helps or hides.

mod bodies;
mod client;
mod encrypted;
mod framing;
mod logs;
mod matrix;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::identity::{CreateUser, Identity, IdentitySettings, NewKey, RootCredentials, Secret};
use crate::metrics::Metrics;
use crate::pipeline::GatewaySettings;
use crate::testing::{FakeCluster, FakeShape};
use client::{Answer, Ask, Keys};

/// A server with an account of its own, a bucket `bkt` of that account, and a stranger's account.
struct House {
    cluster: FakeCluster,
    gateway: Arc<Gateway>,
    address: SocketAddr,
    owner: Keys,
    stranger: Keys,
    shutdown: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

impl House {
    async fn new() -> Self {
        Self::with(ServerSettings::default(), GatewaySettings::default()).await
    }

    async fn with(server: ServerSettings, settings: GatewaySettings) -> Self {
        let house = Self::without_bucket(server, settings, None).await;
        assert_eq!(house.send(&house.ask("PUT", "/bkt")).await.status, 200);
        house
    }

    async fn without_bucket(
        server: ServerSettings,
        settings: GatewaySettings,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let cluster = FakeCluster::new(&FakeShape::default());
        let root = RootCredentials { access_key: "ROOT".into(), secret: Secret::new("root secret") };
        let identity =
            Identity::new(cluster.engine.clone(), root, Secret::new([7; 32]), IdentitySettings::default()).unwrap();
        let owner = user(&identity, "acme").await;
        let stranger = user(&identity, "other").await;
        let gateway = Arc::new(Gateway {
            engine: cluster.engine.clone(),
            identity,
            env: cluster.env.clone(),
            metrics: Arc::new(Metrics::new().unwrap()),
            settings,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, asked) = oneshot::channel();
        let serving = serve(listener, gateway.clone(), server, tls, async {
            let _ = asked.await;
        });
        let ended = tokio::spawn(serving);
        Self { cluster, gateway, address, owner, stranger, shutdown, ended }
    }

    /// A request of the owner's.
    fn ask(&self, method: &str, target: &str) -> Ask {
        Ask::new(method, target, &self.owner, self.gateway.env.clock.wall_us())
    }

    async fn send(&self, ask: &Ask) -> Answer {
        self.send_raw(&ask.wire()).await
    }

    async fn send_raw(&self, wire: &[u8]) -> Answer {
        client::exchange(self.address, wire).await
    }

    async fn put(&self, key: &str, body: &str) {
        let answer = self.send(&self.ask("PUT", &format!("/bkt/{key}")).body(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn get(&self, key: &str) -> Answer {
        self.send(&self.ask("GET", &format!("/bkt/{key}"))).await
    }
}

async fn user(identity: &Identity, account: &str) -> Keys {
    identity.create_account(account).await.unwrap();
    let key = NewKey {
        access_key: format!("KEYOF{}", account.to_uppercase()).into(),
        secret: Secret::new(format!("the.secret.of.{account}")),
    };
    let create = CreateUser { account: account.into(), user: "user".into(), admin: false, key: Some(key) };
    let (_, key) = identity.create_user(create).await.unwrap();
    Keys { access_key: key.access_key.to_string(), secret: String::from_utf8(key.secret.expose().to_vec()).unwrap() }
}

#[tokio::test]
async fn answers_carry_ids_and_count() {
    let house = House::new().await;
    house.put("k", "hello").await;
    let answer = house.get("k").await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()), "{answer:?}");
    assert_eq!(answer.header("x-amz-request-id").unwrap().len(), 16);
    for name in ["x-amz-id-2", "date"] {
        assert!(answer.header(name).is_some(), "{name}");
    }
    assert_eq!(answer.header("server"), Some("Couronne"));
    let head = house.send(&house.ask("HEAD", "/bkt/k")).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("5"), 0));
    let head = house.send(&house.ask("HEAD", "/bkt/none")).await;
    assert_eq!((head.status, head.body.len()), (404, 0));
    let gone = house.get("none").await;
    assert_eq!(gone.code(), "NoSuchKey");
    assert!(gone.text().contains(gone.header("x-amz-request-id").unwrap()));
    let page = house.gateway.metrics.render().unwrap();
    assert!(page.contains("couronne_requests_total{code=\"OK\",operation=\"PutObject\"} 1"), "{page}");
    assert!(page.contains("couronne_requests_total{code=\"NoSuchKey\",operation=\"GetObject\"} 1"), "{page}");
    assert!(page.contains("couronne_received_bytes_total{operation=\"PutObject\"} 5"), "{page}");
    assert!(page.contains("couronne_sent_bytes_total{operation=\"GetObject\"}"), "{page}");
    assert!(page.contains("stage=\"execute\""), "{page}");
}

#[tokio::test]
async fn strange_keys_stay_as_they_are() {
    let house = House::new().await;
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
        house.put(encoded, &number.to_string()).await;
    }
    let listing = house.send(&house.ask("GET", "/bkt?list-type=2&encoding-type=url")).await;
    assert_eq!(listing.text().matches("<Key>").count(), 12, "{}", listing.text());
    assert_eq!(house.get("%2E%2E/%2e%2e/x").await.body, b"0");
    assert_eq!(house.get("a%2F%2Fb").await.body, b"3");
    assert_eq!(house.get("%25").await.body, b"5");
    assert_eq!(house.get("a%3fb").await.body, b"10");
    assert_eq!(house.get(&"k".repeat(1025)).await.code(), "KeyTooLongError");
    house.put(&"k".repeat(1024), "x").await;
}

#[tokio::test]
async fn a_shutdown_finishes_what_is_under_way() {
    let house = House::new().await;
    let wire = house.ask("PUT", "/bkt/k").body("hello").wire();
    let (head, tail) = wire.split_at(wire.len() - 3);
    let mut connection = client::open(house.address, head).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _ = house.shutdown.send(());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!house.ended.is_finished());
    client::write(&mut connection, tail).await;
    assert_eq!(client::read(&mut connection).await.status, 200);
    tokio::time::timeout(Duration::from_secs(5), house.ended).await.unwrap().unwrap();
}
