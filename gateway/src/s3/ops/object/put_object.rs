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
use http::header::ETAG;

use crate::engine;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::{attributes, reading};
use crate::s3::wire::etag::quoted_etag;
use crate::s3::wire::values::header_value;
use crate::s3::wire::{checksum, conditions, lock};

/// Its parameters.
pub(crate) struct PutObject {
    attributes: Attributes,
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
        Ok(Self { attributes, condition: conditions::write_condition(&request.headers)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        lock::check(&authorized.operation().attributes, &authorized.resources().entry.rules)?;
        let key = authorized.request().need_key()?.clone();
        let staged = gateway.engine.stage(authorized.resources(), &key, body).await?;
        let (engine, sent) = (&gateway.engine, &staged);
        let commit = move |now: Authorized<Self>| async move {
            let put = now.operation().commit(&now.resources().entry.account);
            engine.put_object(now.resources(), sent, put).await
        };
        let outcome = authorized.commit(gateway, commit).await;
        let condition = &authorized.operation().condition;
        let written = outcome.map_err(|error| error.map(|error| conditions::name_failed(condition, error)))?;
        let mut response = Response::ok().header(ETAG, header_value(&quoted_etag(&written.etag)));
        let shown = written.checksum.unwrap_or_else(|| checksum::of_crc64(staged.crc64()));
        checksum::into_headers(Some(&shown), written.etag.parts, &mut response.headers);
        reading::insert_written(written.version, &mut response.headers);
        Ok(response)
    }
}

impl PutObject {
    fn commit(&self, owner: &str) -> engine::PutObjectRequest {
        let attributes = Attributes { owner: owner.into(), ..self.attributes.clone() };
        engine::PutObjectRequest { attributes, condition: self.condition.clone() }
    }
}
