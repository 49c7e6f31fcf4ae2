//! A request and its answer, over a connection of its own.
//!
//! Promises: a request ends within [`OutboundSettings::request_time_max_ms`], whatever the server does, and leaves nothing
//! running; its answer takes no more than [`OutboundSettings::answer_bytes_max`]; when
//! [`OutboundSettings::requests_max`] are under way, the account that has most gives way to the others.
//! Must not know: what answers mean, but for redirects.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_base::fair::{Cut, Holder, Patience, Pool};
use couronne_base::network::Network;
use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::connect::{Connector, tls};
use crate::error::{OutboundError, UrlFault};
use crate::reach::Reach;
use crate::resolve::{Resolve, SystemResolver};
use crate::target::Target;

/// Headers of an answer, at most.
const HEADERS_MAX: usize = 64;
/// The head of an answer, at most, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// After so long the account that has most requests under way gives way to a request that waits.
const CUT_AFTER: Duration = Duration::from_millis(250);
/// A request that waits for others to end gives up after so long.
const GIVE_UP_AFTER: Duration = Duration::from_secs(2);

/// What an operator may tune.
#[derive(Clone, Debug)]
pub struct OutboundSettings {
    /// Networks that may be reached beside what is reachable from everywhere.
    pub allow: Vec<Network>,
    /// How long one address may take to accept a connection. Milliseconds.
    pub connect_time_max_ms: u64,
    /// How long a request may take, from resolving the name to the last byte of the answer. Milliseconds.
    pub request_time_max_ms: u64,
    /// The body of an answer, at most. Bytes.
    pub answer_bytes_max: usize,
    /// Requests under way at once.
    pub requests_max: usize,
}

impl Default for OutboundSettings {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            connect_time_max_ms: 2_000,
            request_time_max_ms: 5_000,
            answer_bytes_max: 1 << 20,
            requests_max: 64,
        }
    }
}

/// The client.
pub struct Outbound {
    connector: Connector,
    pool: Pool,
    request_time_max: Duration,
    answer_bytes_max: usize,
}

impl Outbound {
    /// A client that judges servers as `config` says (`None`: it speaks no TLS), and resolves names as the system does.
    pub fn new(settings: OutboundSettings, config: Option<&ClientConfig>) -> Self {
        Self::with_resolver(settings, config, Arc::new(SystemResolver))
    }

    /// The same, with another resolver.
    pub fn with_resolver(
        settings: OutboundSettings,
        config: Option<&ClientConfig>,
        resolver: Arc<dyn Resolve>,
    ) -> Self {
        let OutboundSettings { allow, connect_time_max_ms, request_time_max_ms, answer_bytes_max, requests_max } =
            settings;
        let connect_time_max = Duration::from_millis(connect_time_max_ms);
        let patience = Patience { cut_after: CUT_AFTER, cuts_own: false, give_up_after: GIVE_UP_AFTER };
        Self {
            connector: Connector { reach: Reach::new(allow), resolver, tls: config.map(tls), connect_time_max },
            pool: Pool::new(u64::try_from(requests_max).unwrap_or(u64::MAX), patience),
            request_time_max: Duration::from_millis(request_time_max_ms),
            answer_bytes_max,
        }
    }

    /// Sends a request with an absolute URL on behalf of an account, and reads its answer, whatever its status is but a
    /// redirect.
    pub async fn send(&self, account: &str, request: Request<Bytes>) -> Result<Response<Bytes>, OutboundError> {
        let target = Target::of(request.uri())?;
        let cut = Cut::default();
        let mut share = self.pool.claim(&Holder::new([account]), 1, &cut);
        share.take(1).await.map_err(|_short| OutboundError::Busy)?;
        let exchange = timeout(self.request_time_max, self.exchange(&target, request));
        tokio::select! {
            biased;
            () = cut.wait() => Err(OutboundError::Busy),
            answer = exchange => answer.map_err(|_elapsed| OutboundError::Late(self.request_time_max))?,
        }
    }

    async fn exchange(&self, target: &Target, request: Request<Bytes>) -> Result<Response<Bytes>, OutboundError> {
        let request = addressed(target, request)?;
        let stream = self.connector.connect(target).await?;
        let mut builder = Builder::new();
        builder.max_headers(HEADERS_MAX).max_buf_size(HEAD_BYTES_MAX);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        // Both run in this task, so that nothing is left of the connection when the request is dropped.
        let mut answer = pin!(self.answer(sender, request));
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            ended = connection => {
                ended?;
                answer.await
            }
        }
    }

    async fn answer(
        &self,
        mut sender: SendRequest<Full<Bytes>>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, OutboundError> {
        let (head, body) = sender.send_request(request).await?.into_parts();
        if head.status.is_redirection() {
            return Err(OutboundError::Redirect(head.status));
        }
        let body = Limited::new(body, self.answer_bytes_max).collect().await;
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => OutboundError::Http(*error),
            Err(error) => {
                debug_assert!(error.is::<LengthLimitError>());
                OutboundError::TooLarge(self.answer_bytes_max)
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

/// The request as it is sent: its path alone, to the host that its URL names, over a connection that is used once.
fn addressed(target: &Target, request: Request<Bytes>) -> Result<Request<Full<Bytes>>, UrlFault> {
    let (mut head, body) = request.into_parts();
    head.uri = target.path.parse::<Uri>().map_err(|_invalid| UrlFault::Form)?;
    head.headers.insert(HOST, HeaderValue::from_str(&target.authority).map_err(|_invalid| UrlFault::Host)?);
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    head.headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("couronne"));
    Ok(Request::from_parts(head, Full::new(body)))
}
