//! A drive, as the map keeps it.
//!
//! Promises: its state changes only as the tables of [`DriveState`] allow. Must not know: rings, reports.

use couronne_base::mutant;
use couronne_ring::NodeId;

use crate::drive_state::{DriveState, Liveness, WriteState};

/// A drive, as the map keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDrive {
    /// Its node.
    pub node: NodeId,
    /// The highest count of starts it was seen with.
    pub boots: u64,
    /// The random number it was given when it was formatted; another one means that it was formatted anew. Unset:
    /// it was never started.
    pub incarnation: Option<u64>,
    /// The random number of the start that was registered last: by it a registration that is repeated is told from
    /// another start.
    pub start: u64,
    /// Up to where its log was durable, as far as that was noted: a log that ends before has forgotten something.
    pub log_end: LogEnd,
    /// Its share in rings, in GiB of capacity.
    pub weight: u32,
    /// Since when it does not serve, in milliseconds since 1970; unset: it serves.
    pub down_since_ms: Option<u64>,
    /// Whether it does not serve because calls to it do not come back.
    pub is_slow: bool,
    /// Whether it takes new shards, while it serves.
    pub writes: WriteState,
    /// How it lost what it held.
    pub emptied: Emptied,
    /// The first version of the map that took it for lost; unset: it serves, or is waited for.
    pub lost_version: Option<u64>,
}

/// A place in the log of a drive: places are ordered as they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogEnd {
    /// The sequence of the log file; rises by one with each.
    pub file: u64,
    /// The place in the file, in bytes.
    pub offset: u64,
}

impl LogEnd {
    /// Before everything.
    pub const START: Self = Self { file: 0, offset: 0 };
}

/// How a drive comes back: what its identity and its log say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriveStart {
    /// How often it was started, this start included.
    pub boots: u64,
    /// The random number it was given when it was formatted.
    pub incarnation: u64,
    /// The random number of this start.
    pub start: u64,
    /// Where its log ended before this start.
    pub log_end: LogEnd,
}

/// How often a drive came back emptied or rolled back: what it had to hold then must be looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Emptied {
    /// How often.
    pub times: u64,
    /// When last, in milliseconds since 1970, by the clock of the meta group's leader: that of the drive's node may be
    /// off by any time. Unset: the leader has not noted it yet.
    pub last_ms: Option<u64>,
    /// The first version of the map that knew it. A blob that was placed by an earlier one may have lost its shard.
    pub version: u64,
}

impl StoredDrive {
    /// A drive that was never started.
    pub const fn new(node: NodeId, weight: u32) -> Self {
        let (writes, emptied) = (WriteState::Writable, Emptied { times: 0, last_ms: None, version: 0 });
        Self {
            node,
            boots: 0,
            incarnation: None,
            start: 0,
            log_end: LogEnd::START,
            weight,
            down_since_ms: None,
            is_slow: false,
            writes,
            emptied,
            lost_version: None,
        }
    }

    /// Its state, as long as nobody asks whether it is lost.
    pub const fn state(&self) -> DriveState {
        match self.down_since_ms {
            Some(_) if self.is_slow => DriveState::SLOW,
            Some(_) => DriveState::DOWN,
            None => DriveState::up(self.writes),
        }
    }

    /// Its state at a time, in milliseconds since 1970: one that does not serve for longer than the grace is lost.
    pub const fn state_at(&self, now_ms: u64, grace_ms: u64) -> DriveState {
        if self.lost_since_ms(now_ms, grace_ms).is_some() { DriveState::LOST } else { self.state() }
    }

    /// Since when it does not serve, if it is lost.
    pub const fn lost_since_ms(&self, now_ms: u64, grace_ms: u64) -> Option<u64> {
        match self.down_since_ms {
            Some(since_ms) if since_ms.saturating_add(grace_ms) <= now_ms => Some(since_ms),
            _ => None,
        }
    }

    /// The version of the map that first knew of the last loss of what it holds; 0: there was none.
    pub fn loss_version(&self) -> u64 {
        self.emptied.version.max(self.lost_version.unwrap_or(0))
    }

    /// Brings it into another state, at a time in milliseconds since 1970; whether that changed it. That a drive is
    /// lost follows from the time alone: there is nothing to keep. Refused: the state that it stays in.
    pub(crate) fn enter(&mut self, next: DriveState, now_ms: u64) -> Result<bool, DriveState> {
        let state = self.state();
        if !state.may_become(next) {
            return Err(state);
        }
        if state == next || next.liveness() == Liveness::Lost {
            return Ok(false);
        }
        self.down_since_ms = if next.is_up() { None } else { self.down_since_ms.or(Some(now_ms)) };
        self.lost_version = self.lost_version.filter(|_| !next.is_up());
        self.is_slow = next.liveness() == Liveness::Slow;
        self.writes = next.writes();
        Ok(true)
    }

    /// Whether a drive that comes back like this forgot what it knew when the map last heard of it: it was formatted
    /// anew, or an older state of it was put back, which counts no more starts than the map or has a shorter log.
    pub fn has_forgotten(&self, back: &DriveStart) -> bool {
        match self.incarnation {
            None => false,
            Some(_) if self.start == back.start => false,
            Some(known) if known != back.incarnation => true,
            // The mutant is the rule of old: the start that the map knows is no older one.
            Some(_) if mutant!(TrustOlderStart) => back.boots < self.boots,
            Some(_) => back.boots <= self.boots || back.log_end < self.log_end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE_MS: u64 = 300;

    #[test]
    fn a_drive_is_down_before_it_is_lost() {
        let mut drive = StoredDrive::new(NodeId(1), 1);
        assert_eq!(drive.enter(DriveState::LOST, 5), Err(DriveState::WRITABLE));
        assert_eq!(drive.enter(DriveState::up(WriteState::Full), 5), Ok(true));
        assert_eq!(drive.enter(DriveState::DOWN, 10), Ok(true));
        assert_eq!(drive.enter(DriveState::DOWN, 20), Ok(false));
        assert_eq!(drive.enter(DriveState::LOST, 20), Ok(false));
        assert_eq!(drive.state_at(309, GRACE_MS), DriveState::DOWN);
        assert_eq!(drive.state_at(310, GRACE_MS), DriveState::LOST);
        assert_eq!(drive.enter(DriveState::up(WriteState::Stopping), 400), Ok(true));
        assert_eq!(drive.state_at(900, GRACE_MS), DriveState::up(WriteState::Stopping));
    }

    #[test]
    fn a_drive_that_hangs_is_slow_and_lost_after_the_grace_until_it_is_back() {
        let mut drive = StoredDrive::new(NodeId(1), 1);
        assert_eq!(drive.enter(DriveState::SLOW, 10), Ok(true));
        assert_eq!(drive.state_at(309, GRACE_MS), DriveState::SLOW);
        assert_eq!(drive.enter(DriveState::DOWN, 100), Ok(true));
        assert_eq!(drive.enter(DriveState::SLOW, 200), Ok(true));
        assert_eq!(drive.state_at(310, GRACE_MS), DriveState::LOST, "it has not served since it first hung");
        assert_eq!(drive.enter(DriveState::WRITABLE, 400), Ok(true));
        assert_eq!((drive.state(), drive.is_slow), (DriveState::WRITABLE, false));
    }

    #[test]
    fn a_drive_has_forgotten_when_it_counts_no_more_its_log_is_shorter_or_it_was_formatted_anew() {
        let never_started = StoredDrive::new(NodeId(1), 1);
        let end = |file, offset| LogEnd { file, offset };
        let back = |boots, incarnation, log_end| DriveStart { boots, incarnation, start: 2, log_end };
        assert!(!never_started.has_forgotten(&back(1, 7, LogEnd::START)));
        let known = StoredDrive { boots: 3, incarnation: Some(7), start: 1, log_end: end(5, 100), ..never_started };
        assert!(!known.has_forgotten(&back(4, 7, end(5, 100))) && !known.has_forgotten(&back(9, 7, end(6, 0))));
        assert!(known.has_forgotten(&back(2, 7, end(5, 100))), "an older start");
        assert!(known.has_forgotten(&back(3, 7, end(5, 100))), "the last start, a second time");
        assert!(known.has_forgotten(&back(4, 8, end(5, 100))), "another incarnation");
        assert!(known.has_forgotten(&back(4, 7, end(5, 99))), "this start from an earlier state");
        assert!(known.has_forgotten(&back(4, 7, end(4, 8_000))), "the same, a file ago");
        let registered = DriveStart { start: 1, ..back(3, 7, LogEnd::START) };
        assert!(!known.has_forgotten(&registered), "its registration is repeated");
    }
}
