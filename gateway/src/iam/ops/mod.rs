//! What each operation does. Each was allowed before; the file is named as what it is on.

pub(super) mod account;
pub(super) mod attached;
pub(super) mod groups;
pub(super) mod inline;
pub(super) mod keys;
mod page;
pub(super) mod policies;
pub(super) mod providers;
pub(super) mod roles;
mod shapes;
pub(super) mod sts;
pub(super) mod tags;
pub(super) mod users;
pub(super) mod versions;
