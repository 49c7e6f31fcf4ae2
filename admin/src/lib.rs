//! The operators' API: its types, one table of endpoints, a client, and the server over three traits of control.
//!
//! [`endpoints`] declares each endpoint once; the server's routing, the client's calls and `admin/openapi.json`
//! (OpenAPI 3.1, compared by a test) follow from it.
//! Promises: without the token nothing below `/admin/` answers, nor says whether it exists; bodies and heads of
//! requests are bounded; each refusal is JSON with a code that programs read and words for a person.
//! Must not know: the gateway, storage nodes, messages between processes, S3.

pub mod audit;
pub mod client;
pub mod control;
pub mod endpoints;
pub mod server;
pub mod types;

#[cfg(test)]
mod tests;
