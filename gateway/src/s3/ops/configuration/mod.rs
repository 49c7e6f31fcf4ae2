//! Operations on the configuration of a bucket.

pub(crate) mod delete_absent;
pub(crate) mod delete_document;
pub(crate) mod get_absent;
pub(crate) mod get_bucket_tagging;
pub(crate) mod get_bucket_versioning;
pub(crate) mod put_bucket_tagging;
pub(crate) mod put_bucket_versioning;
