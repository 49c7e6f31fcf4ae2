//! The cluster's own rows: one ordered keyspace of small values, changed by compare-and-swap.
//!
//! Must not know: what the rows mean.

use std::sync::Arc;

use bytes::Bytes;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::{Command, Expect, Outcome, Refusal};
use couronne_metadata::ids::{BucketId, Generation, ObjectKey, Ordinal, RangeId};
use couronne_metadata::query::{Answer, Query, SystemRow};

use super::{BucketView, KnownRange, Router, next_key};
use crate::error::ClientError;

/// A row of identities as its range's leader had it.
pub struct IdentityRow {
    /// The row; `None`: there is none.
    pub row: Option<SystemRow>,
    /// The range that has it.
    pub range: RangeId,
    /// That range's generation.
    pub generation: Generation,
    /// How often rows of identities had changed in that range; the row is as it was then, or newer.
    pub changes: u64,
}

impl Router {
    /// One row.
    pub async fn system_get(&self, key: &ObjectKey) -> Result<Option<SystemRow>, ClientError> {
        let answered = self.query(BucketView::SYSTEM, key, Query::SystemGet { key: key.clone() }).await;
        answered.and_then(|(answer, _)| read(answer))
    }

    /// One row of identities, and what its range said of changes.
    pub async fn identity_get(&self, key: &ObjectKey) -> Result<IdentityRow, ClientError> {
        let (answer, known) = self.query(BucketView::SYSTEM, key, Query::Identity { key: key.clone() }).await?;
        let Answer::Identity(changes, row) = answer else { return Err(ClientError::unexpected("Identity")) };
        let RangeDescriptor { id: range, generation, .. } = known.descriptor;
        Ok(IdentityRow { row, range, generation, changes })
    }

    /// Writes or removes a row. Returns the row's new version, or `None` if it is not what was expected.
    pub async fn system_write(
        &self,
        key: &ObjectKey,
        expect: Expect,
        value: Option<Bytes>,
    ) -> Result<Option<Ordinal>, ClientError> {
        written(self.execute_located(BucketView::SYSTEM, key, Command::SystemWrite { expect, value }).await)
    }

    /// A page of rows whose keys begin with `prefix`, after `after` (empty for all); and whether more follow.
    pub async fn system_scan(
        &self,
        prefix: &[u8],
        after: &[u8],
        limit: u32,
    ) -> Result<(Vec<(ObjectKey, SystemRow)>, bool), ClientError> {
        let mut rows = Vec::new();
        let mut start = Bytes::copy_from_slice(prefix.max(after));
        loop {
            let left = limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            let query = Query::SystemScan {
                prefix: Bytes::copy_from_slice(prefix),
                after: Bytes::copy_from_slice(after),
                // One beyond the limit tells whether more follow in later ranges.
                limit: left.max(1),
            };
            let (answer, known) = self.query_under(BucketId::SYSTEM, None, &start, query).await?;
            let Answer::SystemScan(page, more) = answer else { return Err(ClientError::unexpected("SystemScan")) };
            if left == 0 {
                if !page.is_empty() {
                    return Ok((rows, true));
                }
            } else {
                rows.extend(page);
                if more {
                    return Ok((rows, true));
                }
            }
            match next_key(&known.descriptor, BucketId::SYSTEM) {
                Some(next) if next.starts_with(prefix) => start = next,
                _ => return Ok((rows, false)),
            }
        }
    }
}

/// The row in an answer.
pub(super) fn read(answer: Answer) -> Result<Option<SystemRow>, ClientError> {
    match answer {
        Answer::SystemGet(row) => Ok(row),
        _ => Err(ClientError::unexpected("SystemGet")),
    }
}

/// The version that a write gave its row; `None` if the row was not what was expected.
pub(super) fn written(
    executed: Result<(Outcome, Arc<KnownRange>), ClientError>,
) -> Result<Option<Ordinal>, ClientError> {
    match executed {
        Ok((Outcome::Done { ordinal }, _)) => Ok(Some(ordinal)),
        Ok(_) => Err(ClientError::unexpected("SystemWrite")),
        Err(ClientError::Refused(Refusal::Conflict)) => Ok(None),
        Err(error) => Err(error),
    }
}
