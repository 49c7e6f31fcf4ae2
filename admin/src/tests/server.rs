//! The server over a fake control: routing, the tokens, refusals, places; and the client of the same table.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::fake::Fake;
use crate::audit::NoAudit;
use crate::client::{AdminClient, ClientError};
use crate::endpoints as at;
use crate::server::{AdminApi, AdminTokens, TokenDigests, reading_token, serve};
use crate::types::{ApiError, ErrorCode, ReplaceRequest, UserRequest};

/// A server that runs until it is dropped.
pub(super) struct Running {
    address: SocketAddr,
    _stop: watch::Sender<bool>,
}

/// What a request got.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    pub(super) body: Bytes,
    headers: HeaderMap,
}

impl Answered {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of a refusal; its status fits.
    pub(super) fn refused(&self) -> ErrorCode {
        let error: ApiError = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(error.code.status(), self.status);
        error.code
    }
}

impl Running {
    pub(super) async fn start(fake: Fake) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tokens = Arc::new(AdminTokens::new(Some(TokenDigests::of("token"))));
        let (cluster, identities) = (Arc::new(fake.clone()), Arc::new(fake.clone()));
        let api = AdminApi { tokens, cluster, identities, usage: Arc::new(fake), audit: Arc::new(NoAudit) };
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve(listener, Arc::new(api), None, stopped));
        Self { address, _stop: stop }
    }

    pub(super) async fn ask(&self, method: &Method, path: &str, token: Option<&str>, body: String) -> Answered {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "admin");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let content_type = head.headers.get(CONTENT_TYPE).unwrap().to_str().unwrap().to_owned();
        let body = body.collect().await.unwrap().to_bytes();
        Answered { status: head.status, content_type, body, headers: head.headers }
    }

    fn client(&self, token: &str) -> AdminClient {
        AdminClient::new(self.address.to_string(), None, Zeroizing::new(token.to_owned()))
    }
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there() {
    let server = Running::start(Fake::default()).await;
    for path in ["/admin/status", "/admin/nothing", "/admin/"] {
        let answer = server.ask(&Method::GET, path, Some("wrong"), String::new()).await;
        assert_eq!(answer.refused(), ErrorCode::Unauthenticated, "{path}: whether it is there is not told");
    }
    for path in ["/", "/nothing", "/admin/nothing", "/admin/status/more", "/admin/accounts/"] {
        let answer = server.ask(&Method::GET, path, Some("token"), String::new()).await;
        assert_eq!(answer.refused(), ErrorCode::NotFound, "{path}");
    }
    let answer = server.ask(&Method::PUT, "/admin/accounts/x", Some("token"), String::new()).await;
    assert_eq!(answer.refused(), ErrorCode::MethodNotAllowed);
    assert_eq!(answer.headers.get(ALLOW).unwrap(), "GET, DELETE");
    assert_eq!(server.ask(&Method::POST, "/health", None, String::new()).await.refused(), ErrorCode::MethodNotAllowed);
}

/// Each letter of a path in turn, percent-encoded in both cases of hexadecimal digits; and all of them.
fn spellings(path: &str) -> Vec<String> {
    let encoded = |letter: char, upper: bool| match upper {
        true => format!("%{:02X}", u32::from(letter)),
        false => format!("%{:02x}", u32::from(letter)),
    };
    let mut spellings = Vec::new();
    for upper in [false, true] {
        for (at, letter) in path.char_indices().skip(1) {
            spellings.push(format!("{}{}{}", &path[..at], encoded(letter, upper), &path[at + letter.len_utf8()..]));
        }
        let all = path.chars().map(|letter| if letter == '/' { "/".to_owned() } else { encoded(letter, upper) });
        spellings.push(all.collect());
    }
    spellings
}

/// Whether a request was refused because it has not the token, be it that too many had not.
fn is_for_want_of_the_token(refused: ErrorCode) -> bool {
    matches!(refused, ErrorCode::Unauthenticated | ErrorCode::TooManyRequests)
}

#[tokio::test]
async fn no_spelling_of_a_path_opens_it_without_the_token() {
    let server = Running::start(Fake::default()).await;
    for row in at::ENDPOINTS.iter().filter(|row| row.access != at::Access::Open) {
        let path = row.path.replace(['{', '}'], "");
        for token in [None, Some("wrong"), Some("")] {
            let refused = server.ask(&row.method, &path, token, String::new()).await.refused();
            assert!(is_for_want_of_the_token(refused), "{} {path}: {refused:?}", row.method);
            let refused = server.ask(&Method::PATCH, &path, token, String::new()).await.refused();
            assert!(is_for_want_of_the_token(refused), "PATCH {path}: its methods are not told: {refused:?}");
        }
        for spelling in spellings(&path) {
            let answer = server.ask(&row.method, &spelling, None, String::new()).await;
            assert!(!answer.status.is_success(), "{} {spelling}: {}", row.method, answer.status);
            let refused = answer.refused();
            assert!(is_for_want_of_the_token(refused) || refused == ErrorCode::NotFound, "{spelling}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_body_is_not_quoted() {
    let server = Running::start(Fake::default()).await;
    let body = r#"{"name":"ada","secret_key":"hush-hush","admin":"yes"}"#.to_owned();
    let answer = server.ask(&Method::POST, "/admin/accounts/x/users", Some("token"), body).await;
    assert_eq!(answer.refused(), ErrorCode::InvalidRequest);
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!said.contains("hush") && !said.contains("yes"), "{said}");
}

#[tokio::test]
async fn the_client_calls_what_the_table_declares() {
    let server = Running::start(Fake::default()).await;
    let client = server.client("token");
    assert_eq!(client.call(at::GetHealth {}).await.unwrap(), "ok\n");
    assert_eq!(client.call(at::GetStatus {}).await.unwrap().durability.survives, -1);
    assert_eq!(client.call(at::ListAccounts {}).await.unwrap().len(), 2);
    client.call(at::DeleteAccount { name: "a/b".to_owned() }).await.unwrap();
    let replaced = client.send(at::ReplaceDrive { drive: "0f".to_owned() }, &ReplaceRequest { force: true }).await;
    assert_eq!(replaced.unwrap().message, "0f true");
    let request = UserRequest {
        name: "ada".to_owned(),
        path: None,
        admin: false,
        policies: Vec::new(),
        access_key: None,
        secret_key: None,
    };
    let user = client.send(at::CreateUser { account: "ü/x".to_owned() }, &request).await.unwrap();
    assert_eq!((user.account.as_str(), user.user.as_str()), ("ü/x", "ada"));

    let refused = server.client("tokeN").call(at::GetStatus {}).await;
    assert!(matches!(refused, Err(ClientError::Refused(ApiError { code: ErrorCode::Unauthenticated, .. }))));
    let refusal = ApiError::new(ErrorCode::Conflict, "it is not empty");
    let server = Running::start(Fake { refusal: Some(refusal) }).await;
    let refused = server.client("token").call(at::DeleteAccount { name: "x".to_owned() }).await.err().unwrap();
    assert_eq!(refused.to_string(), "it is not empty");
}

#[tokio::test]
async fn the_token_that_reads_gives_no_orders() {
    let server = Running::start(Fake::default()).await;
    let reading = reading_token("token");
    for row in at::ENDPOINTS {
        let path = row.path.replace("{name}", "x").replace("{drive}", "x").replace("{account}", "x");
        let answer = server.ask(&row.method, &path, Some(&reading), String::new()).await;
        if row.method == Method::GET {
            assert!(answer.status.is_success(), "{path}: {}", answer.status);
        } else {
            assert_eq!(answer.refused(), ErrorCode::Forbidden, "{} {path}", row.method);
        }
    }
}

#[tokio::test]
async fn an_order_tells_who_gave_it() {
    let server = Running::start(Fake::default()).await;
    let log = Log::default();
    // For this thread only, which is the test's whole runtime.
    let _guard = tracing::subscriber::set_default(log.clone());
    let done = server.client("token").call(at::StartScrub {}).await.unwrap();
    let actor = done.message;
    assert!(actor.starts_with("the admin token at 127.0.0.1:"), "{actor}");
    let _ = server.client("guess").call(at::StartScrub {}).await;
    let log = log.0.lock().unwrap().join("\n");
    assert!(log.contains(&format!("actor={actor}")) && log.contains("/admin/scrub/start"), "{log}");
    assert!(log.contains("peer=127.0.0.1:") && log.contains("code=Unauthenticated"), "{log}");
    assert!(!log.contains("guess"), "{log}");
}

#[tokio::test]
async fn wrong_tokens_are_counted_and_slowed_down() {
    let server = Running::start(Fake::default()).await;
    let guess = async || server.ask(&Method::GET, "/admin/status", Some("guess"), String::new()).await.refused();
    let mut codes = Vec::new();
    for _ in 0..30 {
        codes.push(guess().await);
    }
    assert!(codes[..10].iter().all(|code| *code == ErrorCode::Unauthenticated), "{codes:?}");
    assert_eq!(codes.last(), Some(&ErrorCode::TooManyRequests));
    server.ask(&Method::GET, "/admin/status", None, String::new()).await;
    assert!(server.ask(&Method::GET, "/admin/status", Some("token"), String::new()).await.status.is_success());
    let metrics = server.ask(&Method::GET, "/metrics", None, String::new()).await;
    let page = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(page.contains("couronne_admin_refused_tokens_total{why=\"wrong\"} 30\n"), "{page}");
    assert!(page.contains("couronne_admin_refused_tokens_total{why=\"missing\"} 1\n"), "{page}");
}

/// As many connections as there are places, whose clients ask and ask and read nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_do_not_read_shut_nobody_out() {
    let server = Running::start(Fake::default()).await;
    let asks = "GET /metrics HTTP/1.1\r\nhost: admin\r\n\r\n".repeat(1000);
    let mut hostile = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // Until neither side takes any more.
        let full = async { while stream.write_all(asks.as_bytes()).await.is_ok() {} };
        let _ = tokio::time::timeout(Duration::from_millis(100), full).await;
        hostile.push(stream);
    }
    for _ in 0..3 {
        let answer = server.ask(&Method::GET, "/health", None, String::new());
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await.expect("an answer in time");
        assert_eq!(answer.status, StatusCode::OK);
    }
}

/// What is logged, a line an event.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("couronne")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = String::new();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            line.push_str(&format!("{}={value:?} ", field.name()));
        });
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_code_of_a_later_version_is_read() {
    let error: ApiError = serde_json::from_str(r#"{"code":"teapot","message":"short","more":1}"#).unwrap();
    assert_eq!(error, ApiError::new(ErrorCode::Internal, "short"));
}
