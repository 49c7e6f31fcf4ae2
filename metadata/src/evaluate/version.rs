//! The versions of one key: finding them, making room for a new one, dropping and promoting them.
//!
//! The current row holds the newest version if it is an object; everything else is in version rows,
//! newest first. If the newest is a delete marker there is no current row. A null pointer row says
//! where the `null` version is while it is in a version row, so that no scan looks for it.

use std::ops::Bound;

use super::put::bytes_delta;
use super::{Evaluation, Stop, lock};
use crate::answer;
use crate::command::Refusal;
use crate::ids::{Ordinal, VersionId};
use crate::key::{self, RowKind};
use crate::record::{
    BucketRules, Content, Data, ObjectRecord, RangeFacts, ReapReason, ReapRecord, ReapTarget, VersionRecord, Versioning,
};
use crate::usage::Usage;
use couronne_base::codec;

/// Where a version was found.
pub(super) enum Found {
    Current(Box<ObjectRecord>),
    Noncurrent(VersionRecord),
}

impl Found {
    /// The object, unless it is a delete marker.
    pub(super) fn into_object(self) -> Option<Box<ObjectRecord>> {
        match self {
            Self::Current(object) | Self::Noncurrent(VersionRecord::Object(object)) => Some(object),
            Self::Noncurrent(VersionRecord::DeleteMarker { .. }) => None,
        }
    }
}

/// The place of a new newest version.
pub(super) struct NewVersion {
    pub(super) ordinal: Ordinal,
    pub(super) version: VersionId,
    /// The version that had to go for it.
    pub(super) removed: Option<VersionRecord>,
}

impl Evaluation<'_> {
    pub(super) fn row(&self, kind: RowKind) -> bytes::Bytes {
        key::of_key(kind, self.bucket(), &self.request.key)
    }

    pub(super) fn current(&self) -> Result<Option<Box<ObjectRecord>>, Stop> {
        self.load(&self.row(RowKind::Current))
    }

    /// The newest version row of the key, or the newest below an ordinal.
    pub(super) fn newest_noncurrent(&self, below: Option<Ordinal>) -> Result<Option<VersionRecord>, Stop> {
        let end = key::end_of_key(RowKind::Version, self.bucket(), &self.request.key);
        let start = match below {
            Some(ordinal) => key::of_version(self.bucket(), &self.request.key, ordinal),
            None => self.row(RowKind::Version),
        };
        let row = self.view.scan(Bound::Excluded(&start), Bound::Excluded(&end), false).next()?;
        Ok(row.map(|(_, bytes)| codec::decode(&bytes)).transpose()?)
    }

    /// The version of that name.
    pub(super) fn find(&self, version: VersionId) -> Result<Option<Found>, Stop> {
        if let Some(current) = self.current()?.filter(|current| current.version == version) {
            return Ok(Some(Found::Current(current)));
        }
        let ordinal = match version {
            VersionId::Ordinal(ordinal) => ordinal,
            VersionId::Null => match self.load(&self.row(RowKind::NullPointer))? {
                Some(ordinal) => ordinal,
                None => return Ok(None),
            },
        };
        let record: Option<VersionRecord> = self.load(&key::of_version(self.bucket(), &self.request.key, ordinal))?;
        Ok(record.filter(|record| record.version() == version).map(Found::Noncurrent))
    }

    /// Makes room for a new newest version as the bucket's versioning says: the current version becomes
    /// noncurrent or goes, and so does the `null` version if the new one is to be that. The caller
    /// writes or removes the current row.
    pub(super) fn make_new_version(
        &mut self,
        rules: &BucketRules,
        current: Option<Box<ObjectRecord>>,
    ) -> Result<NewVersion, Stop> {
        let newest = match &current {
            Some(current) => Some(current.ordinal),
            None if rules.versioning == Versioning::Off => None,
            None => self.newest_noncurrent(None)?.map(|newest| newest.ordinal()),
        };
        let ordinal = self.next_ordinal(newest);
        if rules.versioning == Versioning::Enabled {
            if let Some(current) = current {
                self.demote(current);
            }
            return Ok(NewVersion { ordinal, version: VersionId::Ordinal(ordinal), removed: None });
        }
        let removed = match current {
            Some(null) if null.version == VersionId::Null => {
                self.tally.remove_current(&null);
                self.drop_unlocked(&null)?;
                Some(VersionRecord::Object(null))
            }
            current => {
                let removed = self.remove_noncurrent_null(rules)?;
                if let Some(current) = current {
                    self.demote(current);
                }
                removed
            }
        };
        Ok(NewVersion { ordinal, version: VersionId::Null, removed })
    }

    fn remove_noncurrent_null(&mut self, rules: &BucketRules) -> Result<Option<VersionRecord>, Stop> {
        if rules.versioning == Versioning::Off {
            return Ok(None);
        }
        let Some(Found::Noncurrent(null)) = self.find_noncurrent_null()? else { return Ok(None) };
        if let VersionRecord::Object(object) = &null {
            self.drop_unlocked(object)?;
        }
        self.remove_version_row(&null);
        Ok(Some(null))
    }

    fn find_noncurrent_null(&self) -> Result<Option<Found>, Stop> {
        let Some(ordinal) = self.load(&self.row(RowKind::NullPointer))? else { return Ok(None) };
        let record = self.load(&key::of_version(self.bucket(), &self.request.key, ordinal))?;
        Ok(record.map(Found::Noncurrent))
    }

    fn drop_unlocked(&mut self, object: &ObjectRecord) -> Result<(), Stop> {
        if lock::forbids_removal(&object.attributes, self.cluster_ms, false) {
            return Err(Refusal::Locked.into());
        }
        self.drop_object(object)
    }

    /// Makes the current version a noncurrent one.
    fn demote(&mut self, current: Box<ObjectRecord>) {
        self.tally.remove_current(&current);
        self.add_version_row(&VersionRecord::Object(current));
    }

    /// Writes a version row, and the null pointer if it is the `null` version's.
    pub(super) fn add_version_row(&mut self, record: &VersionRecord) {
        self.tally.add_noncurrent(record);
        self.put_row(key::of_version(self.bucket(), &self.request.key, record.ordinal()), record);
        if record.version() == VersionId::Null {
            self.put_row(self.row(RowKind::NullPointer), &record.ordinal());
        }
    }

    /// Removes a version row, and the null pointer if it was the `null` version's.
    pub(super) fn remove_version_row(&mut self, record: &VersionRecord) {
        self.tally.remove_noncurrent(record);
        self.delete_row(key::of_version(self.bucket(), &self.request.key, record.ordinal()));
        if record.version() == VersionId::Null {
            self.delete_row(self.row(RowKind::NullPointer));
        }
    }

    /// Writes the current row.
    pub(super) fn set_current(&mut self, record: &ObjectRecord) {
        self.tally.add_current(record);
        self.put_row(self.row(RowKind::Current), record);
    }

    /// After the newest version went: the next one becomes current if it is an object.
    /// Says whether there is a current row now.
    pub(super) fn promote(&mut self, below: Option<Ordinal>) -> Result<bool, Stop> {
        let Some(next) = self.newest_noncurrent(below)? else { return Ok(false) };
        self.remove_version_row_if_object(&next);
        match next {
            VersionRecord::Object(object) => {
                self.set_current(&object);
                Ok(true)
            }
            VersionRecord::DeleteMarker { .. } => Ok(false),
        }
    }

    fn remove_version_row_if_object(&mut self, record: &VersionRecord) {
        if matches!(record, VersionRecord::Object(_)) {
            self.remove_version_row(record);
        }
    }

    /// Gives up the bytes of an object whose row goes.
    pub(super) fn drop_object(&mut self, object: &ObjectRecord) -> Result<(), Stop> {
        self.tally.add(&object.attributes, Usage { bytes: -bytes_delta(object.size), ..Usage::default() });
        match &object.content {
            Content::Whole(Data::Inline { .. }) => {
                self.delete_row(key::of_payload(self.bucket(), &self.request.key, object.ordinal));
            }
            Content::Whole(Data::Blob(blob)) => self.drop_blob(blob)?,
            Content::Parts { upload, .. } => {
                self.delete_row(key::of_upload(RowKind::Completed, self.bucket(), &self.request.key, *upload));
                self.reap(ReapTarget::Upload(*upload), ReapReason::Dropped);
                if self.exists(&RangeFacts::repair_count_row())? {
                    let blobs = answer::blobs_of_upload(self.view, self.bucket(), &self.request.key, *upload)?;
                    self.forget_repair(blobs.into_iter().map(|blob| blob.id))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn reap(&mut self, target: ReapTarget, reason: ReapReason) {
        let record = ReapRecord {
            target,
            bucket: self.bucket(),
            key: self.request.key.clone(),
            not_before_ms: self.now_ms().saturating_add(self.settings.reap_delay_ms),
            reason,
            commit: self.request.commit,
        };
        self.put_row(key::of_reap(&record), &record);
    }
}
