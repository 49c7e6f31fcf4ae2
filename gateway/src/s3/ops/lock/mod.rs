//! The operations on object locks: retention, legal hold, a bucket's default.

pub(crate) mod get_object_legal_hold;
pub(crate) mod get_object_lock_configuration;
pub(crate) mod get_object_retention;
pub(crate) mod put_object_legal_hold;
pub(crate) mod put_object_lock_configuration;
pub(crate) mod put_object_retention;
