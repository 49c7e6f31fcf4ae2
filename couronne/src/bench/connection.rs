//! One connection of the load generator: one request at a time, opened again after a failure.
//!
//! Promises: every answer is read to its end, so that a connection can serve the next request.
//! Must not know: what is measured.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::BenchError;
use super::signing::{Signer, Unsigned};

/// Where requests go.
pub(crate) struct Endpoint {
    /// Host and port, as the host header says it.
    pub(crate) authority: String,
    /// Set for https.
    pub(crate) tls: Option<TlsConnector>,
}

/// A connection, with what it needs to open another.
pub(crate) struct Connection {
    endpoint: Arc<Endpoint>,
    signer: Arc<Signer>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// What is asked of the endpoint.
pub(crate) struct HttpCall<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// Bucket and key, as `/bucket/key`.
    pub(crate) path: &'a str,
    /// The query, sorted by name.
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// SHA-256 of the body in hexadecimal, or `UNSIGNED-PAYLOAD`.
    pub(crate) payload_hash: &'a str,
    /// The body.
    pub(crate) body: Bytes,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its ETag, if it has one.
    pub(crate) etag: Option<String>,
    /// Its body, if it was asked for; empty otherwise.
    pub(crate) body: Vec<u8>,
    /// The length of its body in bytes.
    pub(crate) body_len: u64,
}

/// What happens to the body of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Its bytes are counted and dropped.
    Length,
    /// Its bytes are kept.
    Bytes,
}

impl Connection {
    /// A connection that opens with its first call.
    pub(crate) fn new(endpoint: Arc<Endpoint>, signer: Arc<Signer>) -> Self {
        Self { endpoint, signer, sender: None }
    }

    /// Makes one call. After a failure the next call opens a new connection.
    pub(crate) async fn call(&mut self, call: &HttpCall<'_>, keep: Keep) -> Result<Answer, BenchError> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.open().await?,
        };
        sender.ready().await?;
        let answer = read(sender.send_request(self.request(call)?).await?, keep).await?;
        self.sender = Some(sender);
        Ok(answer)
    }

    /// The signed request of a call.
    fn request(&self, call: &HttpCall<'_>) -> Result<Request<Full<Bytes>>, BenchError> {
        let HttpCall { method, path, query, payload_hash, ref body } = *call;
        let host = self.endpoint.authority.as_str();
        let signed = self.signer.sign(&Unsigned { method, host, path, query, payload_hash });
        Ok(Request::builder()
            .method(method)
            .uri(signed.target)
            .header("host", host)
            .header("x-amz-content-sha256", payload_hash)
            .header("x-amz-date", signed.date)
            .header("authorization", signed.authorization)
            .body(Full::new(body.clone()))?)
    }

    /// Opens the connection.
    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, BenchError> {
        let authority = self.endpoint.authority.as_str();
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.endpoint.tls else {
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            return Ok(sender);
        };
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
        let name = ServerName::try_from(host).map_err(|error| BenchError::Endpoint(error.to_string()))?;
        let stream = tls.connect(name, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// Reads an answer to its end. The body of an error is always kept: it names the code.
async fn read(response: http::Response<hyper::body::Incoming>, keep: Keep) -> Result<Answer, BenchError> {
    let status = response.status();
    let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let mut incoming = response.into_body();
    let mut answer = Answer { status, etag, body: Vec::new(), body_len: 0 };
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        answer.body_len += u64::try_from(data.len()).unwrap_or(0);
        if keep == Keep::Bytes || !status.is_success() {
            answer.body.extend_from_slice(&data);
        }
    }
    Ok(answer)
}
