//! How a drive is: two axes, each with one table of what may follow what. Operators are shown the same words.
//!
//! *Liveness* says whether the drive answers, *writes* whether one that answers takes new shards. A drive that does
//! not answer has no writes to speak of: their state begins anew when it is back.
//! A drive is slow if its node says that calls to it do not come back; beside that each gateway avoids those that it
//! finds late itself.
//! Promises: a state that the tables do not allow to follow is never entered. Must not know: time-outs, reports.

use std::fmt;

/// Whether a drive answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// The drive answers.
    Up,
    /// Calls to the drive do not come back in time, or did not a moment ago: others are asked before it, and a shard
    /// meant for it may be left out.
    Slow,
    /// The drive does not answer, and is waited for: a shard meant for it may be left out.
    Down,
    /// The drive has not answered for longer than the grace: its shards are rebuilt elsewhere.
    Lost,
}

/// Whether a drive that answers takes new shards. It serves what it holds in each of these states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WriteState {
    /// The drive takes new shards.
    #[default]
    Writable,
    /// The drive has no space for new shards.
    Full,
    /// Its node is about to stop for a while, or must not lead: its clock is wrong.
    Stopping,
}

impl Liveness {
    /// What may follow what.
    const TRANSITIONS: [(Self, Self); 9] = [
        // Its node said that its calls hang, or that they come back again.
        (Self::Up, Self::Slow),
        (Self::Slow, Self::Up),
        (Self::Slow, Self::Down),
        (Self::Down, Self::Slow),
        (Self::Slow, Self::Lost),
        // Its node was not heard of, or said that the drive failed.
        (Self::Up, Self::Down),
        // The grace is over.
        (Self::Down, Self::Lost),
        // Its node says that it serves, be it emptied.
        (Self::Down, Self::Up),
        (Self::Lost, Self::Up),
    ];

    /// Whether this may follow, or be the same.
    pub fn may_become(self, next: Self) -> bool {
        self == next || Self::TRANSITIONS.contains(&(self, next))
    }
}

impl WriteState {
    /// What may follow what.
    const TRANSITIONS: [(Self, Self); 6] = [
        // Space ran out, or was won back.
        (Self::Writable, Self::Full),
        (Self::Full, Self::Writable),
        // Its node stops, whatever space there is.
        (Self::Writable, Self::Stopping),
        (Self::Full, Self::Stopping),
        // Its node did not stop after all, was started again at once, or its clock is right again.
        (Self::Stopping, Self::Writable),
        (Self::Stopping, Self::Full),
    ];

    /// Whether this may follow, or be the same.
    pub fn may_become(self, next: Self) -> bool {
        self == next || Self::TRANSITIONS.contains(&(self, next))
    }
}

/// How a drive is. One that is not up has no state of writes other than the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DriveState {
    liveness: Liveness,
    writes: WriteState,
}

impl DriveState {
    /// It answers and takes new shards.
    pub const WRITABLE: Self = Self::up(WriteState::Writable);

    /// A drive that does not answer.
    pub const DOWN: Self = Self { liveness: Liveness::Down, writes: WriteState::Writable };

    /// A drive whose calls do not come back.
    pub const SLOW: Self = Self { liveness: Liveness::Slow, writes: WriteState::Writable };

    /// A drive that has not answered for longer than the grace.
    pub const LOST: Self = Self { liveness: Liveness::Lost, writes: WriteState::Writable };

    /// A drive that answers.
    pub const fn up(writes: WriteState) -> Self {
        Self { liveness: Liveness::Up, writes }
    }

    /// Whether it answers.
    pub const fn liveness(self) -> Liveness {
        self.liveness
    }

    /// Whether it takes new shards, while it answers.
    pub const fn writes(self) -> WriteState {
        self.writes
    }

    /// Whether it serves what it holds.
    pub const fn is_up(self) -> bool {
        matches!(self.liveness, Liveness::Up)
    }

    /// Whether it may answer, in time or not.
    pub const fn answers(self) -> bool {
        matches!(self.liveness, Liveness::Up | Liveness::Slow)
    }

    /// Whether it is the place for a new shard, and for leadership.
    pub const fn is_writable(self) -> bool {
        self.is_up() && matches!(self.writes, WriteState::Writable)
    }

    /// Whether this may follow, or be the same, by the tables of both axes.
    pub fn may_become(self, next: Self) -> bool {
        let keeps_up = self.is_up() && next.is_up();
        self.liveness.may_become(next.liveness) && (!keeps_up || self.writes.may_become(next.writes))
    }

    /// The one word for it.
    pub const fn word(self) -> &'static str {
        match (self.liveness, self.writes) {
            (Liveness::Lost, _) => "lost",
            (Liveness::Down, _) => "down",
            (Liveness::Slow, _) => "slow",
            (Liveness::Up, WriteState::Writable) => "writable",
            (Liveness::Up, WriteState::Full) => "full",
            (Liveness::Up, WriteState::Stopping) => "stopping",
        }
    }
}

impl fmt::Display for DriveState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_is_waited_for_before_it_is_lost() {
        assert!(!DriveState::WRITABLE.may_become(DriveState::LOST));
        assert!(!DriveState::LOST.may_become(DriveState::DOWN));
        assert!(DriveState::DOWN.may_become(DriveState::LOST));
        for hangs in [DriveState::WRITABLE, DriveState::DOWN] {
            assert!(hangs.may_become(DriveState::SLOW) && DriveState::SLOW.may_become(hangs));
        }
        assert!(DriveState::SLOW.may_become(DriveState::LOST) && !DriveState::LOST.may_become(DriveState::SLOW));
        for back in [WriteState::Writable, WriteState::Full, WriteState::Stopping] {
            assert!(DriveState::DOWN.may_become(DriveState::up(back)));
            assert!(DriveState::LOST.may_become(DriveState::up(back)));
            assert!(DriveState::up(back).may_become(DriveState::DOWN));
            assert!(DriveState::up(WriteState::Full).may_become(DriveState::up(back)));
        }
    }
}
