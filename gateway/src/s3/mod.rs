//! The S3 face: which operation a request means, and what each operation does.
//!
//! Must not know: disks, placement, how rows are stored.

pub mod acl;
pub mod attributes;
pub mod bucket_name;
pub mod checksum;
pub mod conditions;
pub mod copy_source;
pub mod copying;
pub mod dates;
pub mod deleting;
pub mod error;
pub mod etag;
pub mod listing;
pub mod lock;
pub mod operation;
pub mod ops;
pub mod owner;
pub mod parameters;
pub mod range;
pub mod reading;
pub mod region;
pub mod tags;
pub mod token;
pub mod values;
pub mod version_text;
pub mod xml;

mod mapping;
