//! Tags of users, roles and managed policies.

use super::page::{self, Page};
use super::shapes;
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done};
use crate::identity::{Tag, Tagged};

async fn tag(call: &Call<'_>, of: Tagged<'_>) -> Done {
    Ok(call.identity.tag(call.account(), of, &call.request.form.tags()?).await?)
}

async fn untag(call: &Call<'_>, of: Tagged<'_>) -> Done {
    Ok(call.identity.untag(call.account(), of, &call.request.form.list("TagKeys")?).await?)
}

fn list(call: &Call<'_>, xml: &mut Writer, mut tags: Vec<Tag>) -> Done {
    tags.sort_by(|one, other| one.key.cmp(&other.key));
    let (tags, next) = Page::of(call)?.take(tags, |tag| &tag.key);
    shapes::tags(xml, &tags);
    page::write_end(xml, next.as_deref());
    Ok(())
}

/// TagUser.
pub(crate) async fn tag_user(call: &Call<'_>, _: &mut Writer) -> Done {
    tag(call, Tagged::User(call.need("UserName")?)).await
}

/// UntagUser.
pub(crate) async fn untag_user(call: &Call<'_>, _: &mut Writer) -> Done {
    untag(call, Tagged::User(call.need("UserName")?)).await
}

/// ListUserTags.
pub(crate) async fn list_of_user(call: &Call<'_>, xml: &mut Writer) -> Done {
    let user = call.identity.user(call.account(), call.need("UserName")?).await?;
    list(call, xml, user.row.tags)
}

/// TagRole.
pub(crate) async fn tag_role(call: &Call<'_>, _: &mut Writer) -> Done {
    tag(call, Tagged::Role(call.need("RoleName")?)).await
}

/// UntagRole.
pub(crate) async fn untag_role(call: &Call<'_>, _: &mut Writer) -> Done {
    untag(call, Tagged::Role(call.need("RoleName")?)).await
}

/// ListRoleTags.
pub(crate) async fn list_of_role(call: &Call<'_>, xml: &mut Writer) -> Done {
    let role = call.identity.role(call.account(), call.need("RoleName")?).await?;
    list(call, xml, role.row.tags)
}

/// TagPolicy.
pub(crate) async fn tag_policy(call: &Call<'_>, _: &mut Writer) -> Done {
    tag(call, Tagged::Policy(call.need("PolicyArn")?)).await
}

/// UntagPolicy.
pub(crate) async fn untag_policy(call: &Call<'_>, _: &mut Writer) -> Done {
    untag(call, Tagged::Policy(call.need("PolicyArn")?)).await
}

/// ListPolicyTags.
pub(crate) async fn list_of_policy(call: &Call<'_>, xml: &mut Writer) -> Done {
    let policy = call.identity.policy(call.account(), call.need("PolicyArn")?).await?;
    list(call, xml, policy.row.tags)
}
