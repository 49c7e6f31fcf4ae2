//! Queries: what a gateway or a duty asks a range to read. Answered by the leader under its lease.

use bytes::Bytes;
use couronne_placement::BlobId;

use crate::ids::{BucketId, ObjectKey, Ordinal, PartNumber, UploadId, VersionId};
use crate::record::{
    BucketRules, NamedBy, ObjectRecord, PartRecord, RangeFacts, ReapRecord, RepairRecord, UploadRecord, VersionRecord,
};
use crate::usage::{Subject, Usage};

/// The most entries (keys and common prefixes) of one page.
pub const PAGE_ENTRIES_MAX: u32 = 10_000;

/// A question about one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// One version of a key with its inline bytes.
    Get {
        /// The key.
        key: ObjectKey,
        /// The version; `None` is the current one.
        version: Option<VersionId>,
    },
    /// A page of current objects.
    List(ListQuery),
    /// A page of versions and delete markers.
    ListVersions {
        /// As for current objects; `after` holds the key.
        list: ListQuery,
        /// With the key in `after`: go on after this version of that very key.
        after_version: Option<VersionId>,
    },
    /// A page of open uploads.
    ListUploads {
        /// As for current objects; `after` holds the key.
        list: ListQuery,
        /// With the key in `after`: go on after this upload of that very key.
        after_upload: Option<UploadId>,
    },
    /// One open upload.
    Upload {
        /// The key.
        key: ObjectKey,
        /// The upload.
        upload: UploadId,
    },
    /// A page of parts of an open upload, or of those of a completed object.
    Parts {
        /// The key.
        key: ObjectKey,
        /// The upload.
        upload: UploadId,
        /// Parts with a greater number; 0 for all.
        after: u16,
        /// At most so many.
        limit: u16,
    },
    /// The inline bytes of one part.
    PartPayload {
        /// The key.
        key: ObjectKey,
        /// The upload.
        upload: UploadId,
        /// The part.
        number: PartNumber,
    },
    /// The bucket's rules in the range of this key.
    Rules {
        /// Any key of the range.
        key: ObjectKey,
    },
    /// What the range holds for a subject.
    Usage {
        /// Any key of the range.
        key: ObjectKey,
        /// The subject.
        subject: Subject,
    },
    /// One system row.
    SystemGet {
        /// Its key.
        key: ObjectKey,
    },
    /// One system row of identities, and how often rows of identities changed in its range.
    Identity {
        /// Its key.
        key: ObjectKey,
    },
    /// A page of system rows.
    SystemScan {
        /// Keys begin with this.
        prefix: Bytes,
        /// Keys after this one; empty for all.
        after: Bytes,
        /// At most so many.
        limit: u32,
    },
    /// Whether a blob is still named by its owner; only a leader that owns the key may say no.
    OwnsBlob {
        /// The owner.
        key: ObjectKey,
        /// The blob.
        blob: BlobId,
    },
    /// Due reap rows of the range.
    Reap {
        /// Rows with `not_before_ms` up to this.
        now_ms: u64,
        /// At most so many.
        limit: u32,
    },
    /// Repair rows of the range.
    Repair {
        /// Rows after this blob.
        after: Option<BlobId>,
        /// At most so many.
        limit: u32,
    },
    /// Repair rows of the range, with what names their blobs.
    Unrepaired {
        /// Rows after this blob.
        after: Option<BlobId>,
        /// At most so many rows are looked at.
        limit: u32,
    },
    /// What the range knows of its own state.
    Facts,
    /// Blobs that the range names, in the order of their ids: the scrubber's way from owner to shards.
    Blobs {
        /// Go on after this blob, from an earlier answer.
        after: Option<BlobId>,
        /// At most so many.
        limit: u32,
    },
}

impl Query {
    /// The key that it is about, if it is about one; it says which range is asked.
    pub const fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Get { key, .. }
            | Self::Upload { key, .. }
            | Self::Parts { key, .. }
            | Self::PartPayload { key, .. }
            | Self::Rules { key }
            | Self::Usage { key, .. }
            | Self::SystemGet { key }
            | Self::Identity { key }
            | Self::OwnsBlob { key, .. } => Some(key),
            Self::List(_)
            | Self::ListVersions { .. }
            | Self::ListUploads { .. }
            | Self::SystemScan { .. }
            | Self::Reap { .. }
            | Self::Repair { .. }
            | Self::Unrepaired { .. }
            | Self::Facts
            | Self::Blobs { .. } => None,
        }
    }

    /// Whether it walks many rows, so that it must not hold up the tasks beside it.
    pub const fn is_long(&self) -> bool {
        match self {
            Self::List(_)
            | Self::ListVersions { .. }
            | Self::ListUploads { .. }
            | Self::Parts { .. }
            | Self::SystemScan { .. }
            | Self::Reap { .. }
            | Self::Repair { .. }
            | Self::Unrepaired { .. }
            | Self::Blobs { .. } => true,
            Self::Get { .. }
            | Self::Upload { .. }
            | Self::PartPayload { .. }
            | Self::Rules { .. }
            | Self::Usage { .. }
            | Self::SystemGet { .. }
            | Self::Identity { .. }
            | Self::Facts
            | Self::OwnsBlob { .. } => false,
        }
    }

    /// Whether only the background duties of storage nodes ask it.
    pub const fn is_duty(&self) -> bool {
        matches!(
            self,
            Self::Reap { .. } | Self::Repair { .. } | Self::Unrepaired { .. } | Self::Facts | Self::Blobs { .. }
        )
    }
}

/// What to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Keys begin with this; may be empty.
    pub prefix: Bytes,
    /// Keys that share a stretch up to this, after the prefix, are rolled into a common prefix; may be empty.
    pub delimiter: Bytes,
    /// Keys (and common prefixes) strictly after this; may be empty. If it lies under a common prefix,
    /// that prefix was told already and is left out whole.
    pub after: Bytes,
    /// Keys strictly before this (Swift's `end_marker`); empty for no bound.
    pub before: Bytes,
    /// Descending (Swift); of current objects only. `after` and `before` are meant in the list's direction.
    pub reverse: bool,
    /// At most so many keys and common prefixes, up to [`PAGE_ENTRIES_MAX`].
    pub limit: u32,
}

/// A page: entries in order, and whether more follow in this range.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The entries.
    pub entries: Vec<Entry<T>>,
    /// More follow: go on after the last entry.
    pub truncated: bool,
}

/// An entry of a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<T> {
    /// A row.
    Row(ObjectKey, T),
    /// A common prefix.
    CommonPrefix(Bytes),
}

/// A system row as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemRow {
    /// Its version, for compare-and-swap.
    pub version: Ordinal,
    /// Its value.
    pub value: Bytes,
}

/// A blob with a repair row, and what names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnrepairedBlob {
    /// The repair row.
    pub row: RepairRecord,
    /// Which row of the key names the blob.
    pub by: NamedBy,
    /// The version that the blob is of, or its part; `None`: it is of a part of an open upload.
    pub version: Option<VersionId>,
    /// The name of the bucket; `None`: the range was not told.
    pub bucket_name: Option<Box<str>>,
}

/// What a range has of a bucket's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesRow {
    /// None yet: it takes no rows of the bucket.
    Absent,
    /// These.
    Present(BucketRules),
    /// None any more: the bucket was dropped, and never comes back.
    Dropped,
}

/// Whether a blob is owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// A row names it.
    Owned,
    /// No row that can be read names it any more, and a reap row does: it is the reaper's to delete, once that is due.
    Dropped,
    /// No row names it and none ever will: it may be deleted.
    Disowned,
    /// This range cannot tell (too young, not its key, bucket unknown).
    Unknown,
}

/// An answer, of the shape of its query.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To `Get`: the version and its inline bytes; `None` if absent.
    Get(Option<(VersionRecord, Option<Bytes>)>),
    /// To `List`. Of the attributes an entry has headers and owner only.
    List(Page<Box<ObjectRecord>>),
    /// To `ListVersions`; `true` if it is the key's newest.
    ListVersions(Page<(VersionRecord, bool)>),
    /// To `ListUploads`.
    ListUploads(Page<(UploadId, UploadRecord)>),
    /// To `Upload`.
    Upload(Option<UploadRecord>),
    /// To `Parts`; `true` if more follow. `None`: no such upload.
    Parts(Option<(Vec<PartRecord>, bool)>),
    /// To `PartPayload`.
    PartPayload(Option<Bytes>),
    /// To `Rules`.
    Rules(RulesRow),
    /// To `Usage`: by storage class, of which the empty name is the standard one.
    Usage(Vec<(Box<str>, Usage)>),
    /// To `SystemGet`.
    SystemGet(Option<SystemRow>),
    /// To `Identity`: the changes so far, and the row as it was then or later.
    Identity(u64, Option<SystemRow>),
    /// To `SystemScan`; `true` if more follow.
    SystemScan(Vec<(ObjectKey, SystemRow)>, bool),
    /// To `OwnsBlob`.
    OwnsBlob(Ownership),
    /// To `Reap`: each row's name (for `Reaped`) and record; for an upload, its parts' blobs come along.
    Reap(Vec<(Bytes, ReapRecord, Vec<crate::record::BlobRef>)>),
    /// To `Repair`.
    Repair(Vec<RepairRecord>),
    /// To `Unrepaired`; then where to go on, if more follow. What nothing names any more is left out.
    Unrepaired(Vec<UnrepairedBlob>, Option<BlobId>),
    /// To `Facts`.
    Facts(RangeFacts),
    /// To `Blobs`: owner, blob; then where to go on, if more follow.
    Blobs(Vec<(BucketId, ObjectKey, crate::record::BlobRef)>, Option<BlobId>),
}
