//! ListObjects (the first version): a page of current objects after a marker.
//!
//! Promises: linearizable with every acknowledged write; a page costs the same however many keys there
//! are. `NextMarker` is told only with a delimiter, as S3 does; without one the last key serves.
//! Steps: 1. one page from the engine, over as many ranges as it takes; 2. write the document.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::listing::{ListParameters, empty_page, next_after, owners_in};
use crate::s3::ops::owner::owners_of;
use crate::s3::wire::xml::Writer;

/// Its parameters.
pub(crate) struct ListObjects {
    list: ListParameters,
    marker: String,
}

impl Handler for ListObjects {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        if let Some(version) = request.query.get("list-type").filter(|version| *version != "1") {
            return Err(S3Error::invalid_argument("Invalid List Type specified in Request", "list-type", version));
        }
        let marker = request.query.get("marker").unwrap_or_default().to_owned();
        Ok(Self { list: ListParameters::parse(&request.query, "max-keys")?, marker })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let Self { list, marker } = authorized.operation();
        let bucket = authorized.resources();
        let page = match list.limit {
            0 => empty_page(),
            _ => gateway.engine.list(bucket, list.after(marker.clone())).await?,
        };
        let owners = owners_of(gateway, &authorized, bucket, owners_in(&page)).await?;
        Ok(Response::xml(Writer::document("ListBucketResult", |xml| {
            xml.text("Name", &bucket.name);
            list.write(xml, "MaxKeys");
            list.name(xml, "Marker", marker.as_bytes());
            if let Some(next) = next_after(&page).filter(|_| !list.delimiter.is_empty()) {
                list.name(xml, "NextMarker", next);
            }
            xml.value("IsTruncated", page.truncated);
            list.write_objects(xml, &page, Some(&owners));
        })))
    }
}
