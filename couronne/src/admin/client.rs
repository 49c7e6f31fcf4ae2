//! The command line's side of the admin API.
//!
//! Promises: a refusal comes back in the server's own words.
//! Must not know: what the messages are for.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::messages::ErrorMessage;
use crate::cli::ServerArguments;
use crate::folder::{self, DataFolderError};

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a command could not be carried out.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    /// There is no server to talk to.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// COURONNE_ADMIN without a token.
    #[error("an admin address takes a token as well: set COURONNE_ADMIN_TOKEN to the text of DIR/admin.token")]
    NoToken,
    /// The server does not answer.
    #[error("the server at {address} does not answer: {reason}")]
    Unreachable {
        /// The admin address.
        address: SocketAddr,
        /// What happened.
        reason: String,
    },
    /// The server said no.
    #[error("{0}")]
    Refused(String),
    /// The answer makes no sense.
    #[error("the server's answer is not what this version expects: {0}")]
    Answer(serde_json::Error),
}

/// A running server.
pub(crate) struct AdminClient {
    address: SocketAddr,
    token: Zeroizing<String>,
}

impl AdminClient {
    /// Finds the server the flags mean.
    pub(crate) fn find(arguments: &ServerArguments) -> Result<Self, ClientError> {
        if let Some(address) = arguments.admin_address {
            let token = arguments.admin_token.clone().ok_or(ClientError::NoToken)?;
            return Ok(Self { address, token: Zeroizing::new(token) });
        }
        let (server, token) = folder::running_server(&arguments.data)?;
        Ok(Self { address: server.admin, token })
    }

    /// GET.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let body = self.call("GET", path, String::new()).await?;
        serde_json::from_slice(&body).map_err(ClientError::Answer)
    }

    /// POST of a message.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        message: &impl Serialize,
    ) -> Result<T, ClientError> {
        let message = serde_json::to_string(message).map_err(ClientError::Answer)?;
        let body = self.call("POST", path, message).await?;
        serde_json::from_slice(&body).map_err(ClientError::Answer)
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.call("DELETE", path, String::new()).await.map(drop)
    }

    /// One request; the body of a success.
    async fn call(&self, method: &str, path: &str, body: String) -> Result<Bytes, ClientError> {
        let unreachable = |reason: String| ClientError::Unreachable { address: self.address, reason };
        let answer = tokio::time::timeout(TIMEOUT, self.exchange(method, path, body)).await;
        let (is_success, body) = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(_) => return Err(unreachable(format!("nothing within {} s", TIMEOUT.as_secs()))),
        };
        if is_success {
            return Ok(body);
        }
        let words = serde_json::from_slice::<ErrorMessage>(&body).map(|message| message.error);
        Err(ClientError::Refused(words.unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned())))
    }

    /// Sends a request and reads its answer.
    async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<(bool, Bytes), Box<dyn std::error::Error>> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("authorization", format!("Bearer {}", self.token.as_str()))
            .body(Full::new(Bytes::from(body)))?;
        let response = sender.send_request(request).await?;
        let is_success = response.status().is_success();
        Ok((is_success, response.into_body().collect().await?.to_bytes()))
    }
}

/// A name as a segment of a path.
pub(crate) fn segment(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}
