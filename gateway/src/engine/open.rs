//! Opening objects: the row first, then, on demand, its bytes and its parts.
//!
//! Must not know: how bytes are fetched ([`super::read`]).

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_metadata::command::{InvalidReason, Refusal, SeenVersion};
use couronne_metadata::ids::{ObjectKey, PartNumber, VersionId};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::{Checksum, ChecksumAlgorithm, Content, Data, ObjectRecord, VersionRecord};
use couronne_protocol::shard::Owner;

use super::read::{BlobReader, Parts, Source, check_payload};
use super::{BodyError, BodySource, Bucket, Engine, EngineError, Expected, ExpectedChecksum, PartPage};

/// Part rows asked for at once where sizes must be added up.
const PART_PAGE: u16 = 1000;

/// An object version, opened: its record is here, its bytes are read on demand.
pub struct ObjectHandle {
    engine: Engine,
    bucket: Bucket,
    key: ObjectKey,
    asked: Option<VersionId>,
    record: Box<ObjectRecord>,
    inline: Option<Bytes>,
}

/// Where one part of an object lies.
#[derive(Clone, Debug, PartialEq)]
pub struct PartSpan {
    /// Its bytes within the object.
    pub range: Range<u64>,
    /// How many parts the object has; `None` if it was not made of parts.
    pub count: Option<u16>,
    /// The part's own checksum.
    pub checksum: Option<Checksum>,
}

/// A range of an opened object as a body: what a copy reads from.
pub struct HandleBody {
    reader: BlobReader,
    length: u64,
    expected: Expected,
}

impl Engine {
    /// Opens a version of a key; `None` is the current one. `Refused(NoSuchKey)`,
    /// `Refused(NoSuchVersion)` or `DeleteMarker` if there is no object to read.
    pub async fn open(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<ObjectHandle, EngineError> {
        let (record, inline) = self.fetch(bucket, key, version).await?;
        let asked = version;
        Ok(ObjectHandle { engine: self.clone(), bucket: bucket.clone(), key: key.clone(), asked, record, inline })
    }

    /// The record of a version of a key; `None` is the current one. `None`: no object is there.
    pub async fn record_of(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Option<Box<ObjectRecord>>, EngineError> {
        match self.fetch(bucket, key, version).await {
            Ok((record, _)) => Ok(Some(record)),
            Err(
                EngineError::Refused(Refusal::NoSuchKey | Refusal::NoSuchVersion) | EngineError::DeleteMarker { .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn fetch(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<(Box<ObjectRecord>, Option<Bytes>), EngineError> {
        let Answer::Get(found) = self.query(bucket, key, Query::Get { key: key.clone(), version }).await? else {
            return Err(EngineError::unexpected("Get"));
        };
        // What was allowed of one version is not told of another.
        let is_seen = |seen: SeenVersion| seen.version != version || seen.is(object_of(found.as_ref()));
        if !bucket.seen_of(key).is_none_or(is_seen) {
            return Err(EngineError::StaleRules);
        }
        match (found, version) {
            (Some((VersionRecord::Object(record), inline)), _) => {
                if let Content::Whole(Data::Inline { len, crc64 }) = &record.content {
                    check_payload(inline.as_ref(), *len, *crc64)?;
                }
                Ok((record, inline))
            }
            (Some((VersionRecord::DeleteMarker { ordinal, version, .. }, _)), _) => {
                Err(EngineError::DeleteMarker { version, ordinal })
            }
            (None, None) => Err(Refusal::NoSuchKey.into()),
            (None, Some(_)) => Err(Refusal::NoSuchVersion.into()),
        }
    }
}

fn object_of(found: Option<&(VersionRecord, Option<Bytes>)>) -> Option<&ObjectRecord> {
    match found {
        Some((VersionRecord::Object(record), _)) => Some(record),
        Some((VersionRecord::DeleteMarker { .. }, _)) | None => None,
    }
}

impl ObjectHandle {
    /// The object's record.
    pub fn record(&self) -> &ObjectRecord {
        &self.record
    }

    /// The bucket it was opened in.
    pub const fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// The key it was opened by.
    pub const fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// CRC-64/NVME of the whole object, if it is one run of bytes.
    pub fn crc64(&self) -> Option<u64> {
        match &self.record.content {
            Content::Whole(data) => Some(data.crc64()),
            Content::Parts { .. } => None,
        }
    }

    /// Opens a stream of a byte range (`range.end` at most the record's size). The first bytes are read
    /// and verified when this returns, so that an unreadable object is an error and not a broken answer.
    /// `ObjectChanged`: the version was replaced and its bytes are gone; open it again.
    pub async fn read(&self, range: Range<u64>) -> Result<BlobReader, EngineError> {
        if range.start > range.end || range.end > self.record.size {
            return Err(Refusal::Invalid(InvalidReason::RangePastEnd).into());
        }
        let owner = Owner { bucket: self.bucket.entry.id, key: self.key.clone() };
        let (shared, holder) = (self.engine.shared.clone(), self.bucket.holder());
        let mut reader = BlobReader::new(shared, owner, holder, self.source(&range)?, &range);
        match reader.prime().await {
            Ok(()) => Ok(reader),
            Err(EngineError::Unreadable(what)) => Err(self.why_unreadable(what).await),
            Err(error) => Err(error),
        }
    }

    /// As [`ObjectHandle::read`], as a body to stage a copy from; `checksum` is what the copy is to carry.
    pub async fn body(
        &self,
        range: Range<u64>,
        checksum: Option<ChecksumAlgorithm>,
    ) -> Result<HandleBody, EngineError> {
        let length = range.end.saturating_sub(range.start);
        let reader = self.read(range).await?;
        let checksum = checksum.map(|algorithm| ExpectedChecksum { algorithm, value: None });
        Ok(HandleBody { reader, length, expected: Expected { checksum, ..Expected::default() } })
    }

    /// Where the part lies that is the `number`th in order: parts are counted, whatever gaps their own numbers have, so
    /// that a client which learns how many there are can read each. An object that was not made of parts is its own part
    /// 1. `None`: no such part.
    pub async fn part(&self, number: PartNumber) -> Result<Option<PartSpan>, EngineError> {
        let Content::Parts { count, .. } = self.record.content else {
            let whole = || PartSpan { range: 0..self.record.size, count: None, checksum: self.record.checksum.clone() };
            return Ok((number.get() == 1).then(whole));
        };
        let (mut start, mut after, mut counted) = (0u64, 0, 0);
        loop {
            let page = self.parts(after, PART_PAGE).await?;
            for part in &page.parts {
                let end = start.saturating_add(part.size);
                counted += 1;
                if counted == number.get() {
                    let checksum = part.checksum.clone();
                    return Ok(Some(PartSpan { range: start..end, count: Some(count), checksum }));
                }
                start = end;
            }
            match page.parts.last() {
                Some(last) if page.truncated => after = last.number.get(),
                _ => return Ok(None),
            }
        }
    }

    /// A page of the object's parts with numbers above `after`; empty if it was not made of parts.
    pub async fn parts(&self, after: u16, limit: u16) -> Result<PartPage, EngineError> {
        let Content::Parts { upload, .. } = self.record.content else { return Ok(PartPage::default()) };
        let parts = Parts { bucket: self.bucket.entry.id, key: self.key.clone(), upload };
        let (parts, truncated) = parts.page(&self.engine.shared, after, limit).await?;
        Ok(PartPage { parts, truncated })
    }

    fn source(&self, range: &Range<u64>) -> Result<Source, EngineError> {
        match &self.record.content {
            Content::Whole(Data::Inline { .. }) => Source::inline(self.inline.as_ref(), range),
            Content::Whole(Data::Blob(blob)) => Ok(Source::blob(blob, range)),
            Content::Parts { upload, uniform_bytes, .. } => {
                let parts = Parts { bucket: self.bucket.entry.id, key: self.key.clone(), upload: *upload };
                Ok(Source::parts(parts, *uniform_bytes, range))
            }
        }
    }

    /// Whether the bytes are gone because the version was replaced since it was opened.
    async fn why_unreadable(&self, what: String) -> EngineError {
        match self.engine.fetch(&self.bucket, &self.key, self.asked).await {
            Ok((now, _)) if now.commit == self.record.commit => EngineError::Unreadable(what),
            Ok(_) | Err(EngineError::Refused(_) | EngineError::DeleteMarker { .. }) => EngineError::ObjectChanged,
            Err(error) => error,
        }
    }
}

#[async_trait]
impl BodySource for HandleBody {
    fn length(&self) -> Option<u64> {
        Some(self.length)
    }

    fn expected(&self) -> Expected {
        self.expected.clone()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.reader.next().await.map_err(|error| BodyError::Source(Box::new(error)))
    }
}
