//! The policies of users, groups and roles: inline policies, managed policies attached to them, permission boundaries.
//!
//! The row of a user, group or role says which policies it has; rows beside it list where a managed policy is used. Such a
//! row is written before the row of the user, group or role and again after it, and is removed only as the version that
//! was there before: so whatever uses a policy is listed, and what is listed is compared with the row that counts.
//! Must not know: what a policy says.

use bytes::Bytes;
use couronne_metadata::command::Expect;
use couronne_metadata::system::identity::{
    self as at, ATTACHED_MAX, AttachedPolicy, Grants, GroupRow, InlinePolicy, Named as _, RoleRow, UserRow,
};
use std::sync::Arc;

use super::documents::{check_document, check_inline};
use super::names::check_name;
use super::{Account, EntityKind, Identity, IdentityError, managed};
use crate::access::policy::PolicyKind;

/// Rows that are read at a time.
const PAGE: u32 = 200;

/// What has policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyTarget<'a> {
    /// The user of this name.
    User(&'a str),
    /// The group of this name.
    Group(&'a str),
    /// The role of this name.
    Role(&'a str),
}

impl PolicyTarget<'_> {
    /// The longest that its inline policies may be together, in characters that are no white space: IAM's quotas.
    const fn inline_max(self) -> usize {
        match self {
            Self::User(_) => 2_048,
            Self::Group(_) => 5_120,
            Self::Role(_) => 10_240,
        }
    }
}

/// A user, group or role that uses a managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyUse {
    /// What it is.
    pub kind: EntityKind,
    /// Its unique id.
    pub id: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its path.
    pub path: Box<str>,
    /// Whether the policy is attached to it.
    pub is_attached: bool,
    /// Whether the policy is its permission boundary.
    pub is_boundary: bool,
}

impl Identity {
    /// The policies of a user, group or role, with its unique id.
    pub async fn grants_of(
        &self,
        account: &Account,
        of: PolicyTarget<'_>,
    ) -> Result<(Box<str>, Grants), IdentityError> {
        let id = &account.id;
        Ok(match of {
            PolicyTarget::User(name) => {
                let (entity, _) = self.named::<UserRow>(id, name).await?;
                (entity.id, entity.row.grants)
            }
            PolicyTarget::Group(name) => {
                let (entity, _) = self.named::<GroupRow>(id, name).await?;
                (entity.id, entity.row.grants)
            }
            PolicyTarget::Role(name) => {
                let (entity, _) = self.named::<RoleRow>(id, name).await?;
                (entity.id, entity.row.grants)
            }
        })
    }

    /// Attaches a managed policy; one that is attached already is no error.
    pub async fn attach_policy(&self, account: &Account, to: PolicyTarget<'_>, arn: &str) -> Result<(), IdentityError> {
        self.use_policy(account, to, arn, |grants, policy| {
            if grants.attached.iter().any(|known| known.id == policy.id) {
                return Ok(false);
            }
            if grants.attached.len() >= ATTACHED_MAX {
                return Err(IdentityError::Limit { what: "managed policies attached", max: ATTACHED_MAX });
            }
            grants.attached.push(policy.clone());
            Ok(true)
        })
        .await
    }

    /// Detaches a managed policy.
    pub async fn detach_policy(
        &self,
        account: &Account,
        from: PolicyTarget<'_>,
        arn: &str,
    ) -> Result<(), IdentityError> {
        self.end_use(account, from, |grants| {
            let at = grants.attached.iter().position(|known| *known.arn == *arn);
            let at = at.ok_or(IdentityError::NoSuch(EntityKind::Policy))?;
            Ok(grants.attached.remove(at))
        })
        .await
    }

    /// Sets the permission boundary of a user or role.
    pub async fn set_boundary(&self, account: &Account, of: PolicyTarget<'_>, arn: &str) -> Result<(), IdentityError> {
        if matches!(of, PolicyTarget::Group(_)) {
            return Err(IdentityError::Invalid("a group has no permission boundary"));
        }
        self.use_policy(account, of, arn, |grants, policy| {
            Ok(grants.boundary.replace(policy.clone()).as_ref() != Some(policy))
        })
        .await
    }

    /// Removes the permission boundary of a user or role.
    pub async fn remove_boundary(&self, account: &Account, of: PolicyTarget<'_>) -> Result<(), IdentityError> {
        let boundary = |grants: &mut Grants| grants.boundary.take().ok_or(IdentityError::NoSuch(EntityKind::Policy));
        self.end_use(account, of, boundary).await
    }

    /// Puts an inline policy in the place of the one of that name, if there is one.
    pub async fn put_inline_policy(
        &self,
        account: &Account,
        of: PolicyTarget<'_>,
        name: &str,
        document: Arc<str>,
    ) -> Result<(), IdentityError> {
        check_name(name)?;
        check_document(PolicyKind::Inline, &document)?;
        let changed = self.change_grants(account, of, |grants| {
            grants.inline.retain(|known| *known.name != *name);
            grants.inline.push(InlinePolicy { name: name.into(), document: document.clone() });
            check_inline(&grants.inline, of.inline_max())?;
            Ok(true)
        });
        changed.await.map(|_| ())
    }

    /// Deletes an inline policy.
    pub async fn delete_inline_policy(
        &self,
        account: &Account,
        of: PolicyTarget<'_>,
        name: &str,
    ) -> Result<(), IdentityError> {
        let changed = self.change_grants(account, of, |grants| {
            let at = grants.inline.iter().position(|known| *known.name == *name);
            grants.inline.remove(at.ok_or(IdentityError::NoSuch(EntityKind::Policy))?);
            Ok(true)
        });
        changed.await.map(|_| ())
    }

    /// Where a managed policy is used in an account.
    pub async fn policy_uses(&self, account: &Account, arn: &str) -> Result<Vec<PolicyUse>, IdentityError> {
        let policy = self.policy(account, arn).await?;
        self.uses_of(&account.id, &policy.id).await
    }

    /// A managed policy as rows name it.
    pub(super) async fn to_attach(&self, account: &Account, arn: &str) -> Result<AttachedPolicy, IdentityError> {
        let policy = self.policy(account, arn).await?;
        Ok(AttachedPolicy { arn: arn.into(), id: policy.id })
    }

    /// Lists an entity among those that use a policy.
    pub(super) async fn list_use(
        &self,
        account_id: &str,
        policy: &AttachedPolicy,
        entity_id: &str,
    ) -> Result<(), IdentityError> {
        let listed = at::policy_use(account_id, &policy.id, entity_id);
        self.rows.put(listed, Expect::Any, &Bytes::new()).await.map(|_| ())
    }

    async fn use_policy(
        &self,
        account: &Account,
        of: PolicyTarget<'_>,
        arn: &str,
        add: impl Fn(&mut Grants, &AttachedPolicy) -> Result<bool, IdentityError>,
    ) -> Result<(), IdentityError> {
        let policy = self.to_attach(account, arn).await?;
        let (id, _) = self.grants_of(account, of).await?;
        self.list_use(&account.id, &policy, &id).await?;
        let changed = self.change_grants(account, of, |grants| add(grants, &policy)).await?;
        self.list_use(&account.id, &policy, &changed).await?;
        // One that was deleted meanwhile was not yet seen to be used.
        if !managed::is_managed(arn) && self.to_attach(account, arn).await.ok().as_ref() != Some(&policy) {
            let drop = |grants: &mut Grants| Ok(drop_from(grants, &policy.id));
            self.change_grants(account, of, drop).await?;
            return Err(IdentityError::NoSuch(EntityKind::Policy));
        }
        Ok(())
    }

    async fn end_use(
        &self,
        account: &Account,
        of: PolicyTarget<'_>,
        remove: impl Fn(&mut Grants) -> Result<AttachedPolicy, IdentityError>,
    ) -> Result<(), IdentityError> {
        let (id, mut grants) = self.grants_of(account, of).await?;
        let policy = remove(&mut grants)?;
        let listed = at::policy_use(&account.id, &policy.id, &id);
        let version = self.rows.get::<Bytes>(listed.clone()).await?.map(|(_, version)| version);
        let mut is_used = false;
        let changed = self.change_grants(account, of, |grants| {
            let removed = remove(grants)?;
            is_used = grants.uses(&removed.id);
            Ok(true)
        });
        changed.await?;
        if let Some(version) = version.filter(|_| !is_used) {
            self.rows.remove(listed, Expect::Version(version)).await?;
        }
        Ok(())
    }

    /// Changes the policies of a user, group or role; its unique id.
    async fn change_grants(
        &self,
        account: &Account,
        of: PolicyTarget<'_>,
        mut change: impl FnMut(&mut Grants) -> Result<bool, IdentityError>,
    ) -> Result<Box<str>, IdentityError> {
        let id = &account.id;
        Ok(match of {
            PolicyTarget::User(name) => self.change::<UserRow>(id, name, |row| change(&mut row.grants)).await?.id,
            PolicyTarget::Group(name) => self.change::<GroupRow>(id, name, |row| change(&mut row.grants)).await?.id,
            PolicyTarget::Role(name) => self.change::<RoleRow>(id, name, |row| change(&mut row.grants)).await?.id,
        })
    }

    /// What uses a policy of this id, all of it. A row that lists what is gone for good is removed.
    pub(super) async fn uses_of(&self, account_id: &str, policy_id: &str) -> Result<Vec<PolicyUse>, IdentityError> {
        let prefix = at::policy_use(account_id, policy_id, "");
        let (mut after, mut uses) = (String::new(), Vec::new());
        loop {
            let (listed, more) = self.rows.scan(&prefix, &after, PAGE).await?;
            for (id, _) in &listed {
                match self.use_by(id, policy_id).await? {
                    Some(used) => uses.extend(Some(used).filter(|used| used.is_attached || used.is_boundary)),
                    None => drop(self.rows.remove(at::policy_use(account_id, policy_id, id), Expect::Any).await?),
                }
            }
            match listed.last() {
                Some((last, _)) if more => after = last.to_string(),
                _ => return Ok(uses),
            }
        }
    }

    /// How the entity of an id uses a policy; `None`: it is gone.
    async fn use_by(&self, id: &str, policy_id: &str) -> Result<Option<PolicyUse>, IdentityError> {
        let used = |kind, name: Box<str>, path: Box<str>, grants: &Grants| PolicyUse {
            kind,
            id: id.into(),
            name,
            path,
            is_attached: grants.attached.iter().any(|policy| *policy.id == *policy_id),
            is_boundary: grants.boundary.as_ref().is_some_and(|policy| *policy.id == *policy_id),
        };
        if UserRow::is_id(id) {
            let found = self.entity_of::<UserRow>(id).await?.map(|(entity, _)| entity.row);
            return Ok(found.map(|row| used(EntityKind::User, row.name, row.path, &row.grants)));
        }
        if GroupRow::is_id(id) {
            let found = self.entity_of::<GroupRow>(id).await?.map(|(entity, _)| entity.row);
            return Ok(found.map(|row| used(EntityKind::Group, row.name, row.path, &row.grants)));
        }
        let found = self.entity_of::<RoleRow>(id).await?.map(|(entity, _)| entity.row);
        Ok(found.map(|row| used(EntityKind::Role, row.name, row.path, &row.grants)))
    }

    /// Takes a policy from what uses it.
    pub(super) async fn drop_policy(&self, used: &PolicyUse, policy_id: &str) -> Result<(), IdentityError> {
        match used.kind {
            EntityKind::User => {
                let dropped = self.change_of_id::<UserRow>(&used.id, |row| drop_from(&mut row.grants, policy_id));
                dropped.await.map(|_| ())
            }
            EntityKind::Group => {
                let dropped = self.change_of_id::<GroupRow>(&used.id, |row| drop_from(&mut row.grants, policy_id));
                dropped.await.map(|_| ())
            }
            _ => {
                let dropped = self.change_of_id::<RoleRow>(&used.id, |row| drop_from(&mut row.grants, policy_id));
                dropped.await.map(|_| ())
            }
        }
    }

    /// Removes the rows that list what used policies, after its own row is gone.
    pub(super) async fn unlist_uses(&self, account_id: &str, id: &str, grants: &Grants) -> Result<(), IdentityError> {
        for policy in grants.attached.iter().chain(&grants.boundary) {
            self.rows.remove(at::policy_use(account_id, &policy.id, id), Expect::Any).await?;
        }
        Ok(())
    }
}

/// Detaches a policy, if it is attached. A boundary stays: without it there would be more rights, and one that is gone
/// allows nothing.
fn drop_from(grants: &mut Grants, policy_id: &str) -> bool {
    let before = grants.attached.len();
    grants.attached.retain(|policy| *policy.id != *policy_id);
    grants.attached.len() != before
}
