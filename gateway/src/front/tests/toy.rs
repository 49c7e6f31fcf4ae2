//! A face that is not S3: it keeps notes, and shows them.
//!
//! `PUT /bucket/name` keeps a note and `GET /bucket/name` shows it. A caller shows key and secret as they are, a body
//! may travel in frames of its own, and errors are words in JSON. It shares nothing with another face but the front and
//! the engine.

use bytes::{Buf as _, Bytes};
use couronne_metadata::command::Refusal;
use couronne_metadata::ids::ObjectKey;
use couronne_metadata::record::Attributes;
use futures_util::stream;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::access::context::{ConditionContext, KeyValues};
use crate::access::key::ConditionKey;
use crate::audit::Subject;
use crate::engine::{self, BodyError, EngineError, Expected};
use crate::front::body::Framing;
use crate::front::face::{BodyDecoder, DecoderStep, Verified};
use crate::front::pipeline::{Authenticated, carry_out};
use crate::front::resources::{BucketRole, InBucket};
use crate::front::response::{ResponseBody, StreamError};
use crate::front::trace::Trace;
use crate::front::{
    Authorized, Body, BodyUse, Face, FaceError, FaceOperation, FrontError, Gateway, Handler, Need, NeededOn, Rejection,
    RequestHead, RequestId, Response,
};
use crate::guarded::GuardedBucket;

pub(crate) const TOY_ID: HeaderName = HeaderName::from_static("x-toy-id");
const FRAMED: HeaderName = HeaderName::from_static("x-toy-framed");

/// The face.
pub(crate) struct Toy;

/// Its operations.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ToyOperation {
    KeepNote,
    ShowNote,
}

impl FaceOperation for ToyOperation {
    fn name(self) -> &'static str {
        match self {
            Self::KeepNote => "KeepNote",
            Self::ShowNote => "ShowNote",
        }
    }

    fn changes(self) -> bool {
        matches!(self, Self::KeepNote)
    }
}

impl ConditionContext for ToyRequest {
    fn values(&self, _: &ConditionKey) -> Option<KeyValues<'_>> {
        None
    }
}

/// Its requests.
pub(crate) struct ToyRequest {
    head: RequestHead,
    bucket: String,
    note: ObjectKey,
}

/// Its errors: a status and a word.
#[derive(Debug)]
pub(crate) struct ToyError(StatusCode, &'static str);

impl From<Rejection> for ToyError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::FramedTwice => Self(StatusCode::BAD_REQUEST, "framed-twice"),
            Rejection::MalformedTarget => Self(StatusCode::BAD_REQUEST, "malformed-target"),
            Rejection::MalformedHead => Self(StatusCode::BAD_REQUEST, "malformed-head"),
            Rejection::UnknownCoding => Self(StatusCode::NOT_IMPLEMENTED, "unknown-coding"),
            Rejection::TooManyHeaders => Self(StatusCode::BAD_REQUEST, "too-many-headers"),
            Rejection::AccessDenied => Self(StatusCode::FORBIDDEN, "not-yours"),
            Rejection::CredentialGone => Self(StatusCode::FORBIDDEN, "gone"),
            Rejection::RulesKeepChanging => Self(StatusCode::SERVICE_UNAVAILABLE, "restless"),
            Rejection::Unresolved { .. } => Self(StatusCode::NOT_FOUND, "no-such-bucket"),
            Rejection::Engine(EngineError::Refused(Refusal::NoSuchKey)) => Self(StatusCode::NOT_FOUND, "no-such-note"),
            Rejection::Engine(EngineError::SlowDown(_) | EngineError::Body(BodyError::Short(_))) => {
                Self(StatusCode::SERVICE_UNAVAILABLE, "slow-down")
            }
            Rejection::Engine(EngineError::Body(BodyError::TimedOut)) => Self(StatusCode::BAD_REQUEST, "too-slow"),
            Rejection::Engine(EngineError::Body(_)) => Self(StatusCode::BAD_REQUEST, "broken-body"),
            Rejection::Engine(_) => Self(StatusCode::INTERNAL_SERVER_ERROR, "broken"),
            _ => Self(StatusCode::BAD_REQUEST, "what"),
        }
    }
}

impl FaceError for ToyError {
    fn code_name(&self) -> &'static str {
        self.1
    }

    fn into_response(self, resource: &str, id: RequestId) -> Response {
        let Self(status, word) = self;
        let mut response = Response::new(status);
        response.body = format!("{{\"error\":\"{word}\",\"of\":\"{resource}\",\"id\":\"{id}\"}}").into();
        response
    }
}

impl<T> From<T> for FrontError<ToyError>
where
    ToyError: From<T>,
{
    fn from(error: T) -> Self {
        Self::Face(error.into())
    }
}

type ToyExecuted = Result<Response, FrontError<ToyError>>;

/// Whether the body travels in frames: a byte that says how many bytes follow; none is the end.
pub(crate) struct Framed(bool);

/// Takes these frames off.
pub(crate) struct FrameDecoder {
    left: usize,
    ended: bool,
}

impl BodyDecoder for FrameDecoder {
    fn step(&mut self, input: &mut Bytes) -> Result<DecoderStep, BodyError> {
        if input.is_empty() {
            return Ok(if self.ended { DecoderStep::End } else { DecoderStep::NeedInput });
        }
        if self.ended {
            return Err(BodyError::Malformed("bytes follow the last frame"));
        }
        if self.left == 0 {
            self.left = usize::from(input.get_u8());
            self.ended = self.left == 0;
            return self.step(input);
        }
        let data = input.split_to(self.left.min(input.len()));
        self.left -= data.len();
        Ok(DecoderStep::Data(data))
    }

    fn finish(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.ended { Ok(None) } else { Err(BodyError::Incomplete) }
    }
}

impl Face for Toy {
    type Operation = ToyOperation;
    type Request = ToyRequest;
    type Payload = Framed;
    type Decoder = FrameDecoder;
    type Error = ToyError;

    fn parse(&self, head: RequestHead) -> Result<ToyRequest, ToyError> {
        let wrong = || ToyError(StatusCode::BAD_REQUEST, "bucket-and-note");
        let path = String::from_utf8(head.path.clone()).map_err(|_| wrong())?;
        let (bucket, note) =
            path.trim_start_matches("/notes").trim_start_matches('/').split_once('/').ok_or_else(wrong)?;
        let note = ObjectKey::new(note.to_owned()).map_err(|_| wrong())?;
        Ok(ToyRequest { bucket: bucket.to_owned(), note, head })
    }

    fn route(&self, request: &ToyRequest) -> Result<ToyOperation, ToyError> {
        match request.head.method {
            Method::PUT => Ok(ToyOperation::KeepNote),
            Method::GET | Method::HEAD => Ok(ToyOperation::ShowNote),
            _ => Err(ToyError(StatusCode::METHOD_NOT_ALLOWED, "no-such-thing")),
        }
    }

    async fn authenticate(gateway: &Gateway<Self>, request: &ToyRequest) -> Result<Verified<Framed>, ToyError> {
        let unknown = || ToyError(StatusCode::UNAUTHORIZED, "who-are-you");
        let shown = request.head.header(AUTHORIZATION)?.and_then(|text| text.strip_prefix("Toy "));
        let (access_key, secret) = shown.and_then(|text| text.split_once(':')).ok_or_else(unknown)?;
        let caller = gateway.identity.credential(access_key).await.map_err(|_| unknown())?.ok_or_else(unknown)?;
        if caller.secret.expose() != secret.as_bytes() {
            return Err(unknown());
        }
        let link = request.head.header("x-toy-link")?.map(Into::into);
        Ok(Verified { caller, payload: Framed(request.head.headers.contains_key(FRAMED)), link })
    }

    async fn dispatch(gateway: &Gateway<Self>, authenticated: Authenticated<Self>, trace: &mut Trace) -> ToyExecuted {
        match authenticated.operation() {
            ToyOperation::KeepNote => carry_out::<KeepNote>(gateway, authenticated, trace).await,
            ToyOperation::ShowNote => carry_out::<ShowNote>(gateway, authenticated, trace).await,
        }
    }

    fn check_bucket(&self, request: &ToyRequest, bucket: &GuardedBucket<'_>, _: BucketRole) -> Result<(), ToyError> {
        match request.head.header("x-toy-bucket")? {
            Some(name) if name != &*bucket.bucket.name => Err(ToyError(StatusCode::CONFLICT, "another-bucket")),
            _ => Ok(()),
        }
    }

    fn needs<'a>(&self, request: &'a ToyRequest, operation: ToyOperation, _: BucketRole) -> Vec<Need<'a>> {
        let action = match operation {
            ToyOperation::KeepNote => "toy:Keep",
            ToyOperation::ShowNote => "toy:Show",
        };
        vec![Need { action, on: NeededOn::Key { key: request.note.as_str().into(), version: None } }]
    }

    fn need_to_list() -> Need<'static> {
        Need { action: "toy:List", on: NeededOn::Bucket }
    }

    fn tells_of_absence(error: &ToyError) -> bool {
        error.1 == "no-such-note"
    }

    fn framing(
        &self,
        _: &ToyRequest,
        Framed(framed): Framed,
        _: BodyUse,
        sent_bytes: Option<u64>,
    ) -> Result<Framing<FrameDecoder>, ToyError> {
        let decoder = framed.then(|| Box::new(FrameDecoder { left: 0, ended: false }));
        let length = sent_bytes.filter(|_| !framed);
        Ok(Framing { decoder, length, expected: Expected::default() })
    }

    fn subject(request: &ToyRequest, operation: Option<ToyOperation>) -> Subject {
        Subject {
            face: "toy",
            operation: operation.map(FaceOperation::name),
            changes: operation.is_some_and(FaceOperation::changes),
            bucket: Some(request.bucket.as_str().into()),
            key: Some(request.note.as_str().into()),
            ..Subject::default()
        }
    }

    fn claimed_key(request: &ToyRequest) -> Option<Box<str>> {
        let shown = request.head.header(AUTHORIZATION).ok()??.strip_prefix("Toy ")?;
        shown.split_once(':').map(|(key, _)| key.into())
    }

    fn mark_answer(&self, headers: &mut HeaderMap, id: RequestId) {
        headers.insert(TOY_ID, HeaderValue::from_str(&id.to_string()).unwrap());
    }
}

/// Keeps a note.
pub(crate) struct KeepNote;

impl Handler for KeepNote {
    type Face = Toy;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };

    fn parse(_: &ToyRequest) -> Result<Self, ToyError> {
        Ok(Self)
    }

    fn resources(&self, request: &ToyRequest) -> Result<InBucket, ToyError> {
        Ok(InBucket { name: request.bucket.as_str().into(), as_of_now: false })
    }

    async fn execute(mut authorized: Authorized<Self>, gateway: &Gateway<Toy>, body: &mut Body<Toy>) -> ToyExecuted {
        let note = authorized.request().note.clone();
        let staged = gateway.engine.stage(authorized.resources(), &note, body).await?;
        let (engine, staged) = (&gateway.engine, &staged);
        let commit = move |now: Authorized<Self>| async move {
            let owner = now.resources().entry.account.clone();
            let put = engine::PutObjectRequest {
                attributes: Attributes { owner, ..Attributes::default() },
                ..engine::PutObjectRequest::default()
            };
            engine.put_object(now.resources(), staged, put).await
        };
        authorized.commit(gateway, commit).await?;
        Ok(Response::ok())
    }
}

/// Shows a note.
pub(crate) struct ShowNote;

impl Handler for ShowNote {
    type Face = Toy;
    type Resources = InBucket;

    fn parse(_: &ToyRequest) -> Result<Self, ToyError> {
        Ok(Self)
    }

    fn resources(&self, request: &ToyRequest) -> Result<InBucket, ToyError> {
        KeepNote.resources(request)
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<Toy>, _: &mut Body<Toy>) -> ToyExecuted {
        let opened = gateway.engine.open(authorized.resources(), &authorized.request().note, None).await?;
        let reader = opened.read(0..opened.record().size).await?;
        let len = reader.left();
        let bytes = stream::try_unfold(reader, |mut reader| async {
            let next = reader.next().await.map_err(|error| StreamError(Box::new(error)))?;
            Ok(next.map(|bytes| (bytes, reader)))
        });
        let mut response = Response::ok();
        response.body = ResponseBody::Stream { len, stream: Box::pin(bytes) };
        Ok(response)
    }
}
