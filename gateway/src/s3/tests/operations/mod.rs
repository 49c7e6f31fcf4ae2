//! What single operations do and answer.

mod answers;
mod configuration;
mod control;
mod policies;
mod sharing;
mod uploads;

use super::*;
