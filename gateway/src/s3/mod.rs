//! The S3 face: which operation a request means, the identity that signed it, and what each operation does.
//!
//! Must not know: disks, placement, how rows are stored.

pub mod address;
pub mod auth;
pub mod body;
mod context;
pub mod error;
mod error_document;
pub mod face;
pub mod fields;
pub mod form;
mod hoisted;
mod mapping;
mod needs;
pub mod operation;
pub mod ops;
mod qualifiers;
pub mod route;
mod subject;
#[cfg(test)]
mod tests;
pub mod wire;

pub use face::{NewBuckets, S3};
