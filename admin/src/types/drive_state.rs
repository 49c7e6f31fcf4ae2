//! The words for how a drive is.

use serde::{Deserialize, Serialize};

/// How a drive is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DriveState {
    /// It takes new shards and rows.
    #[default]
    Writable,
    /// It has no space for new shards and rows; what it holds is read.
    Full,
    /// Its node is about to stop.
    Stopping,
    /// It came back emptied, and repair is not done.
    Refilling,
    /// It does not serve, and is waited for.
    Down,
    /// It does not serve for longer than the grace: what it held is rebuilt elsewhere.
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
            Self::Down => "down",
            Self::Lost => "lost",
        }
    }
}
