//! Managed policies: those of the account, and AWS's.

use super::page::{self, Page};
use super::shapes::{self, UseCounts};
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done};
use crate::iam::error::{Code, QueryError};
use crate::identity::{Deletion, Entity, EntityKind, NewPolicy, PolicyRow, PolicyUse, managed_policies};

/// What the markers of a list of policies begin with: of the account's, and then of AWS's.
const OF_ACCOUNT: &str = "account/";
const OF_AWS: &str = "aws/";

/// CreatePolicy.
pub(crate) async fn create(call: &Call<'_>, xml: &mut Writer) -> Done {
    let new = NewPolicy {
        name: call.need("PolicyName")?.into(),
        path: call.get("Path").unwrap_or("/").into(),
        description: call.get("Description").unwrap_or_default().into(),
        document: call.need("PolicyDocument")?.into(),
        tags: call.request.form.tags()?,
    };
    let policy = call.identity.create_policy(call.account(), new).await?;
    xml.element("Policy", |xml| shapes::policy(xml, call.account(), &policy, UseCounts::default(), false));
    Ok(())
}

/// GetPolicy.
pub(crate) async fn get(call: &Call<'_>, xml: &mut Writer) -> Done {
    let policy = call.identity.policy(call.account(), call.need("PolicyArn")?).await?;
    let uses = uses(call, &policy).await?;
    xml.element("Policy", |xml| shapes::policy(xml, call.account(), &policy, uses, false));
    Ok(())
}

async fn uses(call: &Call<'_>, policy: &Entity<PolicyRow>) -> Done<UseCounts> {
    let uses = call.identity.policy_uses(call.account(), &shapes::policy_arn(call.account(), policy)).await?;
    let count = |is_of: fn(&PolicyUse) -> bool| uses.iter().filter(|used| is_of(used)).count();
    Ok(UseCounts { attached: count(|used| used.is_attached), bounding: count(|used| used.is_boundary) })
}

/// ListPolicies: those of the account by name, then AWS's.
pub(crate) async fn list(call: &Call<'_>, xml: &mut Writer) -> Done {
    let page = Page::of(call)?;
    let scope = call.get("Scope").unwrap_or("All");
    let (has_own, has_aws) = match scope {
        "All" => (true, true),
        "Local" => (true, false),
        "AWS" => (false, true),
        other => return Err(QueryError::new(Code::ValidationError, format!("{other} is no value of Scope.")).into()),
    };
    let prefix = call.get("PathPrefix").unwrap_or("/");
    let (mut entries, mut next) = (Vec::new(), None);
    if has_own && !page.after.starts_with(OF_AWS) {
        let after = page.after.strip_prefix(OF_ACCOUNT).unwrap_or_default();
        let found = call.identity.list_policies(call.account(), prefix, after, page.limit).await?;
        entries = found.entries;
        next = found.next.map(|next| format!("{OF_ACCOUNT}{next}"));
    }
    if has_aws && next.is_none() {
        let after = page.after.strip_prefix(OF_AWS).unwrap_or_default();
        let of_aws = managed_policies().iter().filter(|policy| policy.row.path.starts_with(prefix)).cloned();
        let left = page.limit.saturating_sub(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        let (more, end) = Page { after, limit: left }.take(of_aws.collect(), |policy| &policy.row.name);
        let is_cut = left == 0 || end.is_some();
        next = is_cut.then(|| format!("{OF_AWS}{}", end.unwrap_or_default()));
        entries.extend(more);
    }
    let is_only_attached = call.request.form.parsed::<bool>("OnlyAttached")?.unwrap_or(false);
    let mut listed = Vec::with_capacity(entries.len());
    for policy in entries {
        let uses = uses(call, &policy).await?;
        if !is_only_attached || uses.attached > 0 {
            listed.push((policy, uses));
        }
    }
    page::write(xml, "Policies", &listed, |xml, (policy, uses)| {
        shapes::policy(xml, call.account(), policy, *uses, true);
    });
    page::write_end(xml, next.as_deref());
    Ok(())
}

/// DeletePolicy.
pub(crate) async fn delete(call: &Call<'_>, _: &mut Writer) -> Done {
    call.identity.delete_policy(call.account(), call.need("PolicyArn")?, Deletion::IfBare).await?;
    Ok(())
}

/// ListEntitiesForPolicy.
pub(crate) async fn list_entities(call: &Call<'_>, xml: &mut Writer) -> Done {
    let (page, prefix) = (Page::of(call)?, call.get("PathPrefix").unwrap_or("/"));
    let kinds: &[EntityKind] = match call.get("EntityFilter") {
        None => &[EntityKind::User, EntityKind::Group, EntityKind::Role],
        Some("User") => &[EntityKind::User],
        Some("Group") => &[EntityKind::Group],
        Some("Role") => &[EntityKind::Role],
        // It is attached to whatever it is attached to: there is no policy of another kind.
        Some(_) => &[],
    };
    let is_as_asked = |used: &PolicyUse| match call.get("PolicyUsageFilter") {
        Some("PermissionsBoundary") => used.is_boundary,
        Some("PermissionsPolicy") => used.is_attached,
        _ => true,
    };
    let mut uses = call.identity.policy_uses(call.account(), call.need("PolicyArn")?).await?;
    uses.retain(|used| kinds.contains(&used.kind) && used.path.starts_with(prefix) && is_as_asked(used));
    uses.sort_by(|one, other| one.id.cmp(&other.id));
    let (uses, next) = page.take(uses, |used| &used.id);
    for (kind, list, name, id) in [
        (EntityKind::Group, "PolicyGroups", "GroupName", "GroupId"),
        (EntityKind::User, "PolicyUsers", "UserName", "UserId"),
        (EntityKind::Role, "PolicyRoles", "RoleName", "RoleId"),
    ] {
        let of_kind: Vec<_> = uses.iter().filter(|used| used.kind == kind).collect();
        page::write(xml, list, &of_kind, |xml, used| {
            xml.text(name, &used.name);
            xml.text(id, &used.id);
        });
    }
    page::write_end(xml, next.as_deref());
    Ok(())
}
