//! PutObject: writes an object.
//!
//! Promises: when it answers 200 the bytes are durable under the bucket's policy, match every digest
//! their sender gave, and every later read and listing sees them. Conditions are compared at the range,
//! in the one step that commits. A request that fails leaves the key as it was.
//! Steps: 1. the body is received, hashed, cut, encoded and written (`engine.stage`); 2. one command
//! commits the object (`engine.put_object`), again if the bucket's rules changed meanwhile.
//! Writes: the shards of a blob's chunks, or a payload row if it is small; one version row.
//! Acknowledged: when `engine.put_object` has returned `Ok`.
//! After a crash: between 1 and 2 the blob is named by nobody; the disown horizon lets the drives delete it.

use couronne_metadata::command::Precondition;
use couronne_metadata::record::Attributes;
use http::StatusCode;
use http::header::ETAG;

use crate::engine::{self, Written};
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, FrontError, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::acl::{self, AskedAcl};
use crate::s3::ops::{attributes, reading};
use crate::s3::wire::etag::quoted_etag;
use crate::s3::wire::values::header_value;
use crate::s3::wire::{checksum, conditions, lock};

/// Its parameters.
pub(crate) struct PutObject {
    attributes: Attributes,
    acl: Option<AskedAcl>,
    condition: Precondition,
}

impl Handler for PutObject {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };

    fn parse(request: &Request) -> Result<Self> {
        let attributes = attributes::of_request(request)?;
        if attributes.ask_for_lock() && !checksum::has_digest(&request.headers)? {
            let message = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object \
                           Lock parameters";
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        let acl = acl::of_headers(&request.headers)?;
        Ok(Self { attributes, acl, condition: conditions::write_condition(&request.headers)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        let written = write(&mut authorized, gateway, body).await?;
        Ok(answer(StatusCode::OK, &written))
    }
}

impl AsRef<Self> for PutObject {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Writes the object, in whichever way its body comes. It carries a checksum.
pub(super) async fn write<H>(
    authorized: &mut Authorized<H>,
    gateway: &Gateway<S3>,
    body: &mut Body<S3>,
) -> Executed<Written>
where
    H: Handler<Face = S3, Resources = InBucket> + AsRef<PutObject>,
{
    let PutObject { attributes, acl, .. } = authorized.operation().as_ref();
    lock::check(attributes, &authorized.resources().entry.rules)?;
    let acl = &acl::find(gateway, acl.as_ref()).await?;
    // Before the body is taken.
    acl::of_new_object(gateway, authorized, authorized.resources(), acl.as_ref()).await?;
    let key = authorized.request().need_key()?.clone();
    let staged = gateway.engine.stage(authorized.resources(), &key, body).await?;
    let (engine, sent) = (&gateway.engine, &staged);
    let commit = move |now: Authorized<H>| async move {
        let ownership = acl::of_new_object(gateway, &now, now.resources(), acl.as_ref()).await?;
        let PutObject { attributes, condition, .. } = now.operation().as_ref();
        let attributes = attributes::owned(attributes.clone(), ownership, now.caller());
        let put = engine::PutObjectRequest { attributes, condition: condition.clone() };
        engine.put_object(now.resources(), sent, put).await.map_err(FrontError::from)
    };
    let outcome = authorized.commit(gateway, commit).await;
    let condition = &authorized.operation().as_ref().condition;
    let mut written = outcome.map_err(|error| error.map(|error| conditions::name_failed(condition, error)))?;
    written.checksum.get_or_insert_with(|| checksum::of_crc64(staged.crc64()));
    Ok(written)
}

/// What is told of a written object.
pub(super) fn answer(status: StatusCode, written: &Written) -> Response {
    let mut response = Response::new(status).header(ETAG, header_value(&quoted_etag(&written.etag)));
    checksum::into_headers(written.checksum.as_ref(), written.etag.parts, &mut response.headers);
    reading::insert_written(written.version, &mut response.headers);
    response
}
