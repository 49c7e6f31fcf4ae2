//! What the server refuses of a request's head before any stage sees it.
//!
//! Promises: a body's coding that hyper hides is not stored by accident.
//! Must not know: faces, bodies.

use http::header::TRANSFER_ENCODING;
use http::request::Parts;

use crate::front::error::Rejection;

/// Why this head is refused, if it is.
pub(super) fn rejection(head: &Parts, headers_max: usize) -> Option<Rejection> {
    // Over HTTP/1 hyper counts them itself.
    if head.headers.len() > headers_max {
        return Some(Rejection::TooManyHeaders);
    }
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    // hyper takes `chunked` off where it is the last, whatever is below it.
    let is_unknown = codings.next().is_some_and(|coding| !is_chunked(coding.as_bytes())) || codings.next().is_some();
    is_unknown.then_some(Rejection::UnknownCoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(headers: &[(&str, &str)]) -> Option<Rejection> {
        let mut request = http::Request::put("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        rejection(&request.body(()).unwrap().into_parts().0, 3)
    }

    #[test]
    fn no_coding_but_chunked_is_taken() {
        assert!(refused(&[]).is_none());
        assert!(refused(&[("transfer-encoding", "chunked")]).is_none());
        assert!(refused(&[("transfer-encoding", "Chunked")]).is_none());
        for codings in ["gzip, chunked", "identity,chunked", "chunked, chunked", "chunked;a=b", ", chunked", "gzip", ""]
        {
            assert!(matches!(refused(&[("transfer-encoding", codings)]), Some(Rejection::UnknownCoding)), "{codings}");
        }
        for (first, second) in [("gzip", "chunked"), ("chunked", "gzip"), ("chunked", "chunked")] {
            let both = [("transfer-encoding", first), ("transfer-encoding", second)];
            assert!(matches!(refused(&both), Some(Rejection::UnknownCoding)), "{first}, {second}");
        }
    }

    #[test]
    fn headers_are_counted() {
        let header = ("x", "y");
        assert!(refused(&[header; 3]).is_none());
        assert!(matches!(refused(&[header; 4]), Some(Rejection::TooManyHeaders)));
    }
}
