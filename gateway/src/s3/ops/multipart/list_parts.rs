//! ListParts: a page of the parts of an open upload, by number.
//!
//! Promises: a part whose upload was acknowledged is listed, in its latest form.
//! Steps: 1. the upload; 2. one page of its parts; 3. write the document.
//! Writes: nothing.

use couronne_metadata::record::UploadRecord;

use crate::engine::PartPage;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::attributes;
use crate::s3::ops::owner::owners_of;
use crate::s3::wire::checksum;
use crate::s3::wire::dates::iso_date;
use crate::s3::wire::etag::quoted_etag;
use crate::s3::wire::parameters::NamedUpload;
use crate::s3::wire::values::{NameEncoding, bounded};
use crate::s3::wire::xml::Writer;

/// The most parts of a page, and the default.
const PAGE_PARTS_MAX: u32 = 1000;

/// Its parameters.
pub(crate) struct ListParts {
    upload: NamedUpload,
    after: u16,
    limit: u16,
    encoding: NameEncoding,
}

impl Handler for ListParts {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        let query = &request.query;
        let limit = bounded("max-parts", query.get("max-parts"), PAGE_PARTS_MAX, PAGE_PARTS_MAX)?;
        let after = bounded("part-number-marker", query.get("part-number-marker"), 0, u32::from(u16::MAX))?;
        Ok(Self {
            upload: NamedUpload::of(request),
            after: u16::try_from(after).unwrap_or(u16::MAX),
            limit: u16::try_from(limit).unwrap_or(u16::MAX),
            encoding: NameEncoding::parse(query.get("encoding-type"))?,
        })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let Self { upload, after, limit, encoding } = authorized.operation();
        let bucket = authorized.resources();
        let key = authorized.request().need_key()?;
        let id = upload.id()?;
        let record = upload.told(gateway.engine.upload(bucket, key, id).await)?;
        let page = match limit {
            0 => PartPage::default(),
            _ => upload.told(gateway.engine.list_parts(bucket, key, id, *after, *limit).await)?,
        };
        let ids = [&*record.initiator, &*record.attributes.owner];
        let owners = owners_of(gateway, &authorized, bucket, ids.into_iter()).await?;
        Ok(Response::xml(Writer::document("ListPartsResult", |xml| {
            xml.text("Bucket", &bucket.name);
            xml.text("Key", &encoding.encode(key.as_bytes()));
            xml.value("UploadId", id);
            owners.of(&record.initiator).write(xml, "Initiator");
            owners.of_object(&record.attributes.owner).write(xml, "Owner");
            xml.text("StorageClass", attributes::storage_class(&record.attributes));
            xml.value("PartNumberMarker", after);
            if let Some(last) = page.parts.last() {
                xml.value("NextPartNumberMarker", last.number.get());
            }
            xml.value("MaxParts", limit);
            if *encoding == NameEncoding::Url {
                xml.text("EncodingType", "url");
            }
            xml.value("IsTruncated", page.truncated);
            write_parts(xml, &record, &page);
        })))
    }
}

fn write_parts(xml: &mut Writer, record: &UploadRecord, page: &PartPage) {
    for part in &page.parts {
        xml.element("Part", |xml| {
            xml.value("PartNumber", part.number.get());
            xml.text("LastModified", &iso_date(part.ordinal));
            xml.text("ETag", &quoted_etag(&part.etag));
            xml.value("Size", part.size);
            checksum::write_part(xml, part.checksum.as_ref());
        });
    }
    checksum::write_asked(xml, record.checksum);
}
