//! What the server of the admin API works with: control of the cluster, and control of identities.
//!
//! Promises asked of an implementation: whichever process is asked, the answer and what is done are the same; an
//! order that was carried out already is no error; one that is refused changed nothing, unless its code is
//! [`OutcomeUnknown`](crate::types::ErrorCode::OutcomeUnknown).
//! Must not know: HTTP.

use async_trait::async_trait;

use crate::types::{
    Account, AccountDetail, AccountRequest, ApiError, ClockConfirmation, ClusterMap, ClusterStatus, Done, JoinToken,
    NewUser, Policy, PolicyRequest, ReplaceRequest, TokenRequest, UserRequest,
};

/// Looks at a cluster, and orders it about.
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

    /// A token with which one process joins.
    async fn create_token(&self, request: TokenRequest) -> Result<JoinToken, ApiError>;

    /// The storage policies.
    async fn policies(&self) -> Vec<Policy>;

    /// A new policy over all drives.
    async fn create_policy(&self, request: PolicyRequest) -> Result<Done, ApiError>;

    /// New buckets that name no policy have this one from then on.
    async fn set_default_policy(&self, name: String) -> Result<Done, ApiError>;

    /// The drive whose identity begins with `drive` begins anew in its folder.
    async fn replace_drive(&self, drive: String, request: ReplaceRequest) -> Result<Done, ApiError>;

    /// Every storage node looks for every shard of the ranges that it leads.
    async fn start_repair(&self) -> Result<Done, ApiError>;

    /// Every storage node begins a round of its scrubber.
    async fn start_scrub(&self) -> Result<Done, ApiError>;

    /// The clock of every storage node is right: duties that a leap of the clock halted go on.
    async fn confirm_clock(&self) -> Result<ClockConfirmation, ApiError>;
}

/// Looks after accounts and users.
#[async_trait]
pub trait IdentityControl: Send + Sync {
    /// All accounts.
    async fn accounts(&self) -> Result<Vec<Account>, ApiError>;

    /// A new account.
    async fn create_account(&self, request: AccountRequest) -> Result<Account, ApiError>;

    /// An account and its users.
    async fn account(&self, name: String) -> Result<AccountDetail, ApiError>;

    /// Deletes an account that has neither users nor buckets.
    async fn delete_account(&self, name: String) -> Result<(), ApiError>;

    /// A new user with its first key.
    async fn create_user(&self, account: String, request: UserRequest) -> Result<NewUser, ApiError>;
}
