//! TLS, and HTTP/2 over it.

use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2 as client_http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::front::server::{TlsError, tls_config};

pub(crate) const CERT: &[u8] = include_bytes!("localhost.cert.pem");
pub(crate) const KEY: &[u8] = include_bytes!("localhost.key.pem");

async fn server() -> ToyServer {
    ToyServer::with(ServerSettings::default(), FrontSettings::default(), Some(tls_config(CERT, KEY).unwrap())).await
}

pub(crate) async fn connect(address: SocketAddr, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERT).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
}

/// A request as hyper's client takes it.
pub(super) fn request(ask: &ToyAsk) -> http::Request<Full<bytes::Bytes>> {
    let head = String::from_utf8(ask.head()).unwrap();
    let mut request =
        http::Request::builder().method(ask.method.as_str()).uri(format!("https://localhost{}", ask.target));
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    for (name, value) in lines.filter(|(name, _)| *name != "host") {
        request = request.header(name, value);
    }
    request.body(Full::new(ask.body.clone().into())).unwrap()
}

#[tokio::test]
async fn a_head_has_no_more_headers_over_http2_than_over_http1() {
    let server = server().await;
    let stream = connect(server.listener.address, b"h2").await;
    let (mut sender, connection) = client_http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut many = request(&server.ask("PUT", "/bkt/k").body(b"x"));
    for number in 0..ServerSettings::default().headers_max {
        let name = http::HeaderName::try_from(format!("x-{number}")).unwrap();
        many.headers_mut().append(name, http::HeaderValue::from_static("1"));
    }
    let answer = sender.send_request(many).await.unwrap();
    assert_eq!(answer.status(), 400);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("too-many-headers"), "{body:?}");
}

#[tokio::test]
async fn http2_serves_many_at_once() {
    let server = server().await;
    let stream = connect(server.listener.address, b"h2").await;
    let (mut sender, connection) = client_http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let body = vec![b'x'; 300_000];
    let puts = (0..20).map(|number| {
        let mut sender = sender.clone();
        let request = request(&server.ask("PUT", &format!("/bkt/k{number}")).body(&body));
        async move { sender.send_request(request).await.unwrap().status() }
    });
    for status in futures_util::future::join_all(puts).await {
        assert_eq!(status, 200);
    }
    let answer = sender.send_request(request(&server.ask("GET", "/bkt/k7"))).await.unwrap();
    assert!(answer.headers().contains_key("date"));
    assert!(answer.into_body().collect().await.unwrap().to_bytes() == body);
    let head = sender.send_request(request(&server.ask("HEAD", "/bkt/k7"))).await.unwrap();
    assert_eq!(head.headers().get("content-length").unwrap(), "300000");
    let wrong = server.ask("GET", "/bkt/k7").with_wrong_secret();
    assert_eq!(sender.send_request(request(&wrong)).await.unwrap().status(), 401);
}

#[tokio::test]
async fn http1_is_served_over_tls() {
    let server = server().await;
    let mut stream = connect(server.listener.address, b"http/1.1").await;
    let wire = server.ask("PUT", "/bkt/k").body("x").wire();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &wire).await.unwrap();
    let mut head = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}

#[test]
fn what_is_no_certificate_is_refused() {
    assert!(matches!(tls_config(b"nonsense", KEY), Err(TlsError::Rustls(_))));
    assert!(matches!(tls_config(CERT, b"nonsense"), Err(TlsError::Pem(_))));
    assert!(matches!(tls_config(CERT, CERT), Err(TlsError::Pem(_))));
}
