//! The rows by which an account's buckets are listed: one per account and name.
//!
//! A row ([`OwnedRow`]) is *confirmed* only while the registry row of its bucket is Live or Deleting, else *pending*. Any
//! gateway may take a creation or a deletion further and may stall between two of its steps while others finish. So:
//! - each change compares the row's version, and a row is only written over if it is of the same bucket, or
//!   was read before the registry row still was that of the creation: then it is left over from an earlier bucket;
//! - a row is confirmed by its version, after the registry row became or was seen Live: a pending row that a stalled
//!   creation adds once its bucket is gone stays pending for good, and a deletion makes the row pending before it is
//!   decided;
//! - a listing believes confirmed rows, and looks the buckets of pending ones up in the registry: it confirms or removes
//!   them.
//!
//! Promises: a live bucket is listed, a bucket that is gone is not, whichever gateway stalled or died where. A row that does
//! not decode means no bucket: it is left out of the listing, and written over.
//! Must not know: the steps of creation and deletion.

use couronne_metadata::command::Expect;
use couronne_metadata::ids::{ObjectKey, Ordinal};
use couronne_metadata::query::SystemRow;
use couronne_metadata::record::{BucketEntry, BucketState};
use couronne_metadata::system::owned::{self, OwnedRow};

use super::registry::system_key;
use super::{Engine, EngineError, ListBucketsRequest, ListedBucket, TURNS_MAX};

/// A row of a bucket that is being created, by its version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listing {
    version: Ordinal,
    is_confirmed: bool,
}

impl Engine {
    /// Gives a bucket that is being created its pending row. `None`: another request changed the registry row meanwhile.
    pub(super) async fn list_pending(&self, name: &str, entry: &BucketEntry) -> Result<Option<Listing>, EngineError> {
        let key = owned_key(&entry.account, name)?;
        for _ in 0..TURNS_MAX {
            let found = self.owned_row(&key).await?;
            let expect = match found {
                Some((Some(row), version)) if row.id == entry.id => {
                    return Ok(Some(Listing { version, is_confirmed: row.is_confirmed }));
                }
                Some((_, version)) => Expect::Version(version),
                None => Expect::Absent,
            };
            // Only now: if this bucket is still being created, what was found is of none that came after it.
            let now = self.registered(name).await?.filter(|now| now.entry.id == entry.id);
            if now.is_none_or(|now| now.entry.rules.state != BucketState::Creating) {
                return Ok(None);
            }
            let pending = OwnedRow::of(entry, false).encode();
            if let Some(version) = self.router().system_write(&key, expect, Some(pending)).await? {
                return Ok(Some(Listing { version, is_confirmed: false }));
            }
        }
        Err(EngineError::BucketBusy)
    }

    /// Confirms the row of a bucket that became or was seen Live after the row was written. If the row is another by
    /// now, other requests have confirmed it, or removed it with the bucket.
    pub(super) async fn confirm_listed(
        &self,
        name: &str,
        entry: &BucketEntry,
        listing: Listing,
    ) -> Result<(), EngineError> {
        if !listing.is_confirmed {
            let (key, confirmed) = (owned_key(&entry.account, name)?, OwnedRow::of(entry, true).encode());
            self.router().system_write(&key, Expect::Version(listing.version), Some(confirmed)).await?;
        }
        Ok(())
    }

    /// Makes the row of a bucket that is about to be deleted pending again. Also a pending row is written anew, so that
    /// a listing that saw the bucket Live before does not confirm the row any more.
    pub(super) async fn list_pending_again(&self, name: &str, entry: &BucketEntry) -> Result<(), EngineError> {
        let pending = OwnedRow::of(entry, false).encode();
        self.change_listed(name, entry, Some(pending)).await
    }

    /// Removes the row of a bucket whose deletion is decided, and no other bucket's.
    pub(super) async fn unlist(&self, name: &str, entry: &BucketEntry) -> Result<(), EngineError> {
        self.change_listed(name, entry, None).await
    }

    /// Changes or removes the row, if it is this bucket's.
    async fn change_listed(
        &self,
        name: &str,
        entry: &BucketEntry,
        value: Option<bytes::Bytes>,
    ) -> Result<(), EngineError> {
        let key = owned_key(&entry.account, name)?;
        for _ in 0..TURNS_MAX {
            let Some((row, version)) = self.owned_row(&key).await? else { return Ok(()) };
            let expect = Expect::Version(version);
            if row.is_none_or(|row| row.id != entry.id)
                || self.router().system_write(&key, expect, value.clone()).await?.is_some()
            {
                return Ok(());
            }
        }
        Err(EngineError::BucketBusy)
    }

    /// A page of an account's buckets, and whether more follow.
    pub(super) async fn owned(&self, list: &ListBucketsRequest) -> Result<(Vec<ListedBucket>, bool), EngineError> {
        let account = format!("owned/{}/", list.account);
        let prefix = format!("{account}{}", list.prefix);
        let mut after = if list.after.is_empty() { String::new() } else { format!("{account}{}", list.after) };
        let mut buckets = Vec::new();
        loop {
            let left = list.limit.saturating_sub(u32::try_from(buckets.len()).unwrap_or(u32::MAX));
            let (rows, more) = self.router().system_scan(prefix.as_bytes(), after.as_bytes(), left).await?;
            let Some((last, _)) = rows.last() else { return Ok((buckets, more)) };
            last.as_str().clone_into(&mut after);
            for (key, row) in rows {
                let name = key.as_str().strip_prefix(&account).unwrap_or_default();
                if let Some(created) = self.listed(name, &key, &row).await? {
                    buckets.push(ListedBucket { name: name.into(), created });
                }
            }
            // Rows that mean no bucket leave gaps, which the rows after them fill.
            if !more || u32::try_from(buckets.len()).unwrap_or(u32::MAX) >= list.limit {
                return Ok((buckets, more));
            }
        }
    }

    /// When the bucket that a row names was created; `None` if it is not live yet, or gone.
    async fn listed(&self, name: &str, key: &ObjectKey, row: &SystemRow) -> Result<Option<Ordinal>, EngineError> {
        let Some(owned) = decoded(key, row) else { return Ok(None) };
        if owned.is_confirmed {
            return Ok(Some(owned.created));
        }
        match self.registered(name).await?.filter(|now| now.entry.id == owned.id) {
            Some(now) if now.entry.rules.state == BucketState::Live => {
                let listing = Listing { version: row.version, is_confirmed: false };
                self.confirm_listed(name, &now.entry, listing).await?;
                Ok(Some(owned.created))
            }
            Some(now) => Ok((now.entry.rules.state == BucketState::Deleting).then_some(owned.created)),
            // A bucket is in the registry before it has a row, and no id comes back.
            None => {
                self.router().system_write(key, Expect::Version(row.version), None).await?;
                Ok(None)
            }
        }
    }

    /// A row, if it decodes, and the version of what is there.
    async fn owned_row(&self, key: &ObjectKey) -> Result<Option<(Option<OwnedRow>, Ordinal)>, EngineError> {
        let row = self.router().system_get(key).await?;
        Ok(row.map(|row| (decoded(key, &row), row.version)))
    }
}

fn decoded(key: &ObjectKey, row: &SystemRow) -> Option<OwnedRow> {
    let decoded = OwnedRow::decode(&row.value);
    decoded.inspect_err(|error| tracing::warn!(?key, %error, "a row of an account's buckets is left out")).ok()
}

fn owned_key(account: &str, name: &str) -> Result<ObjectKey, EngineError> {
    system_key(owned::key_of(account, name))
}
