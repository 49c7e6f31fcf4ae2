//! Operations on what decides who may do what in a bucket.

pub mod block;
pub(crate) mod get_bucket_acl;
pub(crate) mod get_bucket_ownership_controls;
pub(crate) mod get_bucket_policy;
pub(crate) mod get_bucket_policy_status;
pub(crate) mod get_public_access_block;
pub(crate) mod put_bucket_acl;
pub(crate) mod put_bucket_ownership_controls;
pub(crate) mod put_bucket_policy;
pub(crate) mod put_public_access_block;
