//! ListMultipartUploads: a page of open uploads, by key, oldest first within a key.
//!
//! Promises: an upload whose creation was acknowledged is listed until its completion or abortion is.
//! Steps: 1. one page from the engine, over as many ranges as it takes; 2. write the document.
//! Writes: nothing.

use couronne_metadata::ids::UploadId;
use couronne_metadata::query::{Entry, Page};
use couronne_metadata::record::UploadRecord;

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::attributes;
use crate::s3::ops::listing::{ListParameters, empty_page};
use crate::s3::ops::owner::{Owners, owners_of};
use crate::s3::wire::checksum;
use crate::s3::wire::dates::iso_date;
use crate::s3::wire::parameters::parse_upload;
use crate::s3::wire::xml::Writer;

/// Its parameters.
pub(crate) struct ListMultipartUploads {
    list: ListParameters,
    key_marker: String,
    upload_marker: Option<UploadId>,
}

type UploadPage = Page<(UploadId, UploadRecord)>;

impl Handler for ListMultipartUploads {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        let query = &request.query;
        let key_marker = query.get("key-marker").unwrap_or_default().to_owned();
        // Without a key the marker has no meaning, and S3 ignores it.
        let marker = query.get("upload-id-marker").filter(|text| !text.is_empty() && !key_marker.is_empty());
        let invalid = |text| S3Error::invalid_argument("Invalid uploadId marker", "upload-id-marker", text);
        let upload_marker = marker.map(|text| parse_upload(text).ok_or_else(|| invalid(text))).transpose()?;
        Ok(Self { list: ListParameters::parse(query, "max-uploads")?, key_marker, upload_marker })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let Self { list, key_marker, upload_marker } = authorized.operation();
        let bucket = authorized.resources();
        let page = match list.limit {
            0 => empty_page(),
            _ => gateway.engine.list_uploads(bucket, list.after(key_marker.clone()), *upload_marker).await?,
        };
        let owners = owners_of(gateway, &authorized, bucket, owners_in(&page)).await?;
        Ok(Response::xml(Writer::document("ListMultipartUploadsResult", |xml| {
            xml.text("Bucket", &bucket.name);
            list.name(xml, "KeyMarker", key_marker.as_bytes());
            xml.text("UploadIdMarker", &upload_marker.map(|id| id.to_string()).unwrap_or_default());
            write_next(xml, list, &page);
            list.write(xml, "MaxUploads");
            xml.value("IsTruncated", page.truncated);
            write_uploads(xml, list, &page, &owners);
        })))
    }
}

fn write_next(xml: &mut Writer, list: &ListParameters, page: &UploadPage) {
    match page.entries.last().filter(|_| page.truncated) {
        Some(Entry::Row(key, (upload, _))) => {
            list.name(xml, "NextKeyMarker", key.as_bytes());
            xml.value("NextUploadIdMarker", upload);
        }
        Some(Entry::CommonPrefix(prefix)) => list.name(xml, "NextKeyMarker", prefix),
        None => {}
    }
}

fn owners_in(page: &UploadPage) -> impl Iterator<Item = &str> + Send {
    let rows = page.entries.iter().filter_map(|entry| match entry {
        Entry::Row(_, (_, record)) => Some(record),
        Entry::CommonPrefix(_) => None,
    });
    rows.flat_map(|record| [&*record.initiator, &*record.attributes.owner])
}

fn write_uploads(xml: &mut Writer, list: &ListParameters, page: &UploadPage, owners: &Owners<'_>) {
    for entry in &page.entries {
        let Entry::Row(key, (upload, record)) = entry else { continue };
        xml.element("Upload", |xml| {
            list.name(xml, "Key", key.as_bytes());
            xml.value("UploadId", upload);
            owners.of(&record.initiator).write(xml, "Initiator");
            owners.of_object(&record.attributes.owner).write(xml, "Owner");
            xml.text("StorageClass", attributes::storage_class(&record.attributes));
            xml.text("Initiated", &iso_date(record.created));
            checksum::write_asked(xml, record.checksum);
        });
    }
    list.write_common_prefixes(xml, page);
}
