//! What a subject holds, summed over all ranges that may have counted for it.
//!
//! Promises: each range's share is as its leader had applied it when asked; the shares of an account or a principal are of
//! slightly different times.
//! Must not know: quotas, names.

use std::collections::BTreeMap;

use bytes::Bytes;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::ids::{BucketId, ObjectKey};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::usage::{Subject, Usage};

use super::{Router, first_key, key_past};
use crate::error::ClientError;

/// Usage by storage class; the empty name is the standard one.
pub type ClassUsage = BTreeMap<Box<str>, Usage>;

impl Router {
    /// What a subject holds.
    pub async fn usage(&self, subject: &Subject) -> Result<ClassUsage, ClientError> {
        let mut sums = ClassUsage::new();
        let mut next = Some(match subject {
            Subject::Bucket(bucket) => (*bucket, first_key(None)?),
            Subject::Account(_) | Subject::Principal(_) => (BucketId::SYSTEM, first_key(None)?),
        });
        while let Some((bucket, key)) = next {
            let query = Query::Usage { key: key.clone(), subject: subject.clone() };
            let (answer, known) = self.query_under(bucket, None, key.as_bytes(), query).await?;
            let Answer::Usage(classes) = answer else { return Err(ClientError::unexpected("Usage")) };
            for (class, usage) in classes {
                sums.entry(class).or_default().add(usage);
            }
            next = match subject {
                Subject::Bucket(bucket) => key_past(&known.descriptor, *bucket)?.map(|key| (*bucket, key)),
                Subject::Account(_) | Subject::Principal(_) => position_past(&known.descriptor)?,
            };
        }
        Ok(sums)
    }
}

/// The first bucket and key that may lie past a range; `None`: it is the keyspace's last.
fn position_past(range: &RangeDescriptor) -> Result<Option<(BucketId, ObjectKey)>, ClientError> {
    if range.end.is_empty() {
        return Ok(None);
    }
    let (bucket, key) = range.end.split_at_checked(BUCKET_BYTES).unwrap_or((&range.end, &[]));
    let mut id = [0; BUCKET_BYTES];
    id.iter_mut().zip(bucket).for_each(|(to, from)| *to = *from);
    let key = (!key.is_empty()).then(|| Bytes::copy_from_slice(key));
    Ok(Some((BucketId::from_bytes(id), first_key(key)?)))
}

/// The bucket in a position, in bytes.
const BUCKET_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use couronne_metadata::ids::{Generation, RangeId};

    use super::*;

    #[test]
    fn what_lies_past_a_range_is_in_the_next_one() {
        for end in [&[0, 0, 0x80][..], &[0, 0, 0x80, 0, 7], &[7; 16], b"a bucket's sixteK"] {
            let end = Bytes::copy_from_slice(end);
            let range = |start: &Bytes, end: &Bytes| RangeDescriptor {
                id: RangeId(1),
                generation: Generation(1),
                start: start.clone(),
                end: end.clone(),
                replicas: Vec::new(),
            };
            let (bucket, key) = position_past(&range(&Bytes::new(), &end)).unwrap().unwrap();
            assert!(range(&end, &Bytes::new()).contains(&RangeDescriptor::position(bucket, key.as_bytes())));
            assert_eq!(position_past(&range(&end, &Bytes::new())).unwrap(), None);
        }
    }
}
