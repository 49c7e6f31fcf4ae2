//! Resolved buckets, kept for a while.
//!
//! Being wrong here is harmless for what a range answers, for it knows the rules it holds; the bound on
//! age is for what is answered without a range.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use super::Bucket;

/// Buckets by name.
pub(in crate::engine) struct BucketCache {
    buckets: RwLock<HashMap<Arc<str>, Cached>>,
    age_max: Duration,
    entries_max: usize,
}

struct Cached {
    bucket: Bucket,
    /// When it was read from the registry, by the steady clock.
    since: Duration,
}

impl BucketCache {
    pub(in crate::engine) fn new(age_max_ms: u64, entries_max: usize) -> Self {
        Self { buckets: RwLock::default(), age_max: Duration::from_millis(age_max_ms), entries_max }
    }

    pub(super) fn find(&self, name: &str, now: Duration) -> Option<Bucket> {
        let buckets = self.buckets.read();
        let cached = buckets.get(name)?;
        (now.saturating_sub(cached.since) < self.age_max).then(|| cached.bucket.clone())
    }

    pub(super) fn remember(&self, bucket: Bucket, now: Duration) {
        let mut buckets = self.buckets.write();
        if buckets.len() >= self.entries_max {
            buckets.retain(|_, cached| now.saturating_sub(cached.since) < self.age_max);
        }
        if buckets.len() >= self.entries_max {
            buckets.clear();
        }
        let newer = buckets.get(&bucket.name).is_some_and(|cached| {
            let (known, found) = (&cached.bucket.entry, &bucket.entry);
            known.id == found.id && known.rules.version > found.rules.version
        });
        if !newer {
            buckets.insert(bucket.name.clone(), Cached { bucket, since: now });
        }
    }

    pub(in crate::engine) fn forget(&self, name: &str) {
        self.buckets.write().remove(name);
    }
}
