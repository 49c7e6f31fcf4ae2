//! Users.

use super::page::{self, Page};
use super::shapes;
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done};
use crate::iam::target::CallTarget;
use crate::identity::{Deletion, NewUser};

/// CreateUser.
pub(crate) async fn create(call: &Call<'_>, xml: &mut Writer) -> Done {
    let new = NewUser {
        name: call.need("UserName")?.into(),
        path: call.get("Path").unwrap_or("/").into(),
        tags: call.request.form.tags()?,
        boundary: call.get("PermissionsBoundary").map(Into::into),
    };
    let user = call.identity.create_user(call.account(), new).await?;
    xml.element("User", |xml| shapes::user(xml, call.account(), &user, false));
    Ok(())
}

/// GetUser.
pub(crate) async fn get(call: &Call<'_>, xml: &mut Writer) -> Done {
    let account = call.account();
    let Some(name) = call.user()? else {
        xml.element("User", |xml| {
            xml.value("UserId", &account.number);
            xml.text("Arn", &call.caller().arn());
            xml.plain("CreateDate", &shapes::date(account.created));
        });
        return Ok(());
    };
    let user = call.identity.user(account, name).await?;
    xml.element("User", |xml| shapes::user(xml, account, &user, false));
    Ok(())
}

/// ListUsers.
pub(crate) async fn list(call: &Call<'_>, xml: &mut Writer) -> Done {
    let (page, prefix) = (Page::of(call)?, call.get("PathPrefix").unwrap_or("/"));
    let found = call.identity.list_users(call.account(), prefix, page.after, page.limit).await?;
    page::write(xml, "Users", &found.entries, |xml, user| shapes::user(xml, call.account(), user, true));
    page::write_end(xml, found.next.as_deref());
    Ok(())
}

/// UpdateUser. The caller has to be allowed it on the user as it is and as it will be.
pub(crate) async fn update(call: &Call<'_>, _: &mut Writer) -> Done {
    let (account, name) = (call.account(), call.need("UserName")?);
    let (new_name, new_path) = (call.get("NewUserName"), call.get("NewPath"));
    let user = call.identity.user(account, name).await?;
    let then = account.arn("user", new_path.unwrap_or(&user.row.path), new_name.unwrap_or(name));
    call.permit("iam:UpdateUser", &CallTarget::of_arn(then))?;
    call.identity.update_user(account, name, new_name, new_path).await?;
    Ok(())
}

/// DeleteUser.
pub(crate) async fn delete(call: &Call<'_>, _: &mut Writer) -> Done {
    call.identity.delete_user(call.account(), call.need("UserName")?, Deletion::IfBare).await?;
    Ok(())
}
