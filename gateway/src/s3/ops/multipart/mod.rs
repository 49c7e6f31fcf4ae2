//! Operations on uploads in parts.

pub(crate) mod abort_multipart_upload;
pub(crate) mod complete_multipart_upload;
pub(crate) mod create_multipart_upload;
pub(crate) mod list_parts;
pub(crate) mod upload_part;
pub(crate) mod upload_part_copy;
