//! The IAM face: AWS's query APIs of IAM and STS, on the listener of S3.
//!
//! A request is a form: `POST /` with `Action=...&Version=...`, or the same in the query of a GET. It is told from S3's by the
//! service in the scope of its signature ([`is_meant`]), or, without one, by its form. All operations are declared in one
//! table (`operation.rs`); each names the resource on which its IAM action is decided before anything is looked at.
//!
//! Must not know: how rows are kept, how signatures are computed.

mod api;
mod auth;
mod call;
mod context;
mod error;
mod execute;
mod face;
mod find;
mod form;
mod mapping;
pub mod operation;
mod ops;
mod service;
mod subject;
mod target;
#[cfg(test)]
mod tests;

pub use api::Service;
pub use auth::is_meant;
pub use service::Iam;
