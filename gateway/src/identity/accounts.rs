//! Accounts: create, find, list, delete.

use couronne_metadata::command::Expect;
use couronne_metadata::ids::Ordinal;

use super::names::check_name;
use super::rows::{self, AccountRow};
use super::{Account, Identity, IdentityError, ROOT_ACCOUNT};
use crate::engine::ListBucketsRequest;

impl Identity {
    /// Creates an account.
    pub async fn create_account(&self, name: &str) -> Result<Account, IdentityError> {
        check_name(name)?;
        if name == ROOT_ACCOUNT {
            return Err(IdentityError::Exists("account"));
        }
        let env = self.engine.env();
        let id: Box<str> = hex::encode(env.random_bytes::<32>()).into();
        let created = Ordinal(env.clock.wall_us());
        // The id first: an id that no account has is harmless, an account that its id does not find is not.
        self.rows().put(rows::account_id(&id), Expect::Absent, &Box::<str>::from(name)).await?;
        let row = AccountRow { id: id.clone(), created };
        if !self.rows().put(rows::account(name), Expect::Absent, &row).await? {
            self.rows().remove(rows::account_id(&id), Expect::Any).await?;
            return Err(IdentityError::Exists("account"));
        }
        Ok(Account { id, name: name.into(), created })
    }

    /// An account by its name.
    pub async fn account(&self, name: &str) -> Result<Account, IdentityError> {
        self.find_account(name).await?.ok_or(IdentityError::NoSuchAccount)
    }

    /// An account by its canonical id.
    pub async fn account_by_id(&self, id: &str) -> Result<Account, IdentityError> {
        let root = self.root_account();
        if *root.id == *id {
            return Ok(root);
        }
        let named = self.rows().get::<Box<str>>(rows::account_id(id)).await?;
        let (name, _) = named.ok_or(IdentityError::NoSuchAccount)?;
        self.account(&name)
            .await
            .and_then(|account| if *account.id == *id { Ok(account) } else { Err(IdentityError::NoSuchAccount) })
    }

    /// Accounts by name, after `after`, at most `limit`; and whether more follow. The root account has
    /// no row and is not among them.
    pub async fn list_accounts(&self, after: &str, limit: u32) -> Result<(Vec<Account>, bool), IdentityError> {
        let (found, more) = self.rows().scan("account/", after, limit).await?;
        let mut accounts = Vec::with_capacity(found.len());
        for (name, value) in found {
            let row = rows::listed("account", &name, &value);
            accounts.extend(row.map(|AccountRow { id, created }| Account { id, name, created }));
        }
        Ok((accounts, more))
    }

    /// Deletes an account that has neither users nor buckets.
    pub async fn delete_account(&self, name: &str) -> Result<(), IdentityError> {
        let found = self.rows().get::<AccountRow>(rows::account(name)).await?;
        let (row, version) = found.ok_or(IdentityError::NoSuchAccount)?;
        let (users, _) = self.rows().scan(&rows::user(&row.id, ""), "", 1).await?;
        if !users.is_empty() {
            return Err(IdentityError::NotEmpty("users"));
        }
        let list = ListBucketsRequest { account: row.id.clone(), prefix: "".into(), after: "".into(), limit: 1 };
        if !self.engine.list_buckets(list).await?.buckets.is_empty() {
            return Err(IdentityError::NotEmpty("buckets"));
        }
        // A user created just now finds its account gone, and its keys with it.
        if !self.rows().remove(rows::account(name), Expect::Version(version)).await? {
            return Err(IdentityError::NoSuchAccount);
        }
        self.rows().remove(rows::account_id(&row.id), Expect::Any).await.map(|_| ())
    }

    pub(super) async fn find_account(&self, name: &str) -> Result<Option<Account>, IdentityError> {
        if name == ROOT_ACCOUNT {
            return Ok(Some(self.root_account()));
        }
        let found = self.rows().get::<AccountRow>(rows::account(name)).await?;
        Ok(found.map(|(AccountRow { id, created }, _)| Account { id, name: name.into(), created }))
    }
}
