//! The server's settings: its bounds and time-outs, with units in their names.

use std::time::Duration;

use couronne_base::fair::Patience;
use couronne_base::network::Network;

use super::progress::Bounds;
use crate::front::limits::pace::LeastRate;

/// What an operator may tune of the server.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Connections at once. When they are used up, a new one takes the place of a silent one, or of a busy one of a
    /// peer that has more; else it is refused.
    pub connections_max: usize,
    /// Connections at once of one peer, whatever is free.
    pub peer_connections_max: usize,
    /// Requests under way at once; more wait for a while, and are then told to slow down.
    pub requests_max: usize,
    /// How long a request waits for its place before the slowest of the holder of most is cut. Milliseconds.
    pub request_cut_ms: u64,
    /// How long a request waits for its place. Milliseconds.
    pub request_wait_ms: u64,
    /// How long a request may take, its body and its answer included. Seconds.
    pub request_time_max_s: u64,
    /// Headers of a request.
    pub headers_max: usize,
    /// Size of a request's head. Bytes.
    pub head_bytes_max: usize,
    /// How long a head may take to arrive; also how long a connection may be idle. Milliseconds.
    pub head_timeout_ms: u64,
    /// How long a TLS handshake may take. Milliseconds.
    pub handshake_timeout_ms: u64,
    /// How long a client may take nothing of an answer. Milliseconds.
    pub send_stall_ms: u64,
    /// The rate at which a client takes an answer that waits for it, at least. Bytes a second.
    pub bytes_per_s_min: u64,
    /// Over how much time of waiting that rate is taken. Milliseconds.
    pub rate_over_ms: u64,
    /// Requests at once on one HTTP/2 connection.
    pub h2_streams_max: u32,
    /// Memory of large reads: of bytes that come faster than they are taken. Where there is none left, connections are
    /// read in small pieces. Bytes.
    pub receive_buffer_bytes_max: u64,
    /// The networks of proxies that are trusted to name their clients (`X-Forwarded-For`, `X-Forwarded-Proto`).
    pub trusted_proxies: Vec<Network>,
    /// How long requests under way may take after a shutdown began. Milliseconds.
    pub shutdown_grace_ms: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            peer_connections_max: usize::MAX,
            requests_max: 2_048,
            request_cut_ms: 500,
            request_wait_ms: 5_000,
            request_time_max_s: 6 * 3600,
            headers_max: 200,
            head_bytes_max: 32 << 10,
            head_timeout_ms: 60_000,
            handshake_timeout_ms: 10_000,
            send_stall_ms: 60_000,
            bytes_per_s_min: 1 << 10,
            rate_over_ms: 60_000,
            h2_streams_max: 128,
            receive_buffer_bytes_max: 64 << 20,
            trusted_proxies: Vec::new(),
            shutdown_grace_ms: 30_000,
        }
    }
}

impl ServerSettings {
    /// How long requests wait for their places.
    pub(super) const fn request_patience(&self) -> Patience {
        Patience {
            cut_after: Duration::from_millis(self.request_cut_ms),
            cuts_own: true,
            give_up_after: Duration::from_millis(self.request_wait_ms),
        }
    }

    /// How long a client may take for an answer.
    pub(super) const fn send_bounds(&self) -> Bounds {
        let over = Duration::from_millis(self.rate_over_ms);
        let least = LeastRate { bytes_per_s: self.bytes_per_s_min, over };
        Bounds { stall: Duration::from_millis(self.send_stall_ms), least }
    }
}

#[cfg(test)]
mod tests {
    use couronne_metadata::evaluate::COMMIT_AGE_MS_MAX;

    use super::*;

    /// A blob is born after its request began, and committed before the request ends.
    #[test]
    fn no_request_takes_longer_than_its_blob_may_be_committed() {
        assert!(ServerSettings::default().request_time_max_s * 1000 < COMMIT_AGE_MS_MAX);
    }
}
