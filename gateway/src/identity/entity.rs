//! What has a unique id and a name within its account (accounts: within the cluster), whatever it is: find, add, change,
//! rename, list, remove.
//!
//! Two rows each: that of the entity, by its id, and that of its name, which has the id. The name's row makes the entity
//! found; the entity's row says which name counts.
//!
//! ```text
//! verb    rows, in this order                       a crash between them leaves
//! add     entity, name                              an entity that nobody finds, and whose id nobody knows
//! rename  new name, entity, old name                a name whose entity has another one: free
//! remove  entity, name                              a name without an entity: free
//! ```
//! Promises: a name is one entity's; the next that adds an entity takes a free name over.
//! Must not know: what the rows hold beside id and name.

use couronne_metadata::command::Expect;
use couronne_metadata::ids::Ordinal;
use couronne_metadata::system::identity::{self as at, Named};
use futures_util::StreamExt as _;
use futures_util::stream;

use super::{EntityKind, Identity, IdentityError};

/// How often a change is tried while others change the same row.
const CHANGES_MAX: u32 = 16;

/// Rows that a list reads at once.
const READS_AT_ONCE: usize = 16;

/// An account, user, group, role or policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity<T> {
    /// Its unique id; of an account the canonical id.
    pub id: Box<str>,
    /// What is known of it.
    pub row: T,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityPage<T> {
    /// The entries, by name.
    pub entries: Vec<T>,
    /// Where the list goes on, if more may follow.
    pub next: Option<Box<str>>,
}

/// Rows of entities, and how errors name them.
pub(super) trait Kind: Named {
    const ENTITY: EntityKind;
}

impl Kind for at::AccountRow {
    const ENTITY: EntityKind = EntityKind::Account;
}

impl Kind for at::UserRow {
    const ENTITY: EntityKind = EntityKind::User;
}

impl Kind for at::GroupRow {
    const ENTITY: EntityKind = EntityKind::Group;
}

impl Kind for at::RoleRow {
    const ENTITY: EntityKind = EntityKind::Role;
}

impl Kind for at::PolicyRow {
    const ENTITY: EntityKind = EntityKind::Policy;
}

impl Identity {
    /// The entity of an id.
    pub(super) async fn entity_of<T: Kind>(&self, id: &str) -> Result<Option<(Entity<T>, Ordinal)>, IdentityError> {
        let found = self.rows.get::<T>(at::entity::<T>(id)).await?;
        Ok(found.map(|(row, version)| (Entity { id: id.into(), row }, version)))
    }

    /// The entity of a name, in any case, and the version of its row.
    pub(super) async fn named<T: Kind>(&self, scope: &str, name: &str) -> Result<(Entity<T>, Ordinal), IdentityError> {
        let absent = IdentityError::NoSuch(T::ENTITY);
        let Some((id, _)) = self.rows.get::<Box<str>>(at::name::<T>(scope, name)).await? else { return Err(absent) };
        let found = self.entity_of::<T>(&id).await?;
        found
            .filter(|(entity, _)| entity.row.name().eq_ignore_ascii_case(name) && entity.row.scope() == scope)
            .ok_or(absent)
    }

    /// Adds an entity of a new id.
    pub(super) async fn add<T: Kind>(&self, id: &str, row: T) -> Result<Entity<T>, IdentityError> {
        if !self.rows.put(at::entity::<T>(id), Expect::Absent, &row).await? {
            return Err(IdentityError::Busy);
        }
        if !self.claim_name::<T>(row.scope(), row.name(), id).await? {
            self.rows.remove(at::entity::<T>(id), Expect::Any).await?;
            return Err(IdentityError::Exists(T::ENTITY));
        }
        Ok(Entity { id: id.into(), row })
    }

    /// Has a name mean this id; `false`: it is another entity's.
    async fn claim_name<T: Kind>(&self, scope: &str, name: &str, id: &str) -> Result<bool, IdentityError> {
        let of_name = at::name::<T>(scope, name);
        let claimed = Box::<str>::from(id);
        if self.rows.put(of_name.clone(), Expect::Absent, &claimed).await? {
            return Ok(true);
        }
        let Some((holder, version)) = self.rows.get::<Box<str>>(of_name.clone()).await? else {
            return Err(IdentityError::Busy);
        };
        if *holder == *id {
            return Ok(true);
        }
        let is_its = |entity: &Entity<T>| entity.row.scope() == scope && entity.row.name().eq_ignore_ascii_case(name);
        if self.entity_of::<T>(&holder).await?.is_some_and(|(entity, _)| is_its(&entity)) {
            return Ok(false);
        }
        self.rows.put(of_name, Expect::Version(version), &claimed).await
    }

    /// Changes what a row says, but for its name; `change` says whether there was anything to change, and may be asked
    /// several times.
    pub(super) async fn change<T: Kind>(
        &self,
        scope: &str,
        name: &str,
        mut change: impl FnMut(&mut T) -> Result<bool, IdentityError>,
    ) -> Result<Entity<T>, IdentityError> {
        for _ in 0..CHANGES_MAX {
            let (mut entity, version) = self.named::<T>(scope, name).await?;
            if !change(&mut entity.row)?
                || self.rows.put(at::entity::<T>(&entity.id), Expect::Version(version), &entity.row).await?
            {
                return Ok(entity);
            }
        }
        Err(IdentityError::Busy)
    }

    /// As [`Identity::change`], by the id; `None`: there is no such entity any more.
    pub(super) async fn change_of_id<T: Kind>(
        &self,
        id: &str,
        mut change: impl FnMut(&mut T) -> bool,
    ) -> Result<Option<Entity<T>>, IdentityError> {
        for _ in 0..CHANGES_MAX {
            let Some((mut entity, version)) = self.entity_of::<T>(id).await? else { return Ok(None) };
            if !change(&mut entity.row)
                || self.rows.put(at::entity::<T>(id), Expect::Version(version), &entity.row).await?
            {
                return Ok(Some(entity));
            }
        }
        Err(IdentityError::Busy)
    }

    /// Gives an entity another name, and changes what else its row says.
    pub(super) async fn rename<T: Kind>(
        &self,
        scope: &str,
        name: &str,
        to: &str,
        change: impl Fn(&mut T),
    ) -> Result<Entity<T>, IdentityError> {
        let (mut entity, version) = self.named::<T>(scope, name).await?;
        let is_another = !name.eq_ignore_ascii_case(to);
        if is_another && !self.claim_name::<T>(scope, to, &entity.id).await? {
            return Err(IdentityError::Exists(T::ENTITY));
        }
        entity.row.rename(to);
        change(&mut entity.row);
        if !self.rows.put(at::entity::<T>(&entity.id), Expect::Version(version), &entity.row).await? {
            return Err(IdentityError::Busy);
        }
        if is_another {
            self.free_name::<T>(scope, name, &entity.id).await?;
        }
        Ok(entity)
    }

    /// Removes an entity whose row is still of this version; all that names its id is void from then on.
    pub(super) async fn remove_entity<T: Kind>(
        &self,
        entity: &Entity<T>,
        version: Ordinal,
    ) -> Result<(), IdentityError> {
        if !self.rows.remove(at::entity::<T>(&entity.id), Expect::Version(version)).await? {
            return Err(IdentityError::Busy);
        }
        self.free_name::<T>(entity.row.scope(), entity.row.name(), &entity.id).await
    }

    /// Removes the row of a name, unless it is another's by now.
    async fn free_name<T: Kind>(&self, scope: &str, name: &str, id: &str) -> Result<(), IdentityError> {
        let of_name = at::name::<T>(scope, name);
        if let Some((holder, version)) = self.rows.get::<Box<str>>(of_name.clone()).await?
            && *holder == *id
        {
            self.rows.remove(of_name, Expect::Version(version)).await?;
        }
        Ok(())
    }

    /// Entities of a scope by name, after `after`; of at most `limit` names.
    pub(super) async fn list<T: Kind>(
        &self,
        scope: &str,
        after: &str,
        limit: u32,
    ) -> Result<IdentityPage<Entity<T>>, IdentityError> {
        let after = after.to_ascii_lowercase();
        let (names, more) = self.rows.scan(&at::names::<T>(scope), &after, limit).await?;
        let next = names.last().filter(|_| more).map(|(name, _)| name.clone());
        let read: Vec<_> = names.iter().map(|(name, id)| self.listed_entity::<T>(scope, name, id)).collect();
        let read: Vec<_> = stream::iter(read).buffered(READS_AT_ONCE).collect().await;
        let mut entries = Vec::with_capacity(read.len());
        for entity in read {
            entries.extend(entity?);
        }
        Ok(IdentityPage { entries, next })
    }

    async fn listed_entity<T: Kind>(
        &self,
        scope: &str,
        name: &str,
        id: &bytes::Bytes,
    ) -> Result<Option<Entity<T>>, IdentityError> {
        let Some(id) = super::rows::listed::<Box<str>>(T::KIND, name, id) else { return Ok(None) };
        let found = match self.entity_of::<T>(&id).await {
            Err(IdentityError::Engine(crate::engine::EngineError::Corrupt(error))) => {
                tracing::warn!(kind = T::KIND, name, error, "a row of an identity is left out");
                return Ok(None);
            }
            found => found?,
        };
        let is_its = |row: &T| row.scope() == scope && row.name().eq_ignore_ascii_case(name);
        Ok(found.map(|(entity, _)| entity).filter(|entity| is_its(&entity.row)))
    }
}
