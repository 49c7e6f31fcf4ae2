//! The S3 face: which operation a request means, and what each operation does.
//!
//! Must not know: disks, placement, how rows are stored.

pub mod error;
pub mod operation;
pub mod ops;
pub mod xml;

mod mapping;
