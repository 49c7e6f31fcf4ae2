//! The S3 face: which operation a request means, and what each operation does.
//!
//! Must not know: disks, placement, how rows are stored.

pub mod operation;
pub mod xml;
