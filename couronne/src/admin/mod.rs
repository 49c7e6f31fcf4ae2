//! The admin listener and those who talk to it: `/health`, `/metrics`, and the API behind
//! `couronne status`, `node`, `drive`, `policy`, `repair`, `scrub`, `account`, `user` and `clock`.
//!
//! | method and path | answers |
//! |---|---|
//! | `GET /health` | 200 if metadata can be read, else 503; no token |
//! | `GET /metrics` | Prometheus text; no token |
//! | `GET /admin/status` | [`messages::StatusMessage`] |
//! | `GET /admin/policies` | [`messages::PolicyMessage`]s |
//! | `POST /admin/policies` | a policy as [`messages::CreatePolicyMessage`] says; [`messages::DoneMessage`], as all orders below |
//! | `POST /admin/policies/NAME/default` | new buckets have this policy |
//! | `POST /admin/drives/ID/replace` | the drive begins anew, as [`messages::ReplaceMessage`] says |
//! | `POST /admin/repair/start`, `POST /admin/scrub/start` | begins now |
//! | `POST /admin/clock/confirm` | [`messages::ClockMessage`]; duties that a leap of the clock halted go on |
//! | `GET /admin/accounts` | [`messages::AccountMessage`]s |
//! | `POST /admin/accounts` | the account made from [`messages::CreateAccountMessage`] |
//! | `GET`, `DELETE /admin/accounts/NAME` | [`messages::AccountDetailMessage`]; nothing |
//! | `POST /admin/cluster/tokens` | [`messages::TokenMessage`] for [`messages::MakeTokenMessage`] |
//! | `GET /admin/cluster/map` | [`messages::MapMessage`] |
//! | `POST /admin/accounts/NAME/users` | [`messages::NewUserMessage`] for [`messages::CreateUserMessage`] |
//!
//! Promises: without the token (`Authorization: Bearer ...`) nothing below `/admin/` answers, nor says
//! whether it exists; bodies and headers are bounded.
//! Must not know: S3.

pub(crate) mod api;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod commands;
mod figures;
pub(crate) mod gather;
pub(crate) mod messages;
pub(crate) mod operate;
pub(crate) mod operator;
pub(crate) mod orders;
mod outlook;
mod screen;
pub(crate) mod server;
pub(crate) mod status;
