//! The front as clients see it: a server in this process over a cluster in memory, spoken to in raw bytes, with a toy
//! for its face.

pub(crate) mod encrypted;
mod fairness;
mod floods;
mod framing;
mod long_requests;
pub(crate) mod page;
mod places;
mod second_face;
pub(crate) mod toy;
pub(crate) mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use couronne_metadata::record::Versioning;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::server::{ServerSettings, serve};
use super::{Face, Faces, FrontSettings, Gateway};
use crate::audit::Audit;
use crate::engine::{Bucket, CreateBucketRequest};
use crate::identity::{
    ADMINISTRATOR_ACCESS, Identity, IdentitySecrets, IdentitySettings, KeyOwner, KeySettings, NewKey, NewUser,
    PolicyTarget, RootCredentials, Secret,
};
use crate::metrics::Metrics;
use crate::testing::{FakeCluster, FakeShape};
use toy::Toy;
use wire::Answer;

/// An access key with its secret.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) access_key: String,
    pub(crate) secret: String,
}

/// A cluster with an account of its own and another's.
pub(crate) struct World {
    pub(crate) cluster: FakeCluster,
    pub(crate) identity: Identity,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) audit: Audit,
    pub(crate) owner: Keys,
    pub(crate) other: Keys,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(crate::engine::Settings::default()).await
    }

    pub(crate) async fn with(settings: crate::engine::Settings) -> Self {
        let cluster = FakeCluster::with_settings(&FakeShape::default(), settings);
        let identity = Identity::new(cluster.engine.clone(), secrets(), IdentitySettings::default()).unwrap();
        let owner = user(&identity, "acme").await;
        let other = user(&identity, "other").await;
        Self { cluster, identity, metrics: Arc::new(Metrics::new().unwrap()), audit: Audit::off(), owner, other }
    }

    /// A face over the cluster.
    pub(crate) fn gateway<F: Face>(&self, face: F, settings: FrontSettings) -> Gateway<F> {
        Gateway {
            engine: self.cluster.engine.clone(),
            identity: self.identity.clone(),
            env: self.cluster.env.clone(),
            metrics: self.metrics.clone(),
            audit: self.audit.clone(),
            documents: settings.documents(),
            settings,
            face,
        }
    }

    /// A bucket of an account.
    pub(crate) async fn bucket(&self, name: &str, account: &str) -> Bucket {
        let create = CreateBucketRequest {
            name: name.into(),
            account: self.identity.account(account).await.unwrap().id,
            policy: None,
            versioning: Versioning::Off,
            object_lock: None,
            documents: Vec::new(),
        };
        self.cluster.another_engine(crate::engine::Settings::default()).create_bucket(create).await.unwrap()
    }
}

fn secrets() -> IdentitySecrets {
    let root = RootCredentials { access_key: "ROOT".into(), secret: Secret::new("root secret") };
    IdentitySecrets { root, retiring: None, sealing: Secret::new([7; 32]), opening: Vec::new() }
}

async fn user(identity: &Identity, account: &str) -> Keys {
    let account = identity.create_account(account, None).await.unwrap();
    let key = NewKey {
        access_key: format!("KEYOF{}", account.name.to_uppercase()).into(),
        secret: Secret::new(format!("the.secret.of.{}", account.name)),
    };
    identity.create_user(&account, NewUser::of_name("user")).await.unwrap();
    let user = KeyOwner::User("user");
    identity.attach_policy(&account, PolicyTarget::User("user"), ADMINISTRATOR_ACCESS).await.unwrap();
    let key = identity.create_key(&account, user, Some(key), KeySettings::default()).await.unwrap();
    Keys { access_key: key.access_key.to_string(), secret: String::from_utf8(key.secret.expose().to_vec()).unwrap() }
}

/// A listener that serves.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: oneshot::Sender<()>,
    pub(crate) ended: tokio::task::JoinHandle<()>,
}

/// Serves faces on a port of loopback.
pub(crate) async fn listen(
    faces: impl Faces,
    settings: ServerSettings,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> Listener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shutdown, asked) = oneshot::channel();
    let serving = serve(listener, faces, settings, tls, async {
        let _ = asked.await;
    });
    Listener { address, shutdown, ended: tokio::spawn(serving) }
}

/// A server whose one face is the toy, with a bucket `bkt` of the owner's.
struct ToyServer {
    world: World,
    listener: Listener,
}

/// A request to the toy.
#[derive(Clone)]
struct ToyAsk {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    keys: Keys,
    /// Whether the head says the body's length; else the body is sent as an HTTP chunk.
    with_length: bool,
}

impl ToyAsk {
    fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn keys(mut self, keys: &Keys) -> Self {
        self.keys = keys.clone();
        self
    }

    fn with_wrong_secret(mut self) -> Self {
        self.keys.secret.push('x');
        self
    }

    fn head(&self) -> Vec<u8> {
        let Keys { access_key, secret } = &self.keys;
        let mut head = format!("{} {} HTTP/1.1\r\nhost: localhost\r\n", self.method, self.target);
        head.push_str(&format!("authorization: Toy {access_key}:{secret}\r\n"));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let framing = if self.with_length {
            format!("content-length: {}\r\n\r\n", self.body.len())
        } else {
            "transfer-encoding: chunked\r\n\r\n".to_owned()
        };
        head.push_str(&framing);
        head.into_bytes()
    }

    fn wire(&self) -> Vec<u8> {
        let body = if self.with_length {
            self.body.clone()
        } else {
            [format!("{:x}\r\n", self.body.len()).as_bytes(), &self.body, b"\r\n0\r\n\r\n"].concat()
        };
        [self.head(), body].concat()
    }
}

impl Answer {
    /// The word of a toy's error.
    fn word(&self) -> &str {
        self.between("\"error\":\"", "\"")
    }
}

impl ToyServer {
    async fn new() -> Self {
        Self::with(ServerSettings::default(), FrontSettings::default(), None).await
    }

    async fn with(server: ServerSettings, settings: FrontSettings, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let world = World::new().await;
        world.bucket("bkt", "acme").await;
        let listener = listen(world.gateway(Toy, settings), server, tls).await;
        Self { world, listener }
    }

    /// A request of the owner's.
    fn ask(&self, method: &str, target: &str) -> ToyAsk {
        ToyAsk {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            keys: self.world.owner.clone(),
            with_length: true,
        }
    }

    async fn send(&self, ask: &ToyAsk) -> Answer {
        self.send_raw(&ask.wire()).await
    }

    async fn send_raw(&self, wire: &[u8]) -> Answer {
        wire::exchange(self.listener.address, wire).await
    }

    async fn put(&self, note: &str, body: &str) {
        let answer = self.send(&self.ask("PUT", &format!("/bkt/{note}")).body(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn get(&self, note: &str) -> Answer {
        self.send(&self.ask("GET", &format!("/bkt/{note}"))).await
    }
}
