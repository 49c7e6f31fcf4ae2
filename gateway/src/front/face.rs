//! What a face is: an API's requests, operations, errors, authentication and answers.
//!
//! Promises: all that differs between two APIs is behind this trait; the pipeline is compiled for each face.
//! Must not know: any face.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use couronne_metadata::ids::VersionId;
use http::HeaderMap;

use super::body::{Body, BodyUse, Framing};
use super::error::{FaceError, FrontError};
use super::gateway::Gateway;
use super::pipeline::Authenticated;
use super::request::RequestHead;
use super::request_id::RequestId;
use super::resources::BucketRole;
use super::response::Response;
use super::trace::Trace;
use crate::access::context::ConditionContext;
use crate::audit::Subject;
use crate::engine::BodyError;
use crate::guarded::GuardedBucket;
use crate::identity::Credential;

/// An API.
pub trait Face: Sized + Send + Sync + 'static {
    /// Its operations.
    type Operation: FaceOperation;
    /// A request's head as it reads it, which answers for the condition keys of policies.
    type Request: ConditionContext + Send + Sync + 'static;
    /// What its signatures say of a body.
    type Payload: Send + 'static;
    /// Takes its framing off a body.
    type Decoder: BodyDecoder;
    /// Its errors.
    type Error: FaceError;

    /// The parse stage: finds in a head what this API puts there.
    fn parse(&self, head: RequestHead) -> Result<Self::Request, Self::Error>;

    /// The parse stage of what of a body is part of the request itself, where the API has forms: the whole of it
    /// ([`Body::document`]), or its beginning ([`Body::opening`]). It is read before the request is routed and authenticated, for
    /// both hang on it; so it is short, and its caller unknown.
    fn take_form(
        &self,
        _request: &mut Self::Request,
        _body: &mut Body<Self>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        async { Ok(()) }
    }

    /// Which operation a request means. A request that means none is told so only once it is authenticated: others
    /// learn nothing.
    fn route(&self, request: &Self::Request) -> Result<Self::Operation, Self::Error>;

    /// The authenticate stage: the caller, and whether the request is the one that the caller signed. It must cover all of the
    /// head that the other methods go by.
    fn authenticate(
        gateway: &Gateway<Self>,
        request: &Self::Request,
    ) -> impl Future<Output = Result<Verified<Self::Payload>, Self::Error>> + Send;

    /// Leads the request to the handler of its operation: [`super::pipeline::carry_out`] with that handler.
    fn dispatch(
        gateway: &Gateway<Self>,
        authenticated: Authenticated<Self>,
        trace: &mut Trace,
    ) -> impl Future<Output = Result<Response, FrontError<Self::Error>>> + Send;

    /// What the request itself demands of a bucket, beside its caller's rights: that it has a certain owner, say.
    fn check_bucket(
        &self,
        request: &Self::Request,
        bucket: &GuardedBucket<'_>,
        role: BucketRole,
    ) -> Result<(), Self::Error>;

    /// What the operation needs to be allowed in the bucket of this role; if it is in none, in the caller's own account.
    fn needs<'a>(&self, request: &'a Self::Request, operation: Self::Operation, role: BucketRole) -> Vec<Need<'a>>;

    /// What a caller has to be allowed in a bucket to be told that a key is not there.
    fn need_to_list() -> Need<'static>;

    /// Whether this error tells that a key is not there.
    fn tells_of_absence(error: &Self::Error) -> bool;

    /// How the body is framed, and what its sender said of it. `sent_bytes` is its length as HTTP tells it.
    fn framing(
        &self,
        request: &Self::Request,
        payload: Self::Payload,
        body_use: BodyUse,
        sent_bytes: Option<u64>,
    ) -> Result<Framing<Self::Decoder>, Self::Error>;

    /// What a request is about, for its event in the audit. Nothing of it is believed yet: it may be asked of a request that
    /// nobody signed.
    fn subject(request: &Self::Request, operation: Option<Self::Operation>) -> Subject;

    /// The access key that a request names, whether or not it is its owner's.
    fn claimed_key(request: &Self::Request) -> Option<Box<str>>;

    /// Adds what every answer of this API carries.
    fn mark_answer(&self, headers: &mut HeaderMap, id: RequestId);
}

/// A request's caller, and what the signature says of the payload.
pub struct Verified<P> {
    /// The caller.
    pub caller: Arc<Credential>,
    /// How the payload is secured.
    pub payload: P,
    /// If the request is a link, good for anybody that has it: what tells it from other links.
    pub link: Option<Box<str>>,
}

/// An operation of a face, by name.
pub trait FaceOperation: Copy + Send + Sync + 'static {
    /// Its name in the API: span name, metric label. Of a closed set.
    fn name(self) -> &'static str;

    /// Whether it changes something, or makes a credential.
    fn changes(self) -> bool;
}

/// An action that has to be allowed.
#[derive(Clone, Debug)]
pub struct Need<'a> {
    /// The action by its IAM name.
    pub action: &'static str,
    /// On what it is.
    pub on: NeededOn<'a>,
}

/// On what an action is.
#[derive(Clone, Debug)]
pub enum NeededOn<'a> {
    /// All buckets of the caller's account.
    AllBuckets,
    /// A bucket of this name in the caller's account, which need not be there.
    NewBucket(&'a str),
    /// The bucket.
    Bucket,
    /// What this key of the bucket has.
    Key {
        /// The key.
        key: Cow<'a, str>,
        /// The version; `None` is the current one.
        version: Option<VersionId>,
    },
    /// What this key of the bucket is to have, whatever it has now.
    NewKey {
        /// The key.
        key: Cow<'a, str>,
        /// Whether the object is to be written with full control for the bucket's owner.
        with_full_control: bool,
        /// Whether it is for the new object's owner to do, whatever its account is.
        for_its_owner: bool,
    },
}

/// Takes a face's framing off a body.
///
/// It is incremental and copies nothing; each step makes progress or asks for more.
pub trait BodyDecoder: Send + 'static {
    /// Goes on in the input, taking from its front what it used.
    fn step(&mut self, input: &mut Bytes) -> Result<DecoderStep, BodyError>;

    /// The input ended: whether it ended where it may, with every signature right. Gives the checksum that came after
    /// the bytes, if one did; it is of the algorithm that [`Framing::expected`] announced.
    fn finish(&mut self) -> Result<Option<Bytes>, BodyError>;
}

/// What [`BodyDecoder::step`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum DecoderStep {
    /// Bytes of the payload.
    Data(Bytes),
    /// The input is used up.
    NeedInput,
    /// The framing ended.
    End,
}
