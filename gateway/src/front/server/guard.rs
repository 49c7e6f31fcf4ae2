//! A look at the heads of HTTP/1 requests before hyper parses them, for the one thing hyper does not
//! tell: that a request has both Content-Length and Transfer-Encoding.
//!
//! hyper drops the length and goes on, as RFC 9112 allows. What stands before us may have gone by the
//! length; so such a request is refused, and the connection closed.
//!
//! Promises: reads heads only, skips bodies by their length, keeps a few bytes; never changes what passes.
//! A request with Transfer-Encoding is the last of its connection, so nothing behind it is looked at.
//! Must not know: anything else of HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Longer than any name or number that matters here.
const LINE_BYTES_KEPT: usize = 64;

/// Set once a request of the connection had both headers; never cleared.
#[derive(Clone, Default)]
pub(super) struct Conflict(Arc<AtomicBool>);

impl Conflict {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Follows the bytes that a client sends.
pub(super) struct Guard {
    conflict: Conflict,
    state: GuardState,
    line: Vec<u8>,
}

enum GuardState {
    /// In a head: whether its first line has passed, and what it has said so far.
    Head { begun: bool, length: Option<u64>, encoded: bool },
    /// In a body.
    Body { left: u64 },
    /// Behind the last head of interest.
    Done,
}

const HEAD: GuardState = GuardState::Head { begun: false, length: None, encoded: false };

impl Guard {
    pub(super) const fn new(conflict: Conflict) -> Self {
        Self { conflict, state: HEAD, line: Vec::new() }
    }

    /// The client sent these bytes next.
    pub(super) fn observe(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.state {
                GuardState::Done => return,
                GuardState::Body { left } => {
                    let skip = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    *left = left.saturating_sub(skip as u64);
                    bytes = bytes.get(skip..).unwrap_or_default();
                    if *left == 0 {
                        self.state = HEAD;
                    }
                }
                GuardState::Head { .. } => bytes = self.head(bytes),
            }
        }
    }

    /// Takes one line, or what there is of it; returns what follows.
    fn head<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        let room = LINE_BYTES_KEPT.saturating_sub(self.line.len());
        self.line.extend(line.iter().take(room));
        if end.is_none() {
            return rest;
        }
        let line = std::mem::take(&mut self.line);
        self.state = self.end_of_line(line.trim_ascii_end());
        rest.get(1..).unwrap_or_default()
    }

    fn end_of_line(&self, line: &[u8]) -> GuardState {
        let GuardState::Head { begun, mut length, mut encoded } = self.state else { return GuardState::Done };
        if line.is_empty() {
            return match (begun, encoded, length) {
                (true, true, _) => GuardState::Done,
                (true, false, Some(left)) if left > 0 => GuardState::Body { left },
                (true | false, ..) => HEAD,
            };
        }
        if let Some(value) = header(line, b"content-length:") {
            let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
            // hyper refuses what is not a number, and closes.
            let Some(number) = number else { return GuardState::Done };
            length = Some(number);
        }
        encoded |= header(line, b"transfer-encoding:").is_some();
        if encoded && length.is_some() {
            self.conflict.0.store(true, Ordering::Release);
        }
        GuardState::Head { begun: true, length, encoded }
    }
}

fn header<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (head, value) = line.split_at_checked(name.len())?;
    head.eq_ignore_ascii_case(name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn conflicts(sent: &[u8], piece: usize) -> bool {
        let conflict = Conflict::default();
        let mut guard = Guard::new(conflict.clone());
        for piece in sent.chunks(piece) {
            guard.observe(piece);
        }
        conflict.is_set()
    }

    fn check(sent: &str, expected: bool) {
        for piece in [1, 2, 5, 1000] {
            assert_eq!(conflicts(sent.as_bytes(), piece), expected, "{sent:?}");
        }
    }

    #[test]
    fn both_headers_in_one_head_are_seen() {
        check("PUT / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", true);
        check("PUT / HTTP/1.1\r\ntransfer-encoding:chunked\r\nHost: x\r\nCONTENT-LENGTH:3\r\n\r\n", true);
        check(
            "PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPUT / HTTP/1.1\nContent-Length: 0\nTransfer-Encoding: x\n\n",
            true,
        );
        check("\r\nGET / HTTP/1.1\r\n\r\nPUT / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: x\r\n\r\n", true);
    }

    #[test]
    fn one_of_them_or_words_in_a_body_are_not() {
        check(
            "PUT / HTTP/1.1\r\nContent-Length: 29\r\n\r\nTransfer-Encoding: chunked\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            false,
        );
        check("PUT / HTTP/1.1\r\nContent-Length: 0\r\n\r\nPUT / HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n", false);
        check("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nContent-Length: 4\r\n", false);
        check("PUT / HTTP/1.1\r\nX-Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", false);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(sent in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
            conflicts(&sent, piece);
        }
    }
}
