//! Roles of an account: create, find, list, change, delete.

use std::sync::Arc;

use couronne_metadata::system::identity::{Named as _, RoleRow, Tag};

use super::documents::check_document;
use super::entity::{Entity, IdentityPage};
use super::names::{check_description, check_name, check_path, random_id};
use super::tags::check_tags;
use super::{Account, Deletion, EntityKind, Identity, IdentityError};
use crate::access::policy::PolicyKind;

/// How long sessions of a role may be, in seconds: IAM's bounds.
const SESSION_S: std::ops::RangeInclusive<u32> = 3_600..=43_200;

/// A role to be created.
pub struct NewRole {
    /// Its name, unique in its account.
    pub name: Box<str>,
    /// Its path.
    pub path: Box<str>,
    /// Which principals may assume it.
    pub trust: Arc<str>,
    /// How long a session of it may be, in seconds; unset: an hour.
    pub session_s_max: Option<u32>,
    /// What it is for; may be empty.
    pub description: Box<str>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The ARN of its permission boundary, if it has one.
    pub boundary: Option<Box<str>>,
}

/// What of a role is to be another; unset: it stays.
#[derive(Default)]
pub struct RoleChange {
    /// Which principals may assume it.
    pub trust: Option<Arc<str>>,
    /// How long a session of it may be, in seconds.
    pub session_s_max: Option<u32>,
    /// What it is for.
    pub description: Option<Box<str>>,
}

impl Identity {
    /// Creates a role, which has no rights.
    pub async fn create_role(&self, account: &Account, new: NewRole) -> Result<Entity<RoleRow>, IdentityError> {
        let NewRole { name, path, trust, session_s_max, description, tags, boundary } = new;
        check_name(&name)?;
        check_path(&path)?;
        check_tags(&tags)?;
        check_role(session_s_max, Some(&description))?;
        self.check_trust(&trust).await?;
        let session_s_max = session_s_max.unwrap_or(*SESSION_S.start());
        let id = random_id(self.engine.env(), RoleRow::ID_PREFIX);
        let grants = self.bounded(account, &id, boundary.as_deref()).await?;
        let (account_id, created) = (account.id.clone(), self.now());
        let row = RoleRow { account_id, name, path, created, tags, grants, trust, session_s_max, description };
        self.add(&id, row).await
    }

    /// A role of an account.
    pub async fn role(&self, account: &Account, name: &str) -> Result<Entity<RoleRow>, IdentityError> {
        self.named(&account.id, name).await.map(|(role, _)| role)
    }

    /// Roles of an account by name, after `after`; of at most `limit` those whose path begins so.
    pub async fn list_roles(
        &self,
        account: &Account,
        path_prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<IdentityPage<Entity<RoleRow>>, IdentityError> {
        let mut page = self.list::<RoleRow>(&account.id, after, limit).await?;
        page.entries.retain(|role| role.row.path.starts_with(path_prefix));
        Ok(page)
    }

    /// Changes a role.
    pub async fn update_role(
        &self,
        account: &Account,
        name: &str,
        change: &RoleChange,
    ) -> Result<Entity<RoleRow>, IdentityError> {
        let RoleChange { trust, session_s_max, description } = change;
        check_role(*session_s_max, description.as_deref())?;
        if let Some(trust) = trust {
            self.check_trust(trust).await?;
        }
        self.change(&account.id, name, |row: &mut RoleRow| {
            row.trust = trust.clone().unwrap_or_else(|| row.trust.clone());
            row.session_s_max = session_s_max.unwrap_or(row.session_s_max);
            row.description = description.clone().unwrap_or_else(|| row.description.clone());
            Ok(true)
        })
        .await
    }

    /// Deletes a role: one that has no policies, or with all of them.
    pub async fn delete_role(&self, account: &Account, name: &str, deletion: Deletion) -> Result<(), IdentityError> {
        let (role, version) = self.named::<RoleRow>(&account.id, name).await?;
        let grants = &role.row.grants;
        if deletion == Deletion::IfBare && !(grants.attached.is_empty() && grants.inline.is_empty()) {
            return Err(IdentityError::InUse { kind: EntityKind::Role, left: "policies".to_owned() });
        }
        self.remove_entity(&role, version).await?;
        self.unlist_uses(&account.id, &role.id, grants).await
    }

    async fn check_trust(&self, document: &str) -> Result<(), IdentityError> {
        let policy = check_document(PolicyKind::Trust, document)?;
        self.check_principals(&policy).await
    }
}

fn check_role(session_s_max: Option<u32>, description: Option<&str>) -> Result<(), IdentityError> {
    description.map(check_description).transpose()?;
    if session_s_max.is_some_and(|seconds| !SESSION_S.contains(&seconds)) {
        return Err(IdentityError::Invalid("a session of a role may be 3600 to 43200 seconds long"));
    }
    Ok(())
}
