//! ListBuckets: the buckets of the caller's account, by name, in pages.
//!
//! Promises: a bucket whose creation was acknowledged is listed, one whose deletion was is not.
//! Steps: 1. read one page of the account's owned rows; 2. write the document.
//! Writes: nothing.

use crate::engine;
use crate::front::resources::NoBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::owner::Owner;
use crate::s3::wire::dates::iso_date;
use crate::s3::wire::token;
use crate::s3::wire::xml::Writer;

/// The most buckets of one page, and the page of a client that asks for no page.
const PAGE_BUCKETS_MAX: u32 = 10_000;

/// Its parameters.
pub(crate) struct ListBuckets {
    prefix: String,
    after: String,
    limit: u32,
    asked_region: Option<String>,
}

impl Handler for ListBuckets {
    type Face = S3;
    type Resources = NoBucket;

    fn parse(request: &Request) -> Result<Self> {
        let query = &request.query;
        let limit = match query.get("max-buckets") {
            None => PAGE_BUCKETS_MAX,
            Some(text) => {
                text.parse().ok().filter(|limit| (1..=PAGE_BUCKETS_MAX).contains(limit)).ok_or_else(|| {
                    S3Error::invalid_argument(
                        "Argument max-buckets must be an integer between 1 and 10000",
                        "max-buckets",
                        text,
                    )
                })?
            }
        };
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default().to_owned(),
            after: query.get("continuation-token").map(token::read_text).transpose()?.unwrap_or_default(),
            limit,
            asked_region: query.get("bucket-region").filter(|region| !region.is_empty()).map(str::to_owned),
        })
    }

    fn resources(&self, _: &Request) -> Result<NoBucket> {
        Ok(NoBucket)
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let Self { prefix, after, limit, asked_region } = authorized.operation();
        let caller = authorized.caller();
        let list = engine::ListBucketsRequest {
            account: caller.account().id.clone(),
            prefix: prefix.as_str().into(),
            after: after.as_str().into(),
            limit: *limit,
        };
        let region = gateway.face.region();
        // All buckets are in this cluster's one region.
        let elsewhere = asked_region.as_deref().is_some_and(|asked| asked != region);
        let page = if elsewhere { engine::BucketPage::default() } else { gateway.engine.list_buckets(list).await? };
        Ok(Response::xml(Writer::document("ListAllMyBucketsResult", |xml| {
            Owner::of_caller(caller).write(xml, "Owner");
            xml.element("Buckets", |xml| {
                for bucket in &page.buckets {
                    xml.element("Bucket", |xml| {
                        xml.text("Name", &bucket.name);
                        xml.text("CreationDate", &iso_date(bucket.created));
                        xml.text("BucketRegion", region);
                    });
                }
            });
            if let Some(last) = page.buckets.last().filter(|_| page.truncated) {
                xml.text("ContinuationToken", &token::write(last.name.as_bytes()));
            }
            if !prefix.is_empty() {
                xml.text("Prefix", prefix);
            }
        })))
    }
}
