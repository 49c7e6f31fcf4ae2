//! Heads that hyper refuses before any stage sees them: hyper answers without a body, and a face has words for it.
//!
//! Promises: what stands in for hyper's answer is sent where no request came since all answers before were flushed: what
//! hyper writes then is an answer of its own, and never a piece of one of ours. An answer of hyper's behind others that are
//! not flushed yet stays as it is.
//! Must not know: faces, what is wrong with a head.

use bytes::{Buf as _, Bytes};
use http::StatusCode;

use crate::front::response::{Response, ResponseBody};

/// The answer to a head that hyper refuses with a status, as a face words it.
pub(super) type Wording = Box<dyn Fn(StatusCode) -> Response + Send + Sync>;

/// Stands in for hyper's own answer.
pub(super) struct StandIn {
    wording: Wording,
    /// Once hyper has answered: what is yet to be sent in place of it.
    left: Option<Bytes>,
}

impl StandIn {
    pub(super) const fn new(wording: Wording) -> Self {
        Self { wording, left: None }
    }

    /// What hyper writes is the head of its own answer.
    pub(super) fn begin(&mut self, head: &[u8]) {
        if self.left.is_none()
            && let Some(status) = status(head)
        {
            self.left = Some(wire((self.wording)(status), head));
        }
    }

    /// What is to be sent in place of whatever hyper writes; `None`: nothing stands in for that.
    pub(super) fn left(&self) -> Option<&[u8]> {
        self.left.as_deref()
    }

    /// So many bytes of that were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        if let Some(left) = &mut self.left {
            left.advance(bytes.min(left.len()));
        }
    }
}

/// The status that a head tells, if it is one of an error.
fn status(head: &[u8]) -> Option<StatusCode> {
    let digits = head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    StatusCode::from_bytes(digits).ok().filter(|status| status.is_client_error())
}

/// An answer as it is sent, with the date of hyper's.
fn wire(answer: Response, hypers: &[u8]) -> Bytes {
    let body = match answer.body {
        ResponseBody::Bytes(bytes) => bytes,
        ResponseBody::Empty | ResponseBody::Stream { .. } => Bytes::new(),
    };
    let (status, reason) = (answer.status.as_str(), answer.status.canonical_reason().unwrap_or_default());
    let mut head = format!("HTTP/1.1 {status} {reason}\r\n").into_bytes();
    let is_date = |line: &&[u8]| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"date:"));
    if let Some(date) = hypers.split(|byte| *byte == b'\n').find(is_date) {
        head.extend_from_slice(date);
        head.push(b'\n');
    }
    for (name, value) in &answer.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let end = format!("server: Couronne\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    head.extend_from_slice(end.as_bytes());
    head.extend_from_slice(&body);
    head.into()
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    const HYPERS: &[u8] =
        b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: Sun\r\n\r\n";

    fn stand_in() -> StandIn {
        StandIn::new(Box::new(|status| {
            assert_eq!(status, 431);
            let answer = Response::new(StatusCode::BAD_REQUEST).header(CONTENT_TYPE, "a/b".parse().unwrap());
            Response { body: Bytes::from_static(b"no").into(), ..answer }
        }))
    }

    #[test]
    fn an_error_of_hypers_is_told_in_other_words() {
        let mut stand_in = stand_in();
        stand_in.begin(HYPERS);
        let expected = "HTTP/1.1 400 Bad Request\r\ndate: Sun\r\ncontent-type: a/b\r\nserver: Couronne\r\n\
                        content-length: 2\r\nconnection: close\r\n\r\nno";
        assert_eq!(stand_in.left().map(String::from_utf8_lossy).as_deref(), Some(expected));
        stand_in.sent(expected.len() - 2);
        stand_in.begin(HYPERS);
        assert_eq!(stand_in.left(), Some(&b"no"[..]));
        stand_in.sent(2);
        assert_eq!(stand_in.left(), Some(&b""[..]));
    }

    #[test]
    fn nothing_stands_in_for_what_is_no_error() {
        for other in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 4", "PRI", ""] {
            let mut stand_in = stand_in();
            stand_in.begin(other.as_bytes());
            assert_eq!(stand_in.left(), None, "{other}");
        }
    }
}
