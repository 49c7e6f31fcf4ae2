//! Control of accounts and what is in them, over the gateway's identity.
//!
//! Must not know: HTTP.

/// All entries of a list that comes in pages.
macro_rules! every_page {
    (|$after:ident| $page:expr) => {{
        let (mut entries, mut $after) = (Vec::new(), String::new());
        loop {
            let page = $page.await?;
            entries.extend(page.entries);
            match page.next {
                Some(next) => $after = next.into(),
                None => break entries,
            }
        }
    }};
}

mod policies;
mod refusals;
mod shown;

use async_trait::async_trait;
use couronne_admin::control::{Actor, IdentityControl};
use couronne_admin::types::{
    self, AccountDetail, AccountRequest, ApiError, ErrorCode, GroupRequest, KeyChange, KeyRequest, KeyRotation,
    NewUser, RoleRequest, UserDetail, UserRequest,
};
use couronne_gateway::identity::{
    self, ADMINISTRATOR_ACCESS, Account, Deletion, Entity, GroupRow, Identity, IdentityError, KeyOwner, KeySettings,
    NewKey, NewRole, PolicyTarget, Secret, UserRow,
};

pub(super) use refusals::refusal;
use shown::{shown_account, shown_key, shown_new_key, shown_role, shown_user};

use crate::folder::credentials::Credentials;

/// Entries fetched at a time.
const PAGE: u32 = 1000;

/// Accounts, users, groups, roles, policies and keys of the cluster.
pub(in crate::admin) struct AdminIdentityControl(pub(in crate::admin) Identity);

impl AdminIdentityControl {
    async fn find_account(&self, name: &str) -> Result<Account, ApiError> {
        self.0.account(name).await.map_err(|error| refusal(&error))
    }

    /// Attaches policies that are named by their names or ARNs.
    async fn attach(&self, account: &Account, to: PolicyTarget<'_>, policies: &[String]) -> Result<(), IdentityError> {
        for policy in policies {
            let arn = self.0.policy_arn(account, policy).await?;
            self.0.attach_policy(account, to, &arn).await?;
        }
        Ok(())
    }

    async fn make_user(
        &self,
        account: &Account,
        request: &UserRequest,
        key: Option<NewKey>,
    ) -> Result<(Entity<UserRow>, NewKey), IdentityError> {
        let path = request.path.as_deref().unwrap_or("/").into();
        let new = identity::NewUser { path, ..identity::NewUser::of_name(&request.name) };
        let user = self.0.create_user(account, new).await?;
        let admin = request.admin.then(|| ADMINISTRATOR_ACCESS.to_owned());
        let policies: Vec<_> = request.policies.iter().cloned().chain(admin).collect();
        let completed = async {
            self.attach(account, PolicyTarget::User(&request.name), &policies).await?;
            self.0.create_key(account, KeyOwner::User(&request.name), key, KeySettings::default()).await
        };
        match completed.await {
            Ok(key) => Ok((self.0.user(account, &user.row.name).await?, key)),
            Err(error) => {
                // Without its key nobody would know of the user.
                self.0.delete_user(account, &user.row.name, Deletion::WithAll).await?;
                Err(error)
            }
        }
    }

    async fn shown_keys(&self, account: &Account, owner: KeyOwner<'_>) -> Result<Vec<types::AccessKey>, IdentityError> {
        let mut shown = Vec::new();
        for key in self.0.list_keys(account, owner).await? {
            let used = self.0.key_last_used(&key.access_key).await.ok().flatten();
            shown.push(shown_key(key, used.map(|used| used.used_s.saturating_mul(1000))));
        }
        Ok(shown)
    }

    async fn shown_group(&self, account: &Account, group: Entity<GroupRow>) -> Result<types::Group, IdentityError> {
        let members = every_page!(|after| self.0.members(account, &group.row.name, &after, PAGE));
        let GroupRow { name, path, created, grants, .. } = group.row;
        Ok(types::Group {
            arn: account.arn("group", &path, &name),
            name: name.into(),
            id: group.id.into(),
            created_ms: created.0 / 1000,
            policies: grants.attached.iter().map(|policy| policy.arn.to_string()).collect(),
            inline_policies: grants.inline.iter().map(|policy| policy.name.to_string()).collect(),
            users: members.into_iter().map(|user| user.row.name.into()).collect(),
        })
    }

    async fn detail(&self, account: &Account) -> Result<AccountDetail, IdentityError> {
        let users = every_page!(|after| self.0.list_users(account, "/", &after, PAGE));
        let groups = every_page!(|after| self.0.list_groups(account, "/", &after, PAGE));
        let roles = every_page!(|after| self.0.list_roles(account, "/", &after, PAGE));
        let policies = every_page!(|after| self.0.list_policies(account, "/", &after, PAGE));
        let arn = |path: &str, name: &str| account.arn("policy", path, name);
        Ok(AccountDetail {
            account: shown_account(account),
            root_keys: self.shown_keys(account, KeyOwner::Root).await?,
            users: users.into_iter().map(|user| shown_user(account, user)).collect(),
            groups: groups.into_iter().map(|group| group.row.name.into()).collect(),
            roles: roles.into_iter().map(|role| role.row.name.into()).collect(),
            policies: policies.into_iter().map(|policy| arn(&policy.row.path, &policy.row.name)).collect(),
        })
    }
}

#[async_trait]
impl IdentityControl for AdminIdentityControl {
    async fn accounts(&self) -> Result<Vec<types::Account>, ApiError> {
        let accounts = async { Ok(every_page!(|after| self.0.list_accounts(&after, PAGE))) };
        let accounts = accounts.await.map_err(|error: IdentityError| refusal(&error))?;
        Ok(accounts.iter().map(shown_account).collect())
    }

    async fn create_account(&self, actor: &Actor, request: AccountRequest) -> Result<types::Account, ApiError> {
        let made = self.0.create_account(&request.name, request.email.as_deref()).await;
        let account = made.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, %actor, "account created");
        Ok(shown_account(&account))
    }

    async fn account(&self, name: String) -> Result<AccountDetail, ApiError> {
        let account = self.find_account(&name).await?;
        self.detail(&account).await.map_err(|error| refusal(&error))
    }

    async fn delete_account(&self, actor: &Actor, name: String) -> Result<(), ApiError> {
        self.0.delete_account(&name).await.map_err(|error| refusal(&error))?;
        tracing::info!(account = name, %actor, "account deleted");
        Ok(())
    }

    async fn create_user(&self, actor: &Actor, account: String, request: UserRequest) -> Result<NewUser, ApiError> {
        let key = chosen_key(request.access_key.clone(), request.secret_key.clone())?;
        let account = self.find_account(&account).await?;
        let (user, key) = self.make_user(&account, &request, key).await.map_err(|error| refusal(&error))?;
        let types::User { name, arn, policies, .. } = shown_user(&account, user);
        tracing::info!(account = %account.name, user = name, ?policies, %actor, "user created");
        Ok(NewUser {
            account: account.name.into(),
            account_id: account.id.into(),
            account_number: account.number.into(),
            user: name,
            arn,
            policies,
            access_key: key.access_key.into(),
            secret_key: String::from_utf8_lossy(key.secret.expose()).into_owned(),
        })
    }

    async fn user(&self, account: String, user: String) -> Result<UserDetail, ApiError> {
        let account = self.find_account(&account).await?;
        let detail = async {
            let found = self.0.user(&account, &user).await?;
            let groups = self.0.groups_of(&account, &user).await?;
            let access_keys = self.shown_keys(&account, KeyOwner::User(&user)).await?;
            let groups = groups.into_iter().map(|group| group.row.name.into()).collect();
            Ok(UserDetail { user: shown_user(&account, found), groups, access_keys })
        };
        detail.await.map_err(|error: IdentityError| refusal(&error))
    }

    async fn delete_user(&self, actor: &Actor, account: String, user: String) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        let deleted = self.0.delete_user(&account, &user, Deletion::WithAll).await;
        deleted.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, user, %actor, "user deleted");
        Ok(())
    }

    async fn create_group(
        &self,
        actor: &Actor,
        account: String,
        request: GroupRequest,
    ) -> Result<types::Group, ApiError> {
        let account = self.find_account(&account).await?;
        let GroupRequest { name, path, policies } = request;
        let made = async {
            self.0.create_group(&account, &name, path.as_deref().unwrap_or("/")).await?;
            self.attach(&account, PolicyTarget::Group(&name), &policies).await?;
            self.shown_group(&account, self.0.group(&account, &name).await?).await
        };
        let group = made.await.map_err(|error: IdentityError| refusal(&error))?;
        tracing::info!(account = %account.name, group = name, ?policies, %actor, "group created");
        Ok(group)
    }

    async fn group(&self, account: String, group: String) -> Result<types::Group, ApiError> {
        let account = self.find_account(&account).await?;
        let shown = async { self.shown_group(&account, self.0.group(&account, &group).await?).await };
        shown.await.map_err(|error| refusal(&error))
    }

    async fn delete_group(&self, actor: &Actor, account: String, group: String) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        let deleted = self.0.delete_group(&account, &group, Deletion::WithAll).await;
        deleted.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, group, %actor, "group deleted");
        Ok(())
    }

    async fn set_member(
        &self,
        actor: &Actor,
        account: String,
        group: String,
        user: String,
        is_member: bool,
    ) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        let set = if is_member {
            self.0.add_member(&account, &group, &user).await
        } else {
            self.0.remove_member(&account, &group, &user).await
        };
        set.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, group, user, is_member, %actor, "a group has another member, or one less");
        Ok(())
    }

    async fn create_role(&self, actor: &Actor, account: String, request: RoleRequest) -> Result<types::Role, ApiError> {
        let account = self.find_account(&account).await?;
        let RoleRequest { name, path, trust_policy, session_s_max, description, policies } = request;
        let new = NewRole {
            name: name.as_str().into(),
            path: path.as_deref().unwrap_or("/").into(),
            trust: trust_policy.into(),
            session_s_max,
            description: description.into(),
            tags: Vec::new(),
            boundary: None,
        };
        let made = async {
            self.0.create_role(&account, new).await?;
            self.attach(&account, PolicyTarget::Role(&name), &policies).await?;
            self.0.role(&account, &name).await
        };
        let role = made.await.map_err(|error: IdentityError| refusal(&error))?;
        tracing::info!(account = %account.name, role = name, ?policies, %actor, "role created");
        Ok(shown_role(&account, role))
    }

    async fn role(&self, account: String, role: String) -> Result<types::Role, ApiError> {
        let account = self.find_account(&account).await?;
        let role = self.0.role(&account, &role).await.map_err(|error| refusal(&error))?;
        Ok(shown_role(&account, role))
    }

    async fn delete_role(&self, actor: &Actor, account: String, role: String) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        let deleted = self.0.delete_role(&account, &role, Deletion::WithAll).await;
        deleted.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, role, %actor, "role deleted");
        Ok(())
    }

    async fn create_key(&self, actor: &Actor, account: String, request: KeyRequest) -> Result<types::NewKey, ApiError> {
        let KeyRequest { user, access_key, secret_key, expires_ms, session_policy, description } = request;
        let chosen = chosen_key(access_key, secret_key)?;
        let account = self.find_account(&account).await?;
        let owner = user.as_deref().map_or(KeyOwner::Root, KeyOwner::User);
        let settings = KeySettings {
            expires_s: expires_ms.map(|expires_ms| expires_ms / 1000),
            session_policy: session_policy.map(Into::into),
            description: description.into(),
        };
        let key = self.0.create_key(&account, owner, chosen, settings).await.map_err(|error| refusal(&error))?;
        let user = user.unwrap_or_default();
        tracing::info!(account = %account.name, user, access_key = %key.access_key, %actor, "access key created");
        Ok(shown_new_key(account, key))
    }

    async fn change_key(&self, actor: &Actor, account: String, key: String, change: KeyChange) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        let changed = self.0.set_key_active(&account, KeyOwner::Any, &key, change.active).await;
        changed.map_err(|error| refusal(&error))?;
        let active = change.active;
        tracing::info!(account = %account.name, access_key = key, active, %actor, "access key enabled or disabled");
        Ok(())
    }

    async fn rotate_key(
        &self,
        actor: &Actor,
        account: String,
        key: String,
        rotation: KeyRotation,
    ) -> Result<types::NewKey, ApiError> {
        let account = self.find_account(&account).await?;
        let keep_s = u64::from(rotation.keep_minutes) * 60;
        let made = self.0.rotate_key(&account, KeyOwner::Any, &key, keep_s).await.map_err(|error| refusal(&error))?;
        let new = &*made.access_key;
        tracing::info!(account = %account.name, access_key = key, new, %actor, "access key rotated");
        Ok(shown_new_key(account, made))
    }

    async fn delete_key(&self, actor: &Actor, account: String, key: String) -> Result<(), ApiError> {
        let account = self.find_account(&account).await?;
        self.0.delete_key(&account, KeyOwner::Any, &key).await.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, access_key = key, %actor, "access key deleted");
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
