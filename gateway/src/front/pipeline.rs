//! The one front door: receive > parse > authenticate > resolve > authorize > execute > respond.
//!
//! Promises: every request runs through [`answer`] from top to bottom. The stages are types: an
//! operation executes only with an [`Authorized`] of itself in hand, and only the authorize stage
//! (`authorize.rs`) makes one. There is no way around it.
//! Must not know: any single operation, how signatures are computed, how bodies are stored.
//!
//! # How an operation plugs in
//!
//! One file in `s3/ops` holds a type with the operation's parameters and implements [`S3Operation`];
//! one line in `s3::ops::dispatch` names it. Three examples:
//!
//! ```ignore
//! pub struct ListBuckets { prefix: String, limit: u32, after: String }
//! impl S3Operation for ListBuckets {
//!     type Resources = Service;                       // no bucket
//!     const BODY: BodyUse = BodyUse::None;            // verified to be what was signed, and dropped
//!     fn parse(request: &Request) -> Result<Self> { /* request.query.get("max-buckets"), ... */ }
//!     fn resources(&self, _: &Request) -> Result<Service> { Ok(Service) }
//!     async fn execute(authorized: Authorized<Self>, gateway: &Gateway, _: &mut Body) -> Result<Response> {
//!         let page = gateway.engine.list_buckets(/* authorized.caller().account */).await?;
//!         Ok(Response::xml(/* document */))
//!     }
//! }
//!
//! impl S3Operation for GetObject {
//!     type Resources = InBucket;                      // resolved: an `engine::Bucket`
//!     fn resources(&self, request: &Request) -> Result<InBucket> { InBucket::of(request) }
//!     async fn execute(authorized: Authorized<Self>, gateway: &Gateway, _: &mut Body) -> Result<Response> {
//!         let handle = gateway.engine.open(authorized.resources(), authorized.request().need_key()?, ..).await?;
//!         // `StaleRules` may simply be passed up with `?`: the pipeline resolves, authorizes and executes again.
//!     }
//! }
//!
//! impl S3Operation for PutObject {
//!     type Resources = InBucket;                      // a copy has `CopyBetween`: source and target
//!     const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };
//!     async fn execute(mut authorized: Authorized<Self>, gateway: &Gateway, body: &mut Body) -> Result<Response> {
//!         let staged = gateway.engine.stage(authorized.resources(), key, body).await?;
//!         // The body is gone, so this operation renews its own authorization and repeats only the commit.
//!         let written = loop {
//!             match gateway.engine.put_object(authorized.resources(), &staged, put.clone()).await {
//!                 Err(EngineError::StaleRules) => authorized.renew(&gateway.engine).await?,
//!                 done => break done?,
//!             }
//!         };
//!     }
//! }
//! ```

use std::sync::Arc;

use couronne_base::env::Env;
use http::request::Parts;

use crate::auth::{self, AuthSettings, Authenticated};
use crate::authorize::{Authorized, RENEWALS_MAX, ResolvedResources, Resources, authorize};
use crate::body::{Body, BodyUse, Incoming};
use crate::engine::Engine;
use crate::identity::Identity;
use crate::metrics::{Metrics, Stage, Trace};
use crate::request::{self, Request, RequestId};
use crate::response::Response;
use crate::s3::error::{Code, Result, S3Error};
use crate::s3::operation::{self, Operation, Route};
use crate::s3::ops;

/// What the pipeline works with; passed in.
pub struct Gateway {
    /// The verbs on buckets and objects.
    pub engine: Engine,
    /// Accounts, users, keys.
    pub identity: Identity,
    /// Time and chance.
    pub env: Env,
    /// What is counted and timed.
    pub metrics: Arc<Metrics>,
    /// What an operator may tune.
    pub settings: GatewaySettings,
}

/// What an operator may tune of the pipeline.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Domains below which a bucket's name is a host name; lower case, without a leading dot.
    pub base_domains: Vec<String>,
    /// How signatures are checked.
    pub auth: AuthSettings,
    /// How long a client may send nothing while its body is awaited. Milliseconds.
    pub body_stall_ms: u64,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self { base_domains: Vec::new(), auth: AuthSettings::default(), body_stall_ms: 30_000 }
    }
}

/// A request as the server took it from the connection.
pub struct Received {
    /// Method, target, headers.
    pub head: Parts,
    /// The body, not yet read.
    pub body: Incoming,
    /// Its identity.
    pub id: RequestId,
}

/// A request whose head was parsed, and where it leads.
pub struct Parsed {
    /// The head.
    pub request: Request,
    /// Where it leads. A request that leads nowhere is told so only once it is authenticated.
    pub route: Route,
    /// The body, not yet read.
    pub body: Incoming,
}

/// What each operation implements; see the head of this file.
pub trait S3Operation: Sized + Send + Sync + 'static {
    /// The buckets it touches, as a type: the authorize stage checks each.
    type Resources: Resources;

    /// What it does with its body.
    const BODY: BodyUse = BodyUse::None;

    /// Takes the parameters from path, query and headers, with S3's own errors.
    fn parse(request: &Request) -> Result<Self>;

    /// The buckets it touches.
    fn resources(&self, request: &Request) -> Result<Self::Resources>;

    /// Does it.
    fn execute(
        authorized: Authorized<Self>,
        gateway: &Gateway,
        body: &mut Body,
    ) -> impl Future<Output = Result<Response>> + Send;
}

/// Answers a request. `trace` learns the operation, who asked, and how long each stage took.
pub async fn answer(gateway: &Gateway, received: Received, trace: &mut Trace) -> Response {
    let id = received.id.clone();
    let resource = String::from_utf8_lossy(&request::decode(received.head.uri.path()).unwrap_or_default()).into_owned();
    match run(gateway, received, trace).await {
        Ok(response) => response,
        Err(error) => {
            trace.failed(error.code());
            error.into_response(&resource, &id)
        }
    }
}

async fn run(gateway: &Gateway, received: Received, trace: &mut Trace) -> Result<Response> {
    let parsed = parse(gateway, received)?;
    trace.passed(Stage::Parse);
    let route = parsed.route;
    let authenticated = auth::authenticate(gateway, parsed).await?;
    trace.caller(authenticated.caller());
    trace.passed(Stage::Authenticate);
    let operation = served(route)?;
    trace.operation(operation);
    ops::dispatch(operation, gateway, authenticated, trace).await
}

/// Carries out an operation for whom it was authenticated. If a bucket's rules change meanwhile it is
/// resolved and authorized again, unless its body is already gone (then the operation does so itself).
pub async fn carry_out<O: S3Operation>(
    gateway: &Gateway,
    authenticated: Authenticated,
    trace: &mut Trace,
) -> Result<Response> {
    let (request, caller, mut body) = authenticated.into_parts(O::BODY, &gateway.settings)?;
    let operation = Arc::new(O::parse(&request)?);
    let mut resolved = operation.resources(&request)?.resolve(&gateway.engine).await?;
    trace.passed(Stage::Resolve);
    for _ in 0..RENEWALS_MAX {
        let authorized = authorize(&operation, &request, &caller, &resolved)?;
        trace.passed(Stage::Authorize);
        if O::BODY == BodyUse::None {
            body.discard().await?;
        }
        let outcome = O::execute(authorized, gateway, &mut body).await;
        trace.passed(Stage::Execute);
        match outcome {
            Err(error) if error.is_stale_rules() && !body.is_touched() => {
                resolved = resolved.renew(&gateway.engine).await?;
            }
            outcome => return outcome,
        }
    }
    Err(S3Error::stale_rules())
}

fn parse(gateway: &Gateway, received: Received) -> Result<Parsed> {
    let Received { head, body, id } = received;
    let now_us = gateway.env.clock.wall_us();
    let request = Request::parse(head, id, now_us, &gateway.settings.base_domains)?;
    let route = operation::route(&request.method, request.level(), request.query.iter(), &request.headers);
    Ok(Parsed { request, route, body })
}

/// The operation a route leads to. Asked only of authenticated requests: others learn nothing.
fn served(route: Route) -> Result<Operation> {
    match route {
        Route::Serve(operation) => Ok(operation),
        Route::Lacking(name) => Err(S3Error::not_implemented(name)),
        Route::NotAllowed => Err(Code::MethodNotAllowed.into()),
        Route::Conflicting => Err(S3Error::with_message(
            Code::InvalidArgument,
            "Conflicting query string parameters: a request has one sub-resource.",
        )),
    }
}
