//! What the front knows of a request: as it came, and how it ended.
//!
//! Must not know: events.

use std::net::{IpAddr, SocketAddr};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct ArrivedRequest {
    /// Its id, as its answer has it.
    pub id: Box<str>,
    /// When it came; microseconds since 1970.
    pub received_us: u64,
    /// The address that it came from.
    pub peer: SocketAddr,
    /// The client's address, as a trusted proxy names it; `None` if that proxy names none.
    pub client: Option<IpAddr>,
    /// Whether it came over TLS.
    pub is_secure: bool,
    /// The header of this name.
    pub user_agent: Option<Box<str>>,
    /// Its method.
    pub method: Box<str>,
    /// Its path as it was sent, without the query.
    pub path: Box<str>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub struct RequestEnd {
    /// How long it took, its answer included. Microseconds.
    pub took_us: u64,
    /// The status of its answer; `None`: its client was gone before there was one.
    pub status: Option<u16>,
    /// The name of its error.
    pub code: Option<&'static str>,
    /// Its answer could not be sent whole.
    pub broke_off: bool,
    /// Bytes of its body, as framed.
    pub received_bytes: u64,
    /// Bytes of the answer's body.
    pub sent_bytes: u64,
}
