//! The document of the API is what the table says, and the server does what the document says.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod document;
mod fake;
mod openapi;
mod schema;
mod server;
mod undeclared;
