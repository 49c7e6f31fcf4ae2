//! CopyObject: writes a new object of another's bytes, with its attributes or with new ones.
//!
//! Promises: source and target are both authorized. The copy has blobs of its own and outlives its
//! source. Conditions on the source are checked against the very version that is read; conditions on the
//! target are compared at the range, in the one step that commits.
//! Steps: 1. open the source; 2. its bytes are read, verified, hashed, cut, encoded and written under
//! the target's policy (`engine.stage`); 3. one command commits the target (`engine.put_object`), again
//! if the target's rules changed meanwhile.
//! Writes: as PutObject, at the target.
//! Acknowledged: when `engine.put_object` has returned `Ok`.
//! After a crash: as PutObject.

use couronne_metadata::command::Precondition;
use couronne_metadata::ids::ObjectKey;
use couronne_metadata::record::{Attributes, ChecksumAlgorithm, ObjectRecord};

use crate::engine;
use crate::front::resources::CopyBetween;
use crate::front::{Authorized, Body, FrontError, Gateway, Handler, Response};
use crate::identity::Credential;
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::acl::{self, AskedAcl, NewOwnership};
use crate::s3::ops::attributes::{self, Replaces};
use crate::s3::ops::copying::{self, CopiedObject, SOURCE_BYTES_MAX};
use crate::s3::ops::reading;
use crate::s3::wire::dates::iso_date;
use crate::s3::wire::etag::quoted_etag;
use crate::s3::wire::xml::Writer;
use crate::s3::wire::{checksum, conditions, lock};

/// Its parameters.
pub(crate) struct CopyObject {
    source: CopiedObject,
    given: Attributes,
    replaces: Replaces,
    /// Whether the request says what the source cannot give.
    has_own: bool,
    checksum: Option<ChecksumAlgorithm>,
    condition: Precondition,
    acl: Option<AskedAcl>,
}

impl Handler for CopyObject {
    type Face = S3;
    type Resources = CopyBetween;

    fn parse(request: &Request) -> Result<Self> {
        let replaces = Replaces {
            metadata: directive(request, "x-amz-metadata-directive")?,
            tags: directive(request, "x-amz-tagging-directive")?,
        };
        let algorithm = request.header("x-amz-checksum-algorithm")?.map(checksum::parse_algorithm).transpose()?;
        Ok(Self {
            source: CopiedObject::parse(request)?,
            given: attributes::of_copy_request(request, replaces)?,
            replaces,
            has_own: attributes::are_own(request),
            checksum: algorithm,
            condition: conditions::write_condition(&request.headers)?,
            acl: acl::of_headers(&request.headers)?,
        })
    }

    fn resources(&self, request: &Request) -> Result<CopyBetween> {
        self.source.resources(request)
    }

    async fn execute(mut authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let operation = authorized.operation();
        let key = authorized.request().need_key()?.clone();
        let buckets = authorized.resources();
        lock::check(&operation.given, &buckets.target.entry.rules)?;
        operation.refuse_unchanged(&key, buckets.source.entry.id == buckets.target.entry.id)?;
        let acl = &acl::find(gateway, operation.acl.as_ref()).await?;
        acl::of_new_object(gateway, &authorized, &buckets.target, acl.as_ref()).await?;
        let handle = operation.source.open(&gateway.engine, &buckets.source).await?;
        let source = handle.record();
        if source.size > SOURCE_BYTES_MAX {
            let message =
                "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120";
            return Err(S3Error::with_message(Code::InvalidRequest, message).into());
        }
        let algorithm = operation.checksum.or(source.checksum.as_ref().map(|checksum| checksum.algorithm));
        let mut body = handle.body(0..source.size, algorithm).await?;
        let staged = gateway.engine.stage(&buckets.target, &key, &mut body).await?;
        let (engine, sent) = (&gateway.engine, &staged);
        let commit = move |now: Authorized<Self>| async move {
            let target = &now.resources().target;
            let ownership = acl::of_new_object(gateway, &now, target, acl.as_ref()).await?;
            let put = now.operation().commit(source, ownership, now.caller());
            engine.put_object(target, sent, put).await.map_err(FrontError::from)
        };
        let outcome = authorized.commit(gateway, commit).await;
        let condition = &authorized.operation().condition;
        let written = outcome.map_err(|error| error.map(|error| conditions::name_failed(condition, error)))?;
        let mut response = Response::xml(Writer::document("CopyObjectResult", |xml| {
            xml.text("LastModified", &iso_date(written.ordinal));
            xml.text("ETag", &quoted_etag(&written.etag));
            let shown = written.checksum.clone().unwrap_or_else(|| checksum::of_crc64(staged.crc64()));
            checksum::write(xml, Some(&shown), written.etag.parts);
        }));
        reading::insert_written(written.version, &mut response.headers);
        response.headers.extend(copying::version_of(&authorized.resources().source, source));
        Ok(response)
    }
}

/// `COPY` (the default) or `REPLACE`.
fn directive(request: &Request, name: &'static str) -> Result<bool> {
    match request.header(name)? {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(S3Error::invalid_argument(format!("Unknown directive in {name}"), name, other)),
    }
}

impl CopyObject {
    /// A copy of the current version onto itself has to change something.
    fn refuse_unchanged(&self, key: &ObjectKey, same_bucket: bool) -> Result<()> {
        let onto_itself = same_bucket && self.source.key == *key && self.source.version.is_none();
        if !onto_itself || self.replaces.metadata || self.has_own {
            return Ok(());
        }
        Err(S3Error::with_message(
            Code::InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ))
    }

    fn commit(&self, source: &ObjectRecord, ownership: NewOwnership, caller: &Credential) -> engine::PutObjectRequest {
        let attributes = attributes::of_copy(&source.attributes, &self.given, self.replaces);
        let attributes = attributes::owned(attributes, ownership, caller);
        engine::PutObjectRequest { attributes, condition: self.condition.clone() }
    }
}
