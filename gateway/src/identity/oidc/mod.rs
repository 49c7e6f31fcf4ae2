//! Tokens of OpenID Connect providers: whether one is genuine, and what it claims.
//!
//! A provider is a web server that an account trusts. It publishes the keys that its tokens are signed with; a gateway
//! fetches them when a token comes and keeps them for a while. Follows OpenID Connect Core 1.0 (section 3.1.3.7) and
//! Discovery 1.0, RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518 (JWA), RFC 7519 (JWT) and RFC 8725 (their best practices).
//!
//! Promises: nothing that a token says counts before its signature is verified by a key of its provider, under an
//! algorithm of [`algorithm::Algorithm`] that fits the key; forged tokens make no gateway ask a provider more than once
//! in a while ([`key_sets`]).
//! Must not know: HTTP, accounts and roles, what a token is good for.

mod algorithm;
mod claims;
mod discovery;
mod error;
mod key;
mod key_sets;
mod outbound;
#[cfg(test)]
pub(crate) mod tests;
mod token;

use std::sync::Arc;

use couronne_base::env::Clock;

pub use claims::Claims;
pub use discovery::Documents;
pub use error::TokenError;
use key_sets::KeySets;
use token::SignedToken;

/// A provider, as an account trusts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The account that trusts it: what is fetched is fetched on its behalf.
    pub account: Box<str>,
    /// Its URL, exactly as its tokens have it in `iss`.
    pub issuer: Box<str>,
    /// The audiences that its tokens may be for.
    pub client_ids: Vec<Box<str>>,
}

/// Verifies tokens, with the keys of the providers that were asked last.
pub struct Verifier {
    key_sets: KeySets,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// A verifier that knows no keys yet.
    pub fn new(documents: Arc<dyn Documents>, clock: Arc<dyn Clock>) -> Self {
        Self { key_sets: KeySets::new(documents, Arc::clone(&clock)), clock }
    }

    /// What the token claims, if it is the provider's, for one of its client ids, and of now.
    pub async fn verify(&self, provider: &Provider, token: &str) -> Result<Claims, TokenError> {
        let token = SignedToken::parse(token)?;
        let keys = self.key_sets.keys_for(provider, token.key_id()).await?;
        if !keys.verify(&token)? {
            return Err(TokenError::Invalid("the signature is not of a key of the provider"));
        }
        let claims = Claims::read(token.payload())?;
        claims.check(provider, self.clock.wall_ms() / 1000)?;
        Ok(claims)
    }
}

/// The provider that a token says it is of, to find the [`Provider`] by which it is to be verified. It proves nothing.
pub fn unverified_issuer(token: &str) -> Result<Box<str>, TokenError> {
    Ok(Claims::read(SignedToken::parse(token)?.payload())?.issuer)
}
