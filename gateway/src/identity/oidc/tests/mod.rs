//! Tokens of all kinds against a provider that the test holds in its hand.

mod caching;
mod claims;
pub(crate) mod provider;
mod signatures;

use provider::Fixture;

/// What a token claims at least, at the time of the fixture's clock.
pub(crate) const CLAIMS: &str =
    r#"{"iss":"https://idp.example","sub":"user-1","aud":"client-1","exp":1800000600,"iat":1800000000}"#;
