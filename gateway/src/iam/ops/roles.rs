//! Roles.

use super::page::{self, Page};
use super::shapes;
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done};
use crate::identity::{Deletion, NewRole, RoleChange};

/// CreateRole.
pub(crate) async fn create(call: &Call<'_>, xml: &mut Writer) -> Done {
    let new = NewRole {
        name: call.need("RoleName")?.into(),
        path: call.get("Path").unwrap_or("/").into(),
        trust: call.need("AssumeRolePolicyDocument")?.into(),
        session_s_max: call.request.form.parsed("MaxSessionDuration")?,
        description: call.get("Description").unwrap_or_default().into(),
        tags: call.request.form.tags()?,
        boundary: call.get("PermissionsBoundary").map(Into::into),
    };
    let role = call.identity.create_role(call.account(), new).await?;
    xml.element("Role", |xml| shapes::role(xml, call.account(), &role, false));
    Ok(())
}

/// GetRole.
pub(crate) async fn get(call: &Call<'_>, xml: &mut Writer) -> Done {
    let role = call.identity.role(call.account(), call.need("RoleName")?).await?;
    xml.element("Role", |xml| shapes::role(xml, call.account(), &role, false));
    Ok(())
}

/// ListRoles.
pub(crate) async fn list(call: &Call<'_>, xml: &mut Writer) -> Done {
    let (page, prefix) = (Page::of(call)?, call.get("PathPrefix").unwrap_or("/"));
    let found = call.identity.list_roles(call.account(), prefix, page.after, page.limit).await?;
    page::write(xml, "Roles", &found.entries, |xml, role| shapes::role(xml, call.account(), role, true));
    page::write_end(xml, found.next.as_deref());
    Ok(())
}

/// UpdateRole.
pub(crate) async fn update(call: &Call<'_>, _: &mut Writer) -> Done {
    let description = call.get("Description").map(Into::into);
    let change =
        RoleChange { description, session_s_max: call.request.form.parsed("MaxSessionDuration")?, trust: None };
    call.identity.update_role(call.account(), call.need("RoleName")?, &change).await?;
    Ok(())
}

/// UpdateRoleDescription.
pub(crate) async fn update_description(call: &Call<'_>, xml: &mut Writer) -> Done {
    let change = RoleChange { description: Some(call.need("Description")?.into()), ..RoleChange::default() };
    let role = call.identity.update_role(call.account(), call.need("RoleName")?, &change).await?;
    xml.element("Role", |xml| shapes::role(xml, call.account(), &role, false));
    Ok(())
}

/// UpdateAssumeRolePolicy.
pub(crate) async fn update_trust(call: &Call<'_>, _: &mut Writer) -> Done {
    let change = RoleChange { trust: Some(call.need("PolicyDocument")?.into()), ..RoleChange::default() };
    call.identity.update_role(call.account(), call.need("RoleName")?, &change).await?;
    Ok(())
}

/// DeleteRole.
pub(crate) async fn delete(call: &Call<'_>, _: &mut Writer) -> Done {
    call.identity.delete_role(call.account(), call.need("RoleName")?, Deletion::IfBare).await?;
    Ok(())
}

/// ListInstanceProfilesForRole: clients ask before they delete a role. There are none.
pub(crate) async fn list_instance_profiles(call: &Call<'_>, xml: &mut Writer) -> Done {
    call.identity.role(call.account(), call.need("RoleName")?).await?;
    xml.element("InstanceProfiles", |_| ());
    page::write_end(xml, None);
    Ok(())
}
