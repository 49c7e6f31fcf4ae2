//! Access keys of users, and of the roots of accounts: create, list, enable, disable, rotate, delete.
//!
//! A key's row says whose it is, by the owner's id; rows beside it list the keys of an owner. A key is listed before it
//! works, and works no more before it is listed no more: whatever works can be found to be revoked.

mod credential;
mod derived;
mod lookups;
mod used;

use std::sync::Arc;

use bytes::Bytes;
use couronne_metadata::command::Expect;
use couronne_metadata::ids::Ordinal;
use couronne_metadata::system::identity::{self as at, AccountRow, KeyRow, UserRow};

use super::documents::check_document;
use super::names::{check_description, check_new_key, random_key};
use super::seal::SealedFor;
use super::{Account, EntityKind, Identity, IdentityError, NewKey};
use crate::access::policy::PolicyKind;
pub use credential::{Credential, CredentialSource, SessionToken};
pub use derived::LastDerived;
pub(super) use lookups::Lookups;
pub(super) use used::UsedKeys;

/// Access keys of one user, or of one account's root.
const KEYS_MAX: u32 = 100;

/// What is made or listed is of one owner.
const NO_OWNER: IdentityError = IdentityError::Invalid("keys are made and listed of a user or of the account's root");

/// Whose a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOwner<'a> {
    /// The account's root's.
    Root,
    /// The user's of this name.
    User(&'a str),
    /// Whatever owner of the account has it; of a key that is there already.
    Any,
}

/// What is said of a key when it is made.
#[derive(Default)]
pub struct KeySettings {
    /// From when on it may not be used any more; seconds since 1970.
    pub expires_s: Option<u64>,
    /// A policy that narrows what its owner may do: so the key is that of a service account.
    pub session_policy: Option<Arc<str>>,
    /// What it is for; may be empty.
    pub description: Box<str>,
}

/// An access key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The access key.
    pub access_key: Box<str>,
    /// Whether it may be used.
    pub is_active: bool,
    /// From when on it may not; seconds since 1970.
    pub expires_s: Option<u64>,
    /// The policy that narrows what its owner may do.
    pub session_policy: Option<Arc<str>>,
    /// What it is for; may be empty.
    pub description: Box<str>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
}

impl Identity {
    /// Makes an access key; `None` makes a random one.
    pub async fn create_key(
        &self,
        account: &Account,
        owner: KeyOwner<'_>,
        key: Option<NewKey>,
        settings: KeySettings,
    ) -> Result<NewKey, IdentityError> {
        let KeySettings { expires_s, session_policy, description } = settings;
        check_description(&description)?;
        session_policy.as_deref().map(|text| check_document(PolicyKind::Session, text)).transpose()?;
        let key = key.unwrap_or_else(|| random_key(self.engine.env()));
        check_new_key(&key)?;
        if self.secrets.load().root_of(&key.access_key, 0).is_some() {
            return Err(IdentityError::Exists(EntityKind::AccessKey));
        }
        let owner = self.owner_id(account, owner).await?.ok_or(NO_OWNER)?;
        if self.access_keys(&owner).await?.len() >= KEYS_MAX as usize {
            return Err(IdentityError::Limit { what: "access keys of one owner", max: KEYS_MAX as usize });
        }
        let (account_id, created) = (account.id.clone(), self.now());
        let sealed = Bytes::new();
        let row =
            KeyRow { account_id, owner, is_active: true, expires_s, session_policy, description, created, sealed };
        self.make_key(&key, row).await?;
        Ok(key)
    }

    /// The access keys of an owner.
    pub async fn list_keys(&self, account: &Account, owner: KeyOwner<'_>) -> Result<Vec<AccessKey>, IdentityError> {
        let owner = self.owner_id(account, owner).await?.ok_or(NO_OWNER)?;
        let mut keys = Vec::new();
        for access_key in self.access_keys(&owner).await? {
            let row = self.rows.get::<KeyRow>(at::key(&access_key)).await?.map(|(row, _)| row);
            keys.extend(row.filter(|row| row.owner == owner).map(|row| shown(access_key, row)));
        }
        Ok(keys)
    }

    /// Has a key of an owner be used again, or be used no more until then.
    pub async fn set_key_active(
        &self,
        account: &Account,
        owner: KeyOwner<'_>,
        access_key: &str,
        is_active: bool,
    ) -> Result<(), IdentityError> {
        let (row, version) = self.key_row(account, owner, access_key).await?;
        self.change_key(access_key, KeyRow { is_active, ..row }, version).await?;
        self.lookups.forget_all();
        Ok(())
    }

    /// Makes another key like one of an owner; the old one may be used for so many seconds more, or is deleted.
    pub async fn rotate_key(
        &self,
        account: &Account,
        owner: KeyOwner<'_>,
        access_key: &str,
        keep_s: u64,
    ) -> Result<NewKey, IdentityError> {
        let (row, version) = self.key_row(account, owner, access_key).await?;
        let key = random_key(self.engine.env());
        let anew = KeyRow { is_active: true, created: self.now(), sealed: Bytes::new(), ..row.clone() };
        self.make_key(&key, anew).await?;
        if keep_s == 0 {
            self.remove_key(&row.owner, access_key).await?;
        } else {
            let until_s = (self.engine.env().clock.wall_ms() / 1000).saturating_add(keep_s);
            let expires_s = Some(row.expires_s.unwrap_or(u64::MAX).min(until_s));
            self.change_key(access_key, KeyRow { expires_s, ..row }, version).await?;
        }
        Ok(key)
    }

    /// Deletes a key of an owner.
    pub async fn delete_key(
        &self,
        account: &Account,
        owner: KeyOwner<'_>,
        access_key: &str,
    ) -> Result<(), IdentityError> {
        let (row, _) = self.key_row(account, owner, access_key).await?;
        self.remove_key(&row.owner, access_key).await
    }

    /// The name of the user that has a key of the account; `None`: the account's root has it.
    pub async fn key_owner(&self, account: &Account, access_key: &str) -> Result<Option<Box<str>>, IdentityError> {
        let (row, _) = self.key_row(account, KeyOwner::Any, access_key).await?;
        if row.is_of_root() {
            return Ok(None);
        }
        let user = self.entity_of::<UserRow>(&row.owner).await?;
        user.map(|(user, _)| Some(user.row.name)).ok_or(IdentityError::NoSuch(EntityKind::AccessKey))
    }

    /// The id that rows of keys have of an owner; `None`: any of the account.
    async fn owner_id(&self, account: &Account, owner: KeyOwner<'_>) -> Result<Option<Box<str>>, IdentityError> {
        match owner {
            KeyOwner::Any => Ok(None),
            KeyOwner::Root => Ok(Some(account.id.clone())),
            KeyOwner::User(name) => Ok(Some(self.named::<UserRow>(&account.id, name).await?.0.id)),
        }
    }

    async fn key_row(
        &self,
        account: &Account,
        owner: KeyOwner<'_>,
        access_key: &str,
    ) -> Result<(KeyRow, Ordinal), IdentityError> {
        let owner = self.owner_id(account, owner).await?;
        let is_its = |row: &KeyRow| row.account_id == account.id && owner.as_ref().is_none_or(|id| row.owner == *id);
        let found = self.rows.get::<KeyRow>(at::key(access_key)).await?.filter(|(row, _)| is_its(row));
        found.ok_or(IdentityError::NoSuch(EntityKind::AccessKey))
    }

    async fn change_key(&self, access_key: &str, row: KeyRow, version: Ordinal) -> Result<(), IdentityError> {
        let changed = self.rows.put(at::key(access_key), Expect::Version(version), &row).await?;
        if changed { Ok(()) } else { Err(IdentityError::Busy) }
    }

    async fn make_key(&self, key: &NewKey, mut row: KeyRow) -> Result<(), IdentityError> {
        let access_key = &key.access_key;
        row.sealed = self.secrets.load().sealer.seal(SealedFor::of(&row, access_key), &key.secret)?;
        let expect = match self.rows.get::<KeyRow>(at::key(access_key)).await? {
            None => Expect::Absent,
            Some((found, _)) if self.has_owner(&found).await? => {
                return Err(IdentityError::Exists(EntityKind::AccessKey));
            }
            // Its owner is gone for good, and a crash left it.
            Some((_, version)) => Expect::Version(version),
        };
        // Listed first: a key that works but is not listed could not be found to be revoked.
        self.rows.put(at::key_of(&row.owner, access_key), Expect::Any, &Bytes::new()).await?;
        if !self.rows.put(at::key(access_key), expect, &row).await? {
            return Err(IdentityError::Exists(EntityKind::AccessKey));
        }
        self.lookups.forget_all();
        Ok(())
    }

    /// Whether the owner of a key is there.
    async fn has_owner(&self, row: &KeyRow) -> Result<bool, IdentityError> {
        if !row.is_of_root() {
            return Ok(self.entity_of::<UserRow>(&row.owner).await?.is_some());
        }
        let found = self.entity_of::<AccountRow>(&row.account_id).await?;
        Ok(self.account_of(&row.account_id, found.as_ref().map(|(entity, _)| &entity.row)).is_some())
    }

    /// Removes a key of an owner, and what lists it.
    pub(super) async fn remove_key(&self, owner: &str, access_key: &str) -> Result<(), IdentityError> {
        if let Some((row, version)) = self.rows.get::<KeyRow>(at::key(access_key)).await? {
            // The listing may name a key that another owner got in the end.
            if *row.owner == *owner {
                self.rows.remove(at::key(access_key), Expect::Version(version)).await?;
                self.rows.remove(at::key_used(access_key), Expect::Any).await?;
            }
        }
        self.rows.remove(at::key_of(owner, access_key), Expect::Any).await.map(|_| ())
    }

    /// Removes all keys of an owner.
    pub(super) async fn remove_keys_of(&self, owner: &str) -> Result<(), IdentityError> {
        loop {
            let keys = self.access_keys(owner).await?;
            if keys.is_empty() {
                return Ok(());
            }
            for access_key in keys {
                self.remove_key(owner, &access_key).await?;
            }
        }
    }

    /// The access keys that are listed of an owner.
    pub(super) async fn access_keys(&self, owner: &str) -> Result<Vec<Box<str>>, IdentityError> {
        let (keys, _) = self.rows.scan(&at::key_of(owner, ""), "", KEYS_MAX).await?;
        Ok(keys.into_iter().map(|(access_key, _)| access_key).collect())
    }
}

fn shown(access_key: Box<str>, row: KeyRow) -> AccessKey {
    let KeyRow { is_active, expires_s, session_policy, description, created, .. } = row;
    AccessKey { access_key, is_active, expires_s, session_policy, description, created }
}
