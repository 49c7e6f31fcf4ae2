//! Messages between processes over TLS 1.3 and TCP.
//!
//! Each side proves its identity by a certificate of the cluster's own authority; one that has none yet
//! is unjoined and may only ask to join. A connection carries many calls at once in packets of our
//! own; a peer has a few connections, so that what is urgent does not wait behind bulk.
//! Promises: sizes, calls, bytes, connections and times are bounded on both sides; a peer that falls
//! silent is noticed; nothing a peer sends leads to a panic or to memory beyond the bounds.
//! Must not know: what messages mean.

pub mod certificates;
mod client;
mod link;
mod name;
mod packet;
mod server;
mod settings;
mod tls;

pub use client::{Addresses, NetTransport, ask_once};
pub use name::Name;
pub use server::serve;
pub use settings::NetSettings;
pub use tls::{Joiner, Members, Tls, Trust};
