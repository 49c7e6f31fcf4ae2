//! Whether what a command adds to a subject fits below the subject's quota.
//!
//! Must not know: who may set a quota.

use std::collections::BTreeMap;

use super::{Subject, Usage};
use crate::record::quota::{Charge, Quota};

/// What a command adds to a subject that has a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The subject.
    pub subject: Subject,
    /// What is added.
    pub by: Charge,
    /// The most that it may hold.
    pub quota: Quota,
}

impl From<Usage> for Charge {
    fn from(usage: Usage) -> Self {
        Self {
            bytes: usage.bytes.saturating_add(usage.part_bytes),
            objects: usage.objects.saturating_add(usage.noncurrent).saturating_add(usage.parts),
        }
    }
}

impl Growth {
    /// The growth, if it is one.
    pub(crate) fn of(subject: Subject, delta: Usage, quota: Quota) -> Option<Self> {
        let by = Charge::from(delta);
        (by.bytes > 0 || by.objects > 0).then_some(Self { subject, by, quota })
    }

    /// Whether it fits beside what is held and what is on its way.
    pub fn fits(&self, held: &BTreeMap<Box<str>, Usage>, on_its_way: Charge) -> bool {
        self.quota.admits(Charge::from(Usage::sum(held.values())).plus(on_its_way), self.by)
    }
}
