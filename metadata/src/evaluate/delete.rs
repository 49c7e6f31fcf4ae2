//! Deleting: the current object (or hiding it behind a delete marker), or one version for good.

use super::version::Found;
use super::{Evaluation, Stop, condition, lock};
use crate::command::{Outcome, Precondition, Refusal};
use crate::ids::VersionId;
use crate::key::RowKind;
use crate::record::{BucketRules, VersionRecord, Versioning};

/// There was nothing to delete. That too is remembered by the commit's id: a late repeat must not delete
/// what was written since.
const NOTHING: Outcome = Outcome::Deleted { removed: None, marker: None };

impl Evaluation<'_> {
    pub(super) fn delete_current(
        &mut self,
        rules: &BucketRules,
        condition: &Precondition,
        owner: &str,
    ) -> Result<Outcome, Stop> {
        let current = self.current()?;
        condition::check(condition, current.as_deref())?;
        let had_current = current.is_some();
        if rules.versioning == Versioning::Off && !had_current {
            return Ok(NOTHING);
        }
        let newest = current.as_ref().map(|current| current.ordinal);
        let new_version = self.make_new_version(rules, current)?;
        if had_current {
            self.delete_row(self.row(RowKind::Current));
        }
        if rules.versioning == Versioning::Off {
            newest.into_iter().for_each(|ordinal| self.raise_floor(ordinal));
            return Ok(Outcome::Deleted { removed: new_version.removed, marker: None });
        }
        self.add_version_row(&VersionRecord::DeleteMarker {
            ordinal: new_version.ordinal,
            version: new_version.version,
            commit: self.request.commit,
            owner: owner.into(),
        });
        Ok(Outcome::Deleted { removed: new_version.removed, marker: Some(new_version.version) })
    }

    pub(super) fn delete_version(
        &mut self,
        version: VersionId,
        condition: &Precondition,
        bypass_governance: bool,
    ) -> Result<Outcome, Stop> {
        let found = self.find(version)?;
        let target = match &found {
            Some(Found::Current(object)) => Some(&**object),
            Some(Found::Noncurrent(VersionRecord::Object(object))) => Some(&**object),
            _ => None,
        };
        condition::check(condition, target)?;
        if let Some(object) = target {
            if lock::forbids_removal(&object.attributes, self.cluster_ms, bypass_governance) {
                return Err(Refusal::Locked.into());
            }
            self.drop_object(object)?;
        }
        let removed = match found {
            None => return Ok(NOTHING),
            Some(Found::Current(current)) => {
                self.tally.remove_current(&current);
                self.raise_floor(current.ordinal);
                if !self.promote(None)? {
                    self.delete_row(self.row(RowKind::Current));
                }
                VersionRecord::Object(current)
            }
            Some(Found::Noncurrent(record)) => {
                self.remove_version_row(&record);
                self.promote_after(&record)?;
                record
            }
        };
        Ok(Outcome::Deleted { removed: Some(removed), marker: None })
    }

    /// If the version row was the key's newest (a delete marker on top), the next becomes current.
    fn promote_after(&mut self, removed: &VersionRecord) -> Result<(), Stop> {
        if self.exists(&self.row(RowKind::Current))? {
            return Ok(());
        }
        let newest = self.newest_noncurrent(None)?;
        if newest.is_some_and(|newest| newest.ordinal() == removed.ordinal()) {
            self.raise_floor(removed.ordinal());
            self.promote(Some(removed.ordinal()))?;
        }
        Ok(())
    }
}
