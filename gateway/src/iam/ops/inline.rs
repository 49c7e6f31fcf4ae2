//! Policies that stand in users, groups and roles.

use super::page::{self, Page};
use super::shapes;
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done};
use crate::identity::{EntityKind, IdentityError, PolicyTarget};

async fn put(call: &Call<'_>, of: PolicyTarget<'_>) -> Done {
    let (name, document) = (call.need("PolicyName")?, call.need("PolicyDocument")?);
    Ok(call.identity.put_inline_policy(call.account(), of, name, document.into()).await?)
}

async fn get(call: &Call<'_>, xml: &mut Writer, of: PolicyTarget<'_>) -> Done {
    let name = call.need("PolicyName")?;
    let (_, grants) = call.identity.grants_of(call.account(), of).await?;
    let found = grants.inline.iter().find(|policy| *policy.name == *name);
    let found = found.ok_or(IdentityError::NoSuch(EntityKind::Policy))?;
    let (element, holder) = match of {
        PolicyTarget::User(name) => ("UserName", name),
        PolicyTarget::Group(name) => ("GroupName", name),
        PolicyTarget::Role(name) => ("RoleName", name),
    };
    xml.text(element, holder);
    xml.text("PolicyName", &found.name);
    shapes::document(xml, "PolicyDocument", &found.document);
    Ok(())
}

async fn list(call: &Call<'_>, xml: &mut Writer, of: PolicyTarget<'_>) -> Done {
    let page = Page::of(call)?;
    let (_, grants) = call.identity.grants_of(call.account(), of).await?;
    let mut names: Vec<_> = grants.inline.into_iter().map(|policy| policy.name).collect();
    names.sort_unstable();
    let (names, next) = page.take(names, |name| name);
    xml.element("PolicyNames", |xml| names.iter().for_each(|name| xml.text("member", name)));
    page::write_end(xml, next.as_deref());
    Ok(())
}

async fn delete(call: &Call<'_>, of: PolicyTarget<'_>) -> Done {
    Ok(call.identity.delete_inline_policy(call.account(), of, call.need("PolicyName")?).await?)
}

/// PutUserPolicy.
pub(crate) async fn put_in_user(call: &Call<'_>, _: &mut Writer) -> Done {
    put(call, PolicyTarget::User(call.need("UserName")?)).await
}

/// GetUserPolicy.
pub(crate) async fn get_of_user(call: &Call<'_>, xml: &mut Writer) -> Done {
    get(call, xml, PolicyTarget::User(call.need("UserName")?)).await
}

/// ListUserPolicies.
pub(crate) async fn list_of_user(call: &Call<'_>, xml: &mut Writer) -> Done {
    list(call, xml, PolicyTarget::User(call.need("UserName")?)).await
}

/// DeleteUserPolicy.
pub(crate) async fn delete_from_user(call: &Call<'_>, _: &mut Writer) -> Done {
    delete(call, PolicyTarget::User(call.need("UserName")?)).await
}

/// PutGroupPolicy.
pub(crate) async fn put_in_group(call: &Call<'_>, _: &mut Writer) -> Done {
    put(call, PolicyTarget::Group(call.need("GroupName")?)).await
}

/// GetGroupPolicy.
pub(crate) async fn get_of_group(call: &Call<'_>, xml: &mut Writer) -> Done {
    get(call, xml, PolicyTarget::Group(call.need("GroupName")?)).await
}

/// ListGroupPolicies.
pub(crate) async fn list_of_group(call: &Call<'_>, xml: &mut Writer) -> Done {
    list(call, xml, PolicyTarget::Group(call.need("GroupName")?)).await
}

/// DeleteGroupPolicy.
pub(crate) async fn delete_from_group(call: &Call<'_>, _: &mut Writer) -> Done {
    delete(call, PolicyTarget::Group(call.need("GroupName")?)).await
}

/// PutRolePolicy.
pub(crate) async fn put_in_role(call: &Call<'_>, _: &mut Writer) -> Done {
    put(call, PolicyTarget::Role(call.need("RoleName")?)).await
}

/// GetRolePolicy.
pub(crate) async fn get_of_role(call: &Call<'_>, xml: &mut Writer) -> Done {
    get(call, xml, PolicyTarget::Role(call.need("RoleName")?)).await
}

/// ListRolePolicies.
pub(crate) async fn list_of_role(call: &Call<'_>, xml: &mut Writer) -> Done {
    list(call, xml, PolicyTarget::Role(call.need("RoleName")?)).await
}

/// DeleteRolePolicy.
pub(crate) async fn delete_from_role(call: &Call<'_>, _: &mut Writer) -> Done {
    delete(call, PolicyTarget::Role(call.need("RoleName")?)).await
}
