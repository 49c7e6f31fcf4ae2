//! A bucket's rules in this range: setting, sealing, dropping. Each step may be repeated.

use std::ops::Bound;

use bytes::Bytes;

use super::{Evaluation, Stop};
use crate::command::{InvalidReason, Outcome, Refusal};
use crate::ids::{BucketId, Ordinal};
use crate::key::{self, RowKind};
use crate::record::{BucketRules, BucketState};

impl Evaluation<'_> {
    /// The range keeps the bucket's name beside its rules, so that an operator who is told of its rows is told whose they are.
    pub(super) fn put_rules(&mut self, name: &str, rules: &BucketRules) -> Result<Outcome, Stop> {
        // Only a bucket that is sealed because it is empty is deleted.
        if matches!(rules.state, BucketState::Deleting | BucketState::Dropping) {
            return Err(Refusal::Invalid(InvalidReason::WrongState).into());
        }
        let done = self.replace_rules(rules)?;
        if self.bucket().is_of(name) {
            self.put_row(key::of_bucket(RowKind::BucketName, self.bucket()), &Box::<str>::from(name));
        }
        Ok(done)
    }

    /// A range without rules is sealed too: else a late repeat of the bucket's creation would give it some.
    pub(super) fn seal_bucket(&mut self, rules: &BucketRules) -> Result<Outcome, Stop> {
        if rules.state != BucketState::Deleting {
            return Err(Refusal::Invalid(InvalidReason::WrongState).into());
        }
        for kind in [RowKind::Current, RowKind::Version, RowKind::Upload] {
            let (start, end) = (key::of_bucket(kind, self.bucket()), key::end_of_bucket(kind, self.bucket()));
            if self.view.scan(Bound::Included(&start), Bound::Excluded(&end), false).next()?.is_some() {
                return Err(Refusal::BucketNotEmpty.into());
            }
        }
        self.replace_rules(rules)
    }

    pub(super) fn drop_rules(&mut self) -> Result<Outcome, Stop> {
        match self.rules()? {
            None => Err(Stop::Settled(self.done())),
            Some(rules) if rules.state == BucketState::Deleting => {
                self.delete_row(key::of_bucket(RowKind::Rules, self.bucket()));
                self.delete_row(key::of_bucket(RowKind::BucketName, self.bucket()));
                self.put_row(key::of_bucket(RowKind::DroppedBucket, self.bucket()), &Bytes::new());
                Ok(self.done())
            }
            Some(_) => Err(Refusal::Conflict.into()),
        }
    }

    /// Rules only ever give way to newer ones, a range that never had any takes only first ones, and a bucket that was
    /// dropped takes none: a late repeat must not bring it back.
    fn replace_rules(&mut self, rules: &BucketRules) -> Result<Outcome, Stop> {
        if self.bucket() == BucketId::SYSTEM {
            return Err(Refusal::Invalid(InvalidReason::OfSystem).into());
        }
        match self.rules()? {
            Some(old) if old == *rules => return Err(Stop::Settled(self.done())),
            Some(old) if old.version >= rules.version => return Err(Refusal::Conflict.into()),
            None if self.request.rules_version != 0 || self.is_dropped()? => return Err(Refusal::Conflict.into()),
            _ => {}
        }
        self.put_row(key::of_bucket(RowKind::Rules, self.bucket()), rules);
        Ok(self.done())
    }

    fn is_dropped(&self) -> Result<bool, Stop> {
        self.exists(&key::of_bucket(RowKind::DroppedBucket, self.bucket()))
    }

    pub(super) const fn done(&self) -> Outcome {
        Outcome::Done { ordinal: Ordinal(self.now_us) }
    }
}
