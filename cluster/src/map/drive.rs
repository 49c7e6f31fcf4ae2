//! A drive, as the map keeps it.
//!
//! Promises: its state changes only as the tables of [`DriveState`] allow. Must not know: rings, reports.

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
    /// Its share in rings, in GiB of capacity.
    pub weight: u32,
    /// Since when it does not serve, in milliseconds since 1970; unset: it serves.
    pub down_since_ms: Option<u64>,
    /// Whether it takes new shards, while it serves.
    pub writes: WriteState,
    /// How it lost what it held.
    pub emptied: Emptied,
}

/// How often a drive came back emptied or rolled back: what it had to hold then must be looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Emptied {
    /// How often.
    pub times: u64,
    /// When last, in milliseconds since 1970.
    pub last_ms: u64,
}

impl StoredDrive {
    /// A drive that was never started.
    pub const fn new(node: NodeId, weight: u32) -> Self {
        let (writes, emptied) = (WriteState::Writable, Emptied { times: 0, last_ms: 0 });
        Self { node, boots: 0, incarnation: None, weight, down_since_ms: None, writes, emptied }
    }

    /// Its state, as long as nobody asks whether it is lost.
    pub const fn state(&self) -> DriveState {
        match self.down_since_ms {
            Some(_) => DriveState::DOWN,
            None => DriveState::up(self.writes),
        }
    }

    /// Its state at a time, in milliseconds since 1970: one that is down for longer than the grace is lost.
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
        self.down_since_ms = if next.is_up() { None } else { Some(now_ms) };
        self.writes = next.writes();
        Ok(true)
    }

    /// Whether a drive that comes back with this count of starts and this incarnation forgot what it knew when the
    /// map last heard of it.
    pub fn has_forgotten(&self, boots: u64, incarnation: u64) -> bool {
        self.incarnation.is_some_and(|known| known != incarnation) || boots < self.boots
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
    fn a_drive_has_forgotten_when_it_counts_less_or_was_formatted_anew() {
        let never_started = StoredDrive::new(NodeId(1), 1);
        assert!(!never_started.has_forgotten(0, 7));
        let known = StoredDrive { boots: 3, incarnation: Some(7), ..never_started };
        assert!(!known.has_forgotten(3, 7) && !known.has_forgotten(4, 7));
        assert!(known.has_forgotten(2, 7) && known.has_forgotten(4, 8));
    }
}
