//! CreateMultipartUpload: opens an upload that parts can be written to.
//!
//! Promises: when it answers 200 the upload takes parts through every gateway. Attributes, tags and the
//! checksum's kind are settled here and carried by the object.
//! Steps: 1. one command (`engine.create_upload`).
//! Writes: one upload row; no chunks.
//! Acknowledged: when `engine.create_upload` has returned `Ok`.
//! After a crash: the upload stays open until it is completed or aborted.

use couronne_metadata::record::{Attributes, ChecksumAlgorithm, ChecksumKind};
use http::{HeaderName, HeaderValue};

use crate::engine::CreateUpload;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::acl::{self, AskedAcl};
use crate::s3::ops::attributes;
use crate::s3::wire::xml::Writer;
use crate::s3::wire::{checksum, lock};

/// Its parameters.
pub(crate) struct CreateMultipartUpload {
    attributes: Attributes,
    checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    acl: Option<AskedAcl>,
}

impl Handler for CreateMultipartUpload {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        Ok(Self {
            attributes: attributes::of_request(request)?,
            checksum: checksum::of_upload(&request.headers)?,
            acl: acl::of_headers(&request.headers)?,
        })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let operation = authorized.operation();
        let bucket = authorized.resources();
        lock::check(&operation.attributes, &bucket.entry.rules)?;
        let key = authorized.request().need_key()?;
        let acl = acl::find(gateway, operation.acl.as_ref()).await?;
        let ownership = acl::of_new_object(gateway, &authorized, bucket, acl.as_ref()).await?;
        let create = CreateUpload {
            attributes: attributes::owned(operation.attributes.clone(), ownership, authorized.caller()),
            initiator: authorized.caller().account().id.clone(),
            checksum: operation.checksum,
        };
        let upload = gateway.engine.create_upload(bucket, key, create).await?;
        let mut response = Response::xml(Writer::document("InitiateMultipartUploadResult", |xml| {
            xml.text("Bucket", &bucket.name);
            xml.text("Key", key.as_str());
            xml.value("UploadId", upload);
        }));
        if let Some((algorithm, kind)) = operation.checksum {
            let algorithm_header = HeaderName::from_static("x-amz-checksum-algorithm");
            response.headers.insert(algorithm_header, HeaderValue::from_static(checksum::name(algorithm)));
            response.headers.insert(checksum::TYPE, HeaderValue::from_static(checksum::kind_name(kind)));
        }
        Ok(response)
    }
}
