//! Users of an account and their access keys: create, find, list, delete.

use bytes::Bytes;
use couronne_metadata::command::Expect;
use couronne_metadata::ids::Ordinal;

use super::names::{check_name, check_new_key, random_key};
use super::rows::{self, KeyRow, UserRow};
use super::seal::SealedFor;
use super::{Account, CreateUser, Identity, IdentityError, NewKey, User};

/// Access keys of one user.
const KEYS_MAX: u32 = 100;

impl Identity {
    /// Creates a user with one access key.
    pub async fn create_user(&self, create: CreateUser) -> Result<(User, NewKey), IdentityError> {
        let CreateUser { account, user, admin, key } = create;
        check_name(&user)?;
        let key = self.key_to_make(key)?;
        let account = self.account(&account).await?;
        let row = UserRow { admin, created: Ordinal(self.engine.env().clock.wall_us()) };
        if !self.rows().put(rows::user(&account.id, &user), Expect::Absent, &row).await? {
            return Err(IdentityError::Exists("user"));
        }
        if let Err(error) = self.make_key(&account, &user, &row, &key).await {
            // Without its key nobody would know of the user.
            self.rows().remove(rows::user(&account.id, &user), Expect::Any).await?;
            return Err(error);
        }
        let access_keys = vec![key.access_key.clone()];
        Ok((User { name: user, admin, created: row.created, access_keys }, key))
    }

    /// A user of an account.
    pub async fn user(&self, account: &str, user: &str) -> Result<User, IdentityError> {
        let account = self.account(account).await?;
        let row = self.user_row(&account, user).await?;
        self.with_keys(&account, user, row).await
    }

    /// Users of an account by name, after `after`, at most `limit`; and whether more follow.
    pub async fn list_users(&self, account: &str, after: &str, limit: u32) -> Result<(Vec<User>, bool), IdentityError> {
        let account = self.account(account).await?;
        let (found, more) = self.rows().scan(&rows::user(&account.id, ""), after, limit).await?;
        let mut users = Vec::with_capacity(found.len());
        for (name, value) in found {
            let Some(row) = rows::listed("user", &name, &value) else { continue };
            users.push(self.with_keys(&account, &name, row).await?);
        }
        Ok((users, more))
    }

    /// Deletes a user and its access keys.
    pub async fn delete_user(&self, account: &str, user: &str) -> Result<(), IdentityError> {
        let account = self.account(account).await?;
        self.user_row(&account, user).await?;
        // With the user's row gone all its keys are void; their rows are swept after it.
        self.rows().remove(rows::user(&account.id, user), Expect::Any).await?;
        self.credentials.forget_all();
        for access_key in self.access_keys(&account, user).await? {
            self.remove_key(&account.id, user, &access_key).await?;
        }
        Ok(())
    }

    /// Adds an access key to a user; `None` makes a random one.
    pub async fn create_key(&self, account: &str, user: &str, key: Option<NewKey>) -> Result<NewKey, IdentityError> {
        let key = self.key_to_make(key)?;
        let account = self.account(account).await?;
        let row = self.user_row(&account, user).await?;
        self.make_key(&account, user, &row, &key).await?;
        Ok(key)
    }

    /// Revokes an access key of a user.
    pub async fn delete_key(&self, account: &str, user: &str, access_key: &str) -> Result<(), IdentityError> {
        let account = self.account(account).await?;
        let found = self.rows().get::<KeyRow>(rows::key(access_key)).await?;
        let is_theirs = |row: &KeyRow| row.account_id == account.id && *row.user == *user;
        found.filter(|(row, _)| is_theirs(row)).ok_or(IdentityError::NoSuchKey)?;
        self.remove_key(&account.id, user, access_key).await
    }

    fn key_to_make(&self, key: Option<NewKey>) -> Result<NewKey, IdentityError> {
        let key = key.unwrap_or_else(|| random_key(self.engine.env()));
        check_new_key(&key)?;
        if self.secrets.load().root_of(&key.access_key, 0).is_some() {
            return Err(IdentityError::Exists("access key"));
        }
        Ok(key)
    }

    async fn make_key(&self, account: &Account, user: &str, row: &UserRow, key: &NewKey) -> Result<(), IdentityError> {
        let access_key = &key.access_key;
        let env = self.engine.env();
        let mut made = KeyRow {
            account_id: account.id.clone(),
            account_name: account.name.clone(),
            user: user.into(),
            user_created: row.created,
            created: Ordinal(env.clock.wall_us()),
            sealed: Bytes::new(),
        };
        made.sealed = self.secrets.load().sealer.seal(SealedFor::of(&made, access_key), &key.secret)?;
        if self.rows().get::<KeyRow>(rows::key(access_key)).await?.is_some() {
            return Err(IdentityError::Exists("access key"));
        }
        // Listed first: a key that works but is not listed could not be found to be revoked.
        self.rows().put(rows::user_key(&account.id, user, access_key), Expect::Any, &Bytes::new()).await?;
        if !self.rows().put(rows::key(access_key), Expect::Absent, &made).await? {
            return Err(IdentityError::Exists("access key"));
        }
        self.lookups.forget_all();
        Ok(())
    }

    pub(super) async fn remove_key(&self, account_id: &str, user: &str, access_key: &str) -> Result<(), IdentityError> {
        if let Some((row, version)) = self.rows().get::<KeyRow>(rows::key(access_key)).await? {
            // The listing may name a key that another user got in the end.
            if *row.account_id == *account_id && *row.user == *user {
                self.rows().remove(rows::key(access_key), Expect::Version(version)).await?;
            }
        }
        self.credentials.forget_all();
        self.rows().remove(rows::user_key(account_id, user, access_key), Expect::Any).await.map(|_| ())
    }

    async fn user_row(&self, account: &Account, user: &str) -> Result<UserRow, IdentityError> {
        let found = self.rows().get::<UserRow>(rows::user(&account.id, user)).await?;
        found.map(|(row, _)| row).ok_or(IdentityError::NoSuchUser)
    }

    async fn with_keys(&self, account: &Account, user: &str, row: UserRow) -> Result<User, IdentityError> {
        let access_keys = self.access_keys(account, user).await?;
        Ok(User { name: user.into(), admin: row.admin, created: row.created, access_keys })
    }

    async fn access_keys(&self, account: &Account, user: &str) -> Result<Vec<Box<str>>, IdentityError> {
        let (keys, _) = self.rows().scan(&rows::user_key(&account.id, user, ""), "", KEYS_MAX).await?;
        Ok(keys.into_iter().map(|(access_key, _)| access_key).collect())
    }
}
