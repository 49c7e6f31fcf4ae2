//! The certificate authority: that of the founding, and another one in its place while everything runs.
//!
//! Promises: at most two authorities are believed. Must not know: keys, how members renew their certificates.

mod begin;
mod follow;
mod reset;

pub use begin::{begin_rotation, keep_authority};
pub(super) use follow::follow_certificates;
pub use follow::{AuthorityStep, awaited_members};
pub use reset::{reset_number, reset_trust};
