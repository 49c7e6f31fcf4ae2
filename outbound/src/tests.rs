//! The client against servers of all kinds, on loopback.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::network::Network;
use http::{Request, Response};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::{Outbound, OutboundError, OutboundSettings, Resolve, UrlFault};

/// A server on loopback that tells of each connection and says to each what it is given.
struct Peer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// What each request was.
    requests: mpsc::UnboundedReceiver<String>,
    /// One for each connection that its client closed.
    closed: mpsc::UnboundedReceiver<()>,
}

impl Peer {
    /// Says `answer` to each request, then ends the connection if `ends`, and otherwise waits for the client to do it.
    async fn new(answer: &'static [u8], ends: bool) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, answer, ends).await
    }

    async fn at(address: Ipv4Addr, answer: &'static [u8], ends: bool) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (said, requests) = mpsc::unbounded_channel();
        let (ended, closed) = mpsc::unbounded_channel();
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (said, ended) = (said.clone(), ended.clone());
                tokio::spawn(async move {
                    said.send(head(&mut stream).await).ok();
                    stream.write_all(answer).await.ok();
                    if !ends {
                        stream.read_to_end(&mut Vec::new()).await.ok();
                        ended.send(()).ok();
                    }
                });
            }
        });
        Self { address, connections, requests, closed }
    }

    fn url(&self) -> String {
        format!("http://{}/a?b", self.address)
    }

    fn was_reached(&self) -> bool {
        self.connections.load(Ordering::SeqCst) > 0
    }
}

/// A request's head.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Says of each name what the test says, one answer after the other; the last one stays.
struct Names {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.answers[asked.min(self.answers.len() - 1)].clone())
    }
}

fn names(answers: &[&[&str]]) -> Arc<Names> {
    let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
    Arc::new(Names { answers: answers.iter().map(parse).collect(), asked: AtomicUsize::new(0) })
}

fn settings() -> OutboundSettings {
    OutboundSettings {
        allow: vec![Network::parse("127.0.0.0/8").unwrap()],
        answer_bytes_max: 1_000,
        ..OutboundSettings::default()
    }
}

/// Settings by which a request ends soon: whatever it waits for does not come.
fn hasty() -> OutboundSettings {
    OutboundSettings { request_time_max_ms: 200, ..settings() }
}

async fn get(client: &Outbound, url: &str) -> Result<Response<Bytes>, OutboundError> {
    client.send("account", Request::get(url).body(Bytes::new()).unwrap()).await
}

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Is: y\r\n\r\nhello";

#[tokio::test]
async fn a_request_is_answered() {
    let mut peer = Peer::new(HELLO, true).await;
    let client = Outbound::new(settings(), None);
    let answer = get(&client, &peer.url()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (200, &b"hello"[..]));
    assert_eq!(answer.headers()["x-is"], "y");
    let sent = peer.requests.recv().await.unwrap();
    assert!(sent.starts_with("GET /a?b HTTP/1.1\r\n"), "{sent}");
    assert!(sent.to_lowercase().contains(&format!("\r\nhost: {}\r\n", peer.address)), "{sent}");
    assert!(sent.to_lowercase().contains("\r\nconnection: close\r\n"), "{sent}");
}

#[tokio::test]
async fn a_body_is_sent_and_a_refusal_is_an_answer() {
    let mut peer = Peer::new(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", true).await;
    let client = Outbound::new(settings(), None);
    let request = Request::post(peer.url()).header("host", "elsewhere").body(Bytes::from_static(b"event")).unwrap();
    assert_eq!(client.send("account", request).await.unwrap().status().as_u16(), 503);
    let sent = peer.requests.recv().await.unwrap().to_lowercase();
    assert!(sent.contains("\r\ncontent-length: 5\r\n") && !sent.contains("elsewhere"), "{sent}");
}

#[tokio::test]
async fn what_is_not_allowed_is_not_reached() {
    let peer = Peer::new(HELLO, true).await;
    let client = Outbound::new(OutboundSettings::default(), None);
    let port = peer.address.port();
    for host in
        ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0x7f000001", "017700000001", "127.1", "0"]
    {
        let error = get(&client, &format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(matches!(error, OutboundError::Refused { .. } | OutboundError::Resolve { .. }), "{host}: {error}");
    }
    assert!(!peer.was_reached());
    let error = get(&client, &peer.url()).await.unwrap_err().to_string();
    assert!(error.contains("`[outbound] allow = [\"127.0.0.1/32\"]`"), "{error}");
}

#[tokio::test]
async fn a_name_that_comes_to_mean_something_else_is_connected_to_as_it_was_judged() {
    let (judged, other) = (Peer::new(HELLO, true).await, Peer::at(Ipv4Addr::new(127, 0, 0, 2), HELLO, true).await);
    let resolver = names(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let client = Outbound::with_resolver(settings(), None, resolver.clone());
    get(&client, &format!("http://rebinding.example:{}/", judged.address.port())).await.unwrap();
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
    assert!(judged.was_reached() && !other.was_reached());
}

#[tokio::test]
async fn one_refused_address_refuses_the_name() {
    let peer = Peer::new(HELLO, true).await;
    for answer in [&["127.0.0.1", "10.0.0.1"][..], &["10.0.0.1", "127.0.0.1"], &["127.0.0.1", "fd00::1"]] {
        let client = Outbound::with_resolver(settings(), None, names(&[answer]));
        let error = get(&client, &format!("http://h:{}/", peer.address.port())).await.unwrap_err();
        assert!(matches!(error, OutboundError::Refused { .. }), "{error}");
    }
    assert!(!peer.was_reached());
}

#[tokio::test]
async fn the_next_address_is_tried() {
    let peer = Peer::new(HELLO, true).await;
    // Nothing listens at the first.
    let client = Outbound::with_resolver(settings(), None, names(&[&["127.0.0.3", "127.0.0.1"]]));
    let url = format!("http://h:{}/", peer.address.port());
    assert_eq!(get(&client, &url).await.unwrap().body().as_ref(), b"hello");
    let client = Outbound::with_resolver(settings(), None, names(&[&["127.0.0.3"]]));
    assert!(matches!(get(&client, &url).await.unwrap_err(), OutboundError::Connect { .. }));
    let client = Outbound::with_resolver(settings(), None, names(&[&[]]));
    assert!(matches!(get(&client, &url).await.unwrap_err(), OutboundError::NoAddress(_)));
}

#[tokio::test]
async fn urls_that_are_none_are_refused() {
    let client = Outbound::new(settings(), None);
    for (url, expected) in [
        ("/relative", UrlFault::Form),
        ("ftp://127.0.0.1/", UrlFault::Scheme),
        ("http://user@127.0.0.1/", UrlFault::UserInfo),
        ("http://127.0.0.1:0/", UrlFault::Port),
    ] {
        let OutboundError::Url(fault) = get(&client, url).await.unwrap_err() else { panic!("{url}") };
        assert_eq!(fault, expected, "{url}");
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let target = Peer::at(Ipv4Addr::new(127, 0, 0, 4), HELLO, true).await;
    for status in ["301", "302", "303", "307", "308"] {
        let answer = format!("HTTP/1.1 {status} Go\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", target.url());
        let peer = Peer::new(answer.leak().as_bytes(), true).await;
        let error = get(&Outbound::new(settings(), None), &peer.url()).await.unwrap_err();
        assert!(matches!(error, OutboundError::Redirect(found) if found.as_str() == status), "{error}");
    }
    assert!(!target.was_reached());
}

#[tokio::test]
async fn an_answer_is_bounded_however_it_is_framed() {
    let body = "x".repeat(1_001);
    let chunked = "1\r\nx\r\n".repeat(1_001);
    for answer in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
        format!("HTTP/1.1 200 OK\r\n\r\n{body}"),
    ] {
        let peer = Peer::new(answer.leak().as_bytes(), true).await;
        let error = get(&Outbound::new(settings(), None), &peer.url()).await.unwrap_err();
        assert!(matches!(error, OutboundError::TooLarge(1_000)), "{error}");
    }
    let peer = Peer::new(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1_000)).leak().as_bytes(), true).await;
    let answer = get(&Outbound::new(settings(), None), &peer.url()).await.unwrap();
    assert_eq!(answer.body().as_ref(), "x".repeat(1_000).as_bytes());
}

#[tokio::test]
async fn a_head_is_bounded() {
    let many = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "A: b\r\n".repeat(64));
    let large = format!("HTTP/1.1 200 OK\r\nA: {}\r\nContent-Length: 0\r\n\r\n", "b".repeat(64 << 10));
    for answer in [many, large] {
        let peer = Peer::new(answer.leak().as_bytes(), false).await;
        let error = get(&Outbound::new(settings(), None), &peer.url()).await.unwrap_err();
        assert!(matches!(error, OutboundError::Http(_)), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_none() {
    for answer in
        [&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"[..], b"HTTP/1.1 200", b"", b"not HTTP at all\r\n\r\n"]
    {
        let peer = Peer::new(answer, true).await;
        let error = get(&Outbound::new(settings(), None), &peer.url()).await.unwrap_err();
        assert!(matches!(error, OutboundError::Http(_)), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_stops_is_left_and_its_connection_closed() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"] {
        let mut peer = Peer::new(answer, false).await;
        let error = get(&Outbound::new(hasty(), None), &peer.url()).await.unwrap_err();
        assert!(matches!(error, OutboundError::Late(_)), "{error}");
        peer.closed.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_drips_is_left() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let error = get(&Outbound::new(hasty(), None), &format!("http://{address}/")).await.unwrap_err();
    assert!(matches!(error, OutboundError::Late(_)), "{error}");
}

#[tokio::test]
async fn an_account_with_slow_servers_keeps_nobody_from_theirs() {
    let (mut slow, quick) = (Peer::new(b"", false).await, Peer::new(HELLO, true).await);
    let bounds = OutboundSettings { requests_max: 4, request_time_max_ms: 600_000, ..settings() };
    let client = Arc::new(Outbound::new(bounds, None));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, url) = (Arc::clone(&client), slow.url());
        let request = Request::get(url).body(Bytes::new()).unwrap();
        waiting.spawn(async move { client.send("greedy", request).await });
    }
    for _ in 0..4 {
        slow.requests.recv().await.unwrap();
    }
    let request = Request::get(quick.url()).body(Bytes::new()).unwrap();
    assert_eq!(client.send("modest", request).await.unwrap().body().as_ref(), b"hello");
    assert_eq!(slow.connections.load(Ordering::SeqCst), 4, "no more are under way at once");
}

/// A server that speaks TLS under a name, and how a client believes it.
async fn tls_peer(name: &str) -> (SocketAddr, ClientConfig) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let certificate = certified.cert.der().clone();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let server = server.unwrap().with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(server));
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            stream.read_u8().await.unwrap();
            stream.write_all(HELLO).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (address, client)
}

#[tokio::test]
async fn a_server_shows_that_it_has_the_urls_name() {
    let (address, believed) = tls_peer("idp.example").await;
    let (_, other) = tls_peer("idp.example").await;
    let client = |config| Outbound::with_resolver(settings(), config, names(&[&["127.0.0.1"]]));
    let url = |host: &str| format!("https://{host}:{}/", address.port());
    let answer = get(&client(Some(&believed)), &url("idp.example")).await.unwrap();
    assert_eq!(answer.body().as_ref(), b"hello");
    assert_eq!(get(&client(Some(&believed)), &url("idp.example.")).await.unwrap().body().as_ref(), b"hello");
    for (config, host) in [(&believed, "other.example"), (&believed, "127.0.0.1"), (&other, "idp.example")] {
        let error = get(&client(Some(config)), &url(host)).await.unwrap_err();
        assert!(matches!(error, OutboundError::Tls { .. }), "{host}: {error}");
    }
    let error = get(&client(None), &url("idp.example")).await.unwrap_err();
    assert!(matches!(error, OutboundError::NoAuthorities), "{error}");
}

#[tokio::test]
async fn in_clear_only_what_is_allowed_is_spoken_with() {
    let client = Outbound::with_resolver(settings(), None, names(&[&["8.8.8.8"]]));
    let error = get(&client, "http://h/").await.unwrap_err();
    assert!(matches!(&error, OutboundError::Refused { refused, .. } if refused.kind.contains("in clear")), "{error}");
}
