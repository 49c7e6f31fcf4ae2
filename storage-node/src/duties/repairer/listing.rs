//! Which objects lack shards, for an operator: the repair rows of a range, with what repair knows of each.
//!
//! Promises: an answer looks at [`ROWS_MAX`] repair rows at most, and goes through nothing that has none; a blob is said
//! to be out of reach if, and only if, the status counts it so.
//! Must not know: who may ask, how it is shown.

use std::collections::BTreeMap;

use couronne_base::codec;
use couronne_metadata::evaluate::registry;
use couronne_metadata::ids::{BucketId, RangeId};
use couronne_metadata::query::{Answer, Query, UnrepairedBlob};
use couronne_metadata::record::BucketEntry;
use couronne_placement::BlobId;

use super::super::error::DutyError;
use super::super::progress::survives;
use super::super::{DutyContext, ask};
use crate::replicas::RangeServer;

/// Repair rows looked at for one answer; where few objects are asked for, more answers are needed.
const ROWS_MAX: usize = 5_000;

/// Rows taken at a time.
const ROWS: u32 = 500;

/// Which objects of a range are asked for.
#[derive(Clone, Copy, Debug)]
pub struct UnrepairedQuery {
    /// The range.
    pub range: RangeId,
    /// Those whose blobs come after this one.
    pub after: Option<BlobId>,
    /// At most so many.
    pub limit: usize,
    /// Only those that cannot be read.
    pub is_unreadable_only: bool,
}

/// A blob that lacks shards.
#[derive(Clone, Debug)]
pub struct UnrepairedObject {
    /// Its repair row, and what names it.
    pub blob: UnrepairedBlob,
    /// The canonical id of the account that owns the bucket; `None`: that is not known.
    pub account: Option<Box<str>>,
    /// How many shards of its worst chunk are missing.
    pub missing: u8,
    /// Whether too few are left to read it.
    pub is_unreadable: bool,
    /// Whether it was looked for since the drives stand as they do. If not, all this is what its repair row says: as many
    /// shards at most are missing.
    pub is_looked_at: bool,
}

/// Objects of a range, and the blob to go on after; `None`: there are no more.
pub type UnrepairedPage = (Vec<UnrepairedObject>, Option<BlobId>);

/// Lists objects of a range; `None` if the range is not led here, or its rows cannot be read now.
pub(crate) async fn list(context: &DutyContext, query: UnrepairedQuery) -> Option<UnrepairedPage> {
    let leaders = context.replicas.leaders();
    let leader = leaders.iter().find(|leader| leader.descriptor().id == query.range)?;
    let listed = list_at(context, leader, query).await;
    listed.inspect_err(|error| tracing::warn!(range = query.range.0, %error, "what lacks shards is not listed")).ok()
}

async fn list_at(
    context: &DutyContext,
    leader: &RangeServer,
    query: UnrepairedQuery,
) -> Result<UnrepairedPage, DutyError> {
    let term = leader.consensus().leadership().map_or(0, |leadership| leadership.term);
    let (mut after, mut examined, mut objects) = (query.after, 0, Vec::new());
    let mut accounts = BTreeMap::new();
    while examined < ROWS_MAX {
        let answer = ask(leader, Query::Unrepaired { after, limit: ROWS }).await?;
        let Answer::Unrepaired(blobs, next) = answer else { return Err(DutyError::WrongAnswer) };
        for blob in blobs {
            let id = blob.row.blob.id;
            let object = object(context, (query.range, term), blob);
            if query.is_unreadable_only && !object.is_unreadable {
                continue;
            }
            let account = account_of(context, &object.blob, &mut accounts).await;
            objects.push(UnrepairedObject { account, ..object });
            if objects.len() >= query.limit {
                return Ok((objects, Some(id)));
            }
        }
        after = next;
        if after.is_none() {
            break;
        }
        examined += usize::try_from(ROWS)?;
    }
    Ok((objects, after))
}

/// A blob with what is known of it here, of a range led in this term.
fn object(context: &DutyContext, led: (RangeId, u64), blob: UnrepairedBlob) -> UnrepairedObject {
    let row = &blob.row;
    let parked = context.repair.parked(led, row.blob.id, &context.drive_snapshot());
    let (missing, survives, is_looked_at) = match parked {
        Some((parked, is_as_now)) => (parked.missing, parked.survives, is_as_now),
        None => (row.missing, survives(row), false),
    };
    UnrepairedObject { blob, account: None, missing, is_unreadable: survives < 0, is_looked_at }
}

/// The account of a blob's bucket, by the bucket's registry row; each is asked for once.
async fn account_of(
    context: &DutyContext,
    blob: &UnrepairedBlob,
    known: &mut BTreeMap<BucketId, Option<Box<str>>>,
) -> Option<Box<str>> {
    let bucket = blob.row.bucket;
    if let Some(account) = known.get(&bucket) {
        return account.clone();
    }
    let key = registry::key_of(blob.bucket_name.as_deref()?).ok()?;
    let row = context.client.router().system_get(&key).await.ok().flatten();
    let entry = row.and_then(|row| codec::decode::<BucketEntry>(&row.value).ok());
    let account = entry.filter(|entry| entry.id == bucket).map(|entry| entry.account);
    known.insert(bucket, account.clone());
    account
}
