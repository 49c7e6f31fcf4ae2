//! What single operations do and answer.

mod answers;
mod configuration;
mod uploads;

use super::*;
