//! How fast a duty gets on, and how long the rest takes.
//!
//! Chunks and shards differ a thousandfold in size, and those of one age, which are often alike, come one after
//! the other: the time left is told by what they cost, not by how many there are. And it is never less than the
//! pace allows, whatever was measured with small ones that the pace did not hold up, nor as much more as large ones
//! that it did hold up would have it.
//! Promises: within a factor of two, once it says something at all.
//! Must not know: clocks, what is done.

use std::collections::VecDeque;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Over how long speed is measured, or over how many items if these take longer.
const SPAN: Duration = Duration::from_secs(60);
const SPAN_ITEMS: u64 = 2 * ITEMS_MIN;

/// How far two samples are apart.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Nothing is told of the time left before so many items are done: several are worked on at a time, and the
/// first of them are done all at once, late.
const ITEMS_MIN: u64 = 12;

/// Items to be done, or that were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WorkEstimate {
    /// Chunks or shards.
    pub(super) items: u64,
    /// What they cost: bytes that are moved, and for each item as many as could be moved while it is looked for.
    pub(super) cost: u64,
    /// Of these the bytes that a pace holds up, at most.
    pub(super) paced: u64,
}

impl WorkEstimate {
    /// So many of the same.
    pub(super) fn times(self, count: u64) -> Self {
        let Self { items, cost, paced } = self;
        Self {
            items: items.saturating_mul(count),
            cost: cost.saturating_mul(count),
            paced: paced.saturating_mul(count),
        }
    }
}

impl Add for WorkEstimate {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            items: self.items.saturating_add(more.items),
            cost: self.cost.saturating_add(more.cost),
            paced: self.paced.saturating_add(more.paced),
        }
    }
}

impl Sub for WorkEstimate {
    type Output = Self;

    fn sub(self, less: Self) -> Self {
        Self {
            items: self.items.saturating_sub(less.items),
            cost: self.cost.saturating_sub(less.cost),
            paced: self.paced.saturating_sub(less.paced),
        }
    }
}

/// What was done until then, since the start.
#[derive(Clone, Copy, Default)]
struct Sample {
    at: Duration,
    work: WorkEstimate,
    bytes: u64,
}

/// What was done since the start, and when.
#[derive(Default)]
pub(super) struct EtaEstimator {
    done: WorkEstimate,
    /// Bytes that the pace held up.
    bytes: u64,
    samples: VecDeque<Sample>,
}

impl EtaEstimator {
    /// Something begins, or goes on otherwise than before: it is measured anew.
    pub(super) fn begin(&mut self, now: Duration) {
        self.samples.clear();
        self.sample(now);
    }

    /// Something is done, and took so many bytes of the pace.
    pub(super) fn done(&mut self, now: Duration, work: WorkEstimate, bytes: u64) {
        self.done = self.done + work;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.samples.back().is_none_or(|last| now.saturating_sub(last.at) >= SAMPLE_EVERY) {
            self.sample(now);
        }
        let (items, is_old) = (self.done.items, |first: &Sample| now.saturating_sub(first.at) > SPAN);
        while self.samples.front().is_some_and(|first| is_old(first) && items - first.work.items > SPAN_ITEMS) {
            self.samples.pop_front();
        }
    }

    fn sample(&mut self, at: Duration) {
        self.samples.push_back(Sample { at, work: self.done, bytes: self.bytes });
    }

    /// What was done since the start.
    pub(super) const fn all_done(&self) -> WorkEstimate {
        self.done
    }

    /// Bytes moved since the start.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How long is measured over by now, in milliseconds, and what was done in that time: at least so many items,
    /// if there were.
    fn of_late(&self, now: Duration, items_min: u64) -> Option<(u64, WorkEstimate, u64)> {
        let is_late = |sample: &&Sample| {
            now.saturating_sub(sample.at) <= SPAN || self.done.items - sample.work.items <= items_min
        };
        let first = self.samples.iter().find(is_late)?;
        let passed_ms = u64::try_from(now.saturating_sub(first.at).as_millis()).unwrap_or(u64::MAX);
        Some((passed_ms, self.done - first.work, self.bytes.saturating_sub(first.bytes)))
    }

    /// Bytes moved in a second, of late.
    pub(super) fn bytes_per_second(&self, now: Duration) -> u64 {
        let Some((passed_ms, _, bytes)) = self.of_late(now, 0) else { return 0 };
        bytes.saturating_mul(1000) / passed_ms.max(1000)
    }

    /// Seconds until this is done, if no more than `pace` bytes are moved in a second; `None`: nothing to tell
    /// it by.
    pub(super) fn seconds_left(&self, now: Duration, left: WorkEstimate, pace: u64) -> Option<u64> {
        let (passed_ms, done, bytes) = self.of_late(now, SPAN_ITEMS)?;
        if passed_ms < 1000 || done.items < ITEMS_MIN {
            return None;
        }
        let as_before_ms = scaled(left.cost, passed_ms, done.cost)?;
        // Of what may have to be moved only a part has.
        let paced = scaled(left.paced, bytes, done.paced).unwrap_or(0);
        let paced_ms = scaled(paced, 1000, pace).unwrap_or(0);
        // While the pace held things up, others would have been done faster, but nobody knows by how much.
        let held_ms = scaled(bytes, 1000, pace).unwrap_or(0).min(passed_ms);
        let unheld_ms = scaled(as_before_ms, passed_ms - held_ms, passed_ms)?;
        let (least, most) = (paced_ms.max(unheld_ms), paced_ms.max(as_before_ms));
        let between = (u128::from(least) * u128::from(most)).isqrt();
        (most / 3 <= least).then(|| u64::try_from((between + 500) / 1000).unwrap_or(u64::MAX))
    }
}

/// `value * by / of`.
fn scaled(value: u64, by: u64, of: u64) -> Option<u64> {
    let scaled = (u128::from(value) * u128::from(by)).checked_div(u128::from(of))?;
    Some(u64::try_from(scaled).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;
    const LOOK: u64 = MIB;

    /// A chunk of 4+2 of which shards are missing.
    fn chunk(len: u64, missing: u64) -> WorkEstimate {
        let shard = len.div_ceil(4);
        WorkEstimate { items: 1, cost: LOOK + (4 + missing) * shard, paced: missing * shard }
    }

    proptest! {
        /// Small chunks first and then large ones, or the other way round, by a machine that moves `rate` bytes in
        /// a second and needs a while for each chunk, held to a pace or not.
        #[test]
        fn the_time_left_is_right_within_a_factor_of_two(
            sizes in prop::collection::vec((1u64..16 * MIB, 100usize..1000), 1..4),
            missing in 1u64..=2,
            rate in 100 * MIB..1000 * MIB,
            look_share in 7u64..15,
            pace in prop::sample::select(vec![MIB, 20 * MIB, 256 * MIB]),
        ) {
            let chunks: Vec<_> = sizes.iter().flat_map(|(len, count)| vec![chunk(*len, missing); *count]).collect();
            let looking = Duration::from_secs_f64(LOOK as f64 * look_share as f64 / 10.0 / rate as f64);
            let mut left = chunks.iter().copied().fold(WorkEstimate::default(), Add::add);
            let (mut now, mut speed, mut said) = (Duration::from_secs(1000), EtaEstimator::default(), Vec::new());
            speed.begin(now);
            for work in chunks {
                let moving = Duration::from_secs_f64((work.cost - LOOK) as f64 / rate as f64);
                now += (looking + moving).max(Duration::from_secs_f64(work.paced as f64 / pace as f64));
                left = left - work;
                speed.done(now, work, work.paced);
                said.push((now, speed.seconds_left(now, left, pace)));
            }
            prop_assert_eq!(left, WorkEstimate::default());
            // With chunks that are all alike it is always told.
            let mut late = said.iter().skip(11).filter(|(at, _)| *at >= Duration::from_secs(1001));
            prop_assert!(sizes.len() > 1 || late.all(|(_, said)| said.is_some()));
            for (at, said) in said.into_iter().filter_map(|(at, said)| Some((at, said? as f64))) {
                let right = (now - at).as_secs_f64();
                prop_assert!(said <= 2.0 * right + 1.0 && right <= 2.0 * said + 2.0, "{} said, {} right", said, right);
            }
        }
    }

    #[test]
    fn nothing_is_told_without_a_measure() {
        let (at, work) = (Duration::from_secs(5), chunk(MIB, 1));
        let mut speed = EtaEstimator::default();
        assert_eq!((speed.seconds_left(at, work, MIB), speed.bytes_per_second(at)), (None, 0));
        speed.begin(at);
        let soon = at + Duration::from_millis(900);
        for _ in 0..20 {
            speed.done(soon, work, work.paced);
        }
        assert_eq!(speed.seconds_left(soon, work, MIB), None);
        assert!(speed.seconds_left(at + Duration::from_secs(10), work, MIB).is_some());
        // What was done before a rest says nothing after it.
        let later = at + Duration::from_secs(100);
        assert_eq!(speed.bytes_per_second(later), 0);
        speed.begin(later);
        assert_eq!(speed.seconds_left(later + Duration::from_secs(2), work, MIB), None);
        assert_eq!((speed.all_done().items, speed.bytes()), (20, 20 * work.paced));
    }
}
