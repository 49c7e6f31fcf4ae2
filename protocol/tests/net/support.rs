//! A cluster's certificates, a service that does as it is told, servers and raw peers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::env::Env;
use couronne_base::testing::{Rng, SeededRandom, TestClock};
use couronne_cluster::Role;
use couronne_protocol::net::certificates::{Authority, CertificateRequest, MEMBER_LIFETIME, PrivateKey};
use couronne_protocol::net::{Addresses, NetSettings, NetTransport, Tls, serve};
use couronne_protocol::transport::{Message, Method, Peer, Rejection, Service};
use couronne_ring::NodeId;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

pub const GREETING: &[u8; 12] = b"couronne\0\x01\0\x01";

/// A cluster's authority and clock.
pub struct Cluster {
    pub authority: Authority,
    pub clock: Arc<TestClock>,
    pub env: Env,
}

impl Cluster {
    pub fn new(id: u128) -> Self {
        // Raw peers of these tests use the real clock.
        #[allow(clippy::disallowed_methods, reason = "rustls asks the real clock too")]
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let clock = Arc::new(TestClock::still_at(u64::try_from(now.as_micros()).unwrap()));
        let env = Env { clock: clock.clone(), random: Arc::new(SeededRandom::new(Rng::new(1))) };
        let authority = Authority::create(id, &env).unwrap().0;
        Self { authority, clock, env }
    }

    /// A key and its certificate.
    pub fn certificate(&self, node: u128, role: Role) -> (PrivateKey, Vec<u8>) {
        let key = PrivateKey::generate().unwrap();
        let request = key.request(b"").unwrap();
        let request = CertificateRequest::proven(&request, b"").unwrap();
        let certificate = self.authority.sign(&request, NodeId(node), role, MEMBER_LIFETIME, &self.env).unwrap();
        (key, certificate)
    }

    pub fn tls(&self, node: u128, role: Role) -> Arc<Tls> {
        let (key, certificate) = self.certificate(node, role);
        Tls::new(self.clock.clone(), self.authority.certificate(), &certificate, &key).unwrap()
    }

    /// A transport that asks as a member, and knows these addresses.
    pub fn transport(&self, node: u128, role: Role, addresses: &[(u128, &str)]) -> Arc<NetTransport> {
        self.transport_with(node, role, addresses, settings())
    }

    pub fn transport_with(
        &self,
        node: u128,
        role: Role,
        addresses: &[(u128, &str)],
        settings: NetSettings,
    ) -> Arc<NetTransport> {
        NetTransport::new(self.tls(node, role), book(addresses), settings)
    }

    /// Configurations of raw peers: of a member, or of an unjoined process.
    pub fn raw_client(&self, member: Option<(u128, Role)>) -> ClientConfig {
        self.raw_client_with(member.map(|(node, role)| self.certificate(node, role)))
    }

    /// The same, with any certificate and its key.
    pub fn raw_client_with(&self, member: Option<(PrivateKey, Vec<u8>)>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.authority.certificate().to_vec())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        match member {
            Some((key, certificate)) => builder.with_client_auth_cert(vec![certificate.into()], der(&key)).unwrap(),
            None => builder.with_no_client_auth(),
        }
    }

    pub fn raw_server(&self, node: u128) -> ServerConfig {
        let (key, certificate) = self.certificate(node, Role::StorageNode);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.into()], der(&key))
            .unwrap()
    }
}

fn der(key: &PrivateKey) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.as_pkcs8().to_vec()))
}

/// A transport of a process that has this TLS.
pub fn transport_of(tls: &Arc<Tls>, addresses: &[(u128, &str)]) -> Arc<NetTransport> {
    NetTransport::new(tls.clone(), book(addresses), settings())
}

fn book(addresses: &[(u128, &str)]) -> Arc<Book> {
    Arc::new(Book(Mutex::new(addresses.iter().map(|(node, address)| (NodeId(*node), (*address).to_owned())).collect())))
}

struct Book(Mutex<BTreeMap<NodeId, String>>);

impl Addresses for Book {
    fn address(&self, node: NodeId) -> Option<String> {
        self.0.lock().unwrap().get(&node).cloned()
    }
}

/// Short times, so that tests are quick; generous enough for a busy machine.
pub fn settings() -> NetSettings {
    NetSettings {
        connect_timeout_ms: 5000,
        backoff_ms: 20,
        backoff_control_ms: 20,
        backoff_ms_max: 100,
        ping_after_ms: 200,
        silence_ms_max: 800,
        handshake_timeout_ms: 2000,
        drain_ms_max: 3000,
        ..NetSettings::default()
    }
}

/// A service that does what the message's head says: `echo`, `size N`, `wait` (for a permit of
/// `gate`), `panic`, `who`, `overloaded`.
pub struct Obedient {
    pub gate: Semaphore,
    pub served: AtomicUsize,
    pub waiting: AtomicUsize,
    pub bodies_aligned: AtomicUsize,
}

impl Obedient {
    pub fn new() -> Arc<Self> {
        let (served, waiting, bodies_aligned) = Default::default();
        Arc::new(Self { gate: Semaphore::new(0), served, waiting, bodies_aligned })
    }
}

#[async_trait]
impl Service for Obedient {
    async fn serve(&self, from: Peer, method: Method, message: Message) -> Result<Message, Rejection> {
        self.served.fetch_add(1, Ordering::Relaxed);
        if (message.body.as_ptr() as usize).is_multiple_of(4096) && !message.body.is_empty() {
            self.bodies_aligned.fetch_add(1, Ordering::Relaxed);
        }
        let head = message.head.clone();
        let order = std::str::from_utf8(head.split(|byte| *byte == 0).next().unwrap()).unwrap();
        match order.split_once(' ').unwrap_or((order, "")) {
            ("size", count) => Ok(Message { head: Bytes::new(), body: pattern(count.parse().unwrap()) }),
            ("wait", _) => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                self.gate.acquire().await.unwrap().forget();
                Ok(message)
            }
            ("who", _) => Ok(told(format!("{} {:?} {}", from.node.0, from.role, method.name()))),
            ("overloaded", _) => Err(Rejection::Overloaded),
            ("panic", _) => panic!("as it was told"),
            _ => Ok(message),
        }
    }
}

/// A message that tells the service what to do.
pub fn told(order: impl Into<String>) -> Message {
    Message::of(Bytes::from(order.into()))
}

/// Bytes that differ from place to place.
pub fn pattern(len: usize) -> Bytes {
    (0..len).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect::<Vec<u8>>().into()
}

/// A server that runs until it is stopped.
pub struct Running {
    pub address: String,
    pub service: Arc<Obedient>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn start(tls: Arc<Tls>) -> Self {
        Self::start_with(tls, settings(), "127.0.0.1:0").await
    }

    pub async fn start_with(tls: Arc<Tls>, settings: NetSettings, address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let service = Obedient::new();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap_or(()) };
        let task = tokio::spawn(serve(listener, tls, service.clone(), settings, stopped));
        Self { address, service, stop: Some(stop), task }
    }

    /// Begins the stop.
    pub fn begin_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits for the end.
    pub async fn ended(self) {
        self.task.await.unwrap();
    }
}

/// Waits until `done`, but not for ever.
pub async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come true");
}

/// A node's listener that leaves TLS to rustls and speaks nothing of the protocol by itself.
pub struct RawServer {
    pub address: String,
    listener: TcpListener,
    acceptor: tokio_rustls::TlsAcceptor,
}

impl RawServer {
    pub async fn start(cluster: &Cluster, node: u128) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self { address, listener, acceptor: Arc::new(cluster.raw_server(node)).into() }
    }

    /// The next that dials, after its handshake.
    pub async fn accept(&self) -> std::io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
        self.acceptor.accept(self.listener.accept().await?.0).await
    }
}

/// A connection that speaks TLS but nothing of the protocol by itself.
pub type RawClient = tokio_rustls::client::TlsStream<TcpStream>;

/// Connects to a node's server.
pub async fn raw_connect(config: ClientConfig, cluster: u128, node: u128, address: &str) -> RawClient {
    let name = format!("{node:032x}.storage-node.{cluster:032x}.couronne.internal");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let socket = TcpStream::connect(address).await.unwrap();
    connector.connect(ServerName::try_from(name).unwrap(), socket).await.unwrap()
}

/// Connects and greets.
pub async fn raw_greeted(config: ClientConfig, cluster: u128, node: u128, address: &str) -> RawClient {
    let mut stream = raw_connect(config, cluster, node, address).await;
    stream.write_all(GREETING).await.unwrap();
    let mut greeting = [0; 12];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, GREETING);
    stream
}

/// A packet's bytes.
pub fn packet(kind: u8, code: u8, call: u64, head: &[u8], body: &[u8]) -> Vec<u8> {
    let lengths = [head.len(), body.len()].map(|len| u32::try_from(len).unwrap().to_be_bytes());
    [&[kind, code, 0, 0][..], &call.to_be_bytes(), &lengths[0], &lengths[1], head, body].concat()
}

/// Whether the other side closes the connection before long.
pub async fn is_closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> bool {
    let mut bytes = [0; 4096];
    let closing = async { while matches!(stream.read(&mut bytes).await, Ok(count) if count > 0) {} };
    tokio::time::timeout(Duration::from_secs(10), closing).await.is_ok()
}
