//! Managed policies attached to users, groups and roles, and as permission boundaries.

use super::page::{self, Page};
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done};
use crate::identity::PolicyTarget;

async fn attach(call: &Call<'_>, to: PolicyTarget<'_>) -> Done {
    Ok(call.identity.attach_policy(call.account(), to, call.need("PolicyArn")?).await?)
}

async fn detach(call: &Call<'_>, from: PolicyTarget<'_>) -> Done {
    Ok(call.identity.detach_policy(call.account(), from, call.need("PolicyArn")?).await?)
}

async fn list(call: &Call<'_>, xml: &mut Writer, of: PolicyTarget<'_>) -> Done {
    let page = Page::of(call)?;
    let (_, grants) = call.identity.grants_of(call.account(), of).await?;
    let prefix = call.get("PathPrefix").unwrap_or("/");
    let mut named: Vec<_> = grants.attached.into_iter().map(|policy| policy.arn).collect();
    named.retain(|arn| arn.split_once(":policy").is_some_and(|(_, path)| path.starts_with(prefix)));
    named.sort_unstable();
    let (named, next) = page.take(named, |arn| arn);
    page::write(xml, "AttachedPolicies", &named, |xml, arn| {
        xml.text("PolicyName", arn.rsplit('/').next().unwrap_or_default());
        xml.text("PolicyArn", arn);
    });
    page::write_end(xml, next.as_deref());
    Ok(())
}

/// AttachUserPolicy.
pub(crate) async fn attach_to_user(call: &Call<'_>, _: &mut Writer) -> Done {
    attach(call, PolicyTarget::User(call.need("UserName")?)).await
}

/// DetachUserPolicy.
pub(crate) async fn detach_from_user(call: &Call<'_>, _: &mut Writer) -> Done {
    detach(call, PolicyTarget::User(call.need("UserName")?)).await
}

/// ListAttachedUserPolicies.
pub(crate) async fn list_of_user(call: &Call<'_>, xml: &mut Writer) -> Done {
    list(call, xml, PolicyTarget::User(call.need("UserName")?)).await
}

/// AttachGroupPolicy.
pub(crate) async fn attach_to_group(call: &Call<'_>, _: &mut Writer) -> Done {
    attach(call, PolicyTarget::Group(call.need("GroupName")?)).await
}

/// DetachGroupPolicy.
pub(crate) async fn detach_from_group(call: &Call<'_>, _: &mut Writer) -> Done {
    detach(call, PolicyTarget::Group(call.need("GroupName")?)).await
}

/// ListAttachedGroupPolicies.
pub(crate) async fn list_of_group(call: &Call<'_>, xml: &mut Writer) -> Done {
    list(call, xml, PolicyTarget::Group(call.need("GroupName")?)).await
}

/// AttachRolePolicy.
pub(crate) async fn attach_to_role(call: &Call<'_>, _: &mut Writer) -> Done {
    attach(call, PolicyTarget::Role(call.need("RoleName")?)).await
}

/// DetachRolePolicy.
pub(crate) async fn detach_from_role(call: &Call<'_>, _: &mut Writer) -> Done {
    detach(call, PolicyTarget::Role(call.need("RoleName")?)).await
}

/// ListAttachedRolePolicies.
pub(crate) async fn list_of_role(call: &Call<'_>, xml: &mut Writer) -> Done {
    list(call, xml, PolicyTarget::Role(call.need("RoleName")?)).await
}

async fn bound(call: &Call<'_>, of: PolicyTarget<'_>) -> Done {
    Ok(call.identity.set_boundary(call.account(), of, call.need("PermissionsBoundary")?).await?)
}

/// PutUserPermissionsBoundary.
pub(crate) async fn bound_user(call: &Call<'_>, _: &mut Writer) -> Done {
    bound(call, PolicyTarget::User(call.need("UserName")?)).await
}

/// PutRolePermissionsBoundary.
pub(crate) async fn bound_role(call: &Call<'_>, _: &mut Writer) -> Done {
    bound(call, PolicyTarget::Role(call.need("RoleName")?)).await
}

/// DeleteUserPermissionsBoundary.
pub(crate) async fn unbound_user(call: &Call<'_>, _: &mut Writer) -> Done {
    Ok(call.identity.remove_boundary(call.account(), PolicyTarget::User(call.need("UserName")?)).await?)
}

/// DeleteRolePermissionsBoundary.
pub(crate) async fn unbound_role(call: &Call<'_>, _: &mut Writer) -> Done {
    Ok(call.identity.remove_boundary(call.account(), PolicyTarget::Role(call.need("RoleName")?)).await?)
}
