//! The cluster's own rows: one ordered keyspace of small values, changed by compare-and-swap.
//!
//! Must not know: what the rows mean.

use bytes::Bytes;
use couronne_metadata::command::{Command, Expect, Outcome, Refusal};
use couronne_metadata::ids::{BucketId, ObjectKey, Ordinal};
use couronne_metadata::query::{Answer, Query, SystemRow};

use super::{BucketView, Router, next_key};
use crate::engine::EngineError;

impl Router {
    /// One row.
    pub(crate) async fn system_get(&self, key: &ObjectKey) -> Result<Option<SystemRow>, EngineError> {
        match self.query(BucketView::SYSTEM, key, Query::SystemGet { key: key.clone() }).await? {
            (Answer::SystemGet(row), _) => Ok(row),
            _ => Err(EngineError::unexpected("SystemGet")),
        }
    }

    /// Writes or removes a row. Returns the row's new version, or `None` if it is not what was expected.
    pub(crate) async fn system_write(
        &self,
        key: &ObjectKey,
        expect: Expect,
        value: Option<Bytes>,
    ) -> Result<Option<Ordinal>, EngineError> {
        match self.execute(BucketView::SYSTEM, key, Command::SystemWrite { expect, value }).await {
            Ok(Outcome::Done { ordinal }) => Ok(Some(ordinal)),
            Ok(_) => Err(EngineError::unexpected("SystemWrite")),
            Err(EngineError::Refused(Refusal::Conflict)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of rows whose keys begin with `prefix`, after `after` (empty for all); and whether more follow.
    pub(crate) async fn system_scan(
        &self,
        prefix: &[u8],
        after: &[u8],
        limit: u32,
    ) -> Result<(Vec<(ObjectKey, SystemRow)>, bool), EngineError> {
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
            let Answer::SystemScan(page, more) = answer else { return Err(EngineError::unexpected("SystemScan")) };
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
