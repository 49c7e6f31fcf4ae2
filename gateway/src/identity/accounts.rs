//! Accounts: create, find, list, delete; the public access block of an account.

use couronne_metadata::command::Expect;
use couronne_metadata::system::identity::{self as at, AccountRow, PublicAccessBlock};

use super::entity::{Entity, IdentityPage};
use super::names::{check_email, check_name, random_number};
use super::rows::Basis;
use super::{Account, EntityKind, Identity, IdentityError, ROOT_ACCOUNT};
use crate::access;
use crate::engine::ListBucketsRequest;

/// An account's block as the decision has it.
impl From<PublicAccessBlock> for access::PublicAccessBlock {
    fn from(block: PublicAccessBlock) -> Self {
        let PublicAccessBlock { block_public_acls, ignore_public_acls, block_public_policy, restrict_public_buckets } =
            block;
        Self { block_public_acls, ignore_public_acls, block_public_policy, restrict_public_buckets }
    }
}

/// A block as an account's row has it.
impl From<access::PublicAccessBlock> for PublicAccessBlock {
    fn from(block: access::PublicAccessBlock) -> Self {
        let access::PublicAccessBlock {
            block_public_acls,
            ignore_public_acls,
            block_public_policy,
            restrict_public_buckets,
        } = block;
        Self { block_public_acls, ignore_public_acls, block_public_policy, restrict_public_buckets }
    }
}

/// Accounts that are looked at for one address of mail.
const EMAILS_MAX: u32 = 100;

impl Identity {
    /// Creates an account.
    pub async fn create_account(&self, name: &str, email: Option<&str>) -> Result<Account, IdentityError> {
        check_name(name)?;
        email.map(check_email).transpose()?;
        if name.eq_ignore_ascii_case(ROOT_ACCOUNT) {
            return Err(IdentityError::Exists(EntityKind::Account));
        }
        let env = self.engine.env();
        let id: Box<str> = hex::encode(env.random_bytes::<32>()).into();
        let created = self.now();
        let number = self.take_number(&id).await?;
        // Listed first: what is listed is compared with the account's row.
        if let Some(email) = email {
            self.rows.put(at::account_email(email, &id), Expect::Any, &bytes::Bytes::new()).await?;
        }
        let (name, email) = (name.into(), email.map(Into::into));
        let row = AccountRow { number, name, email, created, block: PublicAccessBlock::default() };
        Ok(self.add(&id, row).await?.into())
    }

    /// Takes a number that no account has or had. It stays taken whatever becomes of the account: policies elsewhere may
    /// name it.
    async fn take_number(&self, id: &str) -> Result<Box<str>, IdentityError> {
        loop {
            let number = random_number(self.engine.env());
            let of_root = *number == *self.root_account().number;
            if !of_root && self.rows.put(at::account_number(&number), Expect::Absent, &Box::<str>::from(id)).await? {
                return Ok(number);
            }
        }
    }

    /// An account by its name.
    pub async fn account(&self, name: &str) -> Result<Account, IdentityError> {
        if name == ROOT_ACCOUNT {
            return self.account_by_id(&self.root_account().id).await;
        }
        let (entity, _) = self.named::<AccountRow>("", name).await?;
        Ok(entity.into())
    }

    /// An account by its canonical id.
    pub async fn account_by_id(&self, id: &str) -> Result<Account, IdentityError> {
        let found = self.entity_of::<AccountRow>(id).await?.map(|(entity, _)| entity.row);
        self.account_of(id, found.as_ref()).ok_or(IdentityError::NoSuch(EntityKind::Account))
    }

    /// An account by its canonical id, perhaps from memory, as it was at most
    /// [`crate::identity::IdentitySettings::credential_cache_ms`] ago; `None`: there is none.
    pub async fn known_account(&self, id: &str) -> Result<Option<Account>, IdentityError> {
        if !at::is_account_id(id) {
            return Ok(None);
        }
        let row = self.rows.read::<AccountRow>(at::entity::<AccountRow>(id), &mut Basis::default()).await?;
        Ok(self.account_of(id, row.as_deref()))
    }

    /// The accounts that have an address of mail, written in any case; two at most.
    pub async fn accounts_by_email(&self, email: &str) -> Result<Vec<Account>, IdentityError> {
        let (listed, _) = self.rows.scan(&at::account_emails(email), "", EMAILS_MAX).await?;
        let mut accounts = Vec::new();
        for (id, _) in listed {
            let account = self.known_account(&id).await?;
            let has_it =
                |account: &Account| account.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(email));
            accounts.extend(account.filter(has_it));
            if accounts.len() > 1 {
                break;
            }
        }
        Ok(accounts)
    }

    /// The account that an id and the row found of it make: that of the root credentials needs no row.
    pub(super) fn account_of(&self, id: &str, row: Option<&AccountRow>) -> Option<Account> {
        let root = self.root_account();
        if *root.id == *id {
            return Some(Account { block: row.map(|row| row.block).unwrap_or_default(), ..root });
        }
        row.map(|row| Entity { id: id.into(), row: row.clone() }.into())
    }

    /// An account by its 12-digit number.
    pub async fn account_by_number(&self, number: &str) -> Result<Account, IdentityError> {
        let root = self.root_account();
        if *root.number == *number {
            return self.account_by_id(&root.id).await;
        }
        let absent = IdentityError::NoSuch(EntityKind::Account);
        let Some((id, _)) = self.rows.get::<Box<str>>(at::account_number(number)).await? else { return Err(absent) };
        let account = self.account_by_id(&id).await?;
        if *account.number == *number { Ok(account) } else { Err(absent) }
    }

    /// Accounts by name, after `after`, at most `limit`. The root account is not among them.
    pub async fn list_accounts(&self, after: &str, limit: u32) -> Result<IdentityPage<Account>, IdentityError> {
        let IdentityPage { entries, next } = self.list::<AccountRow>("", after, limit).await?;
        Ok(IdentityPage { entries: entries.into_iter().map(Account::from).collect(), next })
    }

    /// Sets what of an account's buckets is not to be public, whatever they say.
    pub async fn set_account_block(&self, account: &Account, block: PublicAccessBlock) -> Result<(), IdentityError> {
        let root = self.root_account();
        if root.id != account.id {
            let set = self.change_of_id::<AccountRow>(&account.id, |row| {
                row.block = block;
                true
            });
            return set.await?.map(|_| ()).ok_or(IdentityError::NoSuch(EntityKind::Account));
        }
        let Account { id, number, name, email, created, .. } = root;
        let row = AccountRow { number, name, email, created, block };
        self.rows.put(at::entity::<AccountRow>(&id), Expect::Any, &row).await.map(|_| ())
    }

    /// Deletes an account in which nothing is left but keys of its root.
    pub async fn delete_account(&self, name: &str) -> Result<(), IdentityError> {
        let (entity, version) = self.named::<AccountRow>("", name).await?;
        let left = self.left_in(&entity.id).await?;
        if !left.is_empty() {
            return Err(IdentityError::InUse { kind: EntityKind::Account, left: left.join(", ") });
        }
        // A user that is created just now finds its account gone, and its keys with it.
        self.remove_entity(&entity, version).await?;
        if let Some(email) = &entity.row.email {
            self.rows.remove(at::account_email(email, &entity.id), Expect::Any).await?;
        }
        self.remove_keys_of(&entity.id).await
    }

    /// What an account has that keeps it from being deleted.
    async fn left_in(&self, id: &str) -> Result<Vec<&'static str>, IdentityError> {
        let list = ListBucketsRequest { account: id.into(), prefix: "".into(), after: "".into(), limit: 1 };
        let (users, groups, roles, policies, buckets) = tokio::try_join!(
            self.has_any::<at::UserRow>(id),
            self.has_any::<at::GroupRow>(id),
            self.has_any::<at::RoleRow>(id),
            self.has_any::<at::PolicyRow>(id),
            async { Ok::<_, IdentityError>(!self.engine.list_buckets(list).await?.buckets.is_empty()) },
        )?;
        let all =
            [(users, "users"), (groups, "groups"), (roles, "roles"), (policies, "policies"), (buckets, "buckets")];
        Ok(all.into_iter().filter_map(|(is_there, what)| is_there.then_some(what)).collect())
    }

    async fn has_any<T: super::entity::Kind>(&self, account_id: &str) -> Result<bool, IdentityError> {
        let mut after: Box<str> = "".into();
        loop {
            let page = self.list::<T>(account_id, &after, 100).await?;
            match page.next {
                _ if !page.entries.is_empty() => return Ok(true),
                Some(next) => after = next,
                None => return Ok(false),
            }
        }
    }
}

impl From<Entity<AccountRow>> for Account {
    fn from(Entity { id, row }: Entity<AccountRow>) -> Self {
        let AccountRow { number, name, email, created, block } = row;
        Self { id, number, name, email, created, block }
    }
}
