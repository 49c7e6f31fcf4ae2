//! What became of an order.

use serde::{Deserialize, Serialize};

/// An order was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Done {
    /// What was done, for a person.
    pub message: String,
}

/// The clock was confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClockConfirmation {
    /// Why duties were halted until then; unset: they were not.
    pub halted: Option<String>,
}
