//! The words for the state of a drive.

use serde::{Deserialize, Serialize};

/// The state of a drive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DriveState {
    /// The drive takes new shards and rows.
    #[default]
    Writable,
    /// The drive has no space for new shards and rows; what it holds is read.
    Full,
    /// Its node is about to stop.
    Stopping,
    /// The drive came back emptied, and repair is not done.
    Refilling,
    /// Calls to the drive do not come back in time: it is left out as one that is down, until they do.
    Slow,
    /// The drive does not serve, and is waited for.
    Down,
    /// The drive does not serve for longer than the grace: what it held is rebuilt elsewhere.
    Lost,
}

impl DriveState {
    /// Its word, as JSON and screens have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Writable => "writable",
            Self::Full => "full",
            Self::Stopping => "stopping",
            Self::Refilling => "refilling",
            Self::Slow => "slow",
            Self::Down => "down",
            Self::Lost => "lost",
        }
    }
}
