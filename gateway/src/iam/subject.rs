//! What a request is about, for its event in the audit.
//!
//! Promises: of the parameters only those are read that name things; documents, tokens and what else could be a secret are
//! none of these.
//! Must not know: what becomes of the request.

use super::auth;
use super::operation::Operation;
use super::service::QueryRequest;
use crate::audit::Subject;

/// The parameters that name things.
const NAMING: [&str; 21] = [
    "AccessKeyId",
    "ClientID",
    "DurationSeconds",
    "GroupName",
    "Name",
    "NewGroupName",
    "NewPath",
    "NewUserName",
    "OpenIDConnectProviderArn",
    "Path",
    "PermissionsBoundary",
    "PolicyArn",
    "PolicyName",
    "RoleArn",
    "RoleName",
    "RoleSessionName",
    "SetAsDefault",
    "SourceIdentity",
    "Status",
    "UserName",
    "VersionId",
];

/// What a request is about.
pub(super) fn of(request: &QueryRequest, operation: Option<Operation>) -> Subject {
    let service = operation.map_or_else(|| auth::service(request), Operation::service);
    let parameter = |name: &'static str| request.form.get(name).map(|value| (name, value.into()));
    Subject {
        face: service.name(),
        operation: operation.map(Operation::name),
        action: operation.map(Operation::action),
        changes: operation.is_some_and(Operation::changes),
        parameters: NAMING.into_iter().filter_map(parameter).collect(),
        ..Subject::default()
    }
}
