//! IAM and STS as a face of the front.
//!
//! Must not know: single operations, how signatures are computed.

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use super::auth;
use super::error::QueryError;
use super::execute::Execute;
use super::operation::Operation;
use super::service::{Iam, QueryRequest};
use super::subject;
use crate::audit::Subject;
use crate::engine::{BodyError, Expected};
use crate::front::body::Framing;
use crate::front::face::{BodyDecoder, DecoderStep, Verified};
use crate::front::pipeline::{Authenticated, carry_out};
use crate::front::request::Query;
use crate::front::resources::BucketRole;
use crate::front::trace::Trace;
use crate::front::{
    Body, BodyUse, Face, FaceOperation, FrontError, Gateway, Need, NeededOn, Rejection, RequestHead, RequestId,
    Response,
};
use crate::guarded::GuardedBucket;

/// The longest form, in bytes: a policy of 10,240 characters, and what stands with it, percent-encoded.
const FORM_BYTES_MAX: usize = 128 << 10;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

impl FaceOperation for Operation {
    fn name(self) -> &'static str {
        Self::name(self)
    }

    fn changes(self) -> bool {
        Self::changes(self)
    }
}

/// Forms have no framing of their own.
pub struct Unframed(());

impl BodyDecoder for Unframed {
    fn step(&mut self, _: &mut Bytes) -> Result<DecoderStep, BodyError> {
        Ok(DecoderStep::End)
    }

    fn finish(&mut self) -> Result<Option<Bytes>, BodyError> {
        Ok(None)
    }
}

impl Face for Iam {
    type Operation = Operation;
    type Request = QueryRequest;
    type Payload = ();
    type Decoder = Unframed;
    type Error = QueryError;

    fn parse(&self, head: RequestHead) -> Result<QueryRequest, QueryError> {
        let mut request = QueryRequest { head, form: Default::default(), body: Bytes::new() };
        request.form.add(&request.head.query)?;
        Ok(request)
    }

    async fn take_form(&self, request: &mut QueryRequest, body: &mut Body<Self>) -> Result<(), QueryError> {
        let form = body.document(FORM_BYTES_MAX).await?;
        let text = std::str::from_utf8(&form).map_err(|_| Rejection::MalformedTarget)?;
        request.form.add(&Query::parse(text)?)?;
        request.body = form;
        Ok(())
    }

    fn route(&self, request: &QueryRequest) -> Result<Operation, QueryError> {
        Operation::of(request)
    }

    async fn authenticate(gateway: &Gateway<Self>, request: &QueryRequest) -> Result<Verified<()>, QueryError> {
        let verified = auth::authenticate(gateway, request).await;
        verified.map_err(|error| error.of(auth::service(request)))
    }

    async fn dispatch(
        gateway: &Gateway<Self>,
        authenticated: Authenticated<Self>,
        trace: &mut Trace,
    ) -> Result<Response, FrontError<QueryError>> {
        carry_out::<Execute>(gateway, authenticated, trace).await
    }

    fn check_bucket(&self, _: &QueryRequest, _: &GuardedBucket<'_>, _: BucketRole) -> Result<(), QueryError> {
        Ok(())
    }

    /// Nothing in buckets; of what it is on, which has to be found first, the operation is asked then (`execute.rs`).
    fn needs<'a>(&self, _: &'a QueryRequest, _: Operation, _: BucketRole) -> Vec<Need<'a>> {
        Vec::new()
    }

    /// No error tells of a key, so that nothing is asked for.
    fn need_to_list() -> Need<'static> {
        Need { action: "s3:ListBucket", on: NeededOn::Bucket }
    }

    fn tells_of_absence(_: &QueryError) -> bool {
        false
    }

    fn framing(
        &self,
        _: &QueryRequest,
        (): (),
        _: BodyUse,
        sent_bytes: Option<u64>,
    ) -> Result<Framing<Unframed>, QueryError> {
        Ok(Framing { decoder: None, length: sent_bytes, expected: Expected::default() })
    }

    fn subject(request: &QueryRequest, operation: Option<Operation>) -> Subject {
        subject::of(request, operation)
    }

    fn claimed_key(request: &QueryRequest) -> Option<Box<str>> {
        auth::claimed(request).ok().flatten().map(|signed| signed.access_key.into())
    }

    fn mark_answer(&self, headers: &mut HeaderMap, id: RequestId) {
        if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
            headers.insert(REQUEST_ID, value);
        }
    }
}
