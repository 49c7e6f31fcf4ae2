//! The table of the admin API: each endpoint is declared once, with its method, path, request, answer and refusals.
//!
//! From a declaration come a type with the parameters of the path (what a client calls and the server matches on),
//! a variant of [`Call`], and a row of [`ENDPOINTS`], by which requests are routed and `admin/openapi.json` is made.
//! A new endpoint is one entry here; a test asks the server for each of them.
//! Must not know: how an endpoint is carried out.

mod declare;
mod route;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::types::{
    Account, AccountDetail, AccountRequest, BoundaryRequest, ClockConfirmation, ClusterMap, ClusterStatus, Done,
    ErrorCode, ExpelRequest, Group, GroupRequest, InlinePolicyRequest, JoinToken, KeyChange, KeyRequest, KeyRotation,
    NewKey, NewUser, Policy, PolicyDetail, PolicyHolder, PolicyRequest, PolicyVersion, PolicyVersionRequest, Quota,
    ReplaceRequest, Role, RoleChange, RoleRequest, RotateRequest, RotatedSecret, StoragePolicy, StoragePolicyRequest,
    TagsRequest, TokenDetail, TokenRequest, UnrepairedObjects, UnrepairedRequest, Usage, UserDetail, UserRequest,
};
use declare::endpoints;
#[cfg(test)]
pub(crate) use route::parameter_name;
pub(crate) use route::path_of;
pub use route::{Route, Unrouted, route};

/// One endpoint of the API; a value of it is a call with the parameters of its path.
pub trait Endpoint: Sized {
    /// The body of a request; `()`: there is none.
    type Request: Serialize + DeserializeOwned;
    /// The body of a response that carried it out; `()`: there is none.
    type Response: Serialize + DeserializeOwned;
    /// Its row of the table.
    const ROW: Row;

    /// The parameters of the path, in their order there.
    fn parameters(&self) -> Vec<&str>;
}

/// What opens an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing is asked for.
    Open,
    /// The token that reads, or the admin token.
    Reading,
    /// The admin token.
    Orders,
}

/// How the answer of an endpoint is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// JSON.
    Json,
    /// Plain text.
    Text,
}

/// An endpoint as a row of the table.
#[derive(Clone)]
pub struct Row {
    /// The name of its type.
    pub name: &'static str,
    /// What it does: lines of a doc comment.
    pub summary: &'static [&'static str],
    /// Its method.
    pub method: Method,
    /// Its path; a segment `{name}` is a parameter.
    pub path: &'static str,
    /// What opens it.
    pub access: Access,
    /// The status of a response that carried it out.
    pub status: u16,
    /// How that response is written.
    pub content: Content,
    /// The codes with which it may refuse, beside those that any endpoint of its kind has.
    pub errors: &'static [ErrorCode],
    /// The call with these parameters of the path; `None`: it takes another number of them.
    call: fn(Vec<String>) -> Option<Call>,
    /// The schemas of request and response.
    #[cfg(test)]
    pub(crate) schemas: fn(&mut schemars::SchemaGenerator) -> (schemars::Schema, schemars::Schema),
}

endpoints! {
    /// Whether metadata can be read: what every request of a client needs.
    GetHealth {}: GET "/health", Open, () => 200 Text String, [Unavailable];

    /// The metrics of this process, as Prometheus text.
    GetMetrics {}: GET "/metrics", Open, () => 200 Text String, [];

    /// How the whole cluster is: what is in danger, what is promised, nodes, drives, ranges and background work.
    GetStatus {}: GET "/admin/status", Reading, () => 200 Json ClusterStatus, [];

    /// The cluster map: its processes, drives and ranges.
    GetMap {}: GET "/admin/cluster/map", Reading, () => 200 Json ClusterMap, [];

    /// The join tokens that are live, without their secrets.
    ListTokens {}: GET "/admin/cluster/tokens", Reading, () => 200 Json Vec<TokenDetail>, [Unavailable];

    /// Makes a token with which processes join.
    CreateToken {}: POST "/admin/cluster/tokens", Orders, TokenRequest => 201 Json JoinToken,
        [Conflict, Unavailable, OutcomeUnknown];

    /// Revokes a join token: it admits nobody any more.
    RevokeToken { token }: DELETE "/admin/cluster/tokens/{token}", Orders, () => 204 Json (),
        [NotFound, Unavailable, OutcomeUnknown];

    /// Expels the member whose name is `node`, or whose identity begins so. Within a second every member refuses it, and it
    /// is never a member again.
    ExpelNode { node }: POST "/admin/nodes/{node}/expel", Orders, ExpelRequest => 200 Json Done,
        [NotFound, Conflict, Unavailable, OutcomeUnknown];

    /// Has another secret take the place of one of the cluster's: `root`, `admin-token` or `sealing-key`. Within two seconds
    /// every process refuses the old one.
    RotateSecret { secret }: POST "/admin/secrets/{secret}/rotate", Orders, RotateRequest => 200 Json RotatedSecret,
        [NotFound, Unavailable, OutcomeUnknown];

    /// The storage policies, and what each can promise with the nodes there are.
    ListStoragePolicies {}: GET "/admin/storage-policies", Reading, () => 200 Json Vec<StoragePolicy>, [];

    /// Makes a policy over all drives. One of the same name and redundancy that is there already is no error.
    CreateStoragePolicy {}: POST "/admin/storage-policies", Orders, StoragePolicyRequest => 200 Json Done,
        [Conflict, Unavailable, OutcomeUnknown];

    /// Has new buckets that name no policy get this one.
    SetDefaultStoragePolicy { name }: POST "/admin/storage-policies/{name}/default", Orders, () => 200 Json Done,
        [Conflict, Unavailable, OutcomeUnknown];

    /// Begins the drive anew whose identity begins with `drive`, in its folder: repair refills it.
    ReplaceDrive { drive }: POST "/admin/drives/{drive}/replace", Orders, ReplaceRequest => 200 Json Done,
        [NotFound, Conflict, Unavailable, OutcomeUnknown];

    /// Has every storage node look for every shard of the ranges that it leads, and try again what waits.
    StartRepair {}: POST "/admin/repair/start", Orders, () => 200 Json Done, [Unavailable];

    /// Which objects lack shards, and whether they can be read. It names what tenants keep, so the token that reads is not
    /// enough for it.
    ListUnrepaired {}: POST "/admin/repair/list", Orders, UnrepairedRequest => 200 Json UnrepairedObjects,
        [Unavailable];

    /// Has every storage node begin a round of its scrubber.
    StartScrub {}: POST "/admin/scrub/start", Orders, () => 200 Json Done, [Unavailable];

    /// Says that the clock of every storage node is right: duties that a leap of the clock halted go on, and the cluster
    /// time, by which object locks are judged, catches up.
    ConfirmClock {}: POST "/admin/clock/confirm", Orders, () => 200 Json ClockConfirmation,
        [Unavailable, OutcomeUnknown];

    /// The accounts.
    ListAccounts {}: GET "/admin/accounts", Reading, () => 200 Json Vec<Account>, [Unavailable];

    /// Makes an account.
    CreateAccount {}: POST "/admin/accounts", Orders, AccountRequest => 201 Json Account, [Conflict, Unavailable];

    /// An account, its root's keys, its users, and what else is in it.
    GetAccount { name }: GET "/admin/accounts/{name}", Reading, () => 200 Json AccountDetail, [NotFound, Unavailable];

    /// Deletes an account in which nothing is left: no users, groups, roles, policies and buckets. Keys of its root go with
    /// it.
    DeleteAccount { name }: DELETE "/admin/accounts/{name}", Orders, () => 204 Json (),
        [NotFound, Conflict, Unavailable];

    /// Makes a user with its first access key. The secret key is in this answer and in no later one.
    CreateUser { account }: POST "/admin/accounts/{account}/users", Orders, UserRequest => 201 Json NewUser,
        [NotFound, Conflict, Unavailable];

    /// A user, its groups and access keys.
    GetUser { account, user }: GET "/admin/accounts/{account}/users/{user}", Reading, () => 200 Json UserDetail,
        [NotFound, Unavailable];

    /// Deletes a user with its access keys, policies and places in groups. Every gateway refuses it within
    /// `limits.credential_cache_ms`.
    DeleteUser { account, user }: DELETE "/admin/accounts/{account}/users/{user}", Orders, () => 204 Json (),
        [NotFound, Conflict, Unavailable];

    /// Makes a group without members.
    CreateGroup { account }: POST "/admin/accounts/{account}/groups", Orders, GroupRequest => 201 Json Group,
        [NotFound, Conflict, Unavailable];

    /// A group and its members.
    GetGroup { account, group }: GET "/admin/accounts/{account}/groups/{group}", Reading, () => 200 Json Group,
        [NotFound, Unavailable];

    /// Deletes a group with its policies; its members leave it.
    DeleteGroup { account, group }: DELETE "/admin/accounts/{account}/groups/{group}", Orders, () => 204 Json (),
        [NotFound, Conflict, Unavailable];

    /// Adds a user to a group.
    AddGroupMember { account, group, user }: POST "/admin/accounts/{account}/groups/{group}/users/{user}", Orders,
        () => 204 Json (), [NotFound, Conflict, Unavailable];

    /// Takes a user out of a group.
    RemoveGroupMember { account, group, user }: DELETE "/admin/accounts/{account}/groups/{group}/users/{user}", Orders,
        () => 204 Json (), [NotFound, Conflict, Unavailable];

    /// Makes a role.
    CreateRole { account }: POST "/admin/accounts/{account}/roles", Orders, RoleRequest => 201 Json Role,
        [NotFound, Conflict, Unavailable];

    /// A role.
    GetRole { account, role }: GET "/admin/accounts/{account}/roles/{role}", Reading, () => 200 Json Role,
        [NotFound, Unavailable];

    /// Deletes a role with its policies.
    DeleteRole { account, role }: DELETE "/admin/accounts/{account}/roles/{role}", Orders, () => 204 Json (),
        [NotFound, Conflict, Unavailable];

    /// Makes an access key of a user, or of the account's root. The secret key is in this answer and in no later one.
    CreateKey { account }: POST "/admin/accounts/{account}/keys", Orders, KeyRequest => 201 Json NewKey,
        [NotFound, Conflict, Unavailable];

    /// Has an access key be used no more, or again. Every gateway goes by it within `limits.credential_cache_ms`.
    ChangeKey { account, key }: POST "/admin/accounts/{account}/keys/{key}", Orders, KeyChange => 204 Json (),
        [NotFound, Conflict, Unavailable];

    /// Makes another access key like one, which is deleted, at once or after a while. The secret key is in this answer and
    /// in no later one.
    RotateKey { account, key }: POST "/admin/accounts/{account}/keys/{key}/rotate", Orders, KeyRotation => 201 Json NewKey,
        [NotFound, Conflict, Unavailable];

    /// Deletes an access key, which every gateway refuses within `limits.credential_cache_ms`.
    DeleteKey { account, key }: DELETE "/admin/accounts/{account}/keys/{key}", Orders, () => 204 Json (),
        [NotFound, Conflict, Unavailable];

    /// The managed policies of an account, and AWS's.
    ListPolicies { account }: GET "/admin/accounts/{account}/policies", Reading, () => 200 Json Vec<Policy>,
        [NotFound, Unavailable];

    /// Makes a managed policy.
    CreatePolicy { account }: POST "/admin/accounts/{account}/policies", Orders, PolicyRequest => 201 Json Policy,
        [NotFound, Conflict, Unavailable];

    /// The managed policy of a name or ARN, what it says and where it is used.
    GetPolicy { account, policy }: GET "/admin/accounts/{account}/policies/{policy}", Reading, () => 200 Json PolicyDetail,
        [NotFound, Unavailable];

    /// Deletes a managed policy with its versions; it is detached from wherever it is attached. One that bounds somebody
    /// stays.
    DeletePolicy { account, policy }: DELETE "/admin/accounts/{account}/policies/{policy}", Orders, () => 204 Json (),
        [NotFound, Conflict, Unavailable];

    /// Attaches a managed policy to a user, group or role.
    AttachPolicy { account, policy }: POST "/admin/accounts/{account}/policies/{policy}/attach", Orders,
        PolicyHolder => 204 Json (), [NotFound, Conflict, Unavailable];

    /// Detaches a managed policy from a user, group or role.
    DetachPolicy { account, policy }: POST "/admin/accounts/{account}/policies/{policy}/detach", Orders,
        PolicyHolder => 204 Json (), [NotFound, Conflict, Unavailable];

    /// Makes another version of a managed policy, and has it count if that is wanted.
    CreatePolicyVersion { account, policy }: POST "/admin/accounts/{account}/policies/{policy}/versions", Orders,
        PolicyVersionRequest => 201 Json PolicyVersion, [NotFound, Conflict, Unavailable];

    /// A version of a managed policy.
    GetPolicyVersion { account, policy, version }: GET "/admin/accounts/{account}/policies/{policy}/versions/{version}",
        Reading, () => 200 Json PolicyVersion, [NotFound, Unavailable];

    /// Has another version of a managed policy count.
    SetDefaultPolicyVersion { account, policy, version }:
        POST "/admin/accounts/{account}/policies/{policy}/versions/{version}/default", Orders,
        () => 204 Json (), [NotFound, Conflict, Unavailable];

    /// Deletes a version of a managed policy that is not the one that counts.
    DeletePolicyVersion { account, policy, version }:
        DELETE "/admin/accounts/{account}/policies/{policy}/versions/{version}", Orders,
        () => 204 Json (), [NotFound, Conflict, Unavailable];

    /// Sets the permission boundary of a user or role, or removes it.
    SetBoundary { account }: POST "/admin/accounts/{account}/boundaries", Orders, BoundaryRequest => 204 Json (),
        [NotFound, Conflict, Unavailable];

    /// Puts an inline policy of a user, group or role, or deletes it.
    SetInlinePolicy { account }: POST "/admin/accounts/{account}/inline-policies", Orders,
        InlinePolicyRequest => 204 Json (), [NotFound, Conflict, Unavailable];

    /// Sets and removes tags of a user or role.
    ChangeTags { account }: POST "/admin/accounts/{account}/tags", Orders, TagsRequest => 204 Json (),
        [NotFound, Conflict, Unavailable];

    /// Changes a role: its trust policy, how long its sessions may be, what it is for.
    ChangeRole { account, role }: POST "/admin/accounts/{account}/roles/{role}", Orders, RoleChange => 200 Json Role,
        [NotFound, Conflict, Unavailable];

    /// What the buckets of an account hold, by whichever principal it was written.
    GetAccountUsage { account }: GET "/admin/accounts/{account}/usage", Reading, () => 200 Json Usage,
        [NotFound, Unavailable];

    /// What a user wrote and is held, in buckets of any account. Parts count for the user that opened their upload.
    GetUserUsage { account, user }: GET "/admin/accounts/{account}/users/{user}/usage", Reading, () => 200 Json Usage,
        [NotFound, Unavailable];

    /// What a bucket holds, and its quota.
    GetBucketUsage { bucket }: GET "/admin/buckets/{bucket}/usage", Reading, () => 200 Json Usage,
        [NotFound, Conflict, Unavailable];

    /// Sets how much a bucket may hold. From the answer on no write makes it hold more; what it holds already stays.
    SetBucketQuota { bucket }: POST "/admin/buckets/{bucket}/quota", Orders, Quota => 204 Json (),
        [NotFound, Conflict, Unavailable];

    /// Lets a bucket hold any amount.
    RemoveBucketQuota { bucket }: DELETE "/admin/buckets/{bucket}/quota", Orders, () => 204 Json (),
        [NotFound, Conflict, Unavailable];
}
