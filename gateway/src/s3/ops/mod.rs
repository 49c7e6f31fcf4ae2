//! The S3 operations: one file each, in folders by what they are about.
//!
//! Every file's head says what the operation promises, its steps in order, the rows and chunks it
//! writes, where it may be acknowledged, and what cleans up after a crash between two steps.
//! Must not know: signatures, how anything is stored.

pub mod access;
pub mod acl;
pub mod attributes;
pub mod bucket;
pub mod configuration;
pub mod control;
pub mod copying;
pub mod listing;
mod location;
pub mod lock;
pub mod multipart;
pub mod object;
mod of_version;
pub mod owner;
pub mod reading;
