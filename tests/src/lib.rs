//! What the end-to-end tests share: servers and clusters of the built binary, clients and their load, bytes
//! to compare; and the reading of the source tree for the tidy test.
//!
//! Promises: a server is ended by the process id it was started with; a test that fails shows the end
//! of the server's log.
//! Must not know: the server's code, but for the random source of all tests. It is met only through its sockets and
//! its folders.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "this crate is test scaffolding: a broken expectation is a failed test"
)]

use std::process::Output;

use serde_json::Value;

pub(crate) mod aws;
pub mod bytes_of;
pub mod clients;
pub mod cluster;
pub mod cut_off;
pub mod hanging;
pub mod load;
pub mod namespace;
pub mod python;
pub mod running;
pub mod server;
pub mod source;

/// What a command that must succeed says as JSON.
pub fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
