//! The way through a bucket's ranges, in either direction.

use bytes::Bytes;
use couronne_client::{key_within, next_key};
use couronne_metadata::query::ListQuery;
use couronne_protocol::range::RangeDescriptor;

use super::super::{Bucket, Engine, EngineError};

/// How often a descending walk looks for its ranges anew because one was split meanwhile.
const LOOKS_MAX: u32 = 8;

/// Keys that are still to be asked for, and which end to begin at.
pub(super) struct Walk {
    /// First key (an end of the interval, not necessarily a key that exists).
    lower: Bytes,
    /// First key beyond; `None` for the bucket's end.
    upper: Option<Bytes>,
    reverse: bool,
    looks: u32,
    done: bool,
}

impl Walk {
    pub(super) fn new(list: &ListQuery) -> Self {
        // `after` and `before` are meant in the listing's direction.
        let (first, last) = if list.reverse { (&list.before, &list.after) } else { (&list.after, &list.before) };
        let lower = list.prefix.clone().max(first.clone());
        let last = Some(last.clone()).filter(|last| !last.is_empty());
        let upper = match (last, beyond_prefix(&list.prefix)) {
            (Some(last), Some(beyond)) => Some(last.min(beyond)),
            (last, beyond) => last.or(beyond),
        };
        let done = upper.as_ref().is_some_and(|upper| *upper <= lower);
        Self { lower, upper, reverse: list.reverse, looks: 0, done }
    }

    /// A key of the range to ask next; `None` when all were asked.
    pub(super) async fn next(&mut self, engine: &Engine, bucket: &Bucket) -> Result<Option<Bytes>, EngineError> {
        if self.done {
            return Ok(None);
        }
        if !self.reverse {
            return Ok(Some(self.lower.clone()));
        }
        self.looks += 1;
        if self.looks > LOOKS_MAX {
            return Err(EngineError::Unavailable("the bucket's ranges keep changing".to_owned()));
        }
        let mut last = self.lower.clone();
        loop {
            let known = engine.router().range_at(bucket.entry.id, &last).await?;
            match self.beyond(&known.descriptor, bucket) {
                Some(next) => last = next,
                None => return Ok(Some(last)),
            }
        }
    }

    /// Whether a range that answered is the one at the end the walk is at; a descending walk may have
    /// met one that was split meanwhile.
    pub(super) fn accepts(&self, range: &RangeDescriptor, bucket: &Bucket) -> bool {
        !self.reverse || self.beyond(range, bucket).is_none()
    }

    /// Goes past a range that answered.
    pub(super) fn pass(&mut self, range: &RangeDescriptor, bucket: &Bucket) {
        if !self.reverse {
            match self.beyond(range, bucket) {
                Some(next) => self.lower = next,
                None => self.done = true,
            }
            return;
        }
        self.looks = 0;
        match key_within(&range.start, bucket.entry.id) {
            Some(start) if start > self.lower => self.upper = Some(start),
            _ => self.done = true,
        }
    }

    /// The first key past a range, if it is still wanted.
    fn beyond(&self, range: &RangeDescriptor, bucket: &Bucket) -> Option<Bytes> {
        let next = next_key(range, bucket.entry.id)?;
        self.upper.as_ref().is_none_or(|upper| next < *upper).then_some(next)
    }
}

/// The first key that is greater than all keys with a prefix; `None` if there is none.
fn beyond_prefix(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut beyond = prefix.get(..=last)?.to_vec();
    *beyond.last_mut()? += 1;
    Some(beyond.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_a_prefix() {
        assert_eq!(beyond_prefix(b"a/").unwrap(), "a0");
        assert_eq!(beyond_prefix(b"a\xff\xff").unwrap(), "b");
        assert_eq!(beyond_prefix(b"\xff"), None);
        assert_eq!(beyond_prefix(b""), None);
    }
}
