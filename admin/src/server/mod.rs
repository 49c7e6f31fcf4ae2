//! The server of the admin API: connections, the tokens, routing, and answers over the three traits of control.
//!
//! Must not know: how anything is carried out.

mod api;
mod body;
mod connection_limit;
mod listener;
mod tokens;

pub use api::AdminApi;
pub use listener::serve;
pub use tokens::{AdminTokens, Opened, TokenDigests, reading_token};
