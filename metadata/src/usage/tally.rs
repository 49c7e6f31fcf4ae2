//! What one command adds to the counters: kept by writer and storage class, told by subject.

use std::collections::BTreeMap;

use super::{Subject, Usage, UsageDelta};
use crate::ids::BucketId;
use crate::record::{Attributes, ObjectRecord, VersionRecord};

/// What a command adds to the counters of its bucket, of the bucket's account, and of the principals that wrote what comes
/// and goes.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Few: a command touches the versions of one key. The writer, if one is known; the storage class; what is added.
    changes: Vec<(Box<str>, Box<str>, Usage)>,
}

impl Tally {
    /// Adds to what is counted for things with these attributes.
    pub(crate) fn add(&mut self, attributes: &Attributes, delta: Usage) {
        self.add_of(&attributes.writer, attributes.storage_class(), delta);
    }

    /// A version becomes the current object.
    pub(crate) fn add_current(&mut self, object: &ObjectRecord) {
        self.add(&object.attributes, Usage { objects: 1, ..Usage::default() });
    }

    /// A version is the current object no more.
    pub(crate) fn remove_current(&mut self, object: &ObjectRecord) {
        self.add(&object.attributes, Usage { objects: -1, ..Usage::default() });
    }

    /// A version row is written.
    pub(crate) fn add_noncurrent(&mut self, record: &VersionRecord) {
        match record {
            VersionRecord::Object(object) => {
                self.add(&object.attributes, Usage { noncurrent: 1, ..Usage::default() });
            }
            VersionRecord::DeleteMarker { .. } => self.add_of("", "", Usage { markers: 1, ..Usage::default() }),
        }
    }

    /// A version row goes.
    pub(crate) fn remove_noncurrent(&mut self, record: &VersionRecord) {
        match record {
            VersionRecord::Object(object) => {
                self.add(&object.attributes, Usage { noncurrent: -1, ..Usage::default() });
            }
            VersionRecord::DeleteMarker { .. } => self.add_of("", "", Usage { markers: -1, ..Usage::default() }),
        }
    }

    fn add_of(&mut self, writer: &str, class: &str, delta: Usage) {
        let known = self.changes.iter_mut().find(|(of, in_class, _)| **of == *writer && **in_class == *class);
        match known {
            Some((_, _, sum)) => sum.add(delta),
            None => self.changes.push((writer.into(), class.into(), delta)),
        }
    }

    /// What is added to the counters of the bucket.
    pub(crate) fn of_bucket(&self) -> Usage {
        Usage::sum(self.changes.iter().map(|(_, _, delta)| delta))
    }

    /// What is added, by subject; nothing is said of what stays as it is.
    pub(crate) fn deltas(self, bucket: BucketId, account: &str) -> Vec<UsageDelta> {
        let mut sums: BTreeMap<(Subject, Box<str>), Usage> = BTreeMap::new();
        for (writer, class, delta) in self.changes {
            let account = (!account.is_empty()).then(|| Subject::Account(account.into()));
            let writer = (!writer.is_empty()).then_some(Subject::Principal(writer));
            for subject in [Some(Subject::Bucket(bucket)), account, writer].into_iter().flatten() {
                sums.entry((subject, class.clone())).or_default().add(delta);
            }
        }
        let changed = sums.into_iter().filter(|(_, delta)| *delta != Usage::default());
        changed.map(|((subject, class), delta)| UsageDelta { subject, class, delta }).collect()
    }
}
