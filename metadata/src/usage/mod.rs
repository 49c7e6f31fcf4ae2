//! What is held, and by which subject: the counters of a range.
//!
//! ```text
//! 50 ‖ subject ‖ storage class    Usage
//! ```
//! Evaluation says what a command adds ([`Tally`]), apply sums it up; counters of nothing are no row.
//! Promises: in each range the rows of a subject are equal to a recount of the range's versions, markers and parts.
//! Must not know: names of accounts and buckets.

mod growth;
mod subject;
mod tally;

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use couronne_base::codec;

use crate::key::{self, RowKind};
use crate::store::{StoreError, View};

pub use growth::Growth;
pub use subject::Subject;
pub(crate) use tally::Tally;

/// What a subject holds, or what is added to that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Current objects.
    pub objects: i64,
    /// Versions of objects that are not current.
    pub noncurrent: i64,
    /// Delete markers.
    pub markers: i64,
    /// Bytes of all versions of objects.
    pub bytes: i64,
    /// Parts of open uploads.
    pub parts: i64,
    /// Bytes of these parts.
    pub part_bytes: i64,
}

/// A change of what the range holds for a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageDelta {
    /// The subject.
    pub subject: Subject,
    /// The storage class of what is added; empty is the standard one.
    pub class: Box<str>,
    /// What is added.
    pub delta: Usage,
}

impl Usage {
    /// Adds a delta.
    pub fn add(&mut self, delta: Self) {
        let sums = [
            (&mut self.objects, delta.objects),
            (&mut self.noncurrent, delta.noncurrent),
            (&mut self.markers, delta.markers),
            (&mut self.bytes, delta.bytes),
            (&mut self.parts, delta.parts),
            (&mut self.part_bytes, delta.part_bytes),
        ];
        for (sum, delta) in sums {
            *sum = sum.saturating_add(delta);
        }
    }

    /// The sum over storage classes.
    pub fn sum<'a>(classes: impl IntoIterator<Item = &'a Self>) -> Self {
        classes.into_iter().fold(Self::default(), |mut sum, usage| {
            sum.add(*usage);
            sum
        })
    }
}

impl std::ops::Neg for Usage {
    type Output = Self;

    fn neg(self) -> Self {
        Self {
            objects: self.objects.saturating_neg(),
            noncurrent: self.noncurrent.saturating_neg(),
            markers: self.markers.saturating_neg(),
            bytes: self.bytes.saturating_neg(),
            parts: self.parts.saturating_neg(),
            part_bytes: self.part_bytes.saturating_neg(),
        }
    }
}

impl UsageDelta {
    /// The row that it is added to.
    pub(crate) fn row(&self) -> Bytes {
        let mut suffix = self.subject.to_bytes();
        suffix.extend_from_slice(self.class.as_bytes());
        key::of_range(RowKind::Counters, &suffix)
    }
}

/// What the range holds for a subject as the view has it, by storage class; a class of which there is nothing is left out.
pub fn load(view: &dyn View, subject: &Subject) -> Result<BTreeMap<Box<str>, Usage>, StoreError> {
    let start = key::of_range(RowKind::Counters, &subject.to_bytes());
    let end = key::successor(&start);
    let mut cursor = view.scan(Bound::Included(&start), Bound::Excluded(&end), false);
    let mut classes = BTreeMap::new();
    while let Some((row, value)) = cursor.next()? {
        let class = row.get(start.len()..).unwrap_or_default();
        classes.insert(String::from_utf8_lossy(class).into(), codec::decode(&value)?);
    }
    Ok(classes)
}
