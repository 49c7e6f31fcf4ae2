//! Why a token is not taken.
//!
//! The texts are for the client that sent the token; none tells of the provider's addresses.

use thiserror::Error;

/// Why a token is not taken, by the errors of STS's AssumeRoleWithWebIdentity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is no token of the provider's, or not for this use. STS: `InvalidIdentityToken`, 400.
    #[error("{0}")]
    Invalid(&'static str),
    /// It was one. STS: `ExpiredTokenException`, 400.
    #[error("Token expired")]
    Expired,
    /// The provider's keys cannot be had. STS: `IDPCommunicationError`, 400; the client may try again.
    #[error("Couldn't retrieve verification key from your identity provider")]
    Communication,
    /// The provider says that it does not hold yet. STS: `IDPRejectedClaim`, 403.
    #[error("{0}")]
    RejectedClaim(&'static str),
}
