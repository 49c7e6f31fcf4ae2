//! A look at the heads of HTTP/1 requests before hyper parses them, for what hyper does not tell: that a request has
//! both Content-Length and Transfer-Encoding, or a `#` in its target.
//!
//! hyper drops the length and goes on, as RFC 9112 allows, and drops what follows the `#`. What stands before us may
//! have gone by the length, or by the whole target; so such a request is refused, and the connection closed. Over
//! HTTP/2, where a target's `#` is dropped likewise, nothing shows it to us.
//!
//! Promises: reads heads only, skips bodies by their length, keeps a few bytes however long a line is; never changes
//! what passes. The two names are enough: however their values are padded, repeated or malformed, both in one head are
//! a conflict. A request with Transfer-Encoding is the last of its connection, so nothing behind it is looked at.
//! Must not know: anything else of HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::front::error::Rejection;

const LENGTH: &[u8] = b"content-length";
const ENCODING: &[u8] = b"transfer-encoding";
/// One more than the longer of the two names, so that a longer name is told from them.
const NAME_BYTES_KEPT: usize = ENCODING.len() + 1;

/// What was wrong with a request of the connection; never cleared.
#[derive(Clone, Default)]
pub(super) struct Flaws(Arc<Noted>);

#[derive(Default)]
struct Noted {
    framed_twice: AtomicBool,
    fragment: AtomicBool,
}

impl Flaws {
    /// Why no request of the connection is served any more.
    pub(super) fn rejection(&self) -> Option<Rejection> {
        let Noted { framed_twice, fragment } = &*self.0;
        if framed_twice.load(Ordering::Acquire) {
            return Some(Rejection::FramedTwice);
        }
        fragment.load(Ordering::Acquire).then_some(Rejection::MalformedTarget)
    }
}

/// Follows the bytes that a client sends.
pub(super) struct Guard {
    flaws: Flaws,
    state: GuardState,
    head: Head,
    line: Line,
}

#[derive(Clone, Copy)]
enum GuardState {
    Head,
    Body {
        left: u64,
    },
    /// Behind the last head of interest.
    Done,
}

/// What a head has said so far.
#[derive(Default)]
struct Head {
    /// Whether its first line has passed.
    begun: bool,
    length: Option<Length>,
    encoded: bool,
}

/// What a line has said so far.
#[derive(Default)]
struct Line {
    /// Whether there is more in it than its end.
    text: bool,
    name: Vec<u8>,
    /// Whether the colon has passed.
    named: bool,
    length: Length,
}

/// The value of a Content-Length, digit by digit.
#[derive(Clone, Copy, Default)]
enum Length {
    /// White space so far, if anything.
    #[default]
    Before,
    /// Digits so far.
    Digits(u64),
    /// Digits, then white space.
    After(u64),
    /// No number: hyper refuses it, and closes, unless it has dropped it before reading it.
    Malformed,
}

impl Length {
    const fn push(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Before, b' ' | b'\t' | b'\r') => Self::Before,
            (Self::Digits(number) | Self::After(number), b' ' | b'\t' | b'\r') => Self::After(number),
            (Self::Before, b'0'..=b'9') => Self::Digits((byte - b'0') as u64),
            (Self::Digits(number), b'0'..=b'9') => match number.checked_mul(10) {
                Some(tens) => match tens.checked_add((byte - b'0') as u64) {
                    Some(number) => Self::Digits(number),
                    None => Self::Malformed,
                },
                None => Self::Malformed,
            },
            _ => Self::Malformed,
        }
    }
}

impl Guard {
    pub(super) fn new(flaws: Flaws) -> Self {
        Self { flaws, state: GuardState::Head, head: Head::default(), line: Line::default() }
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
                        self.state = GuardState::Head;
                    }
                }
                GuardState::Head => bytes = self.head(bytes),
            }
        }
    }

    /// Takes one line, or what there is of it; returns what follows.
    fn head<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let end = memchr::memchr(b'\n', bytes);
        let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if !self.head.begun && memchr::memchr(b'#', line).is_some() {
            self.flaws.0.fragment.store(true, Ordering::Release);
        }
        self.line.extend(line);
        if end.is_none() {
            return rest;
        }
        self.end_of_line();
        rest.get(1..).unwrap_or_default()
    }

    fn end_of_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.text {
            self.state = std::mem::take(&mut self.head).end();
            return;
        }
        self.head.begun = true;
        if line.is(LENGTH) {
            self.head.length = Some(line.length);
        }
        self.head.encoded |= line.is(ENCODING);
        if self.head.encoded && self.head.length.is_some() {
            self.flaws.0.framed_twice.store(true, Ordering::Release);
        }
    }
}

impl Head {
    /// What follows it.
    const fn end(self) -> GuardState {
        match (self.begun, self.encoded, self.length) {
            (true, true, _) | (true, false, Some(Length::Before | Length::Malformed)) => GuardState::Done,
            (true, false, Some(Length::Digits(left) | Length::After(left))) if left > 0 => GuardState::Body { left },
            (true | false, ..) => GuardState::Head,
        }
    }
}

impl Line {
    fn extend(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.iter();
        while !self.named
            && let Some(byte) = bytes.next()
        {
            self.text |= !byte.is_ascii_whitespace();
            if *byte == b':' {
                self.named = true;
            } else if !byte.is_ascii_whitespace() && self.name.len() < NAME_BYTES_KEPT {
                self.name.push(byte.to_ascii_lowercase());
            }
        }
        // What another value says does not matter.
        if self.is(LENGTH) {
            bytes.for_each(|byte| self.length = self.length.push(*byte));
        }
    }

    /// Whether it is a header of this name. White space around and in the name is passed over: hyper refuses such a
    /// name, others may not.
    fn is(&self, name: &[u8]) -> bool {
        self.named && self.name == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flaws(sent: &[u8], piece: usize) -> Flaws {
        let flaws = Flaws::default();
        let mut guard = Guard::new(flaws.clone());
        for piece in sent.chunks(piece) {
            guard.observe(piece);
        }
        flaws
    }

    fn conflicts(sent: &[u8], piece: usize) -> bool {
        flaws(sent, piece).0.framed_twice.load(Ordering::Acquire)
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
    fn no_padding_and_no_malformed_value_hides_them() {
        let paddings = [0, 1, 48, 49, 50, 63, 64, 65, 1000].map(|spaces| " ".repeat(spaces));
        for padding in paddings.iter().map(String::as_str).chain(["\t", " \t \t "]) {
            for value in ["5", "0", "+5", "-5", "0x5", "5, 5", "5 5", "", "99999999999999999999999", "5;a"] {
                for line in
                    [format!("Content-Length:{padding}{value}"), format!("content-length{padding}:{value}{padding}")]
                {
                    check(&format!("PUT / HTTP/1.1\r\n{line}\r\nTransfer-Encoding: chunked\r\n\r\n"), true);
                    check(&format!("PUT / HTTP/1.1\r\nTransfer-Encoding:{padding}chunked\r\n{line}\r\n\r\n"), true);
                }
            }
        }
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
        check("PUT / HTTP/1.1\r\nContent-Lengths: 4\r\nTransfer-Encodings: chunked\r\n\r\n", false);
        check("PUT / HTTP/1.1\r\nX: content-length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", false);
    }

    #[test]
    fn a_fragment_is_seen_in_targets_and_nowhere_else() {
        for (sent, expected) in [
            ("GET /a#b HTTP/1.1\r\n\r\n", true),
            ("GET /a?x=:#b HTTP/1.1\r\n\r\n", true),
            ("\r\n\nGET /a HTTP/1.1\nHost: x\n\nGET #", true),
            ("PUT / HTTP/1.1\r\nContent-Length: 1\r\n\r\n#GET / HTTP/1.1\r\nX: #\r\n#: 1\r\n\r\n", false),
            ("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n#\r\n", false),
            ("GET /a%23b HTTP/1.1\r\n\r\n", false),
        ] {
            for piece in [1, 2, 5, 1000] {
                let found = flaws(sent.as_bytes(), piece).rejection();
                assert_eq!(matches!(found, Some(Rejection::MalformedTarget)), expected, "{sent:?}");
            }
        }
    }

    /// A request, and whether it has both headers.
    fn any_request() -> impl Strategy<Value = (Vec<u8>, bool, bool)> {
        let name =
            prop::sample::select(vec!["content-length", "CONTENT-LENGTH", "Transfer-Encoding", "host", "x-length"]);
        let padding = prop::sample::select(vec![
            "",
            " ",
            "\t",
            "  \t",
            "                                                            ",
        ]);
        let value = prop::sample::select(vec!["0", "3", "003", "12", "chunked", "+3", "0x3", ""]);
        let end = prop::sample::select(vec!["\r\n", "\n", " \r\n"]);
        let line = (name, padding.clone(), value, padding, end);
        (prop::collection::vec(line, 0..6), any::<[u8; 12]>()).prop_map(|(lines, body)| reference(&lines, &body))
    }

    type AnyLine = (&'static str, &'static str, &'static str, &'static str, &'static str);

    /// The reference: looks at the lines one by one, whole. Also whether anything may follow the request.
    fn reference(lines: &[AnyLine], body: &[u8]) -> (Vec<u8>, bool, bool) {
        let mut wire = b"PUT / HTTP/1.1\r\n".to_vec();
        let (mut lengths, mut encoded) = (Vec::new(), false);
        for (name, before, value, after, end) in lines {
            wire.extend(format!("{name}:{before}{value}{after}{end}").into_bytes());
            if name.eq_ignore_ascii_case("content-length") {
                lengths.push(
                    Some(*value).filter(|value| !value.starts_with('+')).and_then(|value| value.parse::<usize>().ok()),
                );
            }
            encoded |= name.eq_ignore_ascii_case("transfer-encoding");
        }
        wire.extend(b"\r\n");
        let both = encoded && !lengths.is_empty();
        // hyper refuses what is malformed, and lengths that differ; the connection ends there.
        let sound = lengths.iter().all(|length| length.is_some() && Some(length) == lengths.first());
        let length = lengths.first().copied().flatten().unwrap_or_default();
        wire.extend(body.iter().cycle().take(length));
        (wire, both, !encoded && sound)
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(sent in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
            conflicts(&sent, piece);
        }

        #[test]
        fn what_the_reference_finds_is_found(
            requests in prop::collection::vec(any_request(), 1..5),
            piece in 1usize..200,
        ) {
            let (mut wire, mut expected) = (Vec::new(), false);
            for (sent, both, goes_on) in requests {
                wire.extend(sent);
                expected |= both;
                if !goes_on {
                    break;
                }
            }
            prop_assert_eq!(conflicts(&wire, piece), expected, "{:?}", String::from_utf8_lossy(&wire));
        }
    }
}
