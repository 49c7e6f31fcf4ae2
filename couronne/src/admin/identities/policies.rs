//! Control of the policies of accounts, and of what users and roles are bounded and told apart by, over the gateway's identity.
//!
//! Must not know: HTTP.

use async_trait::async_trait;
use couronne_admin::control::{Actor, PolicyControl};
use couronne_admin::types::{
    self, ApiError, BoundaryRequest, HolderKind, InlinePolicyRequest, Policy, PolicyDetail, PolicyHolder,
    PolicyRequest, PolicyVersion, PolicyVersionRequest, TagsRequest,
};
use couronne_gateway::identity::{
    Account, Deletion, Entity, EntityKind, IdentityError, NewPolicy, PolicyRow, PolicyTarget, PolicyUse, RoleChange,
    Tag, Tagged, managed_policies, managed_policy_arn,
};

use super::AdminIdentityControl;
use super::refusals::refusal;
use super::shown::shown_role;

/// Policies fetched at a time.
const PAGE: u32 = 1000;

#[async_trait]
impl PolicyControl for AdminIdentityControl {
    async fn policies(&self, account: String) -> Result<Vec<Policy>, ApiError> {
        let account = self.find_account(&account).await?;
        let own = async { Ok(every_page!(|after| self.0.list_policies(&account, "/", &after, PAGE))) };
        let own = own.await.map_err(|error: IdentityError| refusal(&error))?;
        let own = own.iter().map(|policy| shown(arn_of(&account, policy), policy));
        let of_aws = managed_policies().iter().map(|policy| shown(managed_policy_arn(policy), policy));
        Ok(own.chain(of_aws).collect())
    }

    async fn create_policy(&self, actor: &Actor, account: String, request: PolicyRequest) -> Result<Policy, ApiError> {
        let account = self.find_account(&account).await?;
        let PolicyRequest { name, path, document, description } = request;
        let new = NewPolicy {
            name: name.into(),
            path: path.as_deref().unwrap_or("/").into(),
            description: description.into(),
            document: document.into(),
            tags: Vec::new(),
        };
        let policy = self.0.create_policy(&account, new).await.map_err(|error| refusal(&error))?;
        let policy = shown(arn_of(&account, &policy), &policy);
        tracing::info!(account = %account.name, policy = policy.arn, %actor, "policy created");
        Ok(policy)
    }

    async fn policy(&self, account: String, policy: String) -> Result<PolicyDetail, ApiError> {
        let account = self.find_account(&account).await?;
        let found = async {
            let arn = self.0.policy_arn(&account, &policy).await?;
            let found = self.0.policy(&account, &arn).await?;
            Ok((self.0.policy_uses(&account, &arn).await?, arn, found))
        };
        let (uses, arn, found) = found.await.map_err(|error| refusal(&error))?;
        let document = found.row.default_version().map(|version| version.document.to_string());
        let holders = |holds: fn(&PolicyUse) -> bool| uses.iter().filter(|used| holds(used)).map(holder).collect();
        Ok(PolicyDetail {
            policy: shown(arn, &found),
            document: document.unwrap_or_default(),
            versions: found.row.versions.iter().map(|version| format!("v{}", version.number)).collect(),
            attached_to: holders(|used| used.is_attached),
            bounds: holders(|used| used.is_boundary),
        })
    }

    async fn delete_policy(&self, actor: &Actor, account: String, policy: String) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        let arn = self.0.policy_arn(&account, &policy).await.map_err(|error| refusal(&error))?;
        let deleted = self.0.delete_policy(&account, &arn, Deletion::WithAll).await;
        deleted.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, policy = arn, %actor, "policy deleted");
        Ok(())
    }

    async fn set_attached(
        &self,
        actor: &Actor,
        account: String,
        policy: String,
        holder: PolicyHolder,
        is_attached: bool,
    ) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        let arn = self.0.policy_arn(&account, &policy).await.map_err(|error| refusal(&error))?;
        let grantee = target(&holder);
        let set = if is_attached {
            self.0.attach_policy(&account, grantee, &arn).await
        } else {
            self.0.detach_policy(&account, grantee, &arn).await
        };
        set.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, policy = arn, to = ?grantee, is_attached, %actor, "policy attached or detached");
        Ok(())
    }

    async fn create_policy_version(
        &self,
        actor: &Actor,
        account: String,
        policy: String,
        request: PolicyVersionRequest,
    ) -> Result<PolicyVersion, ApiError> {
        let found = self.find_account(&account).await?;
        let arn = self.0.policy_arn(&found, &policy).await.map_err(|error| refusal(&error))?;
        let PolicyVersionRequest { document, default } = request;
        let made = self.0.create_policy_version(&found, &arn, document.into(), default).await;
        let version = format!("v{}", made.map_err(|error| refusal(&error))?);
        tracing::info!(account, policy = arn, version, default, %actor, "policy version created");
        self.policy_version(account, policy, version).await
    }

    async fn policy_version(
        &self,
        account: String,
        policy: String,
        version: String,
    ) -> Result<PolicyVersion, ApiError> {
        let account = self.find_account(&account).await?;
        let found = async {
            let number = version_number(&version)?;
            let arn = self.0.policy_arn(&account, &policy).await?;
            let row = self.0.policy(&account, &arn).await?.row;
            let found = row.versions.iter().find(|known| known.number == number);
            let found = found.ok_or(IdentityError::NoSuch(EntityKind::PolicyVersion))?;
            Ok(PolicyVersion {
                version: format!("v{number}"),
                default: row.default == number,
                document: found.document.to_string(),
                created_ms: found.created.0 / 1000,
            })
        };
        found.await.map_err(|error: IdentityError| refusal(&error))
    }

    async fn set_default_policy_version(
        &self,
        actor: &Actor,
        account: String,
        policy: String,
        version: String,
    ) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        let set = async {
            let arn = self.0.policy_arn(&account, &policy).await?;
            self.0.set_default_policy_version(&account, &arn, version_number(&version)?).await
        };
        set.await.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, policy, version, %actor, "another version of a policy counts");
        Ok(())
    }

    async fn delete_policy_version(
        &self,
        actor: &Actor,
        account: String,
        policy: String,
        version: String,
    ) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        let deleted = async {
            let arn = self.0.policy_arn(&account, &policy).await?;
            self.0.delete_policy_version(&account, &arn, version_number(&version)?).await
        };
        deleted.await.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, policy, version, %actor, "policy version deleted");
        Ok(())
    }

    async fn set_boundary(&self, actor: &Actor, account: String, request: BoundaryRequest) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        let BoundaryRequest { of, policy } = request;
        let set = async {
            let Some(policy) = &policy else { return self.0.remove_boundary(&account, target(&of)).await };
            let arn = self.0.policy_arn(&account, policy).await?;
            self.0.set_boundary(&account, target(&of), &arn).await
        };
        set.await.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, of = ?target(&of), ?policy, %actor, "permission boundary set or removed");
        Ok(())
    }

    async fn set_inline_policy(
        &self,
        actor: &Actor,
        account: String,
        request: InlinePolicyRequest,
    ) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        let InlinePolicyRequest { of, name, document } = request;
        let is_put = document.is_some();
        let set = match document {
            Some(document) => self.0.put_inline_policy(&account, target(&of), &name, document.into()).await,
            None => self.0.delete_inline_policy(&account, target(&of), &name).await,
        };
        set.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, of = ?target(&of), name, is_put, %actor, "inline policy put or deleted");
        Ok(())
    }

    async fn change_tags(&self, actor: &Actor, account: String, request: TagsRequest) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        let TagsRequest { of, set, remove } = request;
        let tagged = match of.kind {
            HolderKind::User => Tagged::User(&of.name),
            HolderKind::Role => Tagged::Role(&of.name),
            HolderKind::Group => return Err(refusal(&IdentityError::Invalid("a group has no tags"))),
        };
        let changed = async {
            let keys: Vec<_> = remove.iter().map(String::as_str).collect();
            self.0.untag(&account, tagged, &keys).await?;
            let tags: Vec<_> =
                set.into_iter().map(|(key, value)| Tag { key: key.into(), value: value.into() }).collect();
            self.0.tag(&account, tagged, &tags).await
        };
        changed.await.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, of = ?tagged, %actor, "tags changed");
        Ok(())
    }

    async fn change_role(
        &self,
        actor: &Actor,
        account: String,
        role: String,
        change: types::RoleChange,
    ) -> Result<types::Role, ApiError> {
        let account = self.find_account(&account).await?;
        let types::RoleChange { trust_policy, session_s_max, description } = change;
        let (trust, description) = (trust_policy.map(Into::into), description.map(Into::into));
        let changed = self.0.update_role(&account, &role, &RoleChange { trust, session_s_max, description }).await;
        let changed = changed.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, role, %actor, "role changed");
        Ok(shown_role(&account, changed))
    }
}

/// What a holder is to verbs on identities.
fn target(holder: &PolicyHolder) -> PolicyTarget<'_> {
    match holder.kind {
        HolderKind::User => PolicyTarget::User(&holder.name),
        HolderKind::Group => PolicyTarget::Group(&holder.name),
        HolderKind::Role => PolicyTarget::Role(&holder.name),
    }
}

fn version_number(version: &str) -> Result<u32, IdentityError> {
    let number = version.strip_prefix('v').and_then(|number| number.parse().ok());
    number.ok_or(IdentityError::NoSuch(EntityKind::PolicyVersion))
}

fn arn_of(account: &Account, policy: &Entity<PolicyRow>) -> String {
    account.arn("policy", &policy.row.path, &policy.row.name)
}

fn shown(arn: String, policy: &Entity<PolicyRow>) -> Policy {
    let PolicyRow { name, description, default, .. } = &policy.row;
    Policy { name: name.to_string(), arn, description: description.to_string(), version: format!("v{default}") }
}

fn holder(used: &PolicyUse) -> PolicyHolder {
    let kind = match used.kind {
        EntityKind::User => HolderKind::User,
        EntityKind::Group => HolderKind::Group,
        _ => HolderKind::Role,
    };
    PolicyHolder { kind, name: used.name.to_string() }
}
