//! The two tokens of what is below `/admin/`: one gives orders and reads, the other only reads.
//!
//! The token that reads follows from the one that gives orders, and not the other way about; so it is known wherever that
//! one is, and a person that watches a cluster need not be able to change it.
//! A process knows digests alone, so one that only passes orders on cannot give any.
//! Promises: tokens are compared in constant time, and never shown. A wrong one is answered ten times at once and then
//! once a second; a right one always opens, so nobody can shut an operator out by guessing.
//! Must not know: where tokens come from.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::control::Bearer;
use crate::types::{ApiError, ErrorCode};

/// Wrong tokens that are answered at once; one more in each second after that.
const WRONG_AT_ONCE: u64 = 10;

/// What tells the tokens from others, and cannot be made into them: they are random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenDigests {
    /// The SHA-256 of the token that gives orders.
    pub orders: [u8; 32],
    /// The SHA-256 of the token that reads.
    pub reading: [u8; 32],
}

/// The tokens that open a process, which may be others from one moment to the next.
pub struct AdminTokens {
    digests: ArcSwapOption<TokenDigests>,
    missing: AtomicU64,
    wrong: AtomicU64,
    allowance: Mutex<Allowance>,
}

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
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

impl TokenDigests {
    /// Those of the token that gives orders, and of the one that follows from it.
    pub fn of(orders: &str) -> Self {
        Self { orders: sha256(orders.as_bytes()), reading: Self::of_reading(&reading_token(orders)) }
    }

    /// That of a token that reads.
    pub fn of_reading(reading: &str) -> [u8; 32] {
        sha256(reading.as_bytes())
    }
}

impl AdminTokens {
    /// The tokens with these digests; with none nothing opens until [`Self::change`].
    pub fn new(digests: Option<TokenDigests>) -> Self {
        Self {
            digests: ArcSwapOption::from_pointee(digests),
            missing: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            allowance: Mutex::new(Allowance { left: WRONG_AT_ONCE, at: Instant::now() }),
        }
    }

    /// From now on the tokens with these digests open, and no others.
    pub fn change(&self, digests: TokenDigests) {
        self.digests.store(Some(digests.into()));
    }

    /// What a token opens, if it is one.
    pub fn opened_by(&self, token: &[u8]) -> Option<Opened> {
        let (digests, given) = (self.digests.load(), sha256(token));
        let digests = digests.as_ref()?;
        let is = |digest: &[u8; 32]| verify_slices_are_equal(&given, digest).is_ok();
        match (is(&digests.orders), is(&digests.reading)) {
            (true, _) => Some(Opened::Orders),
            (false, true) => Some(Opened::Reading),
            (false, false) => None,
        }
    }

    /// What the head of a request opens, and with which token: `Authorization: Bearer ...`.
    pub(super) fn open(&self, headers: &HeaderMap) -> Result<(Opened, Bearer), ApiError> {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let Some(given) = given else {
            self.missing.fetch_add(1, Ordering::Relaxed);
            return Err(ApiError::new(ErrorCode::Unauthenticated, "the admin token is missing"));
        };
        if let Some(opened) = self.opened_by(given) {
            let text = String::from_utf8_lossy(given).into_owned();
            return Ok((opened, Bearer(Zeroizing::new(text))));
        }
        self.wrong.fetch_add(1, Ordering::Relaxed);
        Err(if self.allowance.lock().unwrap_or_else(PoisonError::into_inner).take() {
            ApiError::new(ErrorCode::Unauthenticated, "the admin token is wrong")
        } else {
            ApiError::new(ErrorCode::TooManyRequests, "too many wrong tokens: wait a second")
        })
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

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()) {
        *to = *from;
    }
    digest
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
        tokens.open(&headers).map(|(opened, _)| opened).map_err(|error| error.code)
    }

    #[tokio::test]
    async fn each_token_opens_its_own() {
        let tokens = AdminTokens::new(Some(TokenDigests::of("token")));
        let reading = reading_token("token");
        assert_eq!(opened(&tokens, "Bearer token"), Ok(Opened::Orders));
        assert_eq!(opened(&tokens, &format!("Bearer {}", reading.as_str())), Ok(Opened::Reading));
        assert!(reading.len() == 64 && reading != reading_token("tokens"));
        for text in ["", "token", "Bearer", "Bearer ", "Bearer toke", "Bearer tokens", "Basic token"] {
            assert_eq!(opened(&tokens, text), Err(ErrorCode::Unauthenticated), "{text}");
        }
        assert!(tokens.open(&HeaderMap::new()).is_err());
    }

    #[tokio::test]
    async fn tokens_that_were_changed_open_no_more() {
        let tokens = AdminTokens::new(None);
        assert_eq!(opened(&tokens, "Bearer token"), Err(ErrorCode::Unauthenticated), "there are none yet");
        tokens.change(TokenDigests::of("token"));
        assert_eq!(opened(&tokens, "Bearer token"), Ok(Opened::Orders));
        tokens.change(TokenDigests::of("another"));
        let reading = format!("Bearer {}", reading_token("token").as_str());
        for old in ["Bearer token", &reading] {
            assert_eq!(opened(&tokens, old), Err(ErrorCode::Unauthenticated));
        }
        assert_eq!(opened(&tokens, "Bearer another"), Ok(Opened::Orders));
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_are_counted_and_slow() {
        let tokens = AdminTokens::new(Some(TokenDigests::of("token")));
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
