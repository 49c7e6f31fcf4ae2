//! The managed policies of AWS's that every account has: constants, with AWS's names, paths and ids.
//!
//! What they say is cut to the services that there are here (`s3`, `iam`, `sts`). AWS's own are described in its
//! "AWS Managed Policy Reference Guide".
//! Must not know: where they are attached.

use std::sync::{Arc, LazyLock};

use couronne_metadata::ids::Ordinal;
use couronne_metadata::system::identity::{PolicyRow, PolicyVersion};

use super::entity::Entity;

/// What the ARNs of these policies begin with; no account's do.
const ARN_PREFIX: &str = "arn:aws:iam::aws:policy";

/// The ARN of the policy that allows everything.
pub const ADMINISTRATOR_ACCESS: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// Name, unique id, what it is for, and what it says.
const POLICIES: [(&str, &str, &str, &str); 7] = [
    (
        "AdministratorAccess",
        "ANPAIWMBCKSKIEE64ZLYK",
        "Everything in the account.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    ),
    (
        "AmazonS3FullAccess",
        "ANPAIFIR6V6BVTRAHWINE",
        "Everything in S3.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#,
    ),
    (
        "AmazonS3ReadOnlyAccess",
        "ANPAIZTJ4DXE7G6AGAE6M",
        "Reading and listing in S3.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*"],"Resource":"*"}]}"#,
    ),
    (
        "IAMFullAccess",
        "ANPAI7XKCFMBPM3QQRRVQ",
        "Everything in IAM.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}"#,
    ),
    (
        "IAMReadOnlyAccess",
        "ANPAJKSO7NDY4T57MWDSQ",
        "Reading and listing in IAM.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"*"}]}"#,
    ),
    (
        "PowerUserAccess",
        "ANPAJYRXTHIB4FOVS3ZXS",
        "Everything but IAM, of which what a program needs to find its way.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"iam:*","Resource":"*"},{"Effect":"Allow","Action":["iam:GetAccountSummary","iam:ListRoles"],"Resource":"*"}]}"#,
    ),
    (
        "ReadOnlyAccess",
        "ANPAILL3HVNFSB6DCOWYQ",
        "Reading and listing in every service.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*","s3:Get*","s3:List*","s3:Describe*","sts:GetCallerIdentity"],"Resource":"*"}]}"#,
    ),
];

static ALL: LazyLock<Vec<Entity<PolicyRow>>> = LazyLock::new(|| POLICIES.iter().map(entity).collect());

fn entity((name, id, description, document): &(&str, &str, &str, &str)) -> Entity<PolicyRow> {
    let version = PolicyVersion { number: 1, document: Arc::from(*document), created: Ordinal(0) };
    let row = PolicyRow {
        account_id: "".into(),
        name: (*name).into(),
        path: "/".into(),
        created: Ordinal(0),
        updated: Ordinal(0),
        tags: Vec::new(),
        description: (*description).into(),
        versions: vec![version],
        default: 1,
        next: 2,
    };
    Entity { id: (*id).into(), row }
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
    use super::super::documents::{DocumentKind, check_document};
    use super::*;

    #[test]
    fn they_are_documents_sorted_by_name_and_have_ids_of_their_own() {
        let names: Vec<_> = managed_policies().iter().map(|policy| &policy.row.name).collect();
        assert!(names.is_sorted());
        let mut ids: Vec<_> = managed_policies().iter().map(|policy| &policy.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), POLICIES.len());
        for policy in managed_policies() {
            check_document(DocumentKind::Managed, &policy.row.default_version().unwrap().document).unwrap();
            assert_eq!(of_arn(&managed_policy_arn(policy)), Some(policy));
        }
        assert!(of_arn(ADMINISTRATOR_ACCESS).is_some());
        assert!(is_managed(ADMINISTRATOR_ACCESS) && !is_managed("arn:aws:iam::aws:policyAdministratorAccess"));
        assert_eq!(of_arn("arn:aws:iam::aws:policy/administratoraccess"), None);
    }
}
