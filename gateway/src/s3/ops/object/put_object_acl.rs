//! PutObjectAcl: replaces the grants on a version of an object, in place.
//!
//! Promises: neither tag nor date of the object changes. Where lists do not count only one that is true anyway is taken.
//! Steps: 1. the list from the headers or the document, and its grantees; 2. the object's owner; 3. the bucket's settings;
//! 4. one command (`engine.update_attributes`).
//! Writes: the version row; no chunks.
//! Acknowledged: when `engine.update_attributes` has returned `Ok`.
//! After a crash: nothing is half done.

use couronne_base::codec;
use couronne_metadata::command::AttributeChange;
use couronne_metadata::ids::VersionId;

use crate::access::acl::AclOf;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, FrontError, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::acl::{self, AskedAcl};
use crate::s3::ops::reading;
use crate::s3::wire::{parameters, xml};

/// Its parameters, beside the document.
pub(crate) struct PutObjectAcl {
    version: Option<VersionId>,
    acl: Option<AskedAcl>,
}

impl Handler for PutObjectAcl {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Optional;

    fn parse(request: &Request) -> Result<Self> {
        Ok(Self { version: parameters::version(request)?, acl: acl::of_headers(&request.headers)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        let document = body.document(xml::document_bytes::ACL_MAX).await?;
        let asked = &acl::of_request(authorized.operation().acl.clone(), &document)?;
        let new = &asked.acl.find(gateway).await?;
        let (key, version) = (authorized.request().need_key()?.clone(), authorized.operation().version);
        let (engine, key, method) = (&gateway.engine, &key, &authorized.request().method.clone());
        let commit = move |now: Authorized<Self>| async move {
            let bucket = now.resources();
            let handle = reading::open(engine, bucket, key, version, method).await?;
            let guarded = now.guarded(gateway, bucket).await?;
            let owner = acl::owner_of(handle.record(), &guarded);
            asked.check_owner(owner)?;
            let list = new.admit(AclOf::Object, owner, &guarded)?;
            if !guarded.documents.object_ownership().acls_count() {
                return Ok(());
            }
            let change = AttributeChange::Acl(list.as_ref().map(codec::encode));
            engine.update_attributes(bucket, key, version, change, false).await.map_err(FrontError::from)
        };
        authorized.commit(gateway, commit).await?;
        Ok(reading::versioned(Response::ok(), version))
    }
}
