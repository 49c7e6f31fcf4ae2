//! Control of the managed policies of accounts, over the gateway's identity.
//!
//! Must not know: HTTP.

use async_trait::async_trait;
use couronne_admin::control::{Actor, PolicyControl};
use couronne_admin::types::{ApiError, HolderKind, Policy, PolicyDetail, PolicyHolder, PolicyRequest};
use couronne_gateway::identity::{
    Account, Deletion, Entity, EntityKind, IdentityError, NewPolicy, PolicyRow, PolicyTarget, PolicyUse,
    managed_policies, managed_policy_arn,
};

use super::AdminIdentityControl;
use super::refusals::refusal;

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
        let grantee = match holder.kind {
            HolderKind::User => PolicyTarget::User(&holder.name),
            HolderKind::Group => PolicyTarget::Group(&holder.name),
            HolderKind::Role => PolicyTarget::Role(&holder.name),
        };
        let set = if is_attached {
            self.0.attach_policy(&account, grantee, &arn).await
        } else {
            self.0.detach_policy(&account, grantee, &arn).await
        };
        set.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, policy = arn, to = ?grantee, is_attached, %actor, "policy attached or detached");
        Ok(())
    }
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
