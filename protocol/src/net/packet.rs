//! Packets: what a connection carries, after a greeting that agrees on a version of them.
//!
//! ```text
//! greeting = "couronne" (8) ‖ oldest version spoken (2) ‖ newest version spoken (2)
//! packet   = kind (1) ‖ code (1) ‖ zero (2) ‖ call (8) ‖ head length (4) ‖ body length (4)
//!            ‖ head ‖ body                                     numbers are big-endian
//! kind     = 1 request (code: the method) | 2 answer | 3 rejection (code: why) | 4 ping | 5 pong
//! ```
//! Both sides greet first and speak the newest version that both know. The call's number is the
//! asker's own; a ping's comes back in its pong.
//! Promises: lengths are checked before anything is allocated for them.
//! Must not know: what heads and bodies mean.

use thiserror::Error;

use crate::transport::{BODY_BYTES_MAX, HEAD_BYTES_MAX, Rejection};

/// The versions of packets that are spoken here.
pub(super) const VERSIONS: Versions = Versions { oldest: 1, newest: 1 };

/// Bytes of a greeting.
pub(super) const GREETING_BYTES: usize = 12;

/// Bytes of a packet before its head.
pub(super) const PACKET_HEAD_BYTES: usize = 20;

const MAGIC: [u8; 8] = *b"couronne";

/// A peer does not keep to the protocol; the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the peer does not keep to the protocol: {0}")]
pub(super) struct Violation(pub(super) &'static str);

/// From which to which version of packets a side speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) oldest: u16,
    pub(super) newest: u16,
}

impl Versions {
    /// The greeting that names these versions.
    pub(super) fn greeting(self) -> [u8; GREETING_BYTES] {
        let ([m0, m1, m2, m3, m4, m5, m6, m7], [o0, o1]) = (MAGIC, self.oldest.to_be_bytes());
        let [n0, n1] = self.newest.to_be_bytes();
        [m0, m1, m2, m3, m4, m5, m6, m7, o0, o1, n0, n1]
    }

    /// The version to speak with the peer that sent this greeting.
    pub(super) fn agree(self, greeting: [u8; GREETING_BYTES]) -> Result<u16, Violation> {
        let [m0, m1, m2, m3, m4, m5, m6, m7, o0, o1, n0, n1] = greeting;
        if [m0, m1, m2, m3, m4, m5, m6, m7] != MAGIC {
            return Err(Violation("no greeting"));
        }
        let theirs = Self { oldest: u16::from_be_bytes([o0, o1]), newest: u16::from_be_bytes([n0, n1]) };
        let version = self.newest.min(theirs.newest);
        if version < self.oldest || version < theirs.oldest {
            return Err(Violation("no common version"));
        }
        Ok(version)
    }
}

/// The kind of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PacketKind {
    /// A question, with its method's number: one that is not known here is rejected, not a violation.
    Request(u8),
    /// An answer.
    Answer,
    /// No answer.
    Rejection(Rejection),
    /// Are you there?
    Ping,
    /// I am.
    Pong,
}

/// The first bytes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PacketHead {
    pub(super) kind: PacketKind,
    /// The call's number.
    pub(super) call: u64,
    /// Length of the head. Bytes.
    pub(super) head_len: u32,
    /// Length of the body. Bytes.
    pub(super) body_len: u32,
}

impl PacketHead {
    pub(super) fn encode(&self) -> [u8; PACKET_HEAD_BYTES] {
        let (kind, code) = match self.kind {
            PacketKind::Request(method) => (1, method),
            PacketKind::Answer => (2, 0),
            PacketKind::Rejection(why) => (3, rejection_number(why)),
            PacketKind::Ping => (4, 0),
            PacketKind::Pong => (5, 0),
        };
        let [c0, c1, c2, c3, c4, c5, c6, c7] = self.call.to_be_bytes();
        let ([h0, h1, h2, h3], [b0, b1, b2, b3]) = (self.head_len.to_be_bytes(), self.body_len.to_be_bytes());
        [kind, code, 0, 0, c0, c1, c2, c3, c4, c5, c6, c7, h0, h1, h2, h3, b0, b1, b2, b3]
    }

    pub(super) fn decode(bytes: [u8; PACKET_HEAD_BYTES]) -> Result<Self, Violation> {
        let [kind, code, _, _, c0, c1, c2, c3, c4, c5, c6, c7, h0, h1, h2, h3, b0, b1, b2, b3] = bytes;
        let kind = match kind {
            1 => PacketKind::Request(code),
            2 => PacketKind::Answer,
            3 => PacketKind::Rejection(rejection(code)),
            4 => PacketKind::Ping,
            5 => PacketKind::Pong,
            _ => return Err(Violation("unknown kind of packet")),
        };
        let head_len = u32::from_be_bytes([h0, h1, h2, h3]);
        let body_len = u32::from_be_bytes([b0, b1, b2, b3]);
        let (head_max, body_max) = match kind {
            PacketKind::Request(_) | PacketKind::Answer => (HEAD_BYTES_MAX, BODY_BYTES_MAX),
            PacketKind::Rejection(_) | PacketKind::Ping | PacketKind::Pong => (0, 0),
        };
        if head_len as usize > head_max || body_len as usize > body_max {
            return Err(Violation("packet too long"));
        }
        Ok(Self { kind, call: u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]), head_len, body_len })
    }

    /// Length of head and body together. Bytes.
    pub(super) const fn message_len(&self) -> usize {
        self.head_len as usize + self.body_len as usize
    }
}

const fn rejection_number(rejection: Rejection) -> u8 {
    match rejection {
        Rejection::Malformed => 1,
        Rejection::Forbidden => 2,
        Rejection::Overloaded => 3,
        Rejection::NotServing => 4,
    }
}

/// A number that is not known here is a newer peer's; all of them say that nothing was done.
const fn rejection(number: u8) -> Rejection {
    match number {
        2 => Rejection::Forbidden,
        3 => Rejection::Overloaded,
        4 => Rejection::NotServing,
        _ => Rejection::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packets_are_laid_out_as_fixed() {
        let head =
            PacketHead { kind: PacketKind::Request(10), call: 0x0102_0304_0506_0708, head_len: 256, body_len: 1 << 20 };
        let bytes = [1, 10, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 1, 0, 0, 0x10, 0, 0];
        assert_eq!(head.encode(), bytes);
        assert_eq!(PacketHead::decode(bytes), Ok(head));
        assert_eq!(&VERSIONS.greeting(), b"couronne\0\x01\0\x01");
    }

    #[test]
    fn all_kinds_come_back() {
        let rejections = [Rejection::Malformed, Rejection::Forbidden, Rejection::Overloaded, Rejection::NotServing];
        let kinds = [PacketKind::Request(255), PacketKind::Answer, PacketKind::Ping, PacketKind::Pong];
        for kind in kinds.into_iter().chain(rejections.map(PacketKind::Rejection)) {
            let head = PacketHead { kind, call: 9, head_len: 0, body_len: 0 };
            assert_eq!(PacketHead::decode(head.encode()), Ok(head));
        }
    }

    #[test]
    fn neighbours_in_time_agree_on_a_version() {
        let speaks = |oldest, newest| Versions { oldest, newest };
        assert_eq!(speaks(1, 2).agree(speaks(1, 1).greeting()), Ok(1));
        assert_eq!(speaks(1, 1).agree(speaks(1, 2).greeting()), Ok(1));
        assert_eq!(speaks(1, 2).agree(speaks(2, 3).greeting()), Ok(2));
        assert!(speaks(1, 1).agree(speaks(2, 3).greeting()).is_err());
        assert!(speaks(2, 3).agree(speaks(1, 1).greeting()).is_err());
        assert!(speaks(1, 1).agree(*b"GET / HTTP/1").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_packet_within_bounds_or_a_violation(bytes: [u8; PACKET_HEAD_BYTES]) {
            if let Ok(head) = PacketHead::decode(bytes) {
                prop_assert!(head.head_len as usize <= HEAD_BYTES_MAX && head.body_len as usize <= BODY_BYTES_MAX);
            }
        }
    }
}
