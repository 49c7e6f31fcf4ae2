//! CreateBucket: claims a name in the cluster-wide registry and installs the bucket's rules.
//!
//! Promises: when it answers 200 the bucket serves through every gateway; of two creators at most one
//! wins. Creating one's own bucket again is refused but, as on S3, in the first region: there it sets the bucket's list
//! again and is no error.
//! Steps: 1. check name, location and headers; 2. the engine writes the registry row (`Creating`), the
//! rules in every range, the account's row, and the registry row again (`Live`). Of a bucket that is there: its list, if
//! that is to be another (`engine.put_document`).
//! Writes: one registry row, one owned row, one rules row a range; no chunks.
//! Acknowledged: when `engine.create_bucket` has returned `Ok`, after the registry row says `Live`, or
//! `engine.put_document` has.
//! After a crash: the row stays `Creating`, invisible; the next creation or deletion of the name goes on
//! from there.

use bytes::Bytes;
use couronne_base::codec;
use http::HeaderName;
use http::header::LOCATION;

use crate::access::acl::AclOf;
use crate::access::{ObjectOwnership, PublicAccessBlock};
use crate::engine::{self, BucketDocument, EngineError};
use crate::front::resources::NewBucket;
use crate::front::{Authorized, Body, BodyUse, FrontError, Gateway, Handler, Response};
use crate::identity::Account;
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::{FIRST_REGION, NewBuckets, S3};
use crate::s3::ops::acl::{self, AskedAcl, NewAcl};
use crate::s3::wire::values::header_value;
use crate::s3::wire::{bucket_name, xml};
use couronne_metadata::record::Versioning;

/// Its parameters, beside the document.
pub(crate) struct CreateBucket {
    object_lock: bool,
    ownership: Option<ObjectOwnership>,
    acl: Option<AskedAcl>,
}

impl Handler for CreateBucket {
    type Face = S3;
    type Resources = NewBucket;
    const BODY: BodyUse = BodyUse::Optional;

    fn parse(request: &Request) -> Result<Self> {
        let name = request.need_bucket()?.as_str();
        if !bucket_name::is_valid(name) {
            return Err(S3Error::new(Code::InvalidBucketName).detail("BucketName", name));
        }
        let object_lock = request.header("x-amz-bucket-object-lock-enabled")?;
        Ok(Self {
            object_lock: object_lock.is_some_and(|text| text.eq_ignore_ascii_case("true")),
            ownership: ownership(request)?,
            acl: acl::of_headers(&request.headers)?,
        })
    }

    fn resources(&self, request: &Request) -> Result<NewBucket> {
        request.new_bucket()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        let document = body.document(xml::document_bytes::WORDS_MAX).await?;
        check_location(&document, gateway.face.region())?;
        let name = &*authorized.resources().0.clone();
        let object_lock = authorized.operation().object_lock;
        let account = &authorized.caller().account().id;
        let documents = authorized.operation().documents(gateway, authorized.caller().account()).await?;
        let create = engine::CreateBucketRequest {
            name: name.into(),
            account: account.clone(),
            policy: None,
            // A lock guards versions, so it comes with them.
            versioning: if object_lock { Versioning::Enabled } else { Versioning::Off },
            object_lock: object_lock.then_some(None),
            documents,
        };
        match gateway.engine.create_bucket(create).await {
            Ok(_) => {}
            Err(EngineError::BucketAlreadyOwnedByYou) if gateway.face.region() == FIRST_REGION => {
                let acl = &acl::find(gateway, authorized.operation().acl.as_ref()).await?;
                authorized.commit(gateway, move |now| set_acl_again(now, gateway, acl.as_ref())).await?;
            }
            Err(error) => return Err(FrontError::from(error).map(|error: S3Error| error.detail("BucketName", name))),
        }
        Ok(Response::ok()
            .header(LOCATION, header_value(&format!("/{name}")))
            .header(HeaderName::from_static("x-amz-bucket-arn"), header_value(&format!("arn:aws:s3:::{name}"))))
    }
}

/// In S3's first region a request that creates one's own bucket again sets its list again.
async fn set_acl_again(
    authorized: Authorized<CreateBucket>,
    gateway: &Gateway<S3>,
    new: Option<&NewAcl>,
) -> Executed<()> {
    let bucket = &gateway.engine.resolve_bucket_now(&authorized.resources().0).await?;
    let guarded = authorized.guarded(gateway, bucket).await?;
    let list = new.map(|new| new.admit(AclOf::Bucket, &bucket.entry.account, &guarded)).transpose()?.flatten();
    if guarded.documents.acl != list && guarded.documents.object_ownership().acls_count() {
        let encoded = list.as_ref().map(codec::encode);
        gateway.engine.put_document(bucket, BucketDocument::Acl, encoded).await?;
    }
    Ok(())
}

impl CreateBucket {
    /// What the bucket is to have from the start.
    async fn documents(&self, gateway: &Gateway<S3>, owner: &Account) -> Result<Vec<(BucketDocument, Bytes)>> {
        let is_closed = gateway.face.new_buckets == NewBuckets::Closed;
        let ownership = self.ownership.or(is_closed.then_some(ObjectOwnership::BucketOwnerEnforced));
        let block = is_closed.then_some(PublicAccessBlock::ALL);
        let acl = match acl::find(gateway, self.acl.as_ref()).await? {
            Some(new) => {
                let block = block.unwrap_or_default().and(owner.block.into());
                new.of_new_bucket(&owner.id, ownership, block)?
            }
            None => None,
        };
        let documents = [
            ownership.map(|ownership| (BucketDocument::OwnershipControls, codec::encode(&ownership))),
            block.map(|block| (BucketDocument::PublicAccessBlock, codec::encode(&block))),
            acl.map(|acl| (BucketDocument::Acl, codec::encode(&acl))),
        ];
        Ok(documents.into_iter().flatten().collect())
    }
}

fn ownership(request: &Request) -> Result<Option<ObjectOwnership>> {
    const NAME: &str = "x-amz-object-ownership";
    let Some(text) = request.header(NAME)? else { return Ok(None) };
    let invalid = || S3Error::invalid_argument("Invalid x-amz-object-ownership header", NAME, text);
    ObjectOwnership::parse(text).map(Some).ok_or_else(invalid)
}

fn check_location(document: &[u8], region: &str) -> Result<()> {
    if document.is_empty() {
        return Ok(());
    }
    let configuration = xml::read(document, "CreateBucketConfiguration")?;
    if let Some(other) = configuration.children().iter().find(|child| child.name() != "LocationConstraint") {
        return Err(S3Error::not_implemented(other.name()));
    }
    match configuration.child_text("LocationConstraint").map(str::trim) {
        None | Some("") => Ok(()),
        Some(location) if location == region => Ok(()),
        Some(location) => Err(S3Error::new(Code::InvalidLocationConstraint).detail("LocationConstraint", location)),
    }
}
