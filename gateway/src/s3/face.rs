//! S3 as a face of the front.
//!
//! Must not know: single operations, how signatures are computed.

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Method};

use super::address::Request;
use super::auth;
use super::auth::payload::Payload;
use super::body::{self, Unframe};
use super::error::{Code, Executed, Result, S3Error, host_id};
use super::form;
use super::needs;
use super::operation::{self, Operation};
use super::route::{Level, Route, methods, route};
use super::subject;
use super::wire::values::header_value;
use crate::access::arn::AccountNumber;
use crate::audit::Subject;
use crate::front::body::Framing;
use crate::front::face::Verified;
use crate::front::pipeline::Authenticated;
use crate::front::resources::BucketRole;
use crate::front::trace::Trace;
use crate::front::{Body, BodyUse, Face, FaceOperation, Gateway, Need, NeededOn, RequestHead, RequestId, Response};
use crate::guarded::GuardedBucket;

/// S3's first region, which has no name in `LocationConstraint`.
pub const FIRST_REGION: &str = "us-east-1";

/// The header that tells a bucket's region.
pub const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// The face, with what an operator may tune of it.
#[derive(Clone, Debug)]
pub struct S3 {
    /// Domains below which a bucket's name is a host name; lower case, without a leading dot.
    pub base_domains: Vec<String>,
    /// The regions that a signature's scope may name. The first is the cluster's: clients that guess wrongly are told it.
    pub regions: Vec<String>,
    /// How new buckets are shared, where their creation does not say.
    pub new_buckets: NewBuckets,
}

/// How new buckets are shared, where their creation does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewBuckets {
    /// As S3 makes them: their owner owns all objects, ACLs do not count, and public access is blocked.
    #[default]
    Closed,
    /// As S3 made them before April 2023: objects belong to the account that writes them, ACLs count, nothing is blocked.
    Open,
}

impl Default for S3 {
    fn default() -> Self {
        Self { base_domains: Vec::new(), regions: vec![FIRST_REGION.to_owned()], new_buckets: NewBuckets::default() }
    }
}

impl S3 {
    /// The cluster's one region, as clients see it.
    pub fn region(&self) -> &str {
        self.regions.first().map_or(FIRST_REGION, String::as_str)
    }
}

impl Face for S3 {
    type Operation = Operation;
    type Request = Request;
    type Payload = Payload;
    type Decoder = Unframe;
    type Error = S3Error;

    fn parse(&self, head: RequestHead) -> Result<Request> {
        Request::parse(head, &self.base_domains)
    }

    /// What a form asks for stands in its fields.
    async fn take_form(&self, request: &mut Request, body: &mut Body<Self>) -> Result<()> {
        let is_post =
            request.method == Method::POST && self.route(request).is_ok_and(|found| found == Operation::PostObject);
        let content_type = if is_post { request.header(CONTENT_TYPE)? } else { None };
        let Some(boundary) = content_type.and_then(form::boundary) else { return Ok(()) };
        auth::form::refuse_signed_head(request)?;
        let form = form::read(boundary, body).await?;
        let headers = form::headers::of_fields(&form.fields)?;
        request.take_form(form, headers)
    }

    fn route(&self, request: &Request) -> Result<Operation> {
        match route(&request.method, request.level(), request.query.iter(), &request.headers) {
            Route::Serve(operation) => Ok(operation),
            Route::NotServed(name) => Err(S3Error::not_implemented(name)),
            Route::NotAllowed => Err(not_allowed(request)),
            Route::Misplaced(name) => Err(misplaced(request, name)),
            Route::Conflicting => Err(S3Error::with_message(
                Code::InvalidArgument,
                "Conflicting query string parameters: a request has one sub-resource.",
            )),
            Route::Unread(name) => {
                let message = match name {
                    "versionId" => "This operation does not accept a version-id.".to_owned(),
                    _ => format!("This operation does not accept {name}"),
                };
                Err(S3Error::invalid_argument(message, name, request.query.get(name).unwrap_or_default()))
            }
        }
    }

    async fn authenticate(gateway: &Gateway<Self>, request: &Request) -> Result<Verified<Payload>> {
        auth::authenticate(gateway, request).await
    }

    async fn dispatch(
        gateway: &Gateway<Self>,
        authenticated: Authenticated<Self>,
        trace: &mut Trace,
    ) -> Executed<Response> {
        operation::dispatch(gateway, authenticated, trace).await
    }

    /// A client may say which account it believes a bucket to belong to.
    fn check_bucket(&self, request: &Request, bucket: &GuardedBucket<'_>, role: BucketRole) -> Result<()> {
        let expected = request.header(match role {
            BucketRole::Target => "x-amz-expected-bucket-owner",
            BucketRole::Source => "x-amz-source-expected-bucket-owner",
        })?;
        match expected {
            Some(expected) if AccountNumber::parse(expected) != Some(bucket.owner().number) => {
                Err(Code::AccessDenied.into())
            }
            _ => Ok(()),
        }
    }

    fn needs<'a>(&self, request: &'a Request, operation: Operation, role: BucketRole) -> Vec<Need<'a>> {
        needs::of_operation(request, operation, role)
    }

    /// As on S3, a caller that may not list a bucket is told of a key that is not there what it is told of one that it may
    /// not read.
    fn need_to_list() -> Need<'static> {
        Need { action: "s3:ListBucket", on: NeededOn::Bucket }
    }

    fn tells_of_absence(error: &S3Error) -> bool {
        matches!(error.code(), Code::NoSuchKey | Code::NoSuchVersion)
    }

    fn framing(
        &self,
        request: &Request,
        payload: Payload,
        body_use: BodyUse,
        sent_bytes: Option<u64>,
    ) -> Result<Framing<Unframe>> {
        body::framing(request, payload, body_use, sent_bytes)
    }

    fn subject(request: &Request, operation: Option<Operation>) -> Subject {
        let served = operation.map(Operation::served);
        Subject {
            operation: served.map(|served| served.entry.name),
            action: served.map(|served| served.action),
            changes: operation.is_some_and(FaceOperation::changes),
            ..subject::of(request, served.is_some_and(|served| served.source_action.is_some()))
        }
    }

    fn claimed_key(request: &Request) -> Option<Box<str>> {
        auth::claimed_key(request)
    }

    fn mark_answer(&self, headers: &mut HeaderMap, id: RequestId) {
        headers.insert(REQUEST_ID, header_value(&id.to_string()));
        headers.insert(HOST_ID, header_value(&host_id(id)));
    }
}

fn not_allowed(request: &Request) -> S3Error {
    let level = match request.level() {
        Level::Service => "SERVICE",
        Level::Bucket => "BUCKET",
        Level::Object => "OBJECT",
        Level::Account | Level::Resource | Level::Control => "CONTROL",
    };
    S3Error::new(Code::MethodNotAllowed)
        .detail("Method", request.method.as_str())
        .detail("ResourceType", level)
        .header(ALLOW, header_value(&methods(&request.method, request.level(), request.query.iter())))
}

fn misplaced(request: &Request, name: &str) -> S3Error {
    let message = match (request.level(), name, &request.method) {
        (Level::Object, "uploads", &Method::GET) => {
            "Key is not expected for the GET method ?uploads subresource".to_owned()
        }
        (Level::Object, ..) => format!("There is no such thing as the ?{name} sub-resource for a key"),
        (Level::Bucket, ..) => format!("There is no such thing as the ?{name} sub-resource for a bucket"),
        _ => format!("There is no such thing as the ?{name} sub-resource for the service"),
    };
    S3Error::with_message(Code::InvalidRequest, message)
}
