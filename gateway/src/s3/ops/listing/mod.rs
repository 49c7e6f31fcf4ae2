//! What the listings share: their parameters, and how entries are written.
//!
//! Promises: names are written under the encoding that was asked for, everywhere in the document.
//! Must not know: ranges; the engine merges their pages.

pub(crate) mod list_buckets;
pub(crate) mod list_multipart_uploads;
pub(crate) mod list_object_versions;
pub(crate) mod list_objects;
pub(crate) mod list_objects_v2;

use bytes::Bytes;
use couronne_metadata::ids::ObjectKey;
use couronne_metadata::query::{Entry, ListQuery, Page};
use couronne_metadata::record::ObjectRecord;

use crate::front::request::Query;
use crate::s3::error::Result;
use crate::s3::ops::attributes;
use crate::s3::ops::owner::{Owner, Owners};
use crate::s3::wire::checksum;
use crate::s3::wire::dates::iso_date;
use crate::s3::wire::etag::etag_text;
use crate::s3::wire::values::{NameEncoding, bounded};
use crate::s3::wire::xml::Writer;

/// The most entries of a page, and the default.
const PAGE_ENTRIES_MAX: u32 = 1000;

/// About as long as an object's entry is written, in bytes.
const ENTRY_BYTES: usize = 320;

/// The parameters of every listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListParameters {
    /// The keys that are listed begin with this.
    pub prefix: String,
    /// Keys are rolled into common prefixes up to this.
    pub delimiter: String,
    /// At most so many entries.
    pub limit: u32,
    /// How names are written.
    pub encoding: NameEncoding,
}

impl ListParameters {
    /// Reads them; `limit_name` is `max-keys` or `max-uploads`.
    pub fn parse(query: &Query, limit_name: &str) -> Result<Self> {
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default().to_owned(),
            delimiter: query.get("delimiter").unwrap_or_default().to_owned(),
            limit: bounded(limit_name, query.get(limit_name), PAGE_ENTRIES_MAX, PAGE_ENTRIES_MAX)?,
            encoding: NameEncoding::parse(query.get("encoding-type"))?,
        })
    }

    /// The question to the engine: the page after this key or common prefix.
    pub fn after(&self, after: impl Into<Bytes>) -> ListQuery {
        ListQuery {
            prefix: self.prefix.clone().into(),
            delimiter: self.delimiter.clone().into(),
            after: after.into(),
            before: Bytes::new(),
            reverse: false,
            limit: self.limit,
        }
    }

    /// Writes a name under the encoding.
    pub fn name(&self, xml: &mut Writer, element: &str, name: &[u8]) {
        xml.text(element, &self.encoding.encode(name));
    }

    /// Writes the parameters back, as every listing does; `limit_element` is `MaxKeys` or `MaxUploads`.
    pub fn write(&self, xml: &mut Writer, limit_element: &str) {
        self.name(xml, "Prefix", self.prefix.as_bytes());
        if !self.delimiter.is_empty() {
            self.name(xml, "Delimiter", self.delimiter.as_bytes());
        }
        xml.value(limit_element, self.limit);
        if self.encoding == NameEncoding::Url {
            xml.text("EncodingType", "url");
        }
    }

    /// Writes the entries of a page of current objects; `owners` only where they are to be shown.
    pub fn write_objects(&self, xml: &mut Writer, page: &Page<Box<ObjectRecord>>, owners: Option<&Owners<'_>>) {
        xml.reserve(page.entries.len() * ENTRY_BYTES);
        for entry in &page.entries {
            if let Entry::Row(key, record) = entry {
                let owner = owners.map(|owners| owners.of_object(&record.attributes.owner));
                xml.element("Contents", |xml| self.write_object(xml, key, record, owner.as_deref()));
            }
        }
        self.write_common_prefixes(xml, page);
    }

    fn write_object(&self, xml: &mut Writer, key: &ObjectKey, record: &ObjectRecord, owner: Option<&Owner>) {
        self.name(xml, "Key", key.as_bytes());
        xml.plain("LastModified", &iso_date(record.ordinal));
        xml.plain("ETag", &["&quot;", &etag_text(&record.etag), "&quot;"].concat());
        checksum::write_algorithm(xml, record);
        xml.value("Size", record.size);
        if let Some(owner) = owner {
            owner.write(xml, "Owner");
        }
        xml.plain("StorageClass", attributes::storage_class(&record.attributes));
    }

    /// Writes the common prefixes of any page.
    pub fn write_common_prefixes<T>(&self, xml: &mut Writer, page: &Page<T>) {
        for entry in &page.entries {
            if let Entry::CommonPrefix(prefix) = entry {
                xml.element("CommonPrefixes", |xml| self.name(xml, "Prefix", prefix));
            }
        }
    }
}

/// The canonical ids of the owners of a page of current objects.
pub fn owners_in(page: &Page<Box<ObjectRecord>>) -> impl Iterator<Item = &str> + Send {
    page.entries.iter().filter_map(|entry| match entry {
        Entry::Row(_, record) => Some(&*record.attributes.owner),
        Entry::CommonPrefix(_) => None,
    })
}

/// Where a page ends: its last key or common prefix, if more follow.
pub fn next_after<T>(page: &Page<T>) -> Option<&Bytes> {
    let last = page.entries.last().filter(|_| page.truncated)?;
    Some(match last {
        Entry::Row(key, _) => key.as_bytes(),
        Entry::CommonPrefix(prefix) => prefix,
    })
}

/// The page of a client that asks for no entries: S3 says that nothing follows.
pub const fn empty_page<T>() -> Page<T> {
    Page { entries: Vec::new(), truncated: false }
}
