//! The JSON of the admin API.
//!
//! Promises: unknown fields of requests are refused. Must not know: where the values come from.

use serde::{Deserialize, Serialize};

/// Asks for an account.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateAccountMessage {
    /// Its name.
    pub(crate) name: String,
}

/// Asks for a user. Has a secret, so no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateUserMessage {
    /// Its name.
    pub(crate) name: String,
    /// Whether it may do everything in its account.
    #[serde(default)]
    pub(crate) admin: bool,
    /// Its keys; unset: random ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) access_key: Option<String>,
    /// The secret of `access_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret_key: Option<String>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountMessage {
    /// Its name.
    pub(crate) name: String,
    /// Its canonical id.
    pub(crate) id: String,
    /// When it was made; milliseconds since 1970.
    pub(crate) created_ms: u64,
}

/// An account and its users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountDetailMessage {
    /// The account.
    #[serde(flatten)]
    pub(crate) account: AccountMessage,
    /// Its users.
    pub(crate) users: Vec<UserMessage>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserMessage {
    /// Its name.
    pub(crate) name: String,
    /// Whether it may do everything in its account.
    pub(crate) admin: bool,
    /// Its access keys.
    pub(crate) access_keys: Vec<String>,
}

/// A user that was just made, with the secret that is shown only now. No `Debug`.
#[derive(Serialize, Deserialize)]
pub(crate) struct NewUserMessage {
    /// Its account's name.
    pub(crate) account: String,
    /// Its account's canonical id.
    pub(crate) account_id: String,
    /// Its name.
    pub(crate) user: String,
    /// Whether it may do everything in its account.
    pub(crate) admin: bool,
    /// Its access key.
    pub(crate) access_key: String,
    /// Its secret key.
    pub(crate) secret_key: String,
}

/// Why a request was refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ErrorMessage {
    /// In words.
    pub(crate) error: String,
}

/// What a server is doing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StatusMessage {
    /// The version of the binary.
    pub(crate) version: String,
    /// The cluster's identity, hexadecimal.
    pub(crate) cluster: String,
    /// The redundancy of the default policy.
    pub(crate) policy: String,
    /// Seconds since the start.
    pub(crate) uptime_s: u64,
    /// The S3 listener.
    pub(crate) s3_listen: String,
    /// Its drives.
    pub(crate) drives: Vec<DriveMessage>,
    /// Metadata ranges.
    pub(crate) ranges: Vec<RangeMessage>,
    /// Why the duties that delete are halted; unset: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) halted: Option<String>,
    /// Background work: counters by name.
    pub(crate) background: std::collections::BTreeMap<String, u64>,
}

/// The clock was confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockMessage {
    /// Why duties were halted until then; unset: they were not.
    pub(crate) halted: Option<String>,
}

/// A drive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DriveMessage {
    /// Its identity, hexadecimal.
    pub(crate) id: String,
    /// Its folder; unset: it is not here.
    pub(crate) folder: Option<String>,
    /// Why it does not serve; unset: it serves.
    pub(crate) down: Option<String>,
    /// What it can hold, in bytes.
    pub(crate) total_bytes: u64,
    /// What is free, in bytes.
    pub(crate) free_bytes: u64,
    /// Bytes of shards that are named.
    pub(crate) live_bytes: u64,
    /// Bytes that compaction can win.
    pub(crate) dead_bytes: u64,
    /// Bytes of its log in use.
    pub(crate) log_bytes: u64,
}

/// A metadata range.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RangeMessage {
    /// Its number.
    pub(crate) range: u64,
    /// The drives of its replicas.
    pub(crate) replicas: Vec<String>,
    /// Those that serve.
    pub(crate) serving: Vec<String>,
    /// The one that leads; unset: none does.
    pub(crate) leader: Option<String>,
}
