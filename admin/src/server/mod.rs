//! The server of the admin API: connections, the token, routing, and answers over the two traits of control.
//!
//! Must not know: how anything is carried out.

mod api;
mod body;
mod listener;
mod token;

pub use api::AdminApi;
pub use listener::serve;
pub use token::AdminToken;
