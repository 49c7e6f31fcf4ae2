//! Changing attributes of an existing version in place: its date and its place stay.

use super::put::bytes_delta;
use super::version::Found;
use super::{Evaluation, Stop, lock};
use crate::command::{AttributeChange, InvalidReason, Outcome, Refusal};
use crate::ids::VersionId;
use crate::key::{self, RowKind};
use crate::record::{Attributes, BucketRules, Retention, VersionRecord};
use crate::usage::Usage;

impl Evaluation<'_> {
    pub(super) fn update_attributes(
        &mut self,
        rules: &BucketRules,
        version: Option<VersionId>,
        change: &AttributeChange,
        bypass_governance: bool,
    ) -> Result<Outcome, Stop> {
        let found = match version {
            Some(version) => self.find(version)?.ok_or(Refusal::NoSuchVersion)?,
            None => Found::Current(self.current()?.ok_or(Refusal::NoSuchKey)?),
        };
        let ordinal = match found {
            Found::Noncurrent(VersionRecord::DeleteMarker { .. }) => return Err(Refusal::IsDeleteMarker.into()),
            Found::Current(mut object) => {
                let counted = Usage { objects: 1, bytes: bytes_delta(object.size), ..Usage::default() };
                self.tally.add(&object.attributes, -counted);
                self.change(rules, &mut object.attributes, change, bypass_governance)?;
                self.tally.add(&object.attributes, counted);
                self.put_row(self.row(RowKind::Current), &object);
                object.ordinal
            }
            Found::Noncurrent(VersionRecord::Object(mut object)) => {
                let counted = Usage { noncurrent: 1, bytes: bytes_delta(object.size), ..Usage::default() };
                self.tally.add(&object.attributes, -counted);
                self.change(rules, &mut object.attributes, change, bypass_governance)?;
                self.tally.add(&object.attributes, counted);
                let row = key::of_version(self.bucket(), &self.request.key, object.ordinal);
                let ordinal = object.ordinal;
                self.put_row(row, &VersionRecord::Object(object));
                ordinal
            }
        };
        Ok(Outcome::Done { ordinal })
    }

    fn change(
        &self,
        rules: &BucketRules,
        attributes: &mut Attributes,
        change: &AttributeChange,
        bypass_governance: bool,
    ) -> Result<(), Stop> {
        match change {
            AttributeChange::Tags(tags) => {
                attributes.tags.clone_from(tags);
                attributes.revision = attributes.revision.wrapping_add(1);
            }
            AttributeChange::Acl(acl) => {
                attributes.acl.clone_from(acl);
                attributes.revision = attributes.revision.wrapping_add(1);
            }
            AttributeChange::Retention(retention) => {
                self.check_lock(rules, attributes.retention, *retention, bypass_governance)?;
                attributes.retention = *retention;
            }
            AttributeChange::LegalHold(hold) => {
                if rules.object_lock.is_none() {
                    return Err(Refusal::Invalid(InvalidReason::NoLock).into());
                }
                (attributes.legal_hold, attributes.legal_hold_said) = (*hold, true);
            }
            AttributeChange::All(new) => {
                let lock_changes = new.retention != attributes.retention || new.legal_hold != attributes.legal_hold;
                if lock_changes {
                    self.check_lock(rules, attributes.retention, new.retention, bypass_governance)?;
                }
                let revision = attributes.revision.wrapping_add(1);
                *attributes = Attributes { revision, ..(**new).clone() };
            }
        }
        Ok(())
    }

    fn check_lock(
        &self,
        rules: &BucketRules,
        old: Option<Retention>,
        new: Option<Retention>,
        bypass_governance: bool,
    ) -> Result<(), Stop> {
        if rules.object_lock.is_none() {
            return Err(Refusal::Invalid(InvalidReason::NoLock).into());
        }
        if !lock::allows_change(old, new, self.cluster_ms, bypass_governance) {
            return Err(Refusal::Locked.into());
        }
        Ok(())
    }
}
