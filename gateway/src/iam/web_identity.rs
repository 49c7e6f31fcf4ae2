//! The seam for tokens of identity providers: what verifies them is plugged into the face ([`super::Iam::web_identity`]).
//!
//! Must not know: how a token is verified, which providers an account has.

use async_trait::async_trait;

/// A provider as an account knows it.
#[derive(Clone, Copy, Debug)]
pub struct ProviderTrust<'a> {
    /// Its address without the scheme.
    pub url: &'a str,
    /// The audiences that its tokens may be for.
    pub client_ids: &'a [Box<str>],
    /// SHA-1 of the certificates that it may show, in hexadecimal.
    pub thumbprints: &'a [Box<str>],
}

/// What a verified token says.
#[derive(Clone, Debug)]
pub struct WebIdentity {
    /// The user, as the provider names it.
    pub subject: Box<str>,
    /// The audience of the token: one of the provider's client ids.
    pub audience: Box<str>,
}

/// Why a token is not taken. The words are for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebIdentityFault {
    /// It is none, or not this provider's.
    Invalid(Box<str>),
    /// Its time is over.
    Expired(Box<str>),
    /// The provider does not vouch for it.
    Rejected(Box<str>),
    /// The provider cannot be reached.
    Unreachable(Box<str>),
}

/// Verifies the tokens of identity providers.
#[async_trait]
pub trait VerifyWebIdentity: Send + Sync {
    /// The address that a token names as its issuer, without the scheme. Nothing of it is believed yet.
    fn issuer(&self, token: &str) -> Result<Box<str>, WebIdentityFault>;

    /// Verifies a token of a provider.
    async fn verify(&self, token: &str, provider: ProviderTrust<'_>) -> Result<WebIdentity, WebIdentityFault>;
}
