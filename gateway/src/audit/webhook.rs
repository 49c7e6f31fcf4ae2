//! A webhook: lines are sent by `POST` to an HTTP server, many at a time.
//!
//! Promises: lines count as taken once the server answered with a status of success; until then the same lines are sent again,
//! so that a server may get them twice and never misses them.
//! Must not know: what lines say, when they are sent.

use std::sync::Arc;

use bytes::Bytes;
use couronne_outbound::{Outbound, OutboundError};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode, Uri};
use thiserror::Error;

/// On whose behalf the outbound client sends: no account can be called so.
const HOLDER: &str = "audit of the cluster";

/// A server that takes events.
pub struct AuditWebhook {
    client: Arc<Outbound>,
    url: Uri,
    authorization: Option<HeaderValue>,
}

/// Why lines were not taken.
#[derive(Debug, Error)]
pub(super) enum WebhookError {
    /// There was no answer.
    #[error("sending events to the audit's webhook: {0}")]
    Outbound(#[from] OutboundError),
    /// The answer was no success.
    #[error("the audit's webhook answered {0}")]
    Status(StatusCode),
    /// There is no such request.
    #[error("the request to the audit's webhook: {0}")]
    Http(#[from] http::Error),
}

impl AuditWebhook {
    /// The server of this URL. `authorization` is sent as the header of this name.
    pub fn new(client: Arc<Outbound>, url: Uri, mut authorization: Option<HeaderValue>) -> Self {
        authorization.iter_mut().for_each(|value| value.set_sensitive(true));
        Self { client, url, authorization }
    }

    /// Sends lines, once.
    pub(super) async fn send(&self, lines: Bytes) -> Result<(), WebhookError> {
        let mut request = Request::post(self.url.clone()).header(CONTENT_TYPE, "application/x-ndjson");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let answer = self.client.send(HOLDER, request.body(lines)?).await?;
        if answer.status().is_success() { Ok(()) } else { Err(WebhookError::Status(answer.status())) }
    }
}
