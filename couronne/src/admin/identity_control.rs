//! Control of accounts and users, over the gateway's identity.
//!
//! Must not know: HTTP.

use async_trait::async_trait;
use couronne_admin::control::{Actor, IdentityControl};
use couronne_admin::types::{
    self, AccountDetail, AccountRequest, ApiError, ErrorCode, KeyRequest, NewUser, UserRequest,
};
use couronne_gateway::engine::EngineError;
use couronne_gateway::identity::{Account, CreateUser, Identity, IdentityError, NewKey, Secret, User};

use crate::folder::credentials::Credentials;

/// Accounts or users fetched at a time.
const PAGE: u32 = 1000;

/// Accounts, users and keys of the cluster.
pub(super) struct AdminIdentityControl(pub(super) Identity);

#[async_trait]
impl IdentityControl for AdminIdentityControl {
    async fn accounts(&self) -> Result<Vec<types::Account>, ApiError> {
        let mut accounts: Vec<Account> = Vec::new();
        loop {
            let after = accounts.last().map_or("", |account| account.name.as_ref()).to_owned();
            let page = self.0.list_accounts(&after, PAGE).await;
            let (page, more) = page.map_err(|error| refusal(&error))?;
            accounts.extend(page);
            if !more {
                return Ok(accounts.iter().map(shown_account).collect());
            }
        }
    }

    async fn create_account(&self, actor: &Actor, request: AccountRequest) -> Result<types::Account, ApiError> {
        let account = self.0.create_account(&request.name).await.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, %actor, "account created");
        Ok(shown_account(&account))
    }

    async fn account(&self, name: String) -> Result<AccountDetail, ApiError> {
        let account = self.0.account(&name).await.map_err(|error| refusal(&error))?;
        let mut users: Vec<User> = Vec::new();
        loop {
            let after = users.last().map_or("", |user| user.name.as_ref()).to_owned();
            let page = self.0.list_users(&name, &after, PAGE).await;
            let (page, more) = page.map_err(|error| refusal(&error))?;
            users.extend(page);
            if !more {
                let users = users.iter().map(shown_user).collect();
                return Ok(AccountDetail { account: shown_account(&account), users });
            }
        }
    }

    async fn delete_account(&self, actor: &Actor, name: String) -> Result<(), ApiError> {
        self.0.delete_account(&name).await.map_err(|error| refusal(&error))?;
        tracing::info!(account = name, %actor, "account deleted");
        Ok(())
    }

    async fn create_user(&self, actor: &Actor, account: String, request: UserRequest) -> Result<NewUser, ApiError> {
        let key = chosen_key(request.access_key, request.secret_key)?;
        let create =
            CreateUser { account: account.as_str().into(), user: request.name.into(), admin: request.admin, key };
        let (user, key) = self.0.create_user(create).await.map_err(|error| refusal(&error))?;
        let account = self.0.account(&account).await.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, user = %user.name, admin = user.admin, %actor, "user created");
        Ok(NewUser {
            account: account.name.into(),
            account_id: account.id.into(),
            user: user.name.into(),
            admin: user.admin,
            access_key: key.access_key.into(),
            secret_key: String::from_utf8_lossy(key.secret.expose()).into_owned(),
        })
    }

    async fn delete_user(&self, actor: &Actor, account: String, user: String) -> Result<(), ApiError> {
        self.0.delete_user(&account, &user).await.map_err(|error| refusal(&error))?;
        tracing::info!(account, user, %actor, "user deleted");
        Ok(())
    }

    async fn create_key(
        &self,
        actor: &Actor,
        account: String,
        user: String,
        request: KeyRequest,
    ) -> Result<types::NewKey, ApiError> {
        let chosen = chosen_key(request.access_key, request.secret_key)?;
        let key = self.0.create_key(&account, &user, chosen).await.map_err(|error| refusal(&error))?;
        tracing::info!(account, user, access_key = %key.access_key, %actor, "access key created");
        let secret_key = String::from_utf8_lossy(key.secret.expose()).into_owned();
        Ok(types::NewKey { access_key: key.access_key.into(), secret_key })
    }

    async fn delete_key(&self, actor: &Actor, account: String, user: String, key: String) -> Result<(), ApiError> {
        self.0.delete_key(&account, &user, &key).await.map_err(|error| refusal(&error))?;
        tracing::info!(account, user, access_key = key, %actor, "access key deleted");
        Ok(())
    }
}

/// The key pair that a request names, if it names one.
fn chosen_key(access_key: Option<String>, secret_key: Option<String>) -> Result<Option<NewKey>, ApiError> {
    let chosen = Credentials::chosen(access_key, secret_key);
    let chosen = chosen.map_err(|error| ApiError::new(ErrorCode::InvalidRequest, error))?;
    Ok(chosen.map(|chosen| NewKey {
        access_key: chosen.access_key.into(),
        secret: Secret::new(chosen.secret_key.as_bytes()),
    }))
}

/// An identity error as the API says it.
pub(super) fn refusal(error: &IdentityError) -> ApiError {
    let code = match error {
        IdentityError::NoSuchAccount | IdentityError::NoSuchUser | IdentityError::NoSuchKey => ErrorCode::NotFound,
        IdentityError::Exists(_) | IdentityError::NotEmpty(_) => ErrorCode::Conflict,
        IdentityError::Invalid(_) => ErrorCode::InvalidRequest,
        IdentityError::Engine(EngineError::Unavailable(_)) => ErrorCode::Unavailable,
        IdentityError::Sealed | IdentityError::Engine(_) => ErrorCode::Internal,
    };
    ApiError::new(code, error)
}

/// An account as the API shows it.
fn shown_account(account: &Account) -> types::Account {
    let (name, id) = (account.name.to_string(), account.id.to_string());
    types::Account { name, id, created_ms: account.created.0 / 1000 }
}

/// A user as the API shows it.
fn shown_user(user: &User) -> types::User {
    let access_keys = user.access_keys.iter().map(ToString::to_string).collect();
    types::User { name: user.name.to_string(), admin: user.admin, access_keys }
}
