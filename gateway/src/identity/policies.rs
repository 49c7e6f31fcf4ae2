//! Managed policies: create, find, list, delete; their versions.
//!
//! A policy's row has all its versions and says which of them counts, so that a change of that is one write.

use std::sync::Arc;

use couronne_metadata::ids::Ordinal;
use couronne_metadata::system::identity::{Named as _, PolicyRow, PolicyVersion, Tag, VERSIONS_MAX};

use super::documents::check_document;
use super::entity::{Entity, IdentityPage};
use super::names::{check_description, check_name, check_path, random_id};
use super::tags::check_tags;
use super::{Account, Deletion, EntityKind, Identity, IdentityError, managed};
use crate::access::policy::PolicyKind;

/// A managed policy to be created.
pub struct NewPolicy {
    /// Its name, unique in its account.
    pub name: Box<str>,
    /// Its path.
    pub path: Box<str>,
    /// What it is for; may be empty.
    pub description: Box<str>,
    /// What it says.
    pub document: Arc<str>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

impl Identity {
    /// Creates a managed policy.
    pub async fn create_policy(&self, account: &Account, new: NewPolicy) -> Result<Entity<PolicyRow>, IdentityError> {
        let NewPolicy { name, path, description, document, tags } = new;
        check_name(&name)?;
        check_path(&path)?;
        check_description(&description)?;
        check_tags(&tags)?;
        check_document(PolicyKind::Managed, &document)?;
        let created = self.now();
        let row = PolicyRow {
            account_id: account.id.clone(),
            name,
            path,
            created,
            updated: created,
            tags,
            description,
            versions: vec![PolicyVersion { number: 1, document, created }],
            default: 1,
            next: 2,
        };
        self.add(&random_id(self.engine.env(), PolicyRow::ID_PREFIX), row).await
    }

    /// The managed policy of an ARN: of the account, or of AWS's.
    pub async fn policy(&self, account: &Account, arn: &str) -> Result<Entity<PolicyRow>, IdentityError> {
        if managed::is_managed(arn) {
            return managed::of_arn(arn).cloned().ok_or(IdentityError::NoSuch(EntityKind::Policy));
        }
        self.own_policy(account, arn).await.map(|(policy, _)| policy)
    }

    /// The ARN of a managed policy that is named by its name or ARN; one of the account comes before one of AWS's.
    pub async fn policy_arn(&self, account: &Account, name: &str) -> Result<String, IdentityError> {
        if name.starts_with("arn:") {
            return Ok(name.to_owned());
        }
        match self.named::<PolicyRow>(&account.id, name).await {
            Ok((policy, _)) => Ok(account.arn("policy", &policy.row.path, &policy.row.name)),
            Err(absent @ IdentityError::NoSuch(_)) => {
                let of_aws = managed::managed_policies().iter().find(|policy| *policy.row.name == *name);
                of_aws.map(managed::managed_policy_arn).ok_or(absent)
            }
            Err(error) => Err(error),
        }
    }

    /// A policy of the account by its ARN, and the version of its row.
    async fn own_policy(&self, account: &Account, arn: &str) -> Result<(Entity<PolicyRow>, Ordinal), IdentityError> {
        let absent = IdentityError::NoSuch(EntityKind::Policy);
        let Some((_, name)) = arn.rsplit_once('/') else { return Err(absent) };
        let found = self.named::<PolicyRow>(&account.id, name).await?;
        let is_it = |policy: &Entity<PolicyRow>| account.arn("policy", &policy.row.path, &policy.row.name) == arn;
        if is_it(&found.0) { Ok(found) } else { Err(absent) }
    }

    /// Managed policies of an account by name, after `after`; of at most `limit` those whose path begins so.
    pub async fn list_policies(
        &self,
        account: &Account,
        path_prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<IdentityPage<Entity<PolicyRow>>, IdentityError> {
        let mut page = self.list::<PolicyRow>(&account.id, after, limit).await?;
        page.entries.retain(|policy| policy.row.path.starts_with(path_prefix));
        Ok(page)
    }

    /// Adds a version to a policy, and has it count if that is wanted; its number.
    pub async fn create_policy_version(
        &self,
        account: &Account,
        arn: &str,
        document: Arc<str>,
        is_default: bool,
    ) -> Result<u32, IdentityError> {
        check_document(PolicyKind::Managed, &document)?;
        let created = self.now();
        let changed = self.change_policy(account, arn, |row| {
            if row.versions.len() >= VERSIONS_MAX {
                return Err(IdentityError::Limit { what: "versions of a policy", max: VERSIONS_MAX });
            }
            let number = row.next;
            row.next = row.next.saturating_add(1);
            row.versions.push(PolicyVersion { number, document: document.clone(), created });
            if is_default {
                (row.default, row.updated) = (number, created);
            }
            Ok(true)
        });
        Ok(changed.await?.row.versions.last().map_or(0, |version| version.number))
    }

    /// Has another version of a policy count.
    pub async fn set_default_policy_version(
        &self,
        account: &Account,
        arn: &str,
        number: u32,
    ) -> Result<(), IdentityError> {
        let now = self.now();
        let changed = self.change_policy(account, arn, |row| {
            if !row.versions.iter().any(|version| version.number == number) {
                return Err(IdentityError::NoSuch(EntityKind::PolicyVersion));
            }
            let is_another = row.default != number;
            (row.default, row.updated) = (number, now);
            Ok(is_another)
        });
        changed.await.map(|_| ())
    }

    /// Deletes a version of a policy that is not the one that counts.
    pub async fn delete_policy_version(&self, account: &Account, arn: &str, number: u32) -> Result<(), IdentityError> {
        let changed = self.change_policy(account, arn, |row| {
            if row.default == number {
                return Err(IdentityError::InUse { kind: EntityKind::PolicyVersion, left: "to count".to_owned() });
            }
            let before = row.versions.len();
            row.versions.retain(|version| version.number != number);
            if row.versions.len() == before {
                return Err(IdentityError::NoSuch(EntityKind::PolicyVersion));
            }
            Ok(true)
        });
        changed.await.map(|_| ())
    }

    /// Changes the row of a policy of the account.
    pub(super) async fn change_policy(
        &self,
        account: &Account,
        arn: &str,
        change: impl FnMut(&mut PolicyRow) -> Result<bool, IdentityError>,
    ) -> Result<Entity<PolicyRow>, IdentityError> {
        if managed::is_managed(arn) {
            return Err(IdentityError::Unmodifiable);
        }
        let (policy, _) = self.own_policy(account, arn).await?;
        self.change(&account.id, &policy.row.name, change).await
    }

    /// Deletes a policy of the account that bounds nobody: one that is attached nowhere and has one version, or with its
    /// versions, and detached from wherever it is attached.
    pub async fn delete_policy(&self, account: &Account, arn: &str, deletion: Deletion) -> Result<(), IdentityError> {
        if managed::is_managed(arn) {
            return Err(IdentityError::Unmodifiable);
        }
        let (policy, version) = self.own_policy(account, arn).await?;
        let uses = self.uses_of(&account.id, &policy.id).await?;
        let in_use = |left: &str| Err(IdentityError::InUse { kind: EntityKind::Policy, left: left.to_owned() });
        if uses.iter().any(|used| used.is_boundary) {
            return in_use("users or roles that it bounds");
        }
        if deletion == Deletion::IfBare {
            if !uses.is_empty() {
                return in_use("users, groups or roles that it is attached to");
            }
            if policy.row.versions.len() > 1 {
                return in_use("other versions than the one that counts");
            }
        }
        for used in &uses {
            self.drop_policy(used, &policy.id).await?;
        }
        self.remove_entity(&policy, version).await
    }
}
