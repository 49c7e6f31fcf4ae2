//! How the admin API words the errors of identities.
//!
//! Must not know: what was asked.

use couronne_admin::types::{ApiError, ErrorCode};
use couronne_gateway::engine::EngineError;
use couronne_gateway::identity::IdentityError;

/// An identity error as the API says it.
pub(in crate::admin) fn refusal(error: &IdentityError) -> ApiError {
    let code = match error {
        IdentityError::NoSuch(_) => ErrorCode::NotFound,
        IdentityError::Exists(_)
        | IdentityError::InUse { .. }
        | IdentityError::Limit { .. }
        | IdentityError::Unmodifiable
        | IdentityError::Busy => ErrorCode::Conflict,
        IdentityError::Invalid(_) | IdentityError::MalformedPolicy(_) | IdentityError::UnknownPrincipal(_) => {
            ErrorCode::InvalidRequest
        }
        IdentityError::Engine(EngineError::Unavailable(_)) => ErrorCode::Unavailable,
        IdentityError::Sealed | IdentityError::Engine(_) | IdentityError::PackedTooLarge(_) => ErrorCode::Internal,
    };
    ApiError::new(code, error)
}
