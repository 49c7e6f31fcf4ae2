//! The server over a fake control: routing, the token, refusals; and the client of the same table.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::fake::Fake;
use crate::client::{AdminClient, ClientError};
use crate::endpoints as at;
use crate::server::{AdminApi, AdminToken, serve};
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
        let token = AdminToken::new(Zeroizing::new("token".to_owned()));
        let api = AdminApi { token, cluster: Arc::new(fake.clone()), identities: Arc::new(fake) };
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve(listener, Arc::new(api), stopped));
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
        AdminClient::new(self.address, Zeroizing::new(token.to_owned()))
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

#[tokio::test]
async fn no_spelling_of_a_path_opens_it_without_the_token() {
    let server = Running::start(Fake::default()).await;
    for row in at::ENDPOINTS.iter().filter(|row| row.access == at::Access::Token) {
        let path = row.path.replace(['{', '}'], "");
        for token in [None, Some("wrong"), Some("")] {
            let answer = server.ask(&row.method, &path, token, String::new()).await;
            assert_eq!(answer.refused(), ErrorCode::Unauthenticated, "{} {path}", row.method);
            let answer = server.ask(&Method::PATCH, &path, token, String::new()).await;
            assert_eq!(answer.refused(), ErrorCode::Unauthenticated, "PATCH {path}: its methods are not told");
        }
        for spelling in spellings(&path) {
            let answer = server.ask(&row.method, &spelling, None, String::new()).await;
            assert!(!answer.status.is_success(), "{} {spelling}: {}", row.method, answer.status);
            let refused = answer.refused();
            assert!(matches!(refused, ErrorCode::Unauthenticated | ErrorCode::NotFound), "{spelling}: {refused:?}");
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
    let request = UserRequest { name: "ada".to_owned(), admin: false, access_key: None, secret_key: None };
    let user = client.send(at::CreateUser { account: "ü/x".to_owned() }, &request).await.unwrap();
    assert_eq!((user.account.as_str(), user.user.as_str()), ("ü/x", "ada"));

    let refused = server.client("tokeN").call(at::GetStatus {}).await;
    assert!(matches!(refused, Err(ClientError::Refused(ApiError { code: ErrorCode::Unauthenticated, .. }))));
    let refusal = ApiError::new(ErrorCode::Conflict, "it is not empty");
    let server = Running::start(Fake { refusal: Some(refusal) }).await;
    let refused = server.client("token").call(at::DeleteAccount { name: "x".to_owned() }).await.err().unwrap();
    assert_eq!(refused.to_string(), "it is not empty");
}

#[test]
fn a_code_of_a_later_version_is_read() {
    let error: ApiError = serde_json::from_str(r#"{"code":"teapot","message":"short","more":1}"#).unwrap();
    assert_eq!(error, ApiError::new(ErrorCode::Internal, "short"));
}
