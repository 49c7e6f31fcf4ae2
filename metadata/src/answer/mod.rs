//! Answering queries from applied rows.
//!
//! Promises: bounded work per page; nothing is decoded that the answer does not need; a row that does
//! not decode is an error, never a guess.
//! Must not know: consensus, leases, the caller.

mod blob;
mod list;
mod object;
mod page;
mod system;
mod unrepaired;

use thiserror::Error;

use crate::ids::BucketId;
use crate::key::{self, RowKind};
use crate::query::{Answer, Query, RulesRow};
use crate::record::{BucketRules, BucketState, RangeFacts};
use crate::store::{StoreError, View};
use crate::system::identity_changes;
use crate::usage;
use couronne_base::codec::{self, Corrupt, Value};

pub(crate) use blob::{blobs_of_upload, is_upload, owns};

/// Why a query was not answered.
#[derive(Debug, Error)]
pub enum QueryRefusal {
    /// The gateway knew other rules of the bucket: it has to resolve and authorize again.
    #[error("stale bucket rules")]
    Stale,
    /// The bucket is not in this range, or not live.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The rows could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Corrupt> for QueryRefusal {
    fn from(corrupt: Corrupt) -> Self {
        Self::Store(corrupt.into())
    }
}

/// Answers a query about `bucket`. With `rules_version` the bucket's rules must be live and of that
/// version; duties ask without. `now_us` is microseconds since 1970, the leader's clock.
pub fn answer(
    view: &dyn View,
    bucket: BucketId,
    rules_version: Option<u64>,
    query: &Query,
    now_us: u64,
) -> Result<Answer, QueryRefusal> {
    if let Some(version) = rules_version.filter(|_| bucket != BucketId::SYSTEM) {
        check_rules(view, bucket, version)?;
    }
    let answer = match query {
        Query::Get { key, version } => Answer::Get(object::get(view, bucket, key, *version)?),
        Query::List(list) => Answer::List(list::objects(view, bucket, list)?),
        Query::ListVersions { list, after_version } => {
            Answer::ListVersions(list::versions(view, bucket, list, *after_version)?)
        }
        Query::ListUploads { list, after_upload } => {
            Answer::ListUploads(list::uploads(view, bucket, list, *after_upload)?)
        }
        Query::Upload { key, upload } => {
            Answer::Upload(load(view, &key::of_upload(RowKind::Upload, bucket, key, *upload))?)
        }
        Query::Parts { key, upload, after, limit } => {
            Answer::Parts(object::parts(view, bucket, key, *upload, *after, *limit)?)
        }
        Query::PartPayload { key, upload, number } => {
            Answer::PartPayload(view.get(&key::of_part(RowKind::PartPayload, bucket, key, *upload, *number))?)
        }
        Query::Rules { .. } => Answer::Rules(rules(view, bucket)?),
        Query::Usage { subject, .. } => Answer::Usage(usage::load(view, subject)?.into_iter().collect()),
        Query::SystemGet { key } => Answer::SystemGet(load(view, &key::of_key(RowKind::System, bucket, key))?),
        // The count first: a change between the two makes the row look older than it is, never newer.
        Query::Identity { key } => {
            let changes = identity_changes(view)?;
            Answer::Identity(changes, load(view, &key::of_key(RowKind::System, bucket, key))?)
        }
        Query::SystemScan { prefix, after, limit } => {
            let (rows, more) = system::scan(view, bucket, prefix, after, *limit)?;
            Answer::SystemScan(rows, more)
        }
        Query::OwnsBlob { key, blob } => Answer::OwnsBlob(blob::owns(view, bucket, key, *blob)?),
        Query::Reap { now_ms, limit } => Answer::Reap(blob::due(view, (*now_ms).min(now_us / 1000), *limit)?),
        Query::Repair { after, limit } => Answer::Repair(blob::repairs(view, *after, *limit)?),
        Query::Unrepaired { after, limit } => {
            let (blobs, next) = unrepaired::unrepaired(view, *after, *limit)?;
            Answer::Unrepaired(blobs, next)
        }
        Query::Facts => Answer::Facts(RangeFacts::load(view)?),
        Query::Blobs { after, limit } => {
            let (blobs, next) = blob::named(view, *after, *limit)?;
            Answer::Blobs(blobs, next)
        }
    };
    Ok(answer)
}

fn rules(view: &dyn View, bucket: BucketId) -> Result<RulesRow, StoreError> {
    if let Some(rules) = load(view, &key::of_bucket(RowKind::Rules, bucket))? {
        return Ok(RulesRow::Present(rules));
    }
    let was_dropped = view.get(&key::of_bucket(RowKind::DroppedBucket, bucket))?.is_some();
    Ok(if was_dropped { RulesRow::Dropped } else { RulesRow::Absent })
}

fn check_rules(view: &dyn View, bucket: BucketId, version: u64) -> Result<(), QueryRefusal> {
    let rules: BucketRules = load(view, &key::of_bucket(RowKind::Rules, bucket))?.ok_or(QueryRefusal::NoSuchBucket)?;
    if rules.version != version {
        return Err(QueryRefusal::Stale);
    }
    if rules.state != BucketState::Live {
        return Err(QueryRefusal::NoSuchBucket);
    }
    Ok(())
}

fn load<T: Value>(view: &dyn View, row: &[u8]) -> Result<Option<T>, StoreError> {
    match view.get(row)? {
        Some(bytes) => Ok(Some(codec::decode(&bytes)?)),
        None => Ok(None),
    }
}
