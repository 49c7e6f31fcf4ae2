//! Groups and their members.

use super::page::{self, Page};
use super::shapes;
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done};
use crate::iam::error::{Code, QueryError};
use crate::iam::target::CallTarget;
use crate::identity::Deletion;

/// CreateGroup.
pub(crate) async fn create(call: &Call<'_>, xml: &mut Writer) -> Done {
    let (name, path) = (call.need("GroupName")?, call.get("Path").unwrap_or("/"));
    let group = call.identity.create_group(call.account(), name, path).await?;
    xml.element("Group", |xml| shapes::group(xml, call.account(), &group));
    Ok(())
}

/// GetGroup.
pub(crate) async fn get(call: &Call<'_>, xml: &mut Writer) -> Done {
    let (page, account, name) = (Page::of(call)?, call.account(), call.need("GroupName")?);
    let group = call.identity.group(account, name).await?;
    let members = call.identity.members(account, name, page.after, page.limit).await?;
    xml.element("Group", |xml| shapes::group(xml, account, &group));
    page::write(xml, "Users", &members.entries, |xml, user| shapes::user(xml, account, user, true));
    page::write_end(xml, members.next.as_deref());
    Ok(())
}

/// ListGroups.
pub(crate) async fn list(call: &Call<'_>, xml: &mut Writer) -> Done {
    let (page, prefix) = (Page::of(call)?, call.get("PathPrefix").unwrap_or("/"));
    let found = call.identity.list_groups(call.account(), prefix, page.after, page.limit).await?;
    page::write(xml, "Groups", &found.entries, |xml, group| shapes::group(xml, call.account(), group));
    page::write_end(xml, found.next.as_deref());
    Ok(())
}

/// UpdateGroup. The caller has to be allowed it on the group as it is and as it will be.
pub(crate) async fn update(call: &Call<'_>, _: &mut Writer) -> Done {
    let (account, name) = (call.account(), call.need("GroupName")?);
    let (new_name, new_path) = (call.get("NewGroupName"), call.get("NewPath"));
    let group = call.identity.group(account, name).await?;
    let then = account.arn("group", new_path.unwrap_or(&group.row.path), new_name.unwrap_or(name));
    call.permit("iam:UpdateGroup", &CallTarget::of_arn(then))?;
    call.identity.update_group(account, name, new_name, new_path).await?;
    Ok(())
}

/// DeleteGroup.
pub(crate) async fn delete(call: &Call<'_>, _: &mut Writer) -> Done {
    call.identity.delete_group(call.account(), call.need("GroupName")?, Deletion::IfBare).await?;
    Ok(())
}

/// AddUserToGroup.
pub(crate) async fn add_user(call: &Call<'_>, _: &mut Writer) -> Done {
    let (group, user) = (call.need("GroupName")?, call.need("UserName")?);
    call.identity.add_member(call.account(), group, user).await?;
    Ok(())
}

/// RemoveUserFromGroup.
pub(crate) async fn remove_user(call: &Call<'_>, _: &mut Writer) -> Done {
    let (group, user) = (call.need("GroupName")?, call.need("UserName")?);
    let groups = call.identity.groups_of(call.account(), user).await?;
    call.identity.group(call.account(), group).await?;
    if !groups.iter().any(|of| *of.row.name == *group) {
        let message = format!("User {user} not in group {group}");
        return Err(QueryError::new(Code::NoSuchEntity, message).into());
    }
    call.identity.remove_member(call.account(), group, user).await?;
    Ok(())
}

/// ListGroupsForUser.
pub(crate) async fn list_for_user(call: &Call<'_>, xml: &mut Writer) -> Done {
    let page = Page::of(call)?;
    let groups = call.identity.groups_of(call.account(), call.need("UserName")?).await?;
    let (groups, next) = page.take(groups, |group| &group.row.name);
    page::write(xml, "Groups", &groups, |xml, group| shapes::group(xml, call.account(), group));
    page::write_end(xml, next.as_deref());
    Ok(())
}
