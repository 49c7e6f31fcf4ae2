//! Accounts, users and access keys, kept as system rows.
//!
//! Must not know: signatures, HTTP.
