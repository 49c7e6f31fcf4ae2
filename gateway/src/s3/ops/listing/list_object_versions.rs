//! ListObjectVersions: a page of versions and delete markers, by key, newest first within a key.
//!
//! Promises: linearizable with every acknowledged write. A bucket that never kept versions shows each
//! object as its `null` version.
//! Steps: 1. one page from the engine, over as many ranges as it takes; 2. write the document.
//! Writes: nothing.

use couronne_metadata::ids::VersionId;
use couronne_metadata::query::{Entry, Page};
use couronne_metadata::record::VersionRecord;

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
use crate::s3::wire::etag::quoted_etag;
use crate::s3::wire::parameters::checked_version;
use crate::s3::wire::version_text::version_text;
use crate::s3::wire::xml::Writer;

/// Its parameters.
pub(crate) struct ListObjectVersions {
    list: ListParameters,
    key_marker: String,
    version_marker: Option<VersionId>,
}

type VersionPage = Page<(VersionRecord, bool)>;

impl Handler for ListObjectVersions {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        let query = &request.query;
        let key_marker = query.get("key-marker").unwrap_or_default().to_owned();
        let marker = query.get("version-id-marker").filter(|text| !text.is_empty());
        if let Some(text) = marker.filter(|_| key_marker.is_empty()) {
            let message = "A version-id marker cannot be specified without a key marker.";
            return Err(S3Error::invalid_argument(message, "version-id-marker", text));
        }
        let version_marker = marker.map(checked_version).transpose()?;
        Ok(Self { list: ListParameters::parse(query, "max-keys")?, key_marker, version_marker })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let Self { list, key_marker, version_marker } = authorized.operation();
        let bucket = authorized.resources();
        let page = match list.limit {
            0 => empty_page(),
            _ => gateway.engine.list_versions(bucket, list.after(key_marker.clone()), *version_marker).await?,
        };
        let owners = owners_of(gateway, &authorized, bucket, owners_in(&page)).await?;
        Ok(Response::xml(Writer::document("ListVersionsResult", |xml| {
            xml.text("Name", &bucket.name);
            list.write(xml, "MaxKeys");
            list.name(xml, "KeyMarker", key_marker.as_bytes());
            xml.text("VersionIdMarker", &version_marker.map(version_text).unwrap_or_default());
            write_next(xml, list, &page);
            xml.value("IsTruncated", page.truncated);
            write_versions(xml, list, &page, &owners);
        })))
    }
}

fn write_next(xml: &mut Writer, list: &ListParameters, page: &VersionPage) {
    match page.entries.last().filter(|_| page.truncated) {
        Some(Entry::Row(key, (record, _))) => {
            list.name(xml, "NextKeyMarker", key.as_bytes());
            xml.text("NextVersionIdMarker", &version_text(record.version()));
        }
        Some(Entry::CommonPrefix(prefix)) => list.name(xml, "NextKeyMarker", prefix),
        None => {}
    }
}

fn owner_of(version: &VersionRecord) -> &str {
    match version {
        VersionRecord::Object(record) => &record.attributes.owner,
        VersionRecord::DeleteMarker { owner, .. } => owner,
    }
}

fn owners_in(page: &VersionPage) -> impl Iterator<Item = &str> + Send {
    page.entries.iter().filter_map(|entry| match entry {
        Entry::Row(_, (version, _)) => Some(owner_of(version)),
        Entry::CommonPrefix(_) => None,
    })
}

fn write_versions(xml: &mut Writer, list: &ListParameters, page: &VersionPage, owners: &Owners<'_>) {
    for entry in &page.entries {
        let Entry::Row(key, (version, newest)) = entry else { continue };
        let element = match version {
            VersionRecord::Object(_) => "Version",
            VersionRecord::DeleteMarker { .. } => "DeleteMarker",
        };
        xml.element(element, |xml| {
            list.name(xml, "Key", key.as_bytes());
            xml.text("VersionId", &version_text(version.version()));
            xml.value("IsLatest", newest);
            xml.text("LastModified", &iso_date(version.ordinal()));
            if let VersionRecord::Object(record) = version {
                xml.text("ETag", &quoted_etag(&record.etag));
                checksum::write_algorithm(xml, record);
                xml.value("Size", record.size);
                xml.text("StorageClass", attributes::storage_class(&record.attributes));
            }
            owners.of_object(owner_of(version)).write(xml, "Owner");
        });
    }
    list.write_common_prefixes(xml, page);
}
