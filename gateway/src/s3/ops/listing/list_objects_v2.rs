//! ListObjectsV2: a page of current objects after a token or a key.
//!
//! Promises: linearizable with every acknowledged write; a page costs the same however many keys there
//! are. A token wins over `start-after`.
//! Steps: 1. one page from the engine, over as many ranges as it takes; 2. write the document.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::listing::{ListParameters, empty_page, next_after, owners_in};
use crate::s3::ops::owner::owners_of;
use crate::s3::wire::token;
use crate::s3::wire::xml::Writer;

/// Its parameters.
pub(crate) struct ListObjectsV2 {
    list: ListParameters,
    start_after: Option<String>,
    token: Option<String>,
    after: Vec<u8>,
    fetch_owner: bool,
}

impl Handler for ListObjectsV2 {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        let query = &request.query;
        let start_after = query.get("start-after").map(str::to_owned);
        let token = query.get("continuation-token").map(str::to_owned);
        let after = match token.as_deref() {
            Some(token) if !token.is_empty() => token::read(token)?,
            _ => start_after.clone().unwrap_or_default().into_bytes(),
        };
        let fetch_owner = query.get("fetch-owner").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        Ok(Self { list: ListParameters::parse(query, "max-keys")?, start_after, token, after, fetch_owner })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let Self { list, start_after, token, after, fetch_owner } = authorized.operation();
        let bucket = authorized.resources();
        let page = match list.limit {
            0 => empty_page(),
            _ => gateway.engine.list(bucket, list.after(after.clone())).await?,
        };
        let owners = match fetch_owner {
            true => Some(owners_of(gateway, &authorized, bucket, owners_in(&page)).await?),
            false => None,
        };
        Ok(Response::xml(Writer::document("ListBucketResult", |xml| {
            xml.text("Name", &bucket.name);
            list.write(xml, "MaxKeys");
            xml.value("KeyCount", page.entries.len());
            if let Some(start_after) = start_after {
                list.name(xml, "StartAfter", start_after.as_bytes());
            }
            xml.optional("ContinuationToken", token.as_deref());
            if let Some(next) = next_after(&page) {
                xml.text("NextContinuationToken", &token::write(next));
            }
            xml.value("IsTruncated", page.truncated);
            list.write_objects(xml, &page, owners.as_ref());
        })))
    }
}
