//! The token that opens what is below `/admin/`.
//!
//! Promises: it is compared in constant time, and never shown. Must not know: where it comes from.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

/// The token. A secret: no `Debug`.
pub struct AdminToken(Zeroizing<String>);

impl AdminToken {
    /// The token with this text.
    pub const fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// Whether the head of a request has it: `Authorization: Bearer ...`.
    pub(super) fn opens(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        given.is_some_and(|given| verify_slices_are_equal(given, self.0.as_bytes()).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_opens() {
        let token = AdminToken::new(Zeroizing::new("token".to_owned()));
        let opens = |value: &'static str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, http::HeaderValue::from_static(value))]);
            token.opens(&headers)
        };
        assert!(opens("Bearer token"));
        assert!(
            !["", "token", "Bearer", "Bearer ", "Bearer toke", "Bearer tokens", "Basic token"].into_iter().any(opens)
        );
        assert!(!token.opens(&HeaderMap::new()));
    }
}
