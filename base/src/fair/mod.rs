//! Fair shares of a pool: memory, connections, requests under way.
//!
//! A pool has a capacity and *holders*, each a path of names (an account, one of its buckets, a link to it and a peer that
//! has the link). What asks for a share is a *claim* of a holder. A holder that is alone may use all of the pool. When the
//! pool is short, what comes back goes to the holder that holds least, and what its client keeps from coming back is
//! taken from the holder that holds most, the slowest claim first: max-min fairness, at every level of the path.
//!
//! Promises: claims that are half filled never wait for each other; a claim is cut only while another waits; no lock is
//! held while anybody waits. Must not know: what is shared, and who the holders are.

mod cut;
mod holder;
mod lent;
mod on_behalf;
mod pool;
mod shares;
#[cfg(test)]
mod tests;
mod tree;

pub use cut::Cut;
pub use holder::{Holder, LEVELS};
pub use lent::lend;
pub use on_behalf::OnBehalf;
pub use pool::{Claim, Patience, Pool, Short};
