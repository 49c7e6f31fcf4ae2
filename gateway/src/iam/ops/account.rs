//! The account as a whole.

use super::page;
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done};
use crate::identity::IdentityPage;

/// What is told of a quota that there is none of: clients read it as a number of 32 bits.
const UNBOUNDED: usize = 2_147_483_647;

/// Entries that are counted at a time.
const PAGE: u32 = 500;

/// Counts the entries of a list.
async fn count<T, L>(list: impl Fn(Box<str>) -> L) -> Done<usize>
where
    L: Future<Output = Result<IdentityPage<T>, crate::identity::IdentityError>>,
{
    let (mut after, mut count) = (Box::<str>::from(""), 0);
    loop {
        let page = list(after).await?;
        count += page.entries.len();
        match page.next {
            Some(next) => after = next,
            None => return Ok(count),
        }
    }
}

/// GetAccountSummary.
pub(crate) async fn get_summary(call: &Call<'_>, xml: &mut Writer) -> Done {
    let (identity, account) = (call.identity, call.account());
    let users = count(async |after: Box<str>| identity.list_users(account, "/", &after, PAGE).await).await?;
    let groups = count(async |after: Box<str>| identity.list_groups(account, "/", &after, PAGE).await).await?;
    let roles = count(async |after: Box<str>| identity.list_roles(account, "/", &after, PAGE).await).await?;
    let policies = count(async |after: Box<str>| identity.list_policies(account, "/", &after, PAGE).await).await?;
    let providers = identity.list_oidc_providers(account).await?.len();
    let has_root_keys = !identity.list_keys(account, crate::identity::KeyOwner::Root).await?.is_empty();
    let entries = [
        ("Users", users),
        ("Groups", groups),
        ("Roles", roles),
        ("Policies", policies),
        ("Providers", providers),
        ("AccountAccessKeysPresent", usize::from(has_root_keys)),
        ("AccountMFAEnabled", 0),
        ("MFADevices", 0),
        ("MFADevicesInUse", 0),
        ("ServerCertificates", 0),
        ("InstanceProfiles", 0),
        ("UsersQuota", UNBOUNDED),
        ("GroupsQuota", UNBOUNDED),
        ("RolesQuota", UNBOUNDED),
        ("PoliciesQuota", UNBOUNDED),
        ("PolicyVersionsInUseQuota", UNBOUNDED),
        ("AccessKeysPerUserQuota", 100),
        ("GroupsPerUserQuota", couronne_metadata::system::identity::GROUPS_MAX),
        ("AttachedPoliciesPerUserQuota", couronne_metadata::system::identity::ATTACHED_MAX),
        ("AttachedPoliciesPerGroupQuota", couronne_metadata::system::identity::ATTACHED_MAX),
        ("AttachedPoliciesPerRoleQuota", couronne_metadata::system::identity::ATTACHED_MAX),
        ("VersionsPerPolicyQuota", couronne_metadata::system::identity::VERSIONS_MAX),
        ("PolicySizeQuota", 6_144),
        ("UserPolicySizeQuota", 2_048),
        ("GroupPolicySizeQuota", 5_120),
        ("AssumeRolePolicySizeQuota", 2_048),
    ];
    xml.element("SummaryMap", |xml| {
        for (name, value) in entries {
            xml.element("entry", |xml| {
                xml.plain("key", name);
                xml.value("value", value);
            });
        }
    });
    Ok(())
}

/// ListAccountAliases: accounts have none.
pub(crate) async fn list_aliases(_: &Call<'_>, xml: &mut Writer) -> Done {
    xml.element("AccountAliases", |_| ());
    page::write_end(xml, None);
    Ok(())
}
