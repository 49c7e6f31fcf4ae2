//! Commands: what a gateway or a duty asks a range to change.
//!
//! The leader evaluates a command under the key's latch and proposes the plain writes that result;
//! replicas only apply these. A repeat of a commit id gets the first outcome.

use bytes::Bytes;
use couronne_placement::BlobId;
use thiserror::Error;

use crate::ids::{BucketId, CommitId, ObjectKey, Ordinal, PartNumber, UploadId, VersionId};
use crate::latch::{LatchKey, LatchMode};
use crate::record::{
    Attributes, BlobRef, BucketRules, Checksum, ChecksumAlgorithm, ChecksumKind, Etag, ObjectRecord, RepairRecord,
    Retention, VersionRecord,
};
use crate::store_scrub::StoreScrub;

/// A command with what every command carries.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandRequest {
    /// The command's identity; the same for every repeat.
    pub commit: CommitId,
    /// Past this time (milliseconds since 1970, the leader's clock) the command is refused.
    pub deadline_ms: u64,
    /// The bucket.
    pub bucket: BucketId,
    /// The bucket's rules version the gateway authorized under; [`BucketId::SYSTEM`] has version 0.
    pub rules_version: u64,
    /// The key; it says which range leads.
    pub key: ObjectKey,
    /// The change.
    pub command: Command,
    /// The version that the gateway's decision saw, if it hung on one.
    pub seen: Option<SeenVersion>,
    /// Whether an attempt before this one went unanswered and may arrive yet: whatever is answered is
    /// then kept, also that nothing was changed, so that it gets the same.
    pub is_repeat: bool,
}

impl CommandRequest {
    /// The latches of the command, in the order to take them.
    pub fn latches(&self) -> Vec<(LatchKey, LatchMode)> {
        let mut latches = Vec::with_capacity(3);
        let kind = self.command.kind();
        latches.extend(kind.watermarks.map(|mode| (LatchKey::Watermarks, mode)));
        latches.extend(kind.rules.map(|mode| (LatchKey::Rules(self.bucket), mode)));
        latches.push((LatchKey::Key(self.bucket, self.key.clone()), LatchMode::Exclusive));
        latches
    }
}

/// A version of the request's key as a decision saw it: what was allowed because of its tags, owner or access control list
/// is allowed of this one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenVersion {
    /// The version that was looked for; `None` is the current one.
    pub version: Option<VersionId>,
    /// The ordinal of what was found, and the revision of its tags and list; `None`: no object was there.
    pub found: Option<(Ordinal, u32)>,
}

impl SeenVersion {
    /// Whether a record is what was seen; `None` is that no object is there.
    pub fn is(&self, record: Option<&ObjectRecord>) -> bool {
        self.found == record.map(|record| (record.ordinal, record.attributes.revision))
    }
}

/// A set of entity tags in `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtagSet {
    /// `*`: any existing object.
    Any,
    /// An object with one of these tags.
    Tags(Vec<Etag>),
}

/// What must hold of the current object for a write to happen (compare-and-swap).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// The object exists (else `NoSuchKey`) and has one of these tags (else `PreconditionFailed`).
    pub if_match: Option<EtagSet>,
    /// The object does not exist, or has none of these tags (else `PreconditionFailed`).
    pub if_none_match: Option<EtagSet>,
    /// The object was last modified at this second (since 1970); for conditional deletes.
    pub if_last_modified_s: Option<u64>,
    /// The object has this size in bytes; for conditional deletes.
    pub if_size: Option<u64>,
}

/// New bytes for an object or part: already durable in a blob, or travelling in the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewData {
    /// Bytes for a payload row, and their CRC-64/NVME.
    Inline(Bytes, u64),
    /// A blob, durable on enough drives; how many shards of its worst chunk are not on their primaries; and by
    /// which version of the cluster map the first of its chunks was placed, if the gateway says.
    Blob(BlobRef, u8, Option<u64>),
}

/// One part named by a CompleteMultipartUpload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// Its number.
    pub number: PartNumber,
    /// The tag the client believes it has; `None`: one that no part can have.
    pub etag: Option<Etag>,
    /// The checksum the client believes it has.
    pub checksum: Option<(ChecksumAlgorithm, Bytes)>,
}

/// A change to one key, or a duty's change to one range.
#[allow(clippy::large_enum_variant, reason = "most commands are of the largest kind, and none is kept in numbers")]
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Writes an object.
    Put {
        /// Its bytes.
        data: NewData,
        /// Its length in bytes.
        size: u64,
        /// Its tag.
        etag: Etag,
        /// Its checksum.
        checksum: Option<Checksum>,
        /// Headers, metadata, tags, lock.
        attributes: Attributes,
        /// What must hold.
        condition: Precondition,
    },
    /// Deletes the current object (or, versioned, adds a delete marker), or one version for good.
    Delete {
        /// The version; `None` is the plain deletion.
        version: Option<VersionId>,
        /// What must hold.
        condition: Precondition,
        /// Whether governance retention may be overridden.
        bypass_governance: bool,
        /// The canonical id of the account that deletes (a delete marker keeps it).
        owner: Box<str>,
    },
    /// Replaces attributes of an existing version in place: tags, retention, legal hold, Swift's POST.
    UpdateAttributes {
        /// The version; `None` is the current one.
        version: Option<VersionId>,
        /// What changes.
        change: AttributeChange,
        /// Whether governance retention may be shortened.
        bypass_governance: bool,
    },
    /// Opens a multipart upload.
    CreateUpload {
        /// Its id, chosen by the gateway.
        upload: UploadId,
        /// What the object will carry.
        attributes: Attributes,
        /// The canonical id of the account that opens it.
        initiator: Box<str>,
        /// The checksum asked for.
        checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    },
    /// Writes a part; an earlier part of the number is dropped.
    PutPart {
        /// The upload.
        upload: UploadId,
        /// The part's number.
        number: PartNumber,
        /// Its bytes.
        data: NewData,
        /// Its length in bytes.
        size: u64,
        /// Its tag.
        etag: Etag,
        /// Its checksum.
        checksum: Option<Checksum>,
    },
    /// Makes the object of an upload's parts. Repeating it with the same parts gives the same answer.
    CompleteUpload {
        /// The upload.
        upload: UploadId,
        /// The parts, ascending.
        parts: Vec<CompletedPart>,
        /// The whole object's checksum the client expects (full-object kinds), if sent.
        checksum: Option<Bytes>,
        /// The size the client expects in bytes, if sent.
        size: Option<u64>,
        /// The least size of every part but the last, in bytes (5 MiB on S3).
        part_bytes_min: u64,
        /// What must hold.
        condition: Precondition,
    },
    /// Drops an upload and its parts.
    AbortUpload {
        /// The upload.
        upload: UploadId,
    },
    /// Gives up a blob whose commit was never sent; a commit that names it is refused from then on.
    Abandon {
        /// The blob.
        blob: BlobRef,
    },
    /// Sets the bucket's rules in this range. The request's `rules_version` is the version replaced.
    PutRules {
        /// The bucket's name: its registry row has these rules.
        name: Box<str>,
        /// The new rules.
        rules: BucketRules,
    },
    /// Refuses if the range holds any version or open upload of the bucket, else sets `Deleting`.
    SealBucket {
        /// The bucket's name, as above.
        name: Box<str>,
        /// The new rules, with state `Deleting`.
        rules: BucketRules,
    },
    /// Drops a deleted bucket's rules row from this range.
    DropRules {
        /// The bucket's name: its registry row says that it is dropped.
        name: Box<str>,
    },
    /// Writes or removes one row of [`BucketId::SYSTEM`]; the request's key names it.
    SystemWrite {
        /// What must be there.
        expect: Expect,
        /// The new value; `None` removes.
        value: Option<Bytes>,
    },
    /// The reaper's report: the drives have deleted it; the reap row goes (and the part rows with it).
    Reaped {
        /// The reap row, by its time and blob or upload.
        row: Bytes,
    },
    /// The repairer's report: the blob is whole again on its primaries.
    Repaired {
        /// The blob.
        blob: BlobId,
    },
    /// The sweeper's report: a drive where these blobs had shards was lost or emptied. Of those that a row
    /// of the range still names, each gets a repair row; one that is there keeps the larger number.
    MarkDegraded {
        /// The rows to leave.
        blobs: Vec<RepairRecord>,
    },
    /// A sweep for lost shards begins, by this version of the map: from then on a blob that was placed by an older one
    /// asks for repair with its commit.
    BeginSweep {
        /// The version of the map.
        map_version: u64,
    },
    /// A sweep has looked through every blob of the range for all losses that this version of the map knows.
    EndSweep {
        /// The version of the map.
        map_version: u64,
    },
    /// Every shard of every blob of the range was looked for.
    EndLook {
        /// When that was done, in milliseconds since 1970.
        ended_ms: u64,
    },
    /// The comparison of the range's replicas goes on: each that applies this takes a digest of the piece that it names.
    ScrubStores {
        /// How far the comparison is.
        scrub: StoreScrub,
    },
    /// Raises the disown horizon to this birth time (milliseconds); never lowers it.
    AdvanceHorizon {
        /// The new horizon.
        horizon_ms: u64,
    },
    /// Forgets commit ids born before this time (milliseconds).
    ExpireDedupEntries {
        /// Ids born before go.
        before_ms: u64,
    },
}

/// What there is to know of a command without evaluating it. One table, [`Command::kind`], says it of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandKind {
    /// Whether only the background duties of storage nodes give it: each such command can lose data. Duties repeat
    /// themselves until their row is gone, and repeating changes nothing, so that outcomes are not kept.
    pub is_duty: bool,
    /// Whether it adds rows that the drives must have room for.
    pub takes_space: bool,
    /// How the watermarks of the range (the disown horizon, the expired commits) are latched.
    pub watermarks: Option<LatchMode>,
    /// How the rules row of the bucket is latched. Shared: the command may only happen in a bucket whose live rules
    /// are those that the gateway knew.
    pub rules: Option<LatchMode>,
}

impl CommandKind {
    /// Neither a duty's nor in need of space, rules or watermarks.
    const PLAIN: Self = Self { is_duty: false, takes_space: false, watermarks: None, rules: None };
    /// A client's change to a bucket.
    const IN_BUCKET: Self = Self { rules: Some(LatchMode::Shared), ..Self::PLAIN };
    /// A client's new row in a bucket.
    const NEW_ROW: Self = Self { takes_space: true, ..Self::IN_BUCKET };
    /// A change to the bucket's rules.
    const OF_RULES: Self = Self { rules: Some(LatchMode::Exclusive), ..Self::PLAIN };
    /// A duty's.
    const DUTY: Self = Self { is_duty: true, ..Self::PLAIN };
}

impl Command {
    /// What kind of command it is.
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::Put { data, .. } | Self::PutPart { data, .. } => match data {
                // Whether a blob may be committed depends on the disown horizon.
                NewData::Blob(..) => CommandKind { watermarks: Some(LatchMode::Shared), ..CommandKind::NEW_ROW },
                NewData::Inline(..) => CommandKind::NEW_ROW,
            },
            Self::CreateUpload { .. } => CommandKind::NEW_ROW,
            Self::Delete { .. }
            | Self::UpdateAttributes { .. }
            | Self::CompleteUpload { .. }
            | Self::AbortUpload { .. } => CommandKind::IN_BUCKET,
            Self::PutRules { .. } | Self::SealBucket { .. } | Self::DropRules { .. } => CommandKind::OF_RULES,
            Self::SystemWrite { value, .. } => CommandKind { takes_space: value.is_some(), ..CommandKind::PLAIN },
            Self::Abandon { .. } => CommandKind::PLAIN,
            Self::Reaped { .. } | Self::Repaired { .. } | Self::MarkDegraded { .. } => CommandKind::DUTY,
            Self::EndSweep { .. } | Self::EndLook { .. } | Self::ScrubStores { .. } => CommandKind::DUTY,
            Self::AdvanceHorizon { .. } | Self::ExpireDedupEntries { .. } | Self::BeginSweep { .. } => {
                CommandKind { watermarks: Some(LatchMode::Exclusive), ..CommandKind::DUTY }
            }
        }
    }

    /// Whether only duties give this command.
    pub const fn is_duty(&self) -> bool {
        self.kind().is_duty
    }

    /// Whether it adds rows that the drives must have room for.
    pub const fn takes_space(&self) -> bool {
        self.kind().takes_space
    }

    /// Whether it may only happen in a bucket whose live rules are those that the gateway knew.
    pub const fn needs_rules(&self) -> bool {
        matches!(self.kind().rules, Some(LatchMode::Shared))
    }
}

/// A change of attributes in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeChange {
    /// Replaces the tags.
    Tags(Vec<(Box<str>, Box<str>)>),
    /// Replaces the access control list.
    Acl(Option<Bytes>),
    /// Sets or lifts retention.
    Retention(Option<Retention>),
    /// Sets or lifts the legal hold.
    LegalHold(bool),
    /// Replaces everything.
    All(Box<Attributes>),
}

/// What a system row must be for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// Absent.
    Absent,
    /// Present with this version.
    Version(Ordinal),
}

/// What a command did.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Written: the version as it now stands.
    Put {
        /// Its place in time.
        ordinal: Ordinal,
        /// Its name.
        version: VersionId,
    },
    /// Deleted.
    Deleted {
        /// What was removed for good, if something was there.
        removed: Option<VersionRecord>,
        /// The delete marker that was added, if one was.
        marker: Option<VersionId>,
    },
    /// The upload was completed into this object.
    Completed {
        /// Its place in time.
        ordinal: Ordinal,
        /// Its name.
        version: VersionId,
        /// Its tag.
        etag: Etag,
        /// Its size in bytes.
        size: u64,
        /// Its checksum.
        checksum: Option<Checksum>,
    },
    /// Done, with nothing to tell but when.
    Done {
        /// When, by the key's order.
        ordinal: Ordinal,
    },
}

/// Why a command changed nothing. Each has one S3 code and one Swift status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A precondition did not hold.
    PreconditionFailed,
    /// `If-Match` on a key that does not exist or is behind a delete marker.
    NoSuchKey,
    /// The version does not exist.
    NoSuchVersion,
    /// The version is a delete marker.
    IsDeleteMarker,
    /// The upload does not exist.
    NoSuchUpload,
    /// A part is missing, or its tag or checksum differs.
    InvalidPart(PartNumber),
    /// Parts are not ascending.
    InvalidPartOrder,
    /// A part but the last is too small.
    EntityTooSmall {
        /// Which.
        number: PartNumber,
        /// Its size in bytes.
        size: u64,
    },
    /// The whole object's checksum differs from what the client said.
    BadDigest,
    /// The whole object's size differs from what the client said. Both in bytes.
    WrongSize {
        /// What the client said.
        said: u64,
        /// What the parts add up to.
        computed: u64,
    },
    /// A lock forbids it.
    Locked,
    /// The gateway knew other rules of the bucket, or decided by another version of the object: it has to resolve and
    /// authorize again.
    StaleRules,
    /// The bucket is not in this range, or not live.
    NoSuchBucket,
    /// The bucket holds versions or open uploads.
    BucketNotEmpty,
    /// A system row is not what was expected.
    Conflict,
    /// The blob was abandoned, or was born before the disown horizon.
    BlobRefused,
    /// A quota is exhausted.
    QuotaExceeded,
    /// The deadline has passed.
    DeadlinePassed,
    /// The command contradicts itself.
    Invalid(InvalidReason),
}

/// How a command contradicts itself or the rows that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidReason {
    /// The command is none of the system bucket's.
    #[error("the system bucket holds system rows only")]
    OfSystem,
    /// The command is one of the system bucket's.
    #[error("system rows live in the system bucket only")]
    NotOfSystem,
    /// Retention or legal hold without object lock.
    #[error("the bucket has no object lock")]
    NoLock,
    /// A completion without parts.
    #[error("an upload is completed with at least one part")]
    NoParts,
    /// The upload id was given before.
    #[error("the upload exists already")]
    UploadExists,
    /// The size stated is not that of the data.
    #[error("the size differs from that of the data")]
    SizesDiffer,
    /// A horizon or a forgetting time that is not in the past.
    #[error("the time has not passed yet")]
    TooEarly,
    /// Rules whose state does not fit the command.
    #[error("the rules have the wrong state")]
    WrongState,
    /// Not the name of a reap row.
    #[error("not the name of a reap row")]
    NoRow,
    /// More shards off their primaries than a chunk has.
    #[error("a chunk has fewer shards than are said to be missing")]
    TooManyMissing,
    /// A blob that is cut and encoded as its policy does not.
    #[error("its storage policy cuts no blob like this")]
    NotOfPolicy,
    /// A registry row that is none, or does not follow from the one before.
    #[error("the bucket's registry row does not follow from the one before")]
    NoStep,
    /// The value is none that a row of this key can have.
    #[error("no row of this key has such a value")]
    NotOfRow,
    /// A range of bytes that begins behind the object's end.
    #[error("a range past the object's end")]
    RangePastEnd,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_lose_data_is_a_duty_and_what_frees_space_needs_none() {
        let reaped = Command::Reaped { row: Bytes::new() };
        let horizon = Command::AdvanceHorizon { horizon_ms: 1 };
        assert!(reaped.is_duty() && !reaped.takes_space() && !reaped.needs_rules());
        assert_eq!((horizon.is_duty(), horizon.kind().watermarks), (true, Some(LatchMode::Exclusive)));
        let write = |value| Command::SystemWrite { expect: Expect::Any, value };
        assert!(write(Some(Bytes::new())).takes_space() && !write(None).takes_space());
        let abort = Command::AbortUpload { upload: UploadId::new(1, [2; 10]) };
        assert!(abort.needs_rules() && !abort.takes_space() && !abort.is_duty());
        assert!(!Command::DropRules { name: "b".into() }.needs_rules(), "it latches them alone");
    }
}
