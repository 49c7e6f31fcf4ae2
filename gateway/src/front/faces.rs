//! Which face a request is for.
//!
//! A listener serves one face ([`Gateway`] is a choice of one), or several told apart by path ([`ByPath`]) or by their heads
//! ([`ByHead`]), which may be nested. What the server itself refuses is told in the words of the face that the path belongs to.
//! Must not know: any face.

use std::sync::Arc;

use couronne_base::env::Env;
use http::request::Parts;

use super::error::Rejection;
use super::face::Face;
use super::gateway::Gateway;
use super::pipeline::{self, Received};
use super::request_id::RequestId;
use super::response::Response;
use super::trace::Trace;
use crate::audit::Audit;
use crate::metrics::Metrics;

/// The faces of a listener.
pub trait Faces: Send + Sync + 'static {
    /// Time and randomness.
    fn env(&self) -> &Env;

    /// What is counted and timed.
    fn metrics(&self) -> &Arc<Metrics>;

    /// Where requests leave their events.
    fn audit(&self) -> &Audit;

    /// Chooses the face, and answers.
    fn answer(&self, received: Received, trace: &mut Trace) -> impl Future<Output = Response> + Send;

    /// Chooses the face, and has it word what the server refuses.
    fn refuse(&self, rejection: Rejection, id: RequestId, trace: &mut Trace) -> Response;
}

impl<F: Face> Faces for Gateway<F> {
    fn env(&self) -> &Env {
        &self.env
    }

    fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    fn audit(&self) -> &Audit {
        &self.audit
    }

    fn answer(&self, received: Received, trace: &mut Trace) -> impl Future<Output = Response> + Send {
        pipeline::answer(self, received, trace)
    }

    fn refuse(&self, rejection: Rejection, id: RequestId, trace: &mut Trace) -> Response {
        pipeline::refuse(self, rejection, id, trace)
    }
}

impl<A: Faces> Faces for Arc<A> {
    fn env(&self) -> &Env {
        (**self).env()
    }

    fn metrics(&self) -> &Arc<Metrics> {
        (**self).metrics()
    }

    fn audit(&self) -> &Audit {
        (**self).audit()
    }

    fn answer(&self, received: Received, trace: &mut Trace) -> impl Future<Output = Response> + Send {
        (**self).answer(received, trace)
    }

    fn refuse(&self, rejection: Rejection, id: RequestId, trace: &mut Trace) -> Response {
        (**self).refuse(rejection, id, trace)
    }
}

/// Two choices on one listener: requests whose path is `prefix`, or lies below it, go to `below`; all others go to
/// `others`. The path is compared as it was sent: one that is encoded otherwise goes to `others`.
pub struct ByPath<A, B> {
    /// Begins with a slash and ends without one.
    pub prefix: &'static str,
    /// The choice for paths below the prefix.
    pub below: A,
    /// The choice for all other paths.
    pub others: B,
}

impl<A: Faces, B: Faces> Faces for ByPath<A, B> {
    fn env(&self) -> &Env {
        self.others.env()
    }

    fn metrics(&self) -> &Arc<Metrics> {
        self.others.metrics()
    }

    fn audit(&self) -> &Audit {
        self.others.audit()
    }

    async fn answer(&self, received: Received, trace: &mut Trace) -> Response {
        if is_below(self.prefix, received.head.uri.path()) {
            self.below.answer(received, trace).await
        } else {
            self.others.answer(received, trace).await
        }
    }

    fn refuse(&self, rejection: Rejection, id: RequestId, trace: &mut Trace) -> Response {
        if is_below(self.prefix, trace.path()) {
            self.below.refuse(rejection, id, trace)
        } else {
            self.others.refuse(rejection, id, trace)
        }
    }
}

/// Two choices on one listener: requests whose head `is_first` takes go to `first`, all others to `others`; so does what the
/// server itself refuses.
pub struct ByHead<A, B> {
    /// Whether a request is for the first choice.
    pub is_first: fn(&Parts) -> bool,
    /// The choice for these.
    pub first: A,
    /// The choice for all others.
    pub others: B,
}

impl<A: Faces, B: Faces> Faces for ByHead<A, B> {
    fn env(&self) -> &Env {
        self.others.env()
    }

    fn metrics(&self) -> &Arc<Metrics> {
        self.others.metrics()
    }

    fn audit(&self) -> &Audit {
        self.others.audit()
    }

    async fn answer(&self, received: Received, trace: &mut Trace) -> Response {
        if (self.is_first)(&received.head) {
            self.first.answer(received, trace).await
        } else {
            self.others.answer(received, trace).await
        }
    }

    fn refuse(&self, rejection: Rejection, id: RequestId, trace: &mut Trace) -> Response {
        self.others.refuse(rejection, id, trace)
    }
}

fn is_below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_slash() {
        for (path, below) in [
            ("/v1", true),
            ("/v1/", true),
            ("/v1/a/b", true),
            ("/v1a", false),
            ("/", false),
            ("/a/v1", false),
            ("/%761/a", false),
        ] {
            assert_eq!(is_below("/v1", path), below, "{path}");
        }
    }
}
