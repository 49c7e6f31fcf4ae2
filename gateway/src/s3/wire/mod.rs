//! S3's own notation: how values stand in headers, query parameters and XML, read and written.
//!
//! Must not know: operations, the engine.

pub mod bucket_name;
pub mod checksum;
pub mod conditions;
pub mod copy_source;
pub mod dates;
pub mod etag;
pub mod lock;
pub mod parameters;
pub mod range;
pub mod tags;
pub mod token;
pub mod values;
pub mod version_text;
pub mod xml;
