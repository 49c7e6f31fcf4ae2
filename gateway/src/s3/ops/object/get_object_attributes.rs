//! GetObjectAttributes: chosen facts of an object: tag, checksum, parts, class, size.
//!
//! Promises: parts are listed where they carry checksums of their own, as S3 does.
//! Steps: 1. open the version; 2. a page of its parts, if asked; 3. write the document.
//! Writes: nothing.

use couronne_metadata::ids::VersionId;
use couronne_metadata::record::{Content, ObjectRecord};
use http::header::LAST_MODIFIED;

use crate::engine::PartPage;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::{attributes, reading};
use crate::s3::wire::dates::http_date;
use crate::s3::wire::etag::etag_text;
use crate::s3::wire::values::{bounded, header_text, header_value};
use crate::s3::wire::xml::Writer;
use crate::s3::wire::{checksum, parameters};

/// The most parts of a page, and the default.
const PAGE_PARTS_MAX: u32 = 1000;
const ATTRIBUTES: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

/// Its parameters.
pub(crate) struct GetObjectAttributes {
    version: Option<VersionId>,
    asked: Vec<String>,
    limit: u16,
    after: u16,
}

impl Handler for GetObjectAttributes {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        attributes::refuse_encryption(&request.headers)?;
        let headers = &request.headers;
        let limit =
            bounded("x-amz-max-parts", header_text(headers, "x-amz-max-parts")?, PAGE_PARTS_MAX, PAGE_PARTS_MAX)?;
        let marker = header_text(headers, "x-amz-part-number-marker")?;
        let after = bounded("x-amz-part-number-marker", marker, 0, u32::from(u16::MAX))?;
        Ok(Self {
            version: parameters::version(request)?,
            asked: asked(request)?,
            limit: u16::try_from(limit).unwrap_or(u16::MAX),
            after: u16::try_from(after).unwrap_or(u16::MAX),
        })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let parameters = authorized.operation();
        let bucket = authorized.resources();
        let key = authorized.request().need_key()?;
        let handle =
            reading::open(&gateway.engine, bucket, key, parameters.version, &authorized.request().method).await?;
        let record = handle.record();
        let page = match (&record.content, parameters.asks("ObjectParts")) {
            (Content::Parts { .. }, true) => Some(handle.parts(parameters.after, parameters.limit).await?),
            _ => None,
        };
        let mut response = Response::xml(parameters.document(record, page.as_ref()));
        response.headers.insert(LAST_MODIFIED, header_value(&http_date(record.ordinal)));
        reading::insert_version(bucket, record.version, &mut response.headers);
        Ok(response)
    }
}

fn asked(request: &Request) -> Result<Vec<String>> {
    let mut asked = Vec::new();
    for value in request.headers.get_all("x-amz-object-attributes") {
        let text = value.to_str().unwrap_or("?");
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if !ATTRIBUTES.contains(&name) {
                let message = "Invalid attribute name specified.";
                return Err(S3Error::invalid_argument(message, "x-amz-object-attributes", name));
            }
            asked.push(name.to_owned());
        }
    }
    if asked.is_empty() {
        let message =
            "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty";
        return Err(S3Error::with_message(Code::InvalidRequest, message));
    }
    Ok(asked)
}

impl GetObjectAttributes {
    fn asks(&self, name: &str) -> bool {
        self.asked.iter().any(|asked| asked == name)
    }

    fn document(&self, record: &ObjectRecord, page: Option<&PartPage>) -> String {
        Writer::document("GetObjectAttributesResponse", |xml| {
            if self.asks("ETag") {
                xml.text("ETag", &etag_text(&record.etag));
            }
            if let Some(found) = checksum::of_record(record).filter(|_| self.asks("Checksum")) {
                xml.element("Checksum", |xml| checksum::write(xml, Some(&found), record.etag.parts));
            }
            if let Some(page) = page {
                xml.element("ObjectParts", |xml| self.write_parts(xml, record, page));
            }
            if self.asks("StorageClass") {
                xml.text("StorageClass", attributes::storage_class(&record.attributes));
            }
            if self.asks("ObjectSize") {
                xml.value("ObjectSize", record.size);
            }
        })
    }

    fn write_parts(&self, xml: &mut Writer, record: &ObjectRecord, page: &PartPage) {
        if let Content::Parts { count, .. } = record.content {
            xml.value("PartsCount", count);
        }
        xml.value("PartNumberMarker", self.after);
        if let Some(last) = page.parts.last() {
            xml.value("NextPartNumberMarker", last.number.get());
        }
        xml.value("MaxParts", self.limit);
        xml.value("IsTruncated", page.truncated);
        for part in page.parts.iter().filter(|part| part.checksum.is_some()) {
            xml.element("Part", |xml| {
                checksum::write_part(xml, part.checksum.as_ref());
                xml.value("PartNumber", part.number.get());
                xml.value("Size", part.size);
            });
        }
    }
}
