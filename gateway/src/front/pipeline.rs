//! The one front door: receive > parse > authenticate > resolve > authorize > execute > respond.
//!
//! Promises: every request runs through [`answer`] from top to bottom. The stages are types: an operation executes only
//! with an [`super::Authorized`] of itself in hand, and only the authorize stage (`authorize.rs`) makes one. There is no
//! way around it.
//! Must not know: any face, any single operation, how signatures are computed, how bodies are stored.

use std::sync::Arc;

use couronne_base::fair::{Holder, OnBehalf, Short};
use http::request::Parts;
use hyper::body::Body as _;
use tokio::time::Instant;

use super::authorize::{FoundCaller, RENEWALS_MAX, authorize, hides_absence};
use super::body::{Body, BodyUse, Reception};
use super::error::{FaceError, FrontError, Rejection, of_face};
use super::face::{Face, FaceOperation, Verified};
use super::gateway::Gateway;
use super::handler::{ErrorOf, Handler};
use super::limits::frames::Incoming;
use super::limits::under_way::UnderWay;
use super::request::{self, Origin, RequestHead};
use super::request_id::RequestId;
use super::resources::{ResolvedResources as _, Resources as _};
use super::response::Response;
use super::trace::{Stage, Trace};
use crate::engine::Bucket;

/// A request as the server took it from the connection.
pub struct Received {
    /// Method, target, headers.
    pub head: Parts,
    /// The body, not yet read.
    pub body: Incoming,
    /// Its identity.
    pub id: RequestId,
    /// Where it comes from.
    pub origin: Origin,
    /// Its place among the requests that arrive, unless there was none.
    pub under_way: Result<UnderWay, Short>,
    /// Until when it has to be answered.
    pub deadline: Instant,
}

/// A request of a known caller, and the operation that it means. Only the authenticate stage makes one.
pub struct Authenticated<F: Face> {
    request: Arc<F::Request>,
    operation: F::Operation,
    caller: FoundCaller,
    /// The holder that the request counts for.
    holder: Holder,
    payload: F::Payload,
    /// The bytes of HTTP's, but for those that were part of the request itself.
    body: Body<F>,
    /// The length of what HTTP brings, in bytes, if it is said.
    sent_bytes: Option<u64>,
    under_way: UnderWay,
}

impl<F: Face> Authenticated<F> {
    /// What the request means.
    pub const fn operation(&self) -> F::Operation {
        self.operation
    }
}

/// A request that was read, and the operation that it means, if it means one.
struct Parsed<F: Face> {
    request: Arc<F::Request>,
    operation: Result<F::Operation, F::Error>,
    body: Body<F>,
    sent_bytes: Option<u64>,
    under_way: UnderWay,
}

/// Answers a request. `trace` learns the operation, the caller, and how long each stage took.
pub async fn answer<F: Face>(gateway: &Gateway<F>, received: Received, trace: &mut Trace) -> Response {
    let id = received.id;
    let mut response = match stages(gateway, received, trace).await {
        Ok(response) => response,
        Err(error) => told(error.into_face(), id, trace),
    };
    gateway.face.mark_answer(&mut response.headers, id);
    response
}

/// Answers a request that the server refuses, of which no stage sees anything.
pub(super) fn refuse<F: Face>(
    gateway: &Gateway<F>,
    rejection: Rejection,
    id: RequestId,
    trace: &mut Trace,
) -> Response {
    let mut response = told(F::Error::from(rejection), id, trace);
    gateway.face.mark_answer(&mut response.headers, id);
    response
}

/// What the client is told of an error.
fn told<E: FaceError>(error: E, id: RequestId, trace: &mut Trace) -> Response {
    trace.failed(error.code_name());
    let resource = request::decode(trace.path()).unwrap_or_default();
    error.into_response(&String::from_utf8_lossy(&resource), id)
}

/// The stages up to the choice of the operation; [`carry_out`] has the others.
async fn stages<F: Face>(
    gateway: &Gateway<F>,
    received: Received,
    trace: &mut Trace,
) -> Result<Response, FrontError<F::Error>> {
    let Received { head, body: incoming, id, origin, under_way, deadline } = received;
    let under_way = under_way.map_err(of_place)?;

    let head = RequestHead::parse(head, id, origin, gateway.env.clock.wall_us()).map_err(of_face)?;
    let mut request = gateway.face.parse(head).map_err(FrontError::Face)?;
    let reception = Reception { under_way: under_way.clone(), deadline, documents: gateway.documents.clone() };
    let sent_bytes = incoming.size_hint().exact();
    // Its memory counts for the peer until the caller is known.
    let mut body = Body::new(incoming, reception, OnBehalf::of_task().peer, &gateway.settings);
    gateway.face.take_form(&mut request, &mut body).await.map_err(FrontError::Face)?;
    let operation = gateway.face.route(&request);
    trace.passed(Stage::Parse);

    let meant = operation.as_ref().ok().copied();
    trace.record.describe(meant.map(FaceOperation::changes), || F::subject(&request, meant));
    let request = Arc::new(request);
    let parsed = Parsed { request: request.clone(), operation, body, sent_bytes, under_way };
    let outcome = known(gateway, parsed, trace).await;
    if outcome.is_err() {
        trace.record.describe_failed(|| F::subject(&request, meant));
    }
    outcome
}

/// The stages from the caller on.
async fn known<F: Face>(
    gateway: &Gateway<F>,
    parsed: Parsed<F>,
    trace: &mut Trace,
) -> Result<Response, FrontError<F::Error>> {
    let Parsed { request, operation, body, sent_bytes, under_way } = parsed;
    let since = gateway.env.clock.steady();
    let verified = F::authenticate(gateway, &request).await;
    if verified.is_err() {
        trace.record.unauthenticated(|| F::claimed_key(&request));
    }
    let Verified { caller, payload, link } = verified.map_err(FrontError::Face)?;
    trace.caller(&caller);
    let holder = under_way.authenticated(&caller, link.as_deref()).await.map_err(of_place)?;
    trace.passed(Stage::Authenticate);

    let operation = operation.map_err(FrontError::Face)?;
    trace.operation(operation.name());
    if operation.changes() {
        trace.record.reserve().await.map_err(|_full| of_face(Rejection::AuditFull))?;
    }
    let caller = FoundCaller { credential: caller, since, notes: trace.record.notes() };
    let authenticated = Authenticated { request, operation, caller, holder, payload, body, sent_bytes, under_way };
    F::dispatch(gateway, authenticated, trace).await
}

/// There was no place for a request.
fn of_place<E: FaceError>(short: Short) -> FrontError<E> {
    of_face(Rejection::Engine(short.into()))
}

/// The stages of a known operation. If a bucket's rules change meanwhile it is resolved and authorized again, unless its
/// body is already gone (then the operation does so itself: [`super::Authorized::commit`]).
pub async fn carry_out<H: Handler>(
    gateway: &Gateway<H::Face>,
    authenticated: Authenticated<H::Face>,
    trace: &mut Trace,
) -> Result<Response, FrontError<ErrorOf<H>>> {
    let Authenticated { request, operation, caller, holder, payload, mut body, sent_bytes, under_way } = authenticated;

    body.set_framing(gateway.face.framing(&request, payload, H::BODY, sent_bytes).map_err(FrontError::Face)?);
    body.counts_for(holder);
    let parameters = Arc::new(H::parse(&request).map_err(FrontError::Face)?);
    let resources = parameters.resources(&request).map_err(FrontError::Face)?;
    let mut resolved = resources.resolve(&gateway.engine).await.map_err(of_face)?;
    trace.passed(Stage::Resolve);

    for _ in 0..RENEWALS_MAX {
        let authorized = match authorize::<H>(gateway, operation, &parameters, &request, &caller, &resolved).await {
            Err(FrontError::Stale) => {
                resolved = resolved.renew(&gateway.engine).await?;
                continue;
            }
            outcome => outcome?,
        };
        trace.passed(Stage::Authorize);
        // Not before: a bucket's account does not answer for a caller that is denied, and never for another account's.
        let own = |bucket: &Bucket| bucket.entry.account == caller.credential.account().id;
        if let Some((bucket, _)) = resolved.buckets().next().filter(|(bucket, _)| own(bucket)) {
            body.counts_for(under_way.authorized(bucket));
        }

        if H::BODY == BodyUse::None {
            body.discard().await.map_err(of_face)?;
        }
        let outcome = H::execute(authorized, gateway, &mut body).await;
        trace.passed(Stage::Execute);
        match outcome {
            Err(FrontError::Stale) if !body.is_touched() => resolved = resolved.renew(&gateway.engine).await?,
            Err(FrontError::Face(error)) => {
                let hides = hides_absence::<H>(gateway, &request, &caller, &resolved, &error).await?;
                return Err(if hides { of_face(Rejection::AccessDenied) } else { FrontError::Face(error) });
            }
            outcome => return outcome,
        }
    }
    Err(FrontError::Stale)
}
