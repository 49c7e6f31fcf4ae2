//! What an operator may tune of the transport.

use std::time::Duration;

/// Bounds and times of connections between processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetSettings {
    /// Connections to one peer for bulk data.
    pub data_connections: usize,
    /// How long opening a connection may take: TCP, TLS and greeting together. Milliseconds.
    pub connect_timeout_ms: u64,
    /// How long after a failure calls fail at once. Milliseconds.
    pub backoff_ms: u64,
    /// The same for votes and reports. Milliseconds.
    pub backoff_control_ms: u64,
    /// The longest that the time after a failure grows to, where failures follow each other. Milliseconds.
    pub backoff_ms_max: u64,
    /// A peer that owes something and was silent for so long is asked whether it lives. Milliseconds.
    pub ping_after_ms: u64,
    /// The same for a peer that owes nothing. Milliseconds.
    pub ping_idle_ms: u64,
    /// A peer that is silent for so long after it was asked is given up. Milliseconds.
    pub silence_ms_max: u64,
    /// Calls under way on one connection, on either side.
    pub calls_max: usize,
    /// Bytes of the calls under way on one connection, on either side.
    pub call_bytes_max: usize,
    /// Calls of members that a process answers at once.
    pub served_max: usize,
    /// Bytes of the calls of members that a process answers at once.
    pub served_bytes_max: usize,
    /// Calls beside those, of storage nodes alone, that are urgent or of logs: they find room whatever gateways do.
    pub reserved_max: usize,
    /// Bytes of those.
    pub reserved_bytes_max: usize,
    /// Connections of members that a process serves.
    pub connections_max: usize,
    /// Connections of one member. It needs one for each class of traffic and the bulk ones, twice while they are opened
    /// anew; those of a process that died without a word end within seconds.
    pub member_connections_max: usize,
    /// Connections beside those whose handshake is not over; a new one takes the place of the oldest.
    pub handshakes_max: usize,
    /// Connections of unjoined processes beside those; a new one takes the place of the oldest.
    pub unjoined_max: usize,
    /// How long the connection of an unjoined process may last. Milliseconds.
    pub unjoined_ms_max: u64,
    /// How long a handshake may take that another process began. Milliseconds.
    pub handshake_timeout_ms: u64,
    /// How long calls under way may take after the stop began. Milliseconds.
    pub drain_ms_max: u64,
    /// Records of TLS that are sealed with one key; AES-GCM is safe for 2^24.5 of them (RFC 8446, section 5.5).
    pub records_a_key_max: u64,
}

impl Default for NetSettings {
    fn default() -> Self {
        Self {
            data_connections: 4,
            connect_timeout_ms: 1000,
            backoff_ms: 200,
            backoff_control_ms: 50,
            backoff_ms_max: 2000,
            ping_after_ms: 1000,
            ping_idle_ms: 15_000,
            silence_ms_max: 3000,
            calls_max: 1024,
            call_bytes_max: 96 << 20,
            served_max: 8192,
            served_bytes_max: 384 << 20,
            reserved_max: 4096,
            reserved_bytes_max: 128 << 20,
            connections_max: 4096,
            member_connections_max: 64,
            handshakes_max: 256,
            unjoined_max: 16,
            unjoined_ms_max: 10_000,
            handshake_timeout_ms: 5000,
            drain_ms_max: 10_000,
            records_a_key_max: 1 << 24,
        }
    }
}

impl NetSettings {
    pub(super) const fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(super) const fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }
}
