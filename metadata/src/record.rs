//! The records of the index: what a row says of an object, a part, an upload, a bucket.
//!
//! These are domain types. How they stand on a disk is `codec`'s matter: every record is a list of
//! numbered fields, so that a reader one release older keeps the fields it does not know.
//! Must not know: HTTP, XML, consensus.

pub mod checksum;
pub mod quota;

use bytes::Bytes;
use couronne_placement::{BlobId, Geometry, PolicyId};

use crate::ids::{BucketId, CommitId, ObjectKey, Ordinal, PartNumber, UploadId, VersionId};
use quota::Quota;

/// An entity tag: 128 bits, and for a multipart object the number of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Etag {
    /// MD5 of the content, or of the parts' MD5s in order (or random bits where the protocol hides the MD5).
    pub digest: [u8; 16],
    /// The part count of a multipart object, shown after a dash.
    pub parts: Option<u16>,
}

/// The checksum algorithms of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC), 4 bytes.
    Crc32,
    /// CRC-32C (Castagnoli), 4 bytes.
    Crc32c,
    /// CRC-64/NVME, 8 bytes.
    Crc64Nvme,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
    /// MD5, 16 bytes.
    Md5,
    /// XXH64, 8 bytes.
    XxHash64,
    /// XXH3 of 64 bits, 8 bytes.
    XxHash3,
    /// XXH3 of 128 bits, 16 bytes.
    XxHash128,
}

/// What a checksum is computed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumKind {
    /// All bytes of the object.
    FullObject,
    /// The parts' checksums in order.
    Composite,
}

/// A client-visible checksum of an object or part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// How it was computed.
    pub algorithm: ChecksumAlgorithm,
    /// What it covers.
    pub kind: ChecksumKind,
    /// The digest, big-endian, of the algorithm's length.
    pub value: Bytes,
}

/// One blob as a row names it: all that is needed to find, decode and verify it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRef {
    /// Its identity.
    pub id: BlobId,
    /// Its length in bytes, as stored.
    pub len: u64,
    /// The policy it was placed under.
    pub policy: PolicyId,
    /// How it was cut and encoded.
    pub geometry: Geometry,
    /// CRC-64/NVME of all its bytes.
    pub crc64: u64,
}

/// Where bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// In a payload row beside the record; `len` bytes with this CRC-64/NVME.
    Inline {
        /// Length in bytes.
        len: u32,
        /// CRC-64/NVME of the bytes.
        crc64: u64,
    },
    /// In a blob.
    Blob(BlobRef),
}

impl Data {
    /// CRC-64/NVME of all bytes.
    pub const fn crc64(&self) -> u64 {
        match self {
            Self::Inline { crc64, .. } | Self::Blob(BlobRef { crc64, .. }) => *crc64,
        }
    }

    /// The blob, if they are in one.
    pub const fn blob(&self) -> Option<&BlobRef> {
        match self {
            Self::Blob(blob) => Some(blob),
            Self::Inline { .. } => None,
        }
    }
}

/// The bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// One run of bytes.
    Whole(Data),
    /// The parts of a completed upload, in the part rows that it left.
    Parts {
        /// The upload that made it.
        upload: UploadId,
        /// How many parts.
        count: u16,
        /// If the parts are numbered 1 to `count` and all but the last have this size: that size in
        /// bytes, so that a range read finds its part without reading the others' rows.
        uniform_bytes: Option<u64>,
    },
}

/// A header or metadata pair; names are lower case, values as the client sent them.
pub type Pair = (Box<str>, Bytes);

/// Until when and how firmly a version is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Compliance (nobody may lift it) or governance.
    pub compliance: bool,
    /// Milliseconds since 1970.
    pub until_ms: u64,
}

/// The header that names the storage class.
const STORAGE_CLASS: &str = "x-amz-storage-class";

/// The storage class of what names none.
const STANDARD: &str = "STANDARD";

/// The longest name of a storage class, in bytes.
const CLASS_BYTES_MAX: usize = 32;

/// What stays the same between an upload's creation and the object it becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// System headers kept with the object (`content-type`, `cache-control`, ...).
    pub headers: Vec<Pair>,
    /// User metadata, names without the protocol's prefix.
    pub metadata: Vec<Pair>,
    /// Tags.
    pub tags: Vec<(Box<str>, Box<str>)>,
    /// The canonical id of the account that owns the object.
    pub owner: Box<str>,
    /// The principal that wrote it: a user's unique id, or the canonical id of the account whose root did.
    pub writer: Box<str>,
    /// The access control list, as the gateway encoded it; `None`: the owner alone has rights by it.
    pub acl: Option<Bytes>,
    /// How often tags or list were changed: what was decided by them says by which.
    pub revision: u32,
    /// Retention, if locked.
    pub retention: Option<Retention>,
    /// Legal hold.
    pub legal_hold: bool,
    /// Whether a legal hold was ever set or lifted: of a version where none was, clients are told so.
    pub legal_hold_said: bool,
    /// Configuration of later features by field number, kept as it is.
    pub extra: Vec<(u16, Bytes)>,
}

impl Attributes {
    /// The storage class, as the writer named it; empty is the standard one, as is a name that can be none.
    pub fn storage_class(&self) -> &str {
        let named = self.headers.iter().find(|(name, _)| **name == *STORAGE_CLASS);
        let class = named.and_then(|(_, class)| std::str::from_utf8(class).ok()).unwrap_or_default();
        let is_name = class.len() <= CLASS_BYTES_MAX
            && class.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if is_name && class != STANDARD { class } else { "" }
    }

    /// Whether they say anything of a lock, which is refused where there can be none.
    pub const fn ask_for_lock(&self) -> bool {
        self.retention.is_some() || self.legal_hold || self.legal_hold_said
    }
}

/// An object version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRecord {
    /// Its place in time, unique within its key.
    pub ordinal: Ordinal,
    /// How clients name it.
    pub version: VersionId,
    /// The command that wrote it.
    pub commit: CommitId,
    /// Its entity tag.
    pub etag: Etag,
    /// Its length in bytes.
    pub size: u64,
    /// Its bytes.
    pub content: Content,
    /// Headers, metadata, tags, lock.
    pub attributes: Attributes,
    /// The checksum that clients see, if any.
    pub checksum: Option<Checksum>,
}

/// A version row: an object, or a marker that says the key was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionRecord {
    /// An object.
    Object(Box<ObjectRecord>),
    /// A delete marker.
    DeleteMarker {
        /// Its place in time.
        ordinal: Ordinal,
        /// How clients name it.
        version: VersionId,
        /// The command that wrote it.
        commit: CommitId,
        /// The canonical id of the account that deleted.
        owner: Box<str>,
    },
}

impl VersionRecord {
    /// Its place in time.
    pub fn ordinal(&self) -> Ordinal {
        match self {
            Self::Object(object) => object.ordinal,
            Self::DeleteMarker { ordinal, .. } => *ordinal,
        }
    }

    /// How clients name it.
    pub fn version(&self) -> VersionId {
        match self {
            Self::Object(object) => object.version,
            Self::DeleteMarker { version, .. } => *version,
        }
    }
}

/// A multipart upload that is open, or completed and named by an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRecord {
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
    /// The command that created it.
    pub commit: CommitId,
    /// What the object will carry.
    pub attributes: Attributes,
    /// The canonical id of the account that created it.
    pub initiator: Box<str>,
    /// The checksum the parts and the object are to have, if one was asked for.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

/// A part of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRecord {
    /// Its number.
    pub number: PartNumber,
    /// When it was written; microseconds since 1970.
    pub ordinal: Ordinal,
    /// The command that wrote it.
    pub commit: CommitId,
    /// Its entity tag (`parts` is `None`).
    pub etag: Etag,
    /// Its length in bytes.
    pub size: u64,
    /// Its bytes.
    pub data: Data,
    /// Its checksum, if one was sent or asked for.
    pub checksum: Option<Checksum>,
}

/// Whether a bucket keeps versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    /// Never enabled.
    #[default]
    Off,
    /// Every write makes a version.
    Enabled,
    /// Writes replace the `null` version; older versions stay.
    Suspended,
}

/// Whether a bucket takes rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketState {
    /// Its creation began; it is not visible yet.
    Creating,
    /// It serves.
    Live,
    /// Its deletion began: every range is asked to refuse new rows, and may yet object.
    Deleting,
    /// Every range was sealed empty: the deletion is decided and only goes forward. In the registry
    /// row alone, so that a rollback of a deletion and its completion never both succeed.
    Dropping,
}

/// The rules under which a range takes rows of a bucket. Each change raises `version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRules {
    /// How often the rules changed; requests carry it.
    pub version: u64,
    /// Whether rows are taken.
    pub state: BucketState,
    /// Whether versions are kept.
    pub versioning: Versioning,
    /// Whether object lock is on, and the default retention: (compliance, milliseconds).
    pub object_lock: Option<Option<(bool, u64)>>,
    /// The storage policy of new blobs.
    pub policy: PolicyId,
    /// The canonical id of the account that owns the bucket: what the bucket holds is counted for it.
    pub account: Box<str>,
    /// How much the bucket may hold, if there is a bound.
    pub quota: Option<Quota>,
    /// Further configuration that ranges need, by field number, kept as it is. Numbers are 64 and above; those below are
    /// for the record itself.
    pub extra: Vec<(u16, Bytes)>,
}

/// A registry row: which bucket a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketEntry {
    /// The bucket.
    pub id: BucketId,
    /// The account that owns it.
    pub account: Box<str>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
    /// Its rules as last acknowledged or, with `Creating` and `Deleting`, as being installed.
    pub rules: BucketRules,
    /// What its owner wrote of it (a policy, an access control list, tags, ...) by number, each as the gateway encoded it,
    /// [`Self::DOCUMENTS_BYTES_MAX`] bytes together at most. They stand in this row alone; a change of one raises the
    /// version of the rules, which every range has, so that a request that was decided by an older one is told so.
    pub documents: Vec<(u16, Bytes)>,
}

impl BucketEntry {
    /// The most bytes of a bucket's documents together.
    pub const DOCUMENTS_BYTES_MAX: usize = 512 << 10;
}

/// Which row names a blob: it is the blob's for as long as that row is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The key's version of this ordinal, wherever that stands.
    Version(Ordinal),
    /// A part, of an upload that is open, completed or dropped.
    Part {
        /// The upload.
        upload: UploadId,
        /// The part.
        number: PartNumber,
    },
}

/// A blob that a row names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedBlob {
    /// The blob.
    pub blob: BlobRef,
    /// The bucket that owns it.
    pub bucket: BucketId,
    /// The key that owns it.
    pub key: ObjectKey,
    /// Which row of the key names it.
    pub by: NamedBy,
}

/// The one row of a blob, from the commit that names it (or the command that abandons it) until the reaper has been
/// there. No commit names a blob that has one, so no two rows ever name one blob, and what was given up stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobState {
    /// A version or a part names it.
    Named(Box<NamedBlob>),
    /// What named it was dropped, and a reap row names it.
    PendingDelete,
    /// A gateway gave it up before its commit was sent, and a reap row names it.
    Abandoned,
}

/// Why a blob is to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReapReason {
    /// A commit dropped the object or part that named it.
    Dropped,
    /// A gateway gave it up before its commit was sent; a commit that names it is refused.
    Abandoned,
}

/// What a reap row asks the reaper to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReapTarget {
    /// One blob.
    Blob(BlobRef),
    /// The part rows of an upload and the blobs that they name.
    Upload(UploadId),
    /// The blobs of parts that the completion of their upload did not name; their rows went with it. In one row, for
    /// there may be thousands, and each reap row repeats the key.
    Parts {
        /// The upload.
        upload: UploadId,
        /// The blobs.
        blobs: Vec<BlobRef>,
    },
}

/// A reap row: what to delete, for which owner, and not before when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReapRecord {
    /// What to delete.
    pub target: ReapTarget,
    /// The bucket that owned it.
    pub bucket: BucketId,
    /// The key that owned it.
    pub key: ObjectKey,
    /// Milliseconds since 1970; readers that began earlier have finished by then.
    pub not_before_ms: u64,
    /// Why.
    pub reason: ReapReason,
    /// The command that asked for it.
    pub commit: CommitId,
}

/// A repair row: a chunk of this blob has a shard off its primary or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairRecord {
    /// The blob.
    pub blob: BlobRef,
    /// The bucket that owns it.
    pub bucket: BucketId,
    /// The key that owns it.
    pub key: ObjectKey,
    /// How many shards of its worst chunk were not on their primaries when the row was written.
    pub missing: u8,
    /// When the range got the row, in milliseconds since 1970; `None` in a command that has it left.
    pub since_ms: Option<u64>,
    /// The newest loss of a drive that `missing` counts, by the version of the map that first knew it; 0: shards were looked
    /// for, and no losses counted. In a command `missing` counts what losses took that are newer than a row's.
    pub losses: u64,
    /// How many of these were looked for and not found, whatever took them; a loss may have taken others.
    pub found: u8,
    /// How many shards all losses may have taken of its worst chunk: no more are missing than these and those `found`.
    pub at_most: u8,
}

impl RepairRecord {
    /// So many shards of a chunk were looked for and not found on their primaries.
    pub const fn new(blob: BlobRef, bucket: BucketId, key: ObjectKey, missing: u8) -> Self {
        Self { blob, bucket, key, missing, since_ms: None, losses: 0, found: missing, at_most: missing }
    }
}

/// How far the duties have come that look through all blobs of the range. It is kept with the rows, so that another
/// leader need not look again, and knows what was looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeMarks {
    /// For the losses of drives that this version of the map knows, every blob was looked through, and left a repair row
    /// if one concerned it; 0: no sweep was needed yet.
    pub swept_version: u64,
    /// When every shard of every blob was last looked for, in milliseconds since 1970; unset: never.
    pub looked_ms: Option<u64>,
}

/// What a range knows of its own state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeFacts {
    /// How far the duties have come.
    pub marks: RangeMarks,
    /// How many repair rows there are.
    pub repair_rows: u64,
}
