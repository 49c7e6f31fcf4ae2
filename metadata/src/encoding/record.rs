//! The field numbers of the records.

use crate::effect::{Effect, RemovedRows};
use crate::query::SystemRow;
use crate::record::quota::Quota;
use crate::record::{
    Attributes, BlobRef, BlobState, BucketEntry, BucketRules, BucketState, Checksum, ChecksumAlgorithm, ChecksumKind,
    Content, Data, Etag, NamedBlob, NamedBy, ObjectRecord, PartRecord, RangeFacts, RangeMarks, ReapReason, ReapRecord,
    ReapTarget, RepairRecord, Retention, UploadRecord, VersionRecord, Versioning,
};
use crate::store::Write;
use crate::store_scrub::{StoreComparison, StoreScrub};
use crate::usage::{Subject, Usage, UsageDelta};
use crate::watermarks::Watermarks;
use couronne_base::codec::table::{choice, record};
use couronne_base::codec::{Corrupt, Field, Input, Value, Writer};

record! { Etag { 1 digest, 2 parts } }

choice! { ChecksumAlgorithm {
    1 Crc32, 2 Crc32c, 3 Crc64Nvme, 4 Sha1, 5 Sha256, 6 Sha512, 7 Md5, 8 XxHash64, 9 XxHash3, 10 XxHash128
} }
choice! { ChecksumKind { 1 FullObject, 2 Composite } }
record! { Checksum { 1 algorithm, 2 kind, 3 value } }

record! { BlobRef { 1 id, 2 len, 3 policy, 4 geometry, 5 crc64 } }
choice! { Data { 1 Inline { 1 len, 2 crc64 }, 2 Blob(1 blob) } }
choice! { Content { 1 Whole(1 data), 2 Parts { 1 upload, 2 count, 3 uniform_bytes } } }

record! { Retention { 1 compliance, 2 until_ms } }
record! { Attributes {
    1 headers, 2 metadata, 3 tags, 4 owner, 5 retention, 6 legal_hold, 7 legal_hold_said, 8 writer, 9 acl,
    10 revision; extra
} }

record! { ObjectRecord {
    1 ordinal, 2 version, 3 commit, 4 etag, 5 size, 6 content, 7 attributes, 8 checksum
} }
choice! { VersionRecord {
    1 Object(1 object),
    2 DeleteMarker { 1 ordinal, 2 version, 3 commit, 4 owner }
} }
record! { UploadRecord { 1 created, 2 commit, 3 attributes, 4 initiator, 5 checksum } }
record! { PartRecord { 1 number, 2 ordinal, 3 commit, 4 etag, 5 size, 6 data, 7 checksum } }

choice! { Versioning { 1 Off, 2 Enabled, 3 Suspended } }
choice! { BucketState { 1 Creating, 2 Live, 3 Deleting, 4 Dropping } }
record! { BucketEntry { 1 id, 2 account, 3 created, 4 rules, 5 documents } }

choice! { NamedBy { 1 Version(1 ordinal), 2 Part { 1 upload, 2 number } } }
record! { NamedBlob { 1 blob, 2 bucket, 3 key, 4 by } }
choice! { BlobState { 1 Named(1 named), 2 PendingDelete, 3 Abandoned } }

choice! { ReapReason { 1 Dropped, 2 Abandoned } }
choice! { ReapTarget { 1 Blob(1 blob), 2 Upload(1 upload), 3 Parts { 1 upload, 2 blobs } } }
record! { ReapRecord { 1 target, 2 bucket, 3 key, 4 not_before_ms, 5 reason, 6 commit } }
record! { RepairRecord { 1 blob, 2 bucket, 3 key, 4 missing, 20 since_ms, 21 losses, 22 at_most, 23 found } }

record! { RangeMarks { 1 swept_version, 2 looked_ms } }
record! { RangeFacts { 1 marks, 2 repair_rows } }
record! { StoreComparison { 1 piece, 2 voters, 3 is_full, 4 is_unresolved } }
record! { StoreScrub { 1 ended_ms, 2 tried_ms, 3 unresolved_ms, 4 under_way } }

choice! { Subject { 1 Bucket(1 id), 2 Account(1 id), 3 Principal(1 id) } }
record! { Usage { 1 objects, 2 noncurrent, 3 markers, 4 bytes, 5 parts, 6 part_bytes } }
record! { Watermarks { 1 horizon_ms, 2 forgotten_ms, 3 ordinal_floor, 4 sweep_map } }
record! { SystemRow { 1 version, 2 value } }

choice! { Write { 1 Put { 1 key, 2 value }, 2 Delete { 1 key }, 3 DeleteRange { 1 start, 2 end } } }
record! { Quota { 1 bytes, 2 objects } }
record! { UsageDelta { 1 subject, 2 class, 3 delta } }
record! { RemovedRows { 1 prefix, 2 suffixes } }
record! { Effect { 1 writes, 2 usage, 3 watermarks, 4 removed } }

/// `object_lock` in [`BucketRules`]: on, perhaps with a default retention.
struct ObjectLock {
    default: Option<Retention>,
}

record! { ObjectLock { 1 default } }

/// `1 version, 2 state, 3 versioning, 4 object lock, 5 policy, 6 account, 7 quota`, then unknown fields as they came.
/// Written out because an option within an option is a record here.
impl Value for BucketRules {
    fn write(&self, out: &mut Writer) {
        let lock = self.object_lock.map(|default| ObjectLock {
            default: default.map(|(compliance, until_ms)| Retention { compliance, until_ms }),
        });
        self.version.put(1, out);
        self.state.put(2, out);
        self.versioning.put(3, out);
        lock.put(4, out);
        self.policy.put(5, out);
        self.account.put(6, out);
        self.quota.put(7, out);
        // A number of our own would make the row unreadable.
        for (number, value) in self.extra.iter().filter(|(number, _)| *number > 7) {
            out.field(*number, |out| out.raw(value));
        }
    }

    fn read(mut input: Input<'_>) -> Result<Self, Corrupt> {
        let (mut version, mut state, mut versioning, mut policy) = (None, None, None, None);
        let (mut lock, mut account, mut quota, mut extra) = (None, None, None, Vec::new());
        while let Some((number, value)) = input.next_field()? {
            match number {
                1 => version = Some(u64::read(value)?),
                2 => state = Some(BucketState::read(value)?),
                3 => versioning = Some(Versioning::read(value)?),
                4 => lock = Some(ObjectLock::read(value)?),
                5 => policy = Some(Value::read(value)?),
                6 => account = Some(Value::read(value)?),
                7 => quota = Some(Value::read(value)?),
                _ => extra.push((number, value.shared())),
            }
        }
        const MISSING: Corrupt = Corrupt("missing field of bucket rules");
        Ok(Self {
            version: version.ok_or(MISSING)?,
            state: state.ok_or(MISSING)?,
            versioning: versioning.ok_or(MISSING)?,
            object_lock: lock.map(|lock| lock.default.map(|retention| (retention.compliance, retention.until_ms))),
            policy: policy.ok_or(MISSING)?,
            account: account.ok_or(MISSING)?,
            quota,
            extra,
        })
    }
}
