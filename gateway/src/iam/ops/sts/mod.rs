//! Sessions: who the caller is, and temporary credentials.

pub(crate) mod assume_role;
mod parameters;
pub(crate) mod session;
