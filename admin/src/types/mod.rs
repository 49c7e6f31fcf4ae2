//! The JSON of the admin API: one concept a file.
//!
//! Promises: fields are in snake_case, with their unit last; unknown fields of requests are refused, those of answers
//! are not, so that a client of one version reads a server of the next.
//! Must not know: where the values come from, how they are shown.

mod drive_state;
mod drives;
mod durability;
mod error;
mod identities;
mod map;
mod nodes;
mod orders;
mod ranges;
mod repair;
mod scrub;
mod status;
mod storage_policies;
mod usage;

pub use drive_state::DriveState;
pub use drives::{Drive, ReplaceRequest};
pub use durability::{Doubt, DoubtKind, Durability, Safety};
pub use error::{ApiError, ErrorCode};
pub use identities::{
    AccessKey, Account, AccountDetail, AccountRequest, BoundaryRequest, Group, GroupRequest, HolderKind,
    InlinePolicyRequest, KeyChange, KeyRequest, KeyRotation, NewKey, NewUser, Policy, PolicyDetail, PolicyHolder,
    PolicyRequest, PolicyVersion, PolicyVersionRequest, Role, RoleChange, RoleRequest, TagsRequest, User, UserDetail,
    UserRequest,
};
pub use map::{ClusterMap, MapDrive, MapNode, MapRange};
pub use nodes::{ExpelRequest, JoinToken, Node, NodeRole, TokenDetail, TokenRequest};
pub use orders::{ClockConfirmation, Done, RotateRequest, RotatedSecret, SecretName};
pub use ranges::{Range, RangeFacts};
pub use repair::{DegradedChunks, Repair, UnrepairedObject, UnrepairedObjects, UnrepairedRequest};
pub use scrub::{Scrub, ScrubDrive};
pub use status::ClusterStatus;
pub use storage_policies::{StoragePolicy, StoragePolicyPromise, StoragePolicyRequest};
pub use usage::{ClassHoldings, Holdings, Quota, Usage};
