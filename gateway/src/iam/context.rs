//! The values that a call has for the condition keys of policies.
//!
//! Follows <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html> and
//! the same page of STS, their condition keys.
//! Must not know: what policies ask.

use super::service::QueryRequest;
use super::target::CallTarget;
use crate::access::context::{ConditionContext, KeyValues};
use crate::access::key::ConditionKey;
use crate::identity::CallerKind;

/// The keys whose value is that of a parameter.
const PARAMETERS: [(&str, &str); 5] = [
    ("iam:policyarn", "PolicyArn"),
    ("sts:durationseconds", "DurationSeconds"),
    ("sts:externalid", "ExternalId"),
    ("sts:rolesessionname", "RoleSessionName"),
    ("sts:sourceidentity", "SourceIdentity"),
];

/// A call on something.
pub(super) struct CallContext<'a> {
    pub(super) request: &'a QueryRequest,
    pub(super) caller: &'a CallerKind,
    pub(super) target: &'a CallTarget,
}

impl ConditionContext for CallContext<'_> {
    fn values(&self, key: &ConditionKey) -> Option<KeyValues<'_>> {
        match key.name() {
            "aws:resourcetag" | "iam:resourcetag" => {
                let tags = &self.target.tags;
                let found = tags.iter().find(|tag| key.tag().is_some_and(|name| tag.key.eq_ignore_ascii_case(name)));
                found.map(|tag| KeyValues::one(&*tag.value))
            }
            "iam:permissionsboundary" => {
                let asked = self.request.form.get("PermissionsBoundary").or(self.target.boundary.as_deref());
                asked.map(KeyValues::one)
            }
            // A provider does not speak for keys that the request itself has.
            name => self.request.values(key).or_else(|| self.of_web_identity(name)),
        }
    }
}

impl CallContext<'_> {
    /// What an identity provider says of the caller, in keys that begin with its address.
    fn of_web_identity(&self, name: &str) -> Option<KeyValues<'_>> {
        let CallerKind::WebIdentity { claims, .. } = self.caller else { return None };
        let (_, values) = claims.condition_keys().into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(match <[String; 1]>::try_from(values) {
            Ok([value]) => KeyValues::one(value),
            Err(values) => KeyValues::Many(values.into_iter().map(Into::into).collect()),
        })
    }
}

impl ConditionContext for QueryRequest {
    fn values(&self, key: &ConditionKey) -> Option<KeyValues<'_>> {
        let of = |name: &str| PARAMETERS.iter().find(|(known, _)| *known == name).map(|(_, parameter)| *parameter);
        if let Some(parameter) = of(key.name()) {
            return self.form.get(parameter).map(KeyValues::one);
        }
        if let Some(value) = self.head.origin.value(key.name()) {
            return Some(KeyValues::one(value));
        }
        match key.name() {
            "aws:useragent" => self.head.header("user-agent").ok().flatten().map(KeyValues::one),
            "aws:requesttag" => {
                let tag = self.form.tags().ok()?.into_iter().find(|tag| key.tag() == Some(&*tag.key))?;
                Some(KeyValues::one(tag.value.into_string()))
            }
            "aws:tagkeys" => {
                let mut keys = self.form.list("TagKeys").ok()?;
                keys.extend(self.form.list_of("Tags", ".Key").ok()?);
                (!keys.is_empty()).then(|| KeyValues::Many(keys.into_iter().map(Into::into).collect()))
            }
            "sts:transitivetagkeys" => {
                let keys = self.form.list("TransitiveTagKeys").ok()?;
                (!keys.is_empty()).then(|| KeyValues::Many(keys.into_iter().map(Into::into).collect()))
            }
            _ => None,
        }
    }
}
