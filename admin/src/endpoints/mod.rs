//! The table of the admin API: each endpoint is declared once, with its method, path, request, answer and refusals.
//!
//! From a declaration come a type with the parameters of the path (what a client calls and the server matches on),
//! a variant of [`Call`], and a row of [`ENDPOINTS`], by which requests are routed and `admin/openapi.json` is made.
//! A new endpoint is one entry here; the server does not compile until it answers it.
//! Must not know: how an endpoint is carried out.

mod declare;
mod route;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::types::{
    Account, AccountDetail, AccountRequest, ClockConfirmation, ClusterMap, ClusterStatus, Done, ErrorCode,
    ExpelRequest, JoinToken, KeyRequest, NewKey, NewUser, Policy, PolicyRequest, ReplaceRequest, RotateRequest,
    RotatedSecret, TokenDetail, TokenRequest, UnrepairedObjects, UnrepairedRequest, UserRequest,
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
    ListPolicies {}: GET "/admin/policies", Reading, () => 200 Json Vec<Policy>, [];

    /// Makes a policy over all drives. One of the same name and redundancy that is there already is no error.
    CreatePolicy {}: POST "/admin/policies", Orders, PolicyRequest => 200 Json Done,
        [Conflict, Unavailable, OutcomeUnknown];

    /// Has new buckets that name no policy get this one.
    SetDefaultPolicy { name }: POST "/admin/policies/{name}/default", Orders, () => 200 Json Done,
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

    /// An account and its users.
    GetAccount { name }: GET "/admin/accounts/{name}", Reading, () => 200 Json AccountDetail, [NotFound, Unavailable];

    /// Deletes an account that has neither users nor buckets.
    DeleteAccount { name }: DELETE "/admin/accounts/{name}", Orders, () => 204 Json (),
        [NotFound, Conflict, Unavailable];

    /// Makes a user with its first access key. The secret key is in this answer and in no later one.
    CreateUser { account }: POST "/admin/accounts/{account}/users", Orders, UserRequest => 201 Json NewUser,
        [NotFound, Conflict, Unavailable];

    /// Deletes a user and its access keys, which every gateway refuses within `limits.credential_cache_ms`.
    DeleteUser { account, user }: DELETE "/admin/accounts/{account}/users/{user}", Orders, () => 204 Json (),
        [NotFound, Unavailable];

    /// Makes another access key of a user. The secret key is in this answer and in no later one.
    CreateKey { account, user }: POST "/admin/accounts/{account}/users/{user}/keys", Orders, KeyRequest => 201 Json NewKey,
        [NotFound, Conflict, Unavailable];

    /// Deletes an access key of a user, which every gateway refuses within `limits.credential_cache_ms`.
    DeleteKey { account, user, key }: DELETE "/admin/accounts/{account}/users/{user}/keys/{key}", Orders, () => 204 Json (),
        [NotFound, Unavailable];
}
