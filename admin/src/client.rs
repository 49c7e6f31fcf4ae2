//! The client of the admin API: any endpoint of the table, by its type.
//!
//! Promises: a refusal comes back with its code, and in the server's own words.
//! Must not know: what the calls are for, how a server is found.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde_json::Value;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::endpoints::{Content, Endpoint, path_of};
use crate::types::{ApiError, ErrorCode};

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a call was not carried out.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The server does not answer.
    #[error("the server at {address} does not answer: {reason}")]
    Unreachable {
        /// The admin address.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The server refused.
    #[error(transparent)]
    Refused(ApiError),
    /// The answer makes no sense.
    #[error("the server's answer is not what this version expects: {0}")]
    Answer(serde_json::Error),
}

/// How a client speaks TLS with a server.
#[derive(Clone)]
pub struct ClientTls {
    /// Which servers it believes.
    pub config: Arc<ClientConfig>,
    /// The name that the server's certificate is to have.
    pub name: ServerName<'static>,
}

/// A running server.
pub struct AdminClient {
    /// Host and port.
    address: String,
    tls: Option<ClientTls>,
    token: Zeroizing<String>,
}

impl AdminClient {
    /// The server whose admin listener has this address, as `host:port`, and is opened by this token.
    pub const fn new(address: String, tls: Option<ClientTls>, token: Zeroizing<String>) -> Self {
        Self { address, tls, token }
    }

    /// Calls an endpoint that takes no body.
    pub async fn call<E: Endpoint<Request = ()>>(&self, endpoint: E) -> Result<E::Response, ClientError> {
        self.send(endpoint, &()).await
    }

    /// Calls an endpoint with a body.
    pub async fn send<E: Endpoint>(&self, endpoint: E, request: &E::Request) -> Result<E::Response, ClientError> {
        // `null` is what `()` is in JSON: no body.
        let body = Some(serde_json::to_string(request).map_err(ClientError::Answer)?).filter(|body| body != "null");
        let unreachable = |reason: String| ClientError::Unreachable { address: self.address.clone(), reason };
        let answer = tokio::time::timeout(TIMEOUT, self.exchange(&endpoint, body.unwrap_or_default())).await;
        let (status, body) = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(_) => return Err(unreachable(format!("nothing within {} s", TIMEOUT.as_secs()))),
        };
        if !status.is_success() {
            let unread = |_| ApiError::new(ErrorCode::Internal, String::from_utf8_lossy(&body));
            return Err(ClientError::Refused(serde_json::from_slice(&body).unwrap_or_else(unread)));
        }
        let response = match E::ROW.content {
            Content::Text => serde_json::from_value(String::from_utf8_lossy(&body).into()),
            Content::Json if body.is_empty() => serde_json::from_value(Value::Null),
            Content::Json => serde_json::from_slice(&body),
        };
        response.map_err(ClientError::Answer)
    }

    /// Sends a request and reads its answer.
    async fn exchange<E: Endpoint>(
        &self,
        endpoint: &E,
        body: String,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.address).await?;
        let mut sender = match &self.tls {
            None => open(stream).await?,
            Some(ClientTls { config, name }) => {
                open(TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await?).await?
            }
        };
        let request = Request::builder()
            .method(E::ROW.method)
            .uri(path_of(endpoint))
            .header(HOST, &self.address)
            .header(AUTHORIZATION, format!("Bearer {}", self.token.as_str()))
            .body(Full::new(Bytes::from(body)))?;
        let response = sender.send_request(request).await?;
        Ok((response.status(), response.into_body().collect().await?.to_bytes()))
    }
}

/// Begins to speak HTTP.
async fn open<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
) -> Result<SendRequest<Full<Bytes>>, hyper::Error> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
