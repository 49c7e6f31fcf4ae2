//! Finding on what a call is, before it is decided.
//!
//! Promises: an error that tells of the resource comes after the decision; a denied answer is the same whether it is there.
//! Must not know: single operations.

use super::call::{Call, Done, Fault};
use super::error::QueryError;
use super::target::{CallTarget, On};
use crate::identity::{Grants, IdentityError, Tag, oidc_provider_name};

/// A user, group or role that is there, as far as it counts in a decision.
struct NamedTarget {
    path: Box<str>,
    name: Box<str>,
    tags: Vec<Tag>,
    grants: Grants,
}

impl Call<'_> {
    /// Finds the resource.
    pub(super) async fn target(&self, on: On) -> Done<CallTarget> {
        let account = self.account();
        let made = |kind: &str, name: &str| -> Result<CallTarget, QueryError> {
            Ok(CallTarget::of_arn(account.arn(kind, self.get("Path").unwrap_or("/"), self.need(name)?)))
        };
        let all = |kind: &str| CallTarget::of_arn(account.arn(kind, self.get("PathPrefix").unwrap_or("/"), ""));
        Ok(match on {
            On::Itself | On::Account => CallTarget::of_arn("*"),
            On::User => match self.user()? {
                Some(name) => self.user_target(name).await?,
                None => CallTarget::of_arn(self.caller().arn()),
            },
            On::NewUser => made("user", "UserName")?,
            On::Users => all("user"),
            On::Group => self.group_target(self.need("GroupName")?).await?,
            On::NewGroup => made("group", "GroupName")?,
            On::Groups => all("group"),
            On::Role => self.role_target(self.need("RoleName")?).await?,
            On::NewRole => made("role", "RoleName")?,
            On::Roles => all("role"),
            On::Policy => self.policy_target(self.need("PolicyArn")?).await?,
            On::NewPolicy => made("policy", "PolicyName")?,
            On::Policies => all("policy"),
            On::Key => self.key_target(self.need("AccessKeyId")?).await?,
            On::Provider => CallTarget::of_arn(self.need("OpenIDConnectProviderArn")?),
            On::NewProvider => {
                let url = self.need("Url")?;
                // One that is none has no name, and none is made.
                CallTarget::of_arn(account.arn("oidc-provider", "/", oidc_provider_name(url).unwrap_or(url)))
            }
            On::Providers => all("oidc-provider"),
        })
    }

    async fn user_target(&self, name: &str) -> Done<CallTarget> {
        let found = there(self.identity.user(self.account(), name).await)?;
        let found = found.map(|user| NamedTarget {
            path: user.row.path,
            name: user.row.name,
            tags: user.row.tags,
            grants: user.row.grants,
        });
        Ok(self.target_of("user", name, found))
    }

    async fn group_target(&self, name: &str) -> Done<CallTarget> {
        let found = there(self.identity.group(self.account(), name).await)?;
        let found = found.map(|group| NamedTarget {
            path: group.row.path,
            name: group.row.name,
            tags: Vec::new(),
            grants: group.row.grants,
        });
        Ok(self.target_of("group", name, found))
    }

    async fn role_target(&self, name: &str) -> Done<CallTarget> {
        let found = there(self.identity.role(self.account(), name).await)?;
        let found = found.map(|role| NamedTarget {
            path: role.row.path,
            name: role.row.name,
            tags: role.row.tags,
            grants: role.row.grants,
        });
        Ok(self.target_of("role", name, found))
    }

    async fn policy_target(&self, arn: &str) -> Done<CallTarget> {
        let found = there(self.identity.policy(self.account(), arn).await)?;
        let tags = found.map(|policy| policy.row.tags).unwrap_or_default();
        Ok(CallTarget { tags, ..CallTarget::of_arn(arn) })
    }

    async fn key_target(&self, access_key: &str) -> Done<CallTarget> {
        let owner = there(self.identity.key_owner(self.account(), access_key).await)?;
        match owner {
            Some(Some(name)) => {
                let target = self.user_target(&name).await?;
                Ok(CallTarget { told: "*".to_owned(), ..target })
            }
            // The key of a root, or none that is here: only what may do it to all may.
            Some(None) | None => Ok(CallTarget::of_arn("*")),
        }
    }

    /// The target of a name, with path, name, tags and policies where it is there: found in any case, it is decided as it is
    /// written.
    fn target_of(&self, kind: &str, asked: &str, found: Option<NamedTarget>) -> CallTarget {
        let told = self.account().arn(kind, "/", asked);
        let Some(NamedTarget { path, name, tags, grants }) = found else { return CallTarget::of_arn(told) };
        let boundary = grants.boundary.map(|boundary| boundary.arn);
        CallTarget { arn: self.account().arn(kind, &path, &name), told, tags, boundary }
    }
}

/// What was found, if it is there.
fn there<T>(found: Result<T, IdentityError>) -> Done<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(IdentityError::NoSuch(_)) => Ok(None),
        Err(error) => Err(Fault::Identity(error)),
    }
}
