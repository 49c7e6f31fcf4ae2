//! The two tokens of what is below `/admin/`: one gives orders and reads, the other only reads.
//!
//! The token that reads follows from the one that gives orders, and not the other way about; so it is known wherever that
//! one is, and a person that watches a cluster need not be able to change it.
//! Promises: tokens are compared in constant time, and never shown. A wrong one is answered ten times at once and then
//! once a second; a right one always opens, so nobody can shut an operator out by guessing.
//! Must not know: where tokens come from.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::types::{ApiError, ErrorCode};

/// Wrong tokens that are answered at once; one more in each second after that.
const WRONG_AT_ONCE: u64 = 10;

/// The tokens. Secrets: no `Debug`.
pub struct AdminTokens {
    orders: Zeroizing<String>,
    reading: Zeroizing<String>,
    missing: AtomicU64,
    wrong: AtomicU64,
    allowance: Mutex<Allowance>,
}

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// Everything.
    Orders,
    /// What changes nothing.
    Reading,
}

impl Opened {
    /// The name of the token, for logs.
    pub(super) const fn credential(self) -> &'static str {
        match self {
            Self::Orders => "the admin token",
            Self::Reading => "the reading token",
        }
    }
}

/// How many more wrong tokens are answered, as of then.
struct Allowance {
    left: u64,
    at: Instant,
}

/// The token that reads, of the one that gives orders.
pub fn reading_token(orders: &str) -> Zeroizing<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, orders.as_bytes());
    let mut text = Zeroizing::new(String::new());
    for byte in hmac::sign(&key, b"couronne: the admin token that reads").as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl AdminTokens {
    /// The tokens, of the one that gives orders.
    pub fn new(orders: Zeroizing<String>) -> Self {
        Self {
            reading: reading_token(&orders),
            orders,
            missing: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            allowance: Mutex::new(Allowance { left: WRONG_AT_ONCE, at: Instant::now() }),
        }
    }

    /// What the head of a request opens: `Authorization: Bearer ...`.
    pub(super) fn open(&self, headers: &HeaderMap) -> Result<Opened, ApiError> {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let Some(given) = given else {
            self.missing.fetch_add(1, Ordering::Relaxed);
            return Err(ApiError::new(ErrorCode::Unauthenticated, "the admin token is missing"));
        };
        let is = |token: &Zeroizing<String>| verify_slices_are_equal(given, token.as_bytes()).is_ok();
        match (is(&self.orders), is(&self.reading)) {
            (true, _) => Ok(Opened::Orders),
            (false, true) => Ok(Opened::Reading),
            (false, false) => {
                self.wrong.fetch_add(1, Ordering::Relaxed);
                Err(if self.allowance.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    ApiError::new(ErrorCode::Unauthenticated, "the admin token is wrong")
                } else {
                    ApiError::new(ErrorCode::TooManyRequests, "too many wrong tokens: wait a second")
                })
            }
        }
    }

    /// What was refused so far, as Prometheus text.
    pub(super) fn metrics(&self) -> String {
        let (name, help) =
            ("couronne_admin_refused_tokens_total", "Admin requests without a token, or with a wrong one.");
        let mut text = format!("# HELP {name} {help}\n# TYPE {name} counter\n");
        for (why, count) in [("missing", &self.missing), ("wrong", &self.wrong)] {
            let _ = writeln!(text, "{name}{{why=\"{why}\"}} {}", count.load(Ordering::Relaxed));
        }
        text
    }
}

impl Allowance {
    fn take(&mut self) -> bool {
        let seconds = self.at.elapsed().as_secs();
        if seconds > 0 {
            (self.left, self.at) = (self.left.saturating_add(seconds).min(WRONG_AT_ONCE), Instant::now());
        }
        self.left.checked_sub(1).map(|left| self.left = left).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(tokens: &AdminTokens, value: &str) -> Result<Opened, ErrorCode> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        tokens.open(&headers).map_err(|error| error.code)
    }

    #[tokio::test]
    async fn each_token_opens_its_own() {
        let tokens = AdminTokens::new(Zeroizing::new("token".to_owned()));
        let reading = reading_token("token");
        assert_eq!(opened(&tokens, "Bearer token"), Ok(Opened::Orders));
        assert_eq!(opened(&tokens, &format!("Bearer {}", reading.as_str())), Ok(Opened::Reading));
        assert!(reading.len() == 64 && reading != reading_token("tokens"));
        for text in ["", "token", "Bearer", "Bearer ", "Bearer toke", "Bearer tokens", "Basic token"] {
            assert_eq!(opened(&tokens, text), Err(ErrorCode::Unauthenticated), "{text}");
        }
        assert!(tokens.open(&HeaderMap::new()).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_are_counted_and_slow() {
        let tokens = AdminTokens::new(Zeroizing::new("token".to_owned()));
        let guess = || opened(&tokens, "Bearer guess").unwrap_err();
        for _ in 0..WRONG_AT_ONCE {
            assert_eq!(guess(), ErrorCode::Unauthenticated);
        }
        assert_eq!(guess(), ErrorCode::TooManyRequests);
        assert_eq!(opened(&tokens, "Bearer token"), Ok(Opened::Orders), "nobody is shut out");
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!((guess(), guess()), (ErrorCode::Unauthenticated, ErrorCode::TooManyRequests));
        assert!(tokens.metrics().contains("couronne_admin_refused_tokens_total{why=\"wrong\"} 13\n"));
    }
}
