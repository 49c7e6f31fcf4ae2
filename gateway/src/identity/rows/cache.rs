//! Values made of rows, in memory: at most so many, of at most so many bytes.
//!
//! In two halves: what is asked for is in the young one, and when that is full it becomes the old one, whose values are
//! dropped. So what is used stays, and nothing is sorted.
//! Must not know: whether a value still counts.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::changes::Basis;

/// A value, and what it rests on.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) value: Arc<dyn Any + Send + Sync>,
    pub(super) basis: Arc<Basis>,
    /// About how many bytes it takes.
    pub(super) bytes: usize,
}

#[derive(Default)]
struct Halves {
    young: HashMap<Box<str>, Kept>,
    young_bytes: usize,
    old: HashMap<Box<str>, Kept>,
}

/// Values by name.
pub(super) struct RowCache {
    halves: RwLock<Halves>,
    /// Of one half.
    entries_max: usize,
    /// Of one half.
    bytes_max: usize,
}

impl RowCache {
    pub(super) fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self { halves: RwLock::default(), entries_max: entries_max / 2, bytes_max: bytes_max / 2 }
    }

    pub(super) fn get(&self, name: &str) -> Option<Kept> {
        {
            let halves = self.halves.read();
            if let Some(kept) = halves.young.get(name) {
                return Some(kept.clone());
            }
            halves.old.get(name)?;
        }
        let mut halves = self.halves.write();
        let kept = halves.old.remove(name)?;
        self.insert(&mut halves, name, kept.clone());
        Some(kept)
    }

    pub(super) fn keep(&self, name: &str, kept: Kept) {
        self.insert(&mut self.halves.write(), name, kept);
    }

    pub(super) fn clear(&self) {
        *self.halves.write() = Halves::default();
    }

    fn insert(&self, halves: &mut Halves, name: &str, kept: Kept) {
        let before = halves.young.remove(name).map_or(0, |before| before.bytes);
        halves.young_bytes = halves.young_bytes.saturating_sub(before);
        halves.old.remove(name);
        let bytes = kept.bytes;
        if bytes > self.bytes_max {
            return;
        }
        if halves.young.len() >= self.entries_max || halves.young_bytes.saturating_add(bytes) > self.bytes_max {
            halves.old = std::mem::take(&mut halves.young);
            halves.young_bytes = 0;
        }
        halves.young_bytes += bytes;
        halves.young.insert(name.into(), kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(bytes: usize) -> Kept {
        Kept { value: Arc::new(bytes), basis: Arc::default(), bytes }
    }

    fn has(cache: &RowCache, name: &str) -> bool {
        cache.get(name).is_some()
    }

    #[test]
    fn entries_and_bytes_are_bounded_and_what_is_used_stays() {
        let cache = RowCache::new(20, 1_000);
        cache.keep("used", kept(1));
        for number in 0..1_000 {
            cache.keep(&number.to_string(), kept(1));
            assert!(has(&cache, "used"), "{number}");
            let halves = cache.halves.read();
            assert!(halves.young.len() <= 10 && halves.old.len() <= 10);
        }
        assert!(has(&cache, "999") && !has(&cache, "500"));
        for number in 0..100 {
            cache.keep(&number.to_string(), kept(200));
            let halves = cache.halves.read();
            for half in [&halves.young, &halves.old] {
                assert!(half.values().map(|kept| kept.bytes).sum::<usize>() <= 500);
            }
        }
        cache.keep("large", kept(501));
        assert!(!has(&cache, "large") && has(&cache, "99"));
        cache.keep("99", kept(501));
        assert!(!has(&cache, "99"), "what was there before is not kept either");
    }
}
