//! Which processes are members: how one joins, how one is expelled, and what the cluster keeps for that, sealed.
//!
//! Must not know: what members do.

mod authority;
mod challenges;
mod cluster_keys;
mod expelling;
mod joining;
mod key_change;
mod sealed_rows;
mod tokens;

pub(super) use challenges::Challenges;
pub use cluster_keys::{ClusterKey, ClusterKeys, KeepClusterKeys};
pub(super) use key_change::{KeyRounds, MadeKey};
pub use tokens::{TOKEN_JOINS_MAX, TOKEN_LIFETIME_MAX, TokenPlan, TokenRow};
