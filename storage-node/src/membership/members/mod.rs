//! Which processes are members: how one joins, and how one is expelled.
//!
//! Must not know: what members do.

mod challenges;
mod expelling;
mod joining;
mod tokens;

pub(super) use challenges::Challenges;
pub use tokens::{TOKEN_JOINS_MAX, TOKEN_LIFETIME_MAX, TokenPlan, TokenRow};
