//! The keys of rows.
//!
//! ```text
//! row of a key      kind (1) ‖ bucket id (16) ‖ escaped object key ‖ 00 00 ‖ suffix
//! row of a bucket   kind (1) ‖ bucket id (16)
//! row of a range    kind (1) ‖ suffix
//! ```
//! In the escaped key each `00` becomes `00 FF`, so that rows sort as (key, suffix) and a key that
//! begins another sorts before it. The row kind comes first: a listing walks nothing but its kind.
//! Must not know: what rows hold.

use bytes::{BufMut, Bytes, BytesMut};
use couronne_placement::BlobId;

use crate::ids::{BucketId, CommitId, ObjectKey, Ordinal, PartNumber, UploadId};
use crate::record::{ReapRecord, ReapTarget};
use couronne_base::codec::Corrupt;

/// What a row is; the first byte of its key. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum RowKind {
    /// A bucket's rules.
    Rules = 0x10,
    /// A bucket that the range held and that is gone for good.
    DroppedBucket = 0x11,
    /// The name of a bucket whose rules the range has.
    BucketName = 0x12,
    /// The newest version of a key, if it is an object.
    Current = 0x20,
    /// Every other version and delete marker; suffix: the ordinal, inverted, so that the newest is first.
    Version = 0x21,
    /// Where the `null` version is if it is not the current one: its ordinal.
    NullPointer = 0x22,
    /// An open upload; suffix: the upload id.
    Upload = 0x28,
    /// A part of an open or completed upload; suffix: the upload id, the part number.
    Part = 0x29,
    /// Which version a completed upload became; suffix: the upload id.
    Completed = 0x2a,
    /// Inline bytes of a version; suffix: its ordinal.
    Payload = 0x30,
    /// Inline bytes of a part; suffix: the upload id, the part number.
    PartPayload = 0x31,
    /// What the reaper is to delete: time (8) ‖ commit id (16) ‖ tag (1) ‖ blob id (32) or upload id (16).
    Reap = 0x40,
    /// What names a blob, or that it is to be deleted: blob id.
    Blob = 0x41,
    /// A blob with a shard off its primary: blob id.
    Repair = 0x43,
    /// What the range holds for a subject: subject ‖ storage class.
    Counters = 0x50,
    /// The range's watermarks; one row.
    Watermarks = 0x51,
    /// How far the duties have come that look through all blobs of the range; one row.
    Marks = 0x53,
    /// How many repair rows there are; one row.
    RepairCount = 0x54,
    /// How far the comparison of the range's replicas is; one row.
    StoreScrub = 0x58,
    /// The outcome of a command: commit id.
    Commit = 0x52,
    /// A row of the cluster's own.
    System = 0x60,
    /// How often rows of identities that gateways follow changed in this range; one row.
    IdentityChanges = 0x61,
    /// State of the replica itself (applied index and the like), not of the range: name.
    Replica = 0x70,
}

const BUCKET_AT: usize = 1;
const KEY_AT: usize = BUCKET_AT + 16;
const TERMINATOR: [u8; 2] = [0, 0];

/// The key of a bucket's row, such as its rules; also where the bucket's rows of a kind begin.
pub fn of_bucket(kind: RowKind, bucket: BucketId) -> Bytes {
    start(kind, bucket, 0).freeze()
}

/// The escaped key, terminator included, of a row of the cluster's own; `None` if it is another row.
pub fn of_system(row: &[u8]) -> Option<&[u8]> {
    row.strip_prefix(&[RowKind::System as u8])?.strip_prefix(&BucketId::SYSTEM.to_bytes())
}

/// Where the bucket's rows of a kind end (exclusive).
pub fn end_of_bucket(kind: RowKind, bucket: BucketId) -> Bytes {
    successor(&of_bucket(kind, bucket))
}

/// The key of a row without suffix.
pub fn of_key(kind: RowKind, bucket: BucketId, key: &ObjectKey) -> Bytes {
    keyed(kind, bucket, key, 0).freeze()
}

/// Where the rows of one key end (exclusive).
pub fn end_of_key(kind: RowKind, bucket: BucketId, key: &ObjectKey) -> Bytes {
    successor(&of_key(kind, bucket, key))
}

/// A version row.
pub fn of_version(bucket: BucketId, key: &ObjectKey, ordinal: Ordinal) -> Bytes {
    let mut row = keyed(RowKind::Version, bucket, key, 8);
    row.put_u64(!ordinal.0);
    row.freeze()
}

/// A payload row.
pub fn of_payload(bucket: BucketId, key: &ObjectKey, ordinal: Ordinal) -> Bytes {
    let mut row = keyed(RowKind::Payload, bucket, key, 8);
    row.put_u64(ordinal.0);
    row.freeze()
}

/// A row of an upload (`Upload`, `Completed`); of `Part` and `PartPayload`, where the upload's rows begin.
pub fn of_upload(kind: RowKind, bucket: BucketId, key: &ObjectKey, upload: UploadId) -> Bytes {
    let mut row = keyed(kind, bucket, key, 16);
    row.put_slice(&upload.to_bytes());
    row.freeze()
}

/// Where the rows of an upload end (exclusive).
pub fn end_of_upload(kind: RowKind, bucket: BucketId, key: &ObjectKey, upload: UploadId) -> Bytes {
    successor(&of_upload(kind, bucket, key, upload))
}

/// A row of a part (`Part`, `PartPayload`).
pub fn of_part(kind: RowKind, bucket: BucketId, key: &ObjectKey, upload: UploadId, number: PartNumber) -> Bytes {
    let mut row = keyed(kind, bucket, key, 18);
    row.put_slice(&upload.to_bytes());
    row.put_slice(&part_suffix(number));
    row.freeze()
}

/// How a part's row goes on after that of its upload.
pub fn part_suffix(number: PartNumber) -> Bytes {
    Bytes::copy_from_slice(&number.get().to_be_bytes())
}

/// A row of a blob (`Blob`, `Repair`).
pub fn of_blob(kind: RowKind, blob: BlobId) -> Bytes {
    of_range(kind, &blob.to_bytes())
}

/// The blob of a row of a blob.
pub fn blob_of(row: &[u8]) -> Result<BlobId, Corrupt> {
    let id = row.get(1..).and_then(|id| id.try_into().ok());
    id.map(BlobId::from_bytes).ok_or(Corrupt("row key holds no blob id"))
}

/// A reap row: due time, the command that asked for it, a tag (1 blob, 2 upload, 3 parts of one), then the id. With the
/// command in it no other's row is written over: keys may have uploads of one id.
pub fn of_reap(record: &ReapRecord) -> Bytes {
    let mut row = BytesMut::with_capacity(1 + 8 + 16 + 1 + BlobId::BYTES);
    row.put_u8(RowKind::Reap as u8);
    row.put_u64(record.not_before_ms);
    row.put_slice(&record.commit.to_bytes());
    match &record.target {
        ReapTarget::Blob(blob) => {
            row.put_u8(1);
            row.put_slice(&blob.id.to_bytes());
        }
        ReapTarget::Upload(upload) => {
            row.put_u8(2);
            row.put_slice(&upload.to_bytes());
        }
        ReapTarget::Parts { upload, .. } => {
            row.put_u8(3);
            row.put_slice(&upload.to_bytes());
        }
    }
    row.freeze()
}

/// The row of a command's outcome.
pub fn of_commit(commit: CommitId) -> Bytes {
    of_range(RowKind::Commit, &commit.to_bytes())
}

/// A row of the range or of the replica itself.
pub fn of_range(kind: RowKind, suffix: &[u8]) -> Bytes {
    let mut row = BytesMut::with_capacity(1 + suffix.len());
    row.put_u8(kind as u8);
    row.put_slice(suffix);
    row.freeze()
}

/// Where all rows of a kind end (exclusive).
pub fn end_of_kind(kind: RowKind) -> Bytes {
    successor(&[kind as u8])
}

/// Where rows of keys that begin with `prefix` begin; `prefix` need not be UTF-8.
pub fn of_prefix(kind: RowKind, bucket: BucketId, prefix: &[u8]) -> Bytes {
    let mut row = start(kind, bucket, prefix.len() + 2);
    escape(prefix, &mut row);
    row.freeze()
}

/// Where rows of keys that begin with `prefix` end (exclusive).
pub fn end_of_prefix(kind: RowKind, bucket: BucketId, prefix: &[u8]) -> Bytes {
    successor(&of_prefix(kind, bucket, prefix))
}

/// The first key after all keys that begin with `prefix`; empty if there is none.
pub fn successor(prefix: &[u8]) -> Bytes {
    let kept = prefix.iter().rposition(|byte| *byte != 0xff).unwrap_or(0);
    let mut end = BytesMut::from(prefix.get(..=kept).unwrap_or_default());
    match end.last_mut() {
        Some(last) if *last != 0xff => *last += 1,
        _ => end.clear(),
    }
    end.freeze()
}

/// The bucket and object key of a row of a key, and its suffix. Shares the row's memory if it can.
pub fn parse(row: &Bytes) -> Result<(BucketId, ObjectKey, Bytes), Corrupt> {
    const SHORT: Corrupt = Corrupt("row key cut off");
    let bucket = row.get(BUCKET_AT..KEY_AT).and_then(|bytes| bytes.try_into().ok()).ok_or(SHORT)?;
    let escaped = row.get(KEY_AT..).ok_or(SHORT)?;
    let (key, suffix_at) = unescape(row, escaped)?;
    let suffix = row.slice(KEY_AT + suffix_at..);
    Ok((BucketId::from_bytes(bucket), ObjectKey::new(key).map_err(|_| Corrupt("row key holds no object key"))?, suffix))
}

/// The object key at the front of `escaped`, and where its terminator ends.
fn unescape(row: &Bytes, escaped: &[u8]) -> Result<(Bytes, usize), Corrupt> {
    const ENDLESS: Corrupt = Corrupt("row key without terminator");
    let mut unescaped: Option<Vec<u8>> = None;
    let mut from = 0;
    loop {
        let rest = escaped.get(from..).ok_or(ENDLESS)?;
        let zero = rest.iter().position(|byte| *byte == 0).ok_or(ENDLESS)?;
        let run = rest.get(..zero).ok_or(ENDLESS)?;
        match (rest.get(zero + 1), &mut unescaped) {
            (Some(0), None) => return Ok((row.slice_ref(run), zero + 2)),
            (Some(0), Some(key)) => {
                key.extend_from_slice(run);
                return Ok((std::mem::take(key).into(), from + zero + 2));
            }
            (Some(0xff), key) => {
                let key = key.get_or_insert_default();
                key.extend_from_slice(run);
                key.push(0);
            }
            _ => return Err(Corrupt("row key badly escaped")),
        }
        from += zero + 2;
    }
}

fn start(kind: RowKind, bucket: BucketId, more: usize) -> BytesMut {
    let mut row = BytesMut::with_capacity(KEY_AT + more);
    row.put_u8(kind as u8);
    row.put_slice(&bucket.to_bytes());
    row
}

fn keyed(kind: RowKind, bucket: BucketId, key: &ObjectKey, suffix: usize) -> BytesMut {
    let mut row = start(kind, bucket, key.as_bytes().len() + TERMINATOR.len() + suffix);
    escape(key.as_bytes(), &mut row);
    row.put_slice(&TERMINATOR);
    row
}

fn escape(bytes: &[u8], row: &mut BytesMut) {
    for (at, run) in bytes.split(|byte| *byte == 0).enumerate() {
        if at > 0 {
            row.put_slice(&[0, 0xff]);
        }
        row.put_slice(run);
    }
}
