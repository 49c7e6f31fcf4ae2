//! The documents of policies as identities keep them: that each is a policy of its kind, and how long they are together.
//!
//! Must not know: what a document says.

use couronne_metadata::system::identity::{InlinePolicy, RoleRow, UserRow};

use super::{EntityKind, Identity, IdentityError};
use crate::access::policy::{NamedInAccount, Policy, PolicyError, PolicyFault, PolicyKind};
use crate::access::principal::is_path_and_name;

impl Identity {
    /// Refuses a policy that names an account, user or role that is not there, as AWS does.
    pub async fn check_principals(&self, policy: &Policy) -> Result<(), IdentityError> {
        for named in policy.named_principals() {
            let Some((number, of_it)) = named.in_account() else { continue };
            match self.check_named(&number.to_string(), of_it).await {
                Err(IdentityError::NoSuch(_)) => return Err(IdentityError::UnknownPrincipal(named.text().into())),
                checked => checked?,
            }
        }
        Ok(())
    }

    async fn check_named(&self, number: &str, named: NamedInAccount<'_>) -> Result<(), IdentityError> {
        let account = self.account_by_number(number).await?;
        let name_of = |resource: &str| resource.rsplit('/').next().unwrap_or_default().to_owned();
        let (found, kind) = match named {
            NamedInAccount::Itself => return Ok(()),
            NamedInAccount::RoleOfSession(role) => {
                (*self.role(&account, role).await?.row.name == *role, EntityKind::Role)
            }
            NamedInAccount::User(resource) => {
                let UserRow { path, name, .. } = self.user(&account, &name_of(resource)).await?.row;
                (is_path_and_name(resource, &path, &name), EntityKind::User)
            }
            NamedInAccount::Role(resource) => {
                let RoleRow { path, name, .. } = self.role(&account, &name_of(resource)).await?.row;
                (is_path_and_name(resource, &path, &name), EntityKind::Role)
            }
        };
        if found { Ok(()) } else { Err(IdentityError::NoSuch(kind)) }
    }
}

/// Whether a document may be kept: the policy that it is.
pub(super) fn check_document(kind: PolicyKind<'_>, text: &str) -> Result<Policy, IdentityError> {
    match Policy::parse(text, kind) {
        Ok(policy) => Ok(policy),
        Err(PolicyError { fault: PolicyFault::TooLong(max), .. }) => {
            Err(IdentityError::Limit { what: "characters of a policy, white space not counted,", max })
        }
        Err(error) => Err(IdentityError::MalformedPolicy(error)),
    }
}

/// Whether inline policies may stand together in one row: `max` is of all their characters, white space not counted.
pub(super) fn check_inline(policies: &[InlinePolicy], max: usize) -> Result<(), IdentityError> {
    if policies.iter().map(|policy| counted_characters(&policy.document)).sum::<usize>() > max {
        return Err(IdentityError::Limit { what: "characters of inline policies, white space not counted,", max });
    }
    Ok(())
}

fn counted_characters(text: &str) -> usize {
    text.chars().filter(|character| !character.is_whitespace()).count()
}
