//! Rows of the cluster's own, written by compare-and-swap.

use bytes::Bytes;

use super::{Evaluation, Stop, registry};
use crate::command::{Expect, InvalidReason, Outcome, Refusal};
use crate::ids::BucketId;
use crate::key::RowKind;
use crate::query::SystemRow;
use crate::system;

impl Evaluation<'_> {
    pub(super) fn system_write(&mut self, expect: Expect, value: Option<&Bytes>) -> Result<Outcome, Stop> {
        if self.bucket() != BucketId::SYSTEM {
            return Err(Refusal::Invalid(InvalidReason::NotOfSystem).into());
        }
        let row = self.row(RowKind::System);
        let old: Option<SystemRow> = self.load(&row)?;
        let may_follow = registry::name_in(&self.request.key)
            .is_none_or(|name| registry::may_follow(name, old.as_ref().map(|old| &old.value), value));
        let old = old.map(|old| old.version);
        let as_expected = match expect {
            Expect::Any => true,
            Expect::Absent => old.is_none(),
            Expect::Version(version) => old == Some(version),
        };
        if !as_expected {
            return Err(Refusal::Conflict.into());
        }
        if !may_follow {
            return Err(Refusal::Invalid(InvalidReason::NoStep).into());
        }
        if value.is_some_and(|value| system::check(&self.request.key, value).is_err()) {
            return Err(Refusal::Invalid(InvalidReason::NotOfRow).into());
        }
        let version = self.next_ordinal(old);
        match (value, old) {
            (Some(value), _) => self.put_row(row, &SystemRow { version, value: value.clone() }),
            (None, Some(old)) => {
                self.delete_row(row);
                self.raise_floor(old);
            }
            // Remembered by the commit's id: a late repeat must not remove what was written since.
            (None, None) => {}
        }
        Ok(Outcome::Done { ordinal: version })
    }
}
