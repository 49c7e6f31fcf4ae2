//! The field numbers of commands and their results.

use crate::command::{
    AttributeChange, Command, CommandRequest, CompletedPart, EtagSet, Expect, InvalidReason, NewData, Outcome,
    Precondition, Refusal, SeenVersion,
};
use couronne_base::codec::table::{choice, record};

record! { CommandRequest { 1 commit, 2 deadline_ms, 3 bucket, 4 rules_version, 5 key, 6 command, 7 is_repeat, 8 seen } }
record! { SeenVersion { 1 version, 2 found } }

choice! { EtagSet { 1 Any, 2 Tags(1 tags) } }
record! { Precondition { 1 if_match, 2 if_none_match, 3 if_last_modified_s, 4 if_size } }
choice! { NewData { 1 Inline(1 bytes, 2 crc64), 2 Blob(1 blob, 2 missing, 3 placed_by) } }
record! { CompletedPart { 1 number, 2 etag, 4 checksum } }

choice! { Command {
    1 Put { 1 data, 2 size, 3 etag, 4 checksum, 5 attributes, 6 condition },
    2 Delete { 1 version, 2 condition, 3 bypass_governance, 4 owner },
    3 UpdateAttributes { 1 version, 2 change, 3 bypass_governance },
    4 CreateUpload { 1 upload, 2 attributes, 3 initiator, 4 checksum },
    5 PutPart { 1 upload, 2 number, 3 data, 4 size, 5 etag, 6 checksum },
    6 CompleteUpload { 1 upload, 2 parts, 3 checksum, 4 size, 5 part_bytes_min, 6 condition },
    7 AbortUpload { 1 upload },
    8 Abandon { 1 blob },
    9 PutRules { 1 rules, 2 name },
    10 SealBucket { 1 rules, 2 name },
    11 DropRules { 1 name },
    12 SystemWrite { 1 expect, 2 value },
    13 Reaped { 1 row },
    14 Repaired { 1 blob },
    15 AdvanceHorizon { 1 horizon_ms },
    16 ExpireDedupEntries { 1 before_ms },
    17 MarkDegraded { 1 blobs },
    18 BeginSweep { 1 map_version },
    19 EndSweep { 1 map_version },
    30 EndLook { 1 ended_ms },
    40 ScrubStores { 1 scrub },
} }

choice! { AttributeChange { 1 Tags(1 tags), 2 Retention(1 retention), 3 LegalHold(1 hold), 4 All(1 attributes), 5 Acl(1 acl) } }
choice! { Expect { 1 Any, 2 Absent, 3 Version(1 version) } }

choice! { Outcome {
    1 Put { 1 ordinal, 2 version },
    2 Deleted { 1 removed, 2 marker },
    3 Completed { 1 ordinal, 2 version, 3 etag, 4 size, 5 checksum },
    4 Done { 1 ordinal },
} }

choice! { Refusal {
    1 PreconditionFailed,
    2 NoSuchKey,
    3 NoSuchVersion,
    4 IsDeleteMarker,
    5 NoSuchUpload,
    6 InvalidPart(1 number),
    7 InvalidPartOrder,
    8 EntityTooSmall { 1 number, 2 size },
    9 BadDigest,
    10 Locked,
    11 NoSuchBucket,
    12 BucketNotEmpty,
    13 Conflict,
    14 BlobRefused,
    15 QuotaExceeded,
    16 DeadlinePassed,
    17 Invalid(1 why),
    18 StaleRules,
    19 WrongSize { 1 said, 2 computed },
} }

choice! { InvalidReason {
    1 OfSystem, 2 NotOfSystem, 3 NoLock, 4 NoParts, 5 UploadExists, 6 SizesDiffer, 7 TooEarly, 8 WrongState, 9 NoRow,
    10 RangePastEnd, 11 TooManyMissing, 12 NotOfPolicy, 13 NoStep, 20 NotOfRow
} }
