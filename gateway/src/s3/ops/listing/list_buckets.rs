//! ListBuckets: the buckets of the caller's account, by name, in pages.
//!
//! Promises: a bucket whose creation was acknowledged is listed, one whose deletion was is not. A caller that may not list
//! its account's buckets is told of those that it may list by themselves, and denied if there is none.
//! Steps: 1. read one page of the account's owned rows; 2. leave out what the caller may not list; 3. write the document.
//! Writes: nothing.

use couronne_metadata::command::Refusal;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::engine::{self, EngineError, ListedBucket};
use crate::front::resources::NoBucket;
use crate::front::{Authorized, Body, Face as _, Gateway, Handler, Need, NeededOn, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::owner::Owner;
use crate::s3::wire::dates::iso_date;
use crate::s3::wire::token;
use crate::s3::wire::xml::Writer;

/// The most buckets of one page, and the page of a client that asks for no page.
const PAGE_BUCKETS_MAX: u32 = 10_000;

/// Buckets that are looked at at once.
const BUCKETS_AT_ONCE: usize = 16;

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
        let mut page =
            if elsewhere { engine::BucketPage::default() } else { gateway.engine.list_buckets(list).await? };
        let next = page.buckets.last().filter(|_| page.truncated).map(|last| last.name.clone());
        let need = Need { action: "s3:ListAllMyBuckets", on: NeededOn::AllBuckets };
        if !authorized.may_in_account(gateway, need).await? {
            page.buckets = listable(&authorized, gateway, page.buckets).await?;
            if page.buckets.is_empty() && next.is_none() && after.is_empty() {
                return Err(Code::AccessDenied.into());
            }
        }
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
            if let Some(next) = &next {
                xml.text("ContinuationToken", &token::write(next.as_bytes()));
            }
            if !prefix.is_empty() {
                xml.text("Prefix", prefix);
            }
        })))
    }
}

/// Those of an account's buckets that the caller may list.
async fn listable(
    authorized: &Authorized<ListBuckets>,
    gateway: &Gateway<S3>,
    buckets: Vec<ListedBucket>,
) -> Executed<Vec<ListedBucket>> {
    let asked = stream::iter(buckets).map(|listed| async move {
        let bucket = match gateway.engine.resolve_bucket(&listed.name).await {
            Ok(bucket) => bucket,
            Err(EngineError::Refused(Refusal::NoSuchBucket)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let may = authorized.may(gateway, &bucket, &[S3::need_to_list()]).await?;
        Ok(may.map(|_| listed))
    });
    let asked = asked.buffered(BUCKETS_AT_ONCE).try_filter_map(async |listed| Ok(listed));
    asked.try_collect().await
}
