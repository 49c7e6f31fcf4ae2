//! What is known of one request while it is served, and what it leaves: a count, a line in the access log, and its
//! event in the audit.
//!
//! Promises: the path is logged without its query, since a presigned URL's query is a credential, and up to a bound, since
//! HTTP/2 repeats a long one for a byte.
//! Must not know: faces; operations and errors are names here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Clock;
use http::header::USER_AGENT;
use http::request::Parts;
use http::{Method, StatusCode};

use super::request::Origin;
use super::request_id::RequestId;
use super::response::StreamError;
use crate::audit::{ArrivedRequest, Audit, Record, RequestEnd};
use crate::identity::Credential;
use crate::metrics::{Ended, Metrics};

/// So much of a path is logged. Bytes.
const LOGGED_PATH_BYTES_MAX: usize = 256;

/// The stages of the pipeline: span names and metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Path, query, headers, route.
    Parse,
    /// Finding the caller, and a place for it among requests under way.
    Authenticate,
    /// Parameters, and the buckets they name.
    Resolve,
    /// Whether the caller may.
    Authorize,
    /// The operation itself, its request body included.
    Execute,
    /// Sending the answer, its body included.
    Respond,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 6] =
        [Self::Parse, Self::Authenticate, Self::Resolve, Self::Authorize, Self::Execute, Self::Respond];

    /// The stage's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Authenticate => "authenticate",
            Self::Resolve => "resolve",
            Self::Authorize => "authorize",
            Self::Execute => "execute",
            Self::Respond => "respond",
        }
    }
}

/// How a request came, and where it leaves its event.
pub struct Came<'a> {
    /// The address that it came from.
    pub peer: SocketAddr,
    /// Where it comes from, behind trusted proxies.
    pub origin: Origin,
    /// Where it leaves its event.
    pub audit: &'a Audit,
}

/// What is known of one request so far. When it is dropped it is counted and logged: one that its
/// client gave up, too.
pub struct Trace {
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    began: Duration,
    since: Duration,
    stages: Vec<(Stage, Duration)>,
    id: RequestId,
    peer: SocketAddr,
    /// The client's address; `None` if a trusted proxy names none.
    client: Option<IpAddr>,
    method: Method,
    /// Without the query: a presigned URL's query is a credential.
    path: Box<str>,
    operation: Option<&'static str>,
    user: Option<(Box<str>, Box<str>)>,
    status: Option<StatusCode>,
    code: Option<&'static str>,
    broke_off: bool,
    /// What the audit is to say of it.
    pub record: Record,
    /// Bytes of the request's body, as framed.
    pub received_bytes: u64,
    /// Bytes of the response's body.
    pub sent_bytes: u64,
}

impl Trace {
    /// Begins a request.
    pub fn new(metrics: Arc<Metrics>, clock: Arc<dyn Clock>, id: RequestId, head: &Parts, came: Came<'_>) -> Self {
        let Came { peer, origin, audit } = came;
        let began = clock.steady();
        let record = audit.begin(|| seen(head, id, peer, origin, clock.wall_us()));
        Self {
            metrics,
            clock,
            began,
            since: began,
            stages: Vec::with_capacity(Stage::ALL.len()),
            id,
            peer,
            client: origin.address,
            method: head.method.clone(),
            path: head.uri.path().into(),
            operation: None,
            user: None,
            status: None,
            code: None,
            broke_off: false,
            record,
            received_bytes: 0,
            sent_bytes: 0,
        }
    }

    /// A stage ended now.
    pub fn passed(&mut self, stage: Stage) {
        let now = self.clock.steady();
        self.stages.push((stage, now.saturating_sub(self.since)));
        self.since = now;
    }

    /// The path as it was sent.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name of the operation that the request means.
    pub const fn operation(&mut self, operation: &'static str) {
        self.operation = Some(operation);
    }

    /// The caller.
    pub fn caller(&mut self, caller: &Arc<Credential>) {
        self.record.caller(caller);
        self.user = Some((caller.account().name.clone(), caller.caller.name().into()));
    }

    /// It ends with an error of this name.
    pub const fn failed(&mut self, code: &'static str) {
        self.code = Some(code);
    }

    /// Its answer has this status.
    pub const fn status(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// Its answer could not be sent whole.
    pub fn broke_off(&mut self, error: &StreamError) {
        self.broke_off = true;
        tracing::error!(id = %self.id, %error, "an answer broke off");
    }

    fn took_us(&self) -> u64 {
        u64::try_from(self.clock.steady().saturating_sub(self.began).as_micros()).unwrap_or(u64::MAX)
    }

    fn log(&self) {
        let (account, user) = self.user.as_ref().map_or(("", ""), |(account, user)| (account, user));
        tracing::info!(
            target: "couronne::access",
            id = %self.id,
            peer = %self.peer,
            client = %Shown(self.client),
            method = %self.method,
            path = logged(&self.path),
            operation = self.operation.unwrap_or_default(),
            account,
            user,
            status = self.status.map_or(0, |status| status.as_u16()),
            code = self.code.unwrap_or_default(),
            broke_off = self.broke_off,
            received_bytes = self.received_bytes,
            sent_bytes = self.sent_bytes,
            took_us = self.took_us(),
        );
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.metrics.count(Ended {
            operation: self.operation.unwrap_or("none"),
            code: self.code.unwrap_or("OK"),
            received_bytes: self.received_bytes,
            sent_bytes: self.sent_bytes,
            stages: &mut self.stages.iter().map(|(stage, spent)| (stage.name(), *spent)),
        });
        self.log();
        self.record.end(RequestEnd {
            took_us: self.took_us(),
            status: self.status.map(|status| status.as_u16()),
            code: self.code,
            broke_off: self.broke_off,
            received_bytes: self.received_bytes,
            sent_bytes: self.sent_bytes,
        });
    }
}

/// A request as the audit sees it come.
fn seen(head: &Parts, id: RequestId, peer: SocketAddr, origin: Origin, received_us: u64) -> ArrivedRequest {
    let user_agent = head.headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into());
    ArrivedRequest {
        id: id.to_string().into(),
        received_us,
        peer,
        client: origin.address,
        is_secure: origin.is_secure,
        user_agent,
        method: head.method.as_str().into(),
        path: head.uri.path().into(),
    }
}

/// An address, or a hyphen where there is none.
struct Shown(Option<IpAddr>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("-"),
        }
    }
}

/// What of a path is logged.
fn logged(path: &str) -> &str {
    path.get(..path.floor_char_boundary(LOGGED_PATH_BYTES_MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_logged_up_to_a_bound_whatever_it_holds() {
        assert_eq!(logged("/bucket/key"), "/bucket/key");
        let bound = "a".repeat(LOGGED_PATH_BYTES_MAX);
        assert_eq!(logged(&bound), bound);
        assert_eq!(logged(&format!("{bound}b")), bound);
        // A character in the midst of which the bound is.
        let cut = &bound[1..];
        assert_eq!(logged(&format!("{cut}\u{fc}{bound}")), cut);
    }
}
