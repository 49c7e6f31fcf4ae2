//! Users of an account: create, find, list, change, delete.

use couronne_metadata::system::identity::{Grants, Named as _, Tag, UserRow};

use super::entity::{Entity, IdentityPage};
use super::names::{check_name, check_path, random_id};
use super::tags::check_tags;
use super::{Account, Deletion, EntityKind, Identity, IdentityError};

/// A user to be created.
pub struct NewUser {
    /// Its name, unique in its account.
    pub name: Box<str>,
    /// Its path.
    pub path: Box<str>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The ARN of its permission boundary, if it has one.
    pub boundary: Option<Box<str>>,
}

impl NewUser {
    /// A user of this name, without anything else.
    pub fn of_name(name: &str) -> Self {
        Self { name: name.into(), path: "/".into(), tags: Vec::new(), boundary: None }
    }
}

impl Identity {
    /// Creates a user, who has neither rights nor keys.
    pub async fn create_user(&self, account: &Account, new: NewUser) -> Result<Entity<UserRow>, IdentityError> {
        let NewUser { name, path, tags, boundary } = new;
        check_name(&name)?;
        check_path(&path)?;
        check_tags(&tags)?;
        let id = random_id(self.engine.env(), UserRow::ID_PREFIX);
        let grants = self.bounded(account, &id, boundary.as_deref()).await?;
        let (account_id, created) = (account.id.clone(), self.now());
        self.add(&id, UserRow { account_id, name, path, created, tags, grants, groups: Vec::new() }).await
    }

    /// The policies of a new entity: none, within a boundary if it has one.
    pub(super) async fn bounded(
        &self,
        account: &Account,
        id: &str,
        boundary: Option<&str>,
    ) -> Result<Grants, IdentityError> {
        let Some(arn) = boundary else { return Ok(Grants::default()) };
        let policy = self.to_attach(account, arn).await?;
        self.list_use(&account.id, &policy, id).await?;
        Ok(Grants { boundary: Some(policy), ..Grants::default() })
    }

    /// A user of an account.
    pub async fn user(&self, account: &Account, name: &str) -> Result<Entity<UserRow>, IdentityError> {
        self.named(&account.id, name).await.map(|(user, _)| user)
    }

    /// Users of an account by name, after `after`; of at most `limit` those whose path begins so.
    pub async fn list_users(
        &self,
        account: &Account,
        path_prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<IdentityPage<Entity<UserRow>>, IdentityError> {
        let mut page = self.list::<UserRow>(&account.id, after, limit).await?;
        page.entries.retain(|user| user.row.path.starts_with(path_prefix));
        Ok(page)
    }

    /// Gives a user another name, another path or both. Its keys, groups and policies stay.
    pub async fn update_user(
        &self,
        account: &Account,
        name: &str,
        new_name: Option<&str>,
        new_path: Option<&str>,
    ) -> Result<Entity<UserRow>, IdentityError> {
        new_name.map(check_name).transpose()?;
        new_path.map(check_path).transpose()?;
        let change = |row: &mut UserRow| row.path = new_path.map_or_else(|| row.path.clone(), Into::into);
        self.rename(&account.id, name, new_name.unwrap_or(name), change).await
    }

    /// Deletes a user: one that has no keys, policies and groups, or with all of them.
    pub async fn delete_user(&self, account: &Account, name: &str, deletion: Deletion) -> Result<(), IdentityError> {
        let (user, version) = self.named::<UserRow>(&account.id, name).await?;
        let Entity { id, row: UserRow { grants, groups, .. } } = &user;
        if deletion == Deletion::IfBare {
            let left = [
                (!self.access_keys(id).await?.is_empty(), "access keys"),
                (!groups.is_empty(), "groups"),
                (!grants.attached.is_empty() || !grants.inline.is_empty(), "policies"),
            ];
            if let Some((_, left)) = left.iter().find(|(is_there, _)| *is_there) {
                return Err(IdentityError::InUse { kind: EntityKind::User, left: (*left).to_owned() });
            }
        }
        // With the user's row gone all its keys are void; what names it is swept after it.
        self.remove_entity(&user, version).await?;
        self.remove_keys_of(id).await?;
        for group in groups {
            self.unlist_member(group, id).await?;
        }
        self.unlist_uses(&account.id, id, grants).await
    }
}
