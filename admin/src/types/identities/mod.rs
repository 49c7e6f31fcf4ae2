//! Accounts and what is in them: users, groups, roles, access keys, managed policies.
//!
//! Must not know: how they are kept.

mod accounts;
mod changes;
mod groups;
mod keys;
mod policies;
mod users;

pub use accounts::{Account, AccountDetail, AccountRequest};
pub use changes::{BoundaryRequest, InlinePolicyRequest, PolicyVersion, PolicyVersionRequest, RoleChange, TagsRequest};
pub use groups::{Group, GroupRequest, Role, RoleRequest};
pub use keys::{AccessKey, KeyChange, KeyRequest, KeyRotation, NewKey};
pub use policies::{HolderKind, Policy, PolicyDetail, PolicyHolder, PolicyRequest};
pub use users::{NewUser, User, UserDetail, UserRequest};
