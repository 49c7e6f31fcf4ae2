//! Operations on buckets: creating, finding and deleting them.

pub(crate) mod create_bucket;
pub(crate) mod delete_bucket;
pub(crate) mod get_bucket_location;
pub(crate) mod head_bucket;
