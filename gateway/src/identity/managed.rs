//! The managed policies of AWS's that every account has: constants with AWS's names, paths and ids, in `managed.json`.
//!
//! What they say is cut to the services that there are here. AWS's own are described in its "AWS Managed Policy Reference
//! Guide".
//! Must not know: where they are attached.

use std::sync::LazyLock;

use couronne_metadata::ids::Ordinal;
use couronne_metadata::system::identity::{PolicyRow, PolicyVersion};
use serde::Deserialize;

use super::entity::Entity;

/// What the ARNs of these policies begin with; no account's do.
const ARN_PREFIX: &str = "arn:aws:iam::aws:policy";

/// The ARN of the policy that allows everything.
pub const ADMINISTRATOR_ACCESS: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// A policy as the file has it.
#[derive(Deserialize)]
struct WrittenPolicy {
    name: Box<str>,
    id: Box<str>,
    description: Box<str>,
    document: serde_json::Value,
}

/// A test reads the file as well: what is not read here is not there.
static ALL: LazyLock<Vec<Entity<PolicyRow>>> = LazyLock::new(|| {
    let written: Vec<WrittenPolicy> = serde_json::from_str(include_str!("managed.json")).unwrap_or_default();
    written.into_iter().map(entity).collect()
});

fn entity(WrittenPolicy { name, id, description, document }: WrittenPolicy) -> Entity<PolicyRow> {
    let version = PolicyVersion { number: 1, document: document.to_string().into(), created: Ordinal(0) };
    let row = PolicyRow {
        account_id: "".into(),
        name,
        path: "/".into(),
        created: Ordinal(0),
        updated: Ordinal(0),
        tags: Vec::new(),
        description,
        versions: vec![version],
        default: 1,
        next: 2,
    };
    Entity { id, row }
}

/// All of them, by name.
pub fn managed_policies() -> &'static [Entity<PolicyRow>] {
    &ALL
}

/// The ARN of one of them.
pub fn managed_policy_arn(policy: &Entity<PolicyRow>) -> String {
    format!("{ARN_PREFIX}{}{}", policy.row.path, policy.row.name)
}

/// Whether an ARN could be of such a policy: it is no account's.
pub(super) fn is_managed(arn: &str) -> bool {
    arn.strip_prefix(ARN_PREFIX).is_some_and(|rest| rest.starts_with('/'))
}

/// The policy of an ARN.
pub(super) fn of_arn(arn: &str) -> Option<&'static Entity<PolicyRow>> {
    ALL.iter().find(|policy| managed_policy_arn(policy) == arn)
}

#[cfg(test)]
mod tests {
    use super::super::documents::check_document;
    use super::*;
    use crate::access::policy::PolicyKind;

    #[test]
    fn they_are_documents_sorted_by_name_and_have_ids_of_their_own() {
        let names: Vec<_> = managed_policies().iter().map(|policy| &policy.row.name).collect();
        assert!(names.is_sorted());
        let mut ids: Vec<_> = managed_policies().iter().map(|policy| &policy.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 7);
        for policy in managed_policies() {
            check_document(PolicyKind::Managed, &policy.row.default_version().unwrap().document).unwrap();
            assert_eq!(of_arn(&managed_policy_arn(policy)), Some(policy));
        }
        assert!(of_arn(ADMINISTRATOR_ACCESS).is_some());
        assert!(is_managed(ADMINISTRATOR_ACCESS) && !is_managed("arn:aws:iam::aws:policyAdministratorAccess"));
        assert_eq!(of_arn("arn:aws:iam::aws:policy/administratoraccess"), None);
    }
}
