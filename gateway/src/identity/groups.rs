//! Groups of users: create, find, list, change, delete; their members.
//!
//! The row of a user says which groups it is in; rows beside it list the members of a group. Such a row is written before
//! the user's row and again after it, and is removed only as the version that was there before, so that no member is
//! missing from its group's list.

use bytes::Bytes;
use couronne_metadata::command::Expect;
use couronne_metadata::system::identity::{self as at, GROUPS_MAX, Grants, GroupRow, Named as _, UserRow};

use super::entity::{Entity, IdentityPage};
use super::names::{check_name, check_path, random_id};
use super::{Account, Deletion, EntityKind, Identity, IdentityError};

/// Members that are read at a time where all are wanted.
const PAGE: u32 = 200;

impl Identity {
    /// Creates a group without members and rights.
    pub async fn create_group(
        &self,
        account: &Account,
        name: &str,
        path: &str,
    ) -> Result<Entity<GroupRow>, IdentityError> {
        check_name(name)?;
        check_path(path)?;
        let (account_id, created, grants) = (account.id.clone(), self.now(), Grants::default());
        let row = GroupRow { account_id, name: name.into(), path: path.into(), created, grants };
        self.add(&random_id(self.engine.env(), GroupRow::ID_PREFIX), row).await
    }

    /// A group of an account.
    pub async fn group(&self, account: &Account, name: &str) -> Result<Entity<GroupRow>, IdentityError> {
        self.named(&account.id, name).await.map(|(group, _)| group)
    }

    /// Groups of an account by name, after `after`; of at most `limit` those whose path begins so.
    pub async fn list_groups(
        &self,
        account: &Account,
        path_prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<IdentityPage<Entity<GroupRow>>, IdentityError> {
        let mut page = self.list::<GroupRow>(&account.id, after, limit).await?;
        page.entries.retain(|group| group.row.path.starts_with(path_prefix));
        Ok(page)
    }

    /// Gives a group another name, another path or both. Its members and policies stay.
    pub async fn update_group(
        &self,
        account: &Account,
        name: &str,
        new_name: Option<&str>,
        new_path: Option<&str>,
    ) -> Result<Entity<GroupRow>, IdentityError> {
        new_name.map(check_name).transpose()?;
        new_path.map(check_path).transpose()?;
        let change = |row: &mut GroupRow| row.path = new_path.map_or_else(|| row.path.clone(), Into::into);
        self.rename(&account.id, name, new_name.unwrap_or(name), change).await
    }

    /// Deletes a group: one that has no members and policies, or with its policies, and its members leave it.
    pub async fn delete_group(&self, account: &Account, name: &str, deletion: Deletion) -> Result<(), IdentityError> {
        let (group, version) = self.named::<GroupRow>(&account.id, name).await?;
        let grants = &group.row.grants;
        if deletion == Deletion::IfBare {
            let in_use = |left: &str| Err(IdentityError::InUse { kind: EntityKind::Group, left: left.to_owned() });
            if !self.members_of(&group.id, "", 1).await?.entries.is_empty() {
                return in_use("users");
            }
            if !grants.attached.is_empty() || !grants.inline.is_empty() {
                return in_use("policies");
            }
        }
        // With the group's row gone it gives nobody anything; what names it is swept after it.
        self.remove_entity(&group, version).await?;
        self.unlist_uses(&account.id, &group.id, grants).await?;
        loop {
            let (listed, _) = self.rows.scan(&at::member(&group.id, ""), "", PAGE).await?;
            if listed.is_empty() {
                return Ok(());
            }
            for (user_id, _) in &listed {
                self.leave(user_id, &group.id).await?;
                self.unlist_member(&group.id, user_id).await?;
            }
        }
    }

    /// Adds a user to a group; one that is in it already is no error.
    pub async fn add_member(&self, account: &Account, group: &str, user: &str) -> Result<(), IdentityError> {
        let (group, _) = self.named::<GroupRow>(&account.id, group).await?;
        let (found, _) = self.named::<UserRow>(&account.id, user).await?;
        if found.row.groups.len() >= GROUPS_MAX {
            self.leave_gone_groups(&found).await?;
        }
        let listed = at::member(&group.id, &found.id);
        self.rows.put(listed.clone(), Expect::Any, &Bytes::new()).await?;
        let changed = self.change::<UserRow>(&account.id, user, |row| {
            if row.groups.contains(&group.id) {
                return Ok(false);
            }
            if row.groups.len() >= GROUPS_MAX {
                return Err(IdentityError::Limit { what: "groups of a user", max: GROUPS_MAX });
            }
            row.groups.push(group.id.clone());
            Ok(true)
        });
        if changed.await?.id == found.id {
            self.rows.put(listed, Expect::Any, &Bytes::new()).await?;
        }
        // One that was deleted meanwhile did not see its last member.
        if self.entity_of::<GroupRow>(&group.id).await?.is_none() {
            self.leave(&found.id, &group.id).await?;
            return Err(IdentityError::NoSuch(EntityKind::Group));
        }
        Ok(())
    }

    /// Takes a user out of a group; one that is not in it is no error.
    pub async fn remove_member(&self, account: &Account, group: &str, user: &str) -> Result<(), IdentityError> {
        let (group, _) = self.named::<GroupRow>(&account.id, group).await?;
        let (user, _) = self.named::<UserRow>(&account.id, user).await?;
        let listed = at::member(&group.id, &user.id);
        let version = self.rows.get::<Bytes>(listed.clone()).await?.map(|(_, version)| version);
        self.leave(&user.id, &group.id).await?;
        if let Some(version) = version {
            self.rows.remove(listed, Expect::Version(version)).await?;
        }
        Ok(())
    }

    /// The members of a group, after the user whose id is `after`; at most `limit`.
    pub async fn members(
        &self,
        account: &Account,
        group: &str,
        after: &str,
        limit: u32,
    ) -> Result<IdentityPage<Entity<UserRow>>, IdentityError> {
        let (group, _) = self.named::<GroupRow>(&account.id, group).await?;
        self.members_of(&group.id, after, limit).await
    }

    /// The groups that a user is in.
    pub async fn groups_of(&self, account: &Account, user: &str) -> Result<Vec<Entity<GroupRow>>, IdentityError> {
        let (user, _) = self.named::<UserRow>(&account.id, user).await?;
        let mut groups = Vec::with_capacity(user.row.groups.len());
        for id in &user.row.groups {
            groups.extend(self.entity_of::<GroupRow>(id).await?.map(|(group, _)| group));
        }
        groups.sort_by(|one, other| one.row.name.cmp(&other.row.name));
        Ok(groups)
    }

    /// Members as the users' own rows say. A row that lists a user that is gone for good is removed.
    async fn members_of(
        &self,
        group_id: &str,
        after: &str,
        limit: u32,
    ) -> Result<IdentityPage<Entity<UserRow>>, IdentityError> {
        let (listed, more) = self.rows.scan(&at::member(group_id, ""), after, limit).await?;
        let mut entries = Vec::with_capacity(listed.len());
        for (id, _) in &listed {
            match self.entity_of::<UserRow>(id).await? {
                Some((user, _)) => {
                    entries.extend(Some(user).filter(|user| user.row.groups.iter().any(|of| **of == *group_id)))
                }
                None => self.unlist_member(group_id, id).await?,
            }
        }
        Ok(IdentityPage { entries, next: listed.last().filter(|_| more).map(|(id, _)| id.clone()) })
    }

    /// Removes the row that lists a member.
    pub(super) async fn unlist_member(&self, group_id: &str, user_id: &str) -> Result<(), IdentityError> {
        self.rows.remove(at::member(group_id, user_id), Expect::Any).await.map(|_| ())
    }

    async fn leave(&self, user_id: &str, group_id: &str) -> Result<(), IdentityError> {
        let left = self.change_of_id::<UserRow>(user_id, |row| {
            let before = row.groups.len();
            row.groups.retain(|id| **id != *group_id);
            row.groups.len() != before
        });
        left.await.map(|_| ())
    }

    /// Has a user leave the groups that are no more.
    async fn leave_gone_groups(&self, user: &Entity<UserRow>) -> Result<(), IdentityError> {
        for id in &user.row.groups {
            if self.entity_of::<GroupRow>(id).await?.is_none() {
                self.leave(&user.id, id).await?;
            }
        }
        Ok(())
    }
}
