//! The one place that turns what the front, the engine and identities say into codes of the query protocol.
//!
//! Must not know: which operation asked.

use super::error::{Code, QueryError};
use super::form::FormFields;
use crate::engine::{BodyError, EngineError};
use crate::front::{FrontError, Rejection};
use crate::identity::{EntityKind, IdentityError};

impl From<Rejection> for QueryError {
    fn from(rejection: Rejection) -> Self {
        let malformed = |message: &str| Self::new(Code::MalformedQueryString, message);
        match rejection {
            Rejection::AccessDenied => Self::new(Code::AccessDenied, "Access denied"),
            Rejection::CredentialGone => Self::unknown_credential(),
            Rejection::AuditFull => Self::new(Code::Throttling, "Rate exceeded"),
            Rejection::Identity(error) => of_identity(error, &FormFields::default()),
            Rejection::Engine(error) => of_engine(error),
            Rejection::DocumentTooLong => Self::new(Code::RequestEntityTooLarge, "The request is too long."),
            Rejection::RulesKeepChanging | Rejection::Unresolved { .. } => unavailable(),
            Rejection::UnknownCoding => malformed("The request's coding is not served."),
            Rejection::MalformedTarget
            | Rejection::MalformedHead
            | Rejection::FramedTwice
            | Rejection::TooManyHeaders
            | Rejection::BadHost
            | Rejection::RepeatedHeader(_)
            | Rejection::HeaderNotText(_) => malformed("The request is malformed."),
        }
    }
}

impl<T> From<T> for FrontError<QueryError>
where
    QueryError: From<T>,
{
    fn from(error: T) -> Self {
        Self::Face(error.into())
    }
}

fn unavailable() -> QueryError {
    QueryError::new(Code::ServiceUnavailable, "The request has failed due to a temporary failure of the server.")
}

fn of_engine(error: EngineError) -> QueryError {
    match error {
        EngineError::SlowDown(_) | EngineError::Body(BodyError::Short(_)) => {
            QueryError::new(Code::Throttling, "Rate exceeded")
        }
        EngineError::Body(_) | EngineError::Digest(_) => {
            QueryError::new(Code::MalformedQueryString, "The body of the request is not what its head says.")
        }
        EngineError::Unavailable(_) | EngineError::StaleRules | EngineError::Full => {
            tracing::warn!(%error, "an identity cannot be served");
            unavailable()
        }
        error => {
            tracing::error!(%error, "an identity cannot be served");
            internal()
        }
    }
}

fn internal() -> QueryError {
    QueryError::new(Code::InternalFailure, "The request processing has failed because of an unknown error.")
}

/// What a verb on identities ended with, in AWS's words, which name what the form names.
pub(super) fn of_identity(error: IdentityError, form: &FormFields) -> QueryError {
    let said = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let text = error.to_string();
    match error {
        IdentityError::NoSuch(kind) => QueryError::new(
            Code::NoSuchEntity,
            match kind {
                EntityKind::User => format!("The user with name {} cannot be found.", said("UserName")),
                EntityKind::Group => format!("The group with name {} cannot be found.", said("GroupName")),
                EntityKind::Role => format!("The role with name {} cannot be found.", said("RoleName")),
                EntityKind::AccessKey => format!("The Access Key with id {} cannot be found.", said("AccessKeyId")),
                EntityKind::OidcProvider => {
                    format!("OpenIDConnect Provider not found for arn {}", said("OpenIDConnectProviderArn"))
                }
                EntityKind::PolicyVersion => {
                    format!("Policy {} version {} does not exist.", said("PolicyArn"), said("VersionId"))
                }
                EntityKind::Policy if form.get("PolicyArn").is_some() => {
                    format!("Policy {} was not found.", said("PolicyArn"))
                }
                EntityKind::Policy if form.get("PermissionsBoundary").is_some() => {
                    format!("Scope ARN: {} does not exist or is not attachable.", said("PermissionsBoundary"))
                }
                EntityKind::Policy => format!("The policy with name {} cannot be found.", said("PolicyName")),
                EntityKind::Account => "The account cannot be found.".to_owned(),
            },
        ),
        IdentityError::Exists(kind) => QueryError::new(
            Code::EntityAlreadyExists,
            match kind {
                EntityKind::Policy => {
                    format!("A policy called {} already exists. Duplicate names are not allowed.", said("PolicyName"))
                }
                EntityKind::User => format!("User with name {} already exists.", new_name(form, "UserName")),
                EntityKind::Group => format!("Group with name {} already exists.", new_name(form, "GroupName")),
                EntityKind::Role => format!("Role with name {} already exists.", said("RoleName")),
                EntityKind::OidcProvider => format!("Provider with url {} already exists.", said("Url")),
                _ => text,
            },
        ),
        IdentityError::InUse { kind: EntityKind::PolicyVersion, .. } => {
            QueryError::new(Code::DeleteConflict, "Cannot delete the default version of a policy.")
        }
        IdentityError::InUse { left, .. } => {
            QueryError::new(Code::DeleteConflict, format!("Cannot delete entity, must remove {left} first."))
        }
        IdentityError::Limit { .. } => QueryError::new(Code::LimitExceeded, text),
        IdentityError::MalformedPolicy(error) => QueryError::new(Code::MalformedPolicyDocument, error.to_string()),
        IdentityError::UnknownPrincipal(_) => QueryError::new(Code::MalformedPolicyDocument, text),
        IdentityError::Invalid(message) => QueryError::new(Code::ValidationError, message),
        IdentityError::PackedTooLarge(_) => QueryError::new(Code::PackedPolicyTooLarge, text),
        IdentityError::Unmodifiable => {
            QueryError::new(Code::AccessDenied, "Cannot perform the operation on the protected policy: it is AWS's.")
        }
        IdentityError::Busy => QueryError::new(
            Code::ConcurrentModification,
            "The request conflicts with another change. Please try again.",
        ),
        IdentityError::Engine(error) => of_engine(error),
        IdentityError::Sealed => {
            tracing::error!("a stored secret does not open");
            internal()
        }
    }
}

fn new_name<'f>(form: &'f FormFields, name: &str) -> &'f str {
    form.get(&format!("New{name}")).or_else(|| form.get(name)).unwrap_or_default()
}
