//! What clients ask of a gateway, and what came of it: the engine's verbs as the S3 operations use them.
//!
//! Promises: what is told as refused or not done has no effect; a commit whose outcome the gateway does
//! not know is told as unknown. Must not know: the client that asks, what was asked before.

use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use couronne_gateway::engine::{
    Bucket, BytesBody, CompleteUpload, CreateBucketRequest, CreateUpload, DeleteObjectRequest, Engine, EngineError,
    PutObjectRequest, Staged,
};
use couronne_metadata::command::{CompletedPart, EtagSet, Precondition, Refusal};
use couronne_metadata::ids::{ObjectKey, Ordinal, PartNumber, UploadId, VersionId};
use couronne_metadata::query::{Entry, ListQuery};
use couronne_metadata::record::{BucketRules, Etag, Versioning};

use tokio::time::sleep;

use crate::clients::values::Value;

/// How often an operation begins again because the bucket's rules were not everywhere yet.
const STALE_TURNS_MAX: usize = 4;

/// An object from its first thousandth to its last.
pub const WHOLE: Range<u64> = 0..1000;

/// What must hold for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Always,
    /// There is no object: `If-None-Match: *`.
    Absent,
    /// The object has this tag: `If-Match`.
    Matches(Etag),
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Action {
    /// Write an object.
    Put(Value, Condition),
    /// Read it from one thousandth of its length to another, resting after the first bytes.
    Get(Range<u64>, Duration),
    /// Look at it.
    Head,
    /// Read a version.
    GetVersion(VersionId),
    /// Delete it.
    Delete,
    /// Remove a version for good.
    DeleteVersion(VersionId),
    /// Open an upload.
    Open,
    /// Write a part.
    PutPart(UploadId, PartNumber, Value),
    /// Make the object of these parts.
    Complete(UploadId, Vec<(PartNumber, Value)>),
    /// Drop an upload.
    Abort(UploadId),
    /// List keys after the request's own, at most so many.
    List(u32),
    /// Make the bucket.
    MakeBucket,
    /// Delete the bucket.
    DropBucket,
    /// Have the bucket keep versions, or no longer add any.
    SetVersioning(Versioning),
}

/// A question of a client.
#[derive(Clone, Debug)]
pub struct Request {
    /// The bucket's name.
    pub bucket: &'static str,
    /// The key; for a listing, that after which it begins.
    pub key: &'static str,
    /// What is asked.
    pub action: Action,
}

/// An object that was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its tag.
    pub etag: Etag,
    /// Its length in bytes.
    pub size: u64,
    /// Its version.
    pub version: VersionId,
    /// The bytes that were read, and where they stand in it.
    pub read: Option<(Range<u64>, Bytes)>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// An object was written, in this place in time.
    Written(Etag, VersionId, Ordinal),
    /// An object was seen.
    Seen(Seen),
    /// There is none.
    Absent,
    /// It was deleted; in a bucket with versions, by this marker.
    Deleted(Option<VersionId>),
    /// An upload was opened.
    Opened(UploadId),
    /// Done, with nothing to say.
    Done,
    /// A page: keys, tags, lengths; and whether more follow.
    Listed(Vec<(String, Etag, u64)>, bool),
    /// A condition did not hold: nothing was done.
    ConditionFailed,
    /// Nothing was done, for this reason.
    NotDone(String),
    /// It may have been done, or may yet be.
    Unknown(String),
    /// Something that must never be.
    Wrong(String),
}

/// Makes a bucket; whether it is there.
pub async fn make_bucket(engine: &Engine, name: &str, versioning: Versioning) -> Result<(), EngineError> {
    let (name, account) = (name.into(), "account".into());
    let create =
        CreateBucketRequest { name, account, policy: None, versioning, object_lock: None, documents: Vec::new() };
    match engine.create_bucket(create).await {
        Ok(_) | Err(EngineError::BucketAlreadyOwnedByYou) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Carries out a question. As in the pipeline, a body is staged once, and its commit is repeated with it if the bucket's
/// rules changed; for a bucket of another identity it is another body.
pub async fn perform(engine: &Engine, request: &Request) -> Outcome {
    if matches!(request.action, Action::MakeBucket) {
        let made = make_bucket(engine, request.bucket, Versioning::Off).await;
        return made
            .map_or_else(|error| Outcome::Unknown(format!("the bucket is not made: {error}")), |()| Outcome::Done);
    }
    let mut staged = None;
    let mut bucket = match engine.resolve_bucket(request.bucket).await {
        Ok(bucket) => bucket,
        Err(error) => return Outcome::NotDone(error.to_string()),
    };
    for _ in 0..STALE_TURNS_MAX {
        match attempt(engine, &bucket, request, &mut staged).await {
            Ok(outcome) => return outcome,
            Err(EngineError::StaleRules) => match engine.renew_bucket(&bucket).await {
                Ok(renewed) => {
                    staged = staged.filter(|_| renewed.entry.id == bucket.entry.id);
                    bucket = renewed;
                }
                Err(error) => return Outcome::NotDone(error.to_string()),
            },
            Err(EngineError::ObjectChanged) => {}
            Err(error) => return judge(&request.action, &error),
        }
    }
    Outcome::NotDone("the bucket's rules or the object keep changing".to_owned())
}

/// What an error means to the client. Of a body that was not staged nothing can be left.
fn judge(action: &Action, error: &EngineError) -> Outcome {
    let text = error.to_string();
    match (error, action) {
        (EngineError::Refused(Refusal::NoSuchKey | Refusal::NoSuchVersion) | EngineError::DeleteMarker { .. }, _) => {
            Outcome::Absent
        }
        (EngineError::Refused(Refusal::PreconditionFailed), _) => Outcome::ConditionFailed,
        // Nobody but its client knows of an upload, and that goes on only with what it was told is there.
        (EngineError::Refused(Refusal::NoSuchUpload | Refusal::InvalidPart(_)), _) => Outcome::Wrong(text),
        (EngineError::Refused(_) | EngineError::SlowDown(_) | EngineError::Full, _) => Outcome::NotDone(text),
        (EngineError::Corrupt(_) | EngineError::Unreadable(_), _) => Outcome::Wrong(text),
        (_, Action::Get(..) | Action::Head | Action::GetVersion(_) | Action::List(_)) => Outcome::NotDone(text),
        _ => Outcome::Unknown(text),
    }
}

async fn attempt(
    engine: &Engine,
    bucket: &Bucket,
    request: &Request,
    staged: &mut Option<Staged>,
) -> Result<Outcome, EngineError> {
    let key = match &request.action {
        Action::List(limit) => return list(engine, bucket, request.key, *limit).await,
        Action::DropBucket => return engine.delete_bucket(bucket).await.map(|()| Outcome::Done),
        Action::SetVersioning(versioning) => {
            let edit = |rules: &BucketRules| Ok(BucketRules { versioning: *versioning, ..rules.clone() });
            return engine.update_rules(bucket, edit).await.map(|_| Outcome::Done);
        }
        _ => ObjectKey::new(request.key).map_err(|_| EngineError::Corrupt("key".to_owned()))?,
    };
    match &request.action {
        Action::Put(value, condition) => {
            let staged = match stage(engine, bucket, &key, *value, staged).await {
                Ok(staged) => staged,
                Err(error) => return Ok(Outcome::NotDone(error.to_string())),
            };
            let put = PutObjectRequest { condition: precondition(*condition), ..PutObjectRequest::default() };
            let written = engine.put_object(bucket, staged, put).await?;
            Ok(Outcome::Written(written.etag, written.version, written.ordinal))
        }
        Action::Get(part, rest) => see(engine, bucket, &key, None, Some((part.clone(), *rest))).await,
        Action::GetVersion(version) => see(engine, bucket, &key, Some(*version), Some((WHOLE, Duration::ZERO))).await,
        Action::Head => see(engine, bucket, &key, None, None).await,
        Action::Delete => delete(engine, bucket, &key, None).await,
        Action::DeleteVersion(version) => delete(engine, bucket, &key, Some(*version)).await,
        Action::Open => {
            let upload = engine.create_upload(bucket, &key, CreateUpload::default()).await?;
            Ok(Outcome::Opened(upload))
        }
        Action::PutPart(upload, number, value) => {
            let staged = match stage(engine, bucket, &key, *value, staged).await {
                Ok(staged) => staged,
                Err(error) => return Ok(Outcome::NotDone(error.to_string())),
            };
            engine.put_part(bucket, staged, *upload, *number).await.map(|_| Outcome::Done)
        }
        Action::Complete(upload, parts) => complete(engine, bucket, &key, *upload, parts).await,
        Action::Abort(upload) => engine.abort_upload(bucket, &key, *upload).await.map(|()| Outcome::Done),
        Action::List(_) | Action::MakeBucket | Action::DropBucket | Action::SetVersioning(_) => {
            Ok(Outcome::Wrong("this has no key".to_owned()))
        }
    }
}

/// The body as it was staged before, or is now.
async fn stage<'a>(
    engine: &Engine,
    bucket: &Bucket,
    key: &ObjectKey,
    value: Value,
    staged: &'a mut Option<Staged>,
) -> Result<&'a Staged, EngineError> {
    if staged.is_none() {
        *staged = Some(engine.stage(bucket, key, &mut BytesBody::new(value.bytes())).await?);
    }
    staged.as_ref().ok_or_else(|| EngineError::Corrupt("nothing is staged".to_owned()))
}

fn precondition(condition: Condition) -> Precondition {
    match condition {
        Condition::Always => Precondition::default(),
        Condition::Absent => Precondition { if_none_match: Some(EtagSet::Any), ..Precondition::default() },
        Condition::Matches(etag) => {
            Precondition { if_match: Some(EtagSet::Tags(vec![etag])), ..Precondition::default() }
        }
    }
}

async fn see(
    engine: &Engine,
    bucket: &Bucket,
    key: &ObjectKey,
    version: Option<VersionId>,
    part: Option<(Range<u64>, Duration)>,
) -> Result<Outcome, EngineError> {
    let object = engine.open(bucket, key, version).await?;
    let (etag, size, version) = (object.record().etag, object.record().size, object.record().version);
    let Some((part, rest)) = part else { return Ok(Outcome::Seen(Seen { etag, size, version, read: None })) };
    let at = |thousandths: u64| size.saturating_mul(thousandths) / 1000;
    let range = at(part.start)..at(part.end);
    let mut reader = object.read(range.clone()).await?;
    let mut bytes = BytesMut::new();
    while let Some(piece) = reader.next().await? {
        if bytes.is_empty() && !rest.is_zero() {
            sleep(rest).await;
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Outcome::Seen(Seen { etag, size, version, read: Some((range, bytes.freeze())) }))
}

async fn delete(
    engine: &Engine,
    bucket: &Bucket,
    key: &ObjectKey,
    version: Option<VersionId>,
) -> Result<Outcome, EngineError> {
    let deleted = engine.delete(bucket, key, DeleteObjectRequest { version, ..DeleteObjectRequest::default() }).await?;
    Ok(Outcome::Deleted(deleted.marker))
}

async fn complete(
    engine: &Engine,
    bucket: &Bucket,
    key: &ObjectKey,
    upload: UploadId,
    parts: &[(PartNumber, Value)],
) -> Result<Outcome, EngineError> {
    let part = |(number, value): &(PartNumber, Value)| CompletedPart {
        number: *number,
        etag: Some(value.etag()),
        checksum: None,
    };
    let complete = CompleteUpload {
        upload,
        parts: parts.iter().map(part).collect(),
        checksum: None,
        size: None,
        part_bytes_min: 0,
        condition: Precondition::default(),
    };
    let written = engine.complete_upload(bucket, key, complete).await?;
    Ok(Outcome::Written(written.etag, written.version, written.ordinal))
}

async fn list(engine: &Engine, bucket: &Bucket, after: &str, limit: u32) -> Result<Outcome, EngineError> {
    let list = ListQuery { after: Bytes::copy_from_slice(after.as_bytes()), limit, ..ListQuery::default() };
    let page = engine.list(bucket, list).await?;
    let mut entries = Vec::new();
    for entry in page.entries {
        match entry {
            Entry::Row(key, record) => entries.push((key.as_str().to_owned(), record.etag, record.size)),
            Entry::CommonPrefix(prefix) => return Ok(Outcome::Wrong(format!("a common prefix: {prefix:?}"))),
        }
    }
    Ok(Outcome::Listed(entries, page.truncated))
}
