//! The one client for everything that leaves the cluster: what tenants have the cluster fetch or send, by HTTP.
//!
//! Tenants choose where it goes, so the client goes nowhere that a tenant could not reach alone. A name is resolved once,
//! every address that it has is judged ([`Reach`]), and the client connects to one of those addresses and to nothing else:
//! a name that means something else a moment later changes nothing. No redirect is followed and no proxy is asked.
//!
//! Promises: no byte is sent to an address that [`Reach`] refuses; a request ends within its time, takes no more memory than
//! its bound, and none of the tenants keeps the others from theirs.
//! Must not know: what is fetched and sent, and for what.

mod client;
mod connect;
mod error;
mod reach;
mod resolve;
mod target;
#[cfg(test)]
mod tests;

pub use client::{Outbound, OutboundSettings};
pub use error::{OutboundError, UrlFault};
pub use reach::{Reach, Refused};
pub use resolve::{Resolve, SystemResolver};
