//! The shapes of AWS's documents that several operations write.
//!
//! Must not know: requests.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::page;
use crate::aws::xml::Writer;
use crate::identity::{Account, Entity, Grants, GroupRow, PolicyRow, RoleRow, Tag, UserRow, managed_policy_arn};
use couronne_metadata::ids::Ordinal;

/// What stands for itself in an encoded document (RFC 3986).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Microseconds since 1970 as ISO 8601 with whole seconds.
pub(super) fn date(at: Ordinal) -> String {
    date_s(at.0 / 1_000_000)
}

/// Seconds since 1970 as ISO 8601.
pub(super) fn date_s(at_s: u64) -> String {
    let at = i64::try_from(at_s).ok().and_then(|at| Timestamp::from_second(at).ok());
    at.unwrap_or(Timestamp::MAX).to_string()
}

/// Writes the document of a policy, percent-encoded as AWS has it.
pub(super) fn document(xml: &mut Writer, name: &str, text: &str) {
    xml.value(name, utf8_percent_encode(text, ENCODED));
}

/// Writes tags.
pub(super) fn tags(xml: &mut Writer, tags: &[Tag]) {
    page::write(xml, "Tags", tags, |xml, tag| {
        xml.text("Key", &tag.key);
        xml.text("Value", &tag.value);
    });
}

fn boundary(xml: &mut Writer, grants: &Grants) {
    let Some(boundary) = &grants.boundary else { return };
    xml.element("PermissionsBoundary", |xml| {
        xml.plain("PermissionsBoundaryType", "Policy");
        xml.text("PermissionsBoundaryArn", &boundary.arn);
    });
}

/// Writes a user; lists leave its tags and boundary out.
pub(super) fn user(xml: &mut Writer, account: &Account, user: &Entity<UserRow>, is_listed: bool) {
    let UserRow { name, path, created, tags: all, grants, .. } = &user.row;
    xml.text("Path", path);
    xml.text("UserName", name);
    xml.text("UserId", &user.id);
    xml.text("Arn", &account.arn("user", path, name));
    xml.plain("CreateDate", &date(*created));
    if !is_listed {
        boundary(xml, grants);
        if !all.is_empty() {
            tags(xml, all);
        }
    }
}

/// Writes a group.
pub(super) fn group(xml: &mut Writer, account: &Account, group: &Entity<GroupRow>) {
    let GroupRow { name, path, created, .. } = &group.row;
    xml.text("Path", path);
    xml.text("GroupName", name);
    xml.text("GroupId", &group.id);
    xml.text("Arn", &account.arn("group", path, name));
    xml.plain("CreateDate", &date(*created));
}

/// Writes a role; lists leave its tags and boundary out.
pub(super) fn role(xml: &mut Writer, account: &Account, role: &Entity<RoleRow>, is_listed: bool) {
    let RoleRow { name, path, created, tags: all, grants, trust, session_s_max, description, .. } = &role.row;
    xml.text("Path", path);
    xml.text("RoleName", name);
    xml.text("RoleId", &role.id);
    xml.text("Arn", &account.arn("role", path, name));
    xml.plain("CreateDate", &date(*created));
    document(xml, "AssumeRolePolicyDocument", trust);
    if !description.is_empty() {
        xml.text("Description", description);
    }
    xml.value("MaxSessionDuration", session_s_max);
    if !is_listed {
        boundary(xml, grants);
        if !all.is_empty() {
            tags(xml, all);
        }
    }
}

/// How a managed policy is used in an account.
#[derive(Clone, Copy, Default)]
pub(super) struct UseCounts {
    /// Users, groups and roles that it is attached to.
    pub(super) attached: usize,
    /// Users and roles that it bounds.
    pub(super) bounding: usize,
}

/// The ARN of a managed policy: of the account, or, without one of its own, of AWS's.
pub(super) fn policy_arn(account: &Account, policy: &Entity<PolicyRow>) -> String {
    let PolicyRow { account_id, path, name, .. } = &policy.row;
    if account_id.is_empty() { managed_policy_arn(policy) } else { account.arn("policy", path, name) }
}

/// Writes a managed policy; lists leave its tags and description out.
pub(super) fn policy(
    xml: &mut Writer,
    account: &Account,
    policy: &Entity<PolicyRow>,
    uses: UseCounts,
    is_listed: bool,
) {
    let PolicyRow { name, path, created, updated, tags: all, description, default, .. } = &policy.row;
    xml.text("PolicyName", name);
    xml.text("PolicyId", &policy.id);
    xml.text("Arn", &policy_arn(account, policy));
    xml.text("Path", path);
    xml.value("DefaultVersionId", format_args!("v{default}"));
    xml.value("AttachmentCount", uses.attached);
    xml.value("PermissionsBoundaryUsageCount", uses.bounding);
    xml.value("IsAttachable", true);
    xml.plain("CreateDate", &date(*created));
    xml.plain("UpdateDate", &date(*updated));
    if !is_listed {
        if !description.is_empty() {
            xml.text("Description", description);
        }
        if !all.is_empty() {
            tags(xml, all);
        }
    }
}
