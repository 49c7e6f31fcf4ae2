//! What the server of the admin API works with: control of the cluster, of identities, and of what they hold.
//!
//! Promises asked of an implementation: whichever process is asked, the answer and what is done are the same; an
//! order that was carried out already is no error; one that is refused changed nothing, unless its code is
//! [`OutcomeUnknown`](crate::types::ErrorCode::OutcomeUnknown).
//! Must not know: HTTP.

use std::fmt;
use std::net::SocketAddr;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::types::{
    Account, AccountDetail, AccountRequest, ApiError, BoundaryRequest, ClockConfirmation, ClusterMap, ClusterStatus,
    Done, ExpelRequest, Group, GroupRequest, InlinePolicyRequest, JoinToken, KeyChange, KeyRequest, KeyRotation,
    NewKey, NewUser, Policy, PolicyDetail, PolicyHolder, PolicyRequest, PolicyVersion, PolicyVersionRequest, Quota,
    ReplaceRequest, Role, RoleChange, RoleRequest, RotateRequest, RotatedSecret, StoragePolicy, StoragePolicyRequest,
    TagsRequest, TokenDetail, TokenRequest, UnrepairedObjects, UnrepairedRequest, Usage, UserDetail, UserRequest,
};

/// The token that an operator gave. A storage node that carries an order out asks for it, whichever process passed the
/// order on. A secret: no `Debug`.
#[derive(Clone, Default)]
pub struct Bearer(pub Zeroizing<String>);

/// Who gave an order: what it was opened with, and where from.
#[derive(Clone)]
pub struct Actor {
    /// The credential.
    pub credential: &'static str,
    /// The address that the order came from.
    pub peer: SocketAddr,
    /// The token itself.
    pub bearer: Bearer,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.credential, self.peer)
    }
}

/// Looks at a cluster, and orders it about. An order is logged with its actor.
#[async_trait]
pub trait ClusterControl: Send + Sync {
    /// Whether metadata can be read: what every request of a client needs.
    async fn check_health(&self) -> Result<(), ApiError>;

    /// The metrics of this process, as Prometheus text.
    async fn metrics(&self) -> Result<String, ApiError>;

    /// How the whole cluster is.
    async fn status(&self) -> ClusterStatus;

    /// The newest cluster map that this process knows.
    async fn map(&self) -> ClusterMap;

    /// The join tokens that are live.
    async fn tokens(&self, actor: &Actor) -> Result<Vec<TokenDetail>, ApiError>;

    /// A token with which processes join.
    async fn create_token(&self, actor: &Actor, request: TokenRequest) -> Result<JoinToken, ApiError>;

    /// Revokes the join token of this identity.
    async fn revoke_token(&self, actor: &Actor, token: String) -> Result<(), ApiError>;

    /// Expels the member whose name is `node`, or whose identity begins so.
    async fn expel_node(&self, actor: &Actor, node: String, request: ExpelRequest) -> Result<Done, ApiError>;

    /// Has another secret take the place of the one of this name.
    async fn rotate_secret(
        &self,
        actor: &Actor,
        secret: String,
        request: RotateRequest,
    ) -> Result<RotatedSecret, ApiError>;

    /// The storage policies.
    async fn storage_policies(&self) -> Vec<StoragePolicy>;

    /// A new policy over all drives.
    async fn create_storage_policy(&self, actor: &Actor, request: StoragePolicyRequest) -> Result<Done, ApiError>;

    /// New buckets that name no policy have this one from then on.
    async fn set_default_storage_policy(&self, actor: &Actor, name: String) -> Result<Done, ApiError>;

    /// The drive whose identity begins with `drive` begins anew in its folder.
    async fn replace_drive(&self, actor: &Actor, drive: String, request: ReplaceRequest) -> Result<Done, ApiError>;

    /// Every storage node looks for every shard of the ranges that it leads.
    async fn start_repair(&self, actor: &Actor) -> Result<Done, ApiError>;

    /// Which objects lack shards.
    async fn list_unrepaired(&self, actor: &Actor, request: UnrepairedRequest) -> Result<UnrepairedObjects, ApiError>;

    /// Every storage node begins a round of its scrubber.
    async fn start_scrub(&self, actor: &Actor) -> Result<Done, ApiError>;

    /// The clock of every storage node is right: duties that a leap of the clock halted go on.
    async fn confirm_clock(&self, actor: &Actor) -> Result<ClockConfirmation, ApiError>;
}

/// Looks after accounts and what is in them.
#[async_trait]
pub trait IdentityControl: PolicyControl + Send + Sync {
    /// All accounts.
    async fn accounts(&self) -> Result<Vec<Account>, ApiError>;

    /// A new account.
    async fn create_account(&self, actor: &Actor, request: AccountRequest) -> Result<Account, ApiError>;

    /// An account and what is in it.
    async fn account(&self, name: String) -> Result<AccountDetail, ApiError>;

    /// Deletes an account in which nothing is left.
    async fn delete_account(&self, actor: &Actor, name: String) -> Result<(), ApiError>;

    /// A new user with its first key.
    async fn create_user(&self, actor: &Actor, account: String, request: UserRequest) -> Result<NewUser, ApiError>;

    /// A user, its groups and keys.
    async fn user(&self, account: String, user: String) -> Result<UserDetail, ApiError>;

    /// Deletes a user with all it has.
    async fn delete_user(&self, actor: &Actor, account: String, user: String) -> Result<(), ApiError>;

    /// A new group.
    async fn create_group(&self, actor: &Actor, account: String, request: GroupRequest) -> Result<Group, ApiError>;

    /// A group and its members.
    async fn group(&self, account: String, group: String) -> Result<Group, ApiError>;

    /// Deletes a group, which its members leave.
    async fn delete_group(&self, actor: &Actor, account: String, group: String) -> Result<(), ApiError>;

    /// Adds a user to a group, or takes it out.
    async fn set_member(
        &self,
        actor: &Actor,
        account: String,
        group: String,
        user: String,
        is_member: bool,
    ) -> Result<(), ApiError>;

    /// A new role.
    async fn create_role(&self, actor: &Actor, account: String, request: RoleRequest) -> Result<Role, ApiError>;

    /// A role.
    async fn role(&self, account: String, role: String) -> Result<Role, ApiError>;

    /// Deletes a role.
    async fn delete_role(&self, actor: &Actor, account: String, role: String) -> Result<(), ApiError>;

    /// A new access key of a user, or of the account's root.
    async fn create_key(&self, actor: &Actor, account: String, request: KeyRequest) -> Result<NewKey, ApiError>;

    /// Enables or disables an access key.
    async fn change_key(&self, actor: &Actor, account: String, key: String, change: KeyChange) -> Result<(), ApiError>;

    /// Another access key in the place of one.
    async fn rotate_key(
        &self,
        actor: &Actor,
        account: String,
        key: String,
        rotation: KeyRotation,
    ) -> Result<NewKey, ApiError>;

    /// Deletes an access key.
    async fn delete_key(&self, actor: &Actor, account: String, key: String) -> Result<(), ApiError>;
}

/// Tells what is held, and bounds it.
#[async_trait]
pub trait UsageControl: Send + Sync {
    /// What the buckets of an account hold.
    async fn account_usage(&self, account: String) -> Result<Usage, ApiError>;

    /// What a user wrote.
    async fn user_usage(&self, account: String, user: String) -> Result<Usage, ApiError>;

    /// What a bucket holds, and its quota.
    async fn bucket_usage(&self, bucket: String) -> Result<Usage, ApiError>;

    /// Sets the quota of a bucket.
    async fn set_bucket_quota(&self, actor: &Actor, bucket: String, quota: Quota) -> Result<(), ApiError>;

    /// Removes the quota of a bucket.
    async fn remove_bucket_quota(&self, actor: &Actor, bucket: String) -> Result<(), ApiError>;
}

/// Looks after the managed policies of accounts.
#[async_trait]
pub trait PolicyControl: Send + Sync {
    /// The managed policies of an account, and AWS's.
    async fn policies(&self, account: String) -> Result<Vec<Policy>, ApiError>;

    /// A new managed policy.
    async fn create_policy(&self, actor: &Actor, account: String, request: PolicyRequest) -> Result<Policy, ApiError>;

    /// The managed policy of a name or ARN.
    async fn policy(&self, account: String, policy: String) -> Result<PolicyDetail, ApiError>;

    /// Deletes a managed policy.
    async fn delete_policy(&self, actor: &Actor, account: String, policy: String) -> Result<(), ApiError>;

    /// Attaches a managed policy to something, or detaches it.
    async fn set_attached(
        &self,
        actor: &Actor,
        account: String,
        policy: String,
        holder: PolicyHolder,
        is_attached: bool,
    ) -> Result<(), ApiError>;

    /// Another version of a managed policy.
    async fn create_policy_version(
        &self,
        actor: &Actor,
        account: String,
        policy: String,
        request: PolicyVersionRequest,
    ) -> Result<PolicyVersion, ApiError>;

    /// A version of a managed policy.
    async fn policy_version(&self, account: String, policy: String, version: String)
    -> Result<PolicyVersion, ApiError>;

    /// Has a version of a managed policy count.
    async fn set_default_policy_version(
        &self,
        actor: &Actor,
        account: String,
        policy: String,
        version: String,
    ) -> Result<(), ApiError>;

    /// Deletes a version of a managed policy.
    async fn delete_policy_version(
        &self,
        actor: &Actor,
        account: String,
        policy: String,
        version: String,
    ) -> Result<(), ApiError>;

    /// Sets or removes a permission boundary.
    async fn set_boundary(&self, actor: &Actor, account: String, request: BoundaryRequest) -> Result<(), ApiError>;

    /// Puts or deletes an inline policy.
    async fn set_inline_policy(
        &self,
        actor: &Actor,
        account: String,
        request: InlinePolicyRequest,
    ) -> Result<(), ApiError>;

    /// Sets and removes tags.
    async fn change_tags(&self, actor: &Actor, account: String, request: TagsRequest) -> Result<(), ApiError>;

    /// Changes a role.
    async fn change_role(
        &self,
        actor: &Actor,
        account: String,
        role: String,
        change: RoleChange,
    ) -> Result<Role, ApiError>;
}
