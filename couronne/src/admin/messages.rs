//! The JSON of the admin API.
//!
//! Promises: unknown fields of requests are refused. Must not know: where the values come from.

mod status;

use serde::{Deserialize, Serialize};

pub(crate) use status::{
    DangerMessage, DegradedMessage, DriveMessage, HeardMessage, NodeMessage, PromiseMessage, RangeMessage,
    RepairMessage, ScrubDriveMessage, ScrubMessage, StatusMessage,
};

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

/// The clock was confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockMessage {
    /// Why duties were halted until then; unset: they were not.
    pub(crate) halted: Option<String>,
}

/// Asks for a token with which others join.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeTokenMessage {
    /// For a gateway, instead of a storage node.
    pub(crate) gateway: bool,
    /// For how many minutes.
    pub(crate) minutes: u32,
}

/// A token. A secret: no `Debug`.
#[derive(Serialize, Deserialize)]
pub(crate) struct TokenMessage {
    /// Its text.
    pub(crate) token: String,
}

/// The cluster map.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MapMessage {
    /// The cluster's identity, hexadecimal.
    pub(crate) cluster: String,
    /// Rises with every change.
    pub(crate) version: u64,
    /// Whether it has rings and ranges.
    pub(crate) formed: bool,
    /// The redundancy of the default policy.
    pub(crate) policy: String,
    /// Its processes.
    pub(crate) nodes: Vec<MapNodeMessage>,
    /// Its drives.
    pub(crate) drives: Vec<MapDriveMessage>,
    /// Its ranges, the one that keeps the map first.
    pub(crate) ranges: Vec<MapRangeMessage>,
}

/// A process of the map.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MapNodeMessage {
    /// Its identity, hexadecimal.
    pub(crate) id: String,
    /// What operators call it.
    pub(crate) name: String,
    /// `storage node` or `gateway`.
    pub(crate) role: String,
    /// Where its peers reach it.
    pub(crate) address: String,
    /// Its region.
    pub(crate) region: String,
    /// Its zone.
    pub(crate) zone: String,
}

/// A drive of the map.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MapDriveMessage {
    /// Its identity, hexadecimal.
    pub(crate) id: String,
    /// The name of its node.
    pub(crate) node: String,
    /// Its share in rings.
    pub(crate) weight: u32,
    /// `writable`, `full`, `stopping` or `down`.
    pub(crate) state: String,
    /// Since when it does not serve, in milliseconds since 1970; unset: it serves.
    pub(crate) down_since_ms: Option<u64>,
}

/// A range of the map.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MapRangeMessage {
    /// Its number.
    pub(crate) range: u64,
    /// The drives of its replicas.
    pub(crate) replicas: Vec<String>,
}

/// Asks for a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreatePolicyMessage {
    /// Its name.
    pub(crate) name: String,
    /// `single`, `replicated:N` or `ec:K+M`.
    pub(crate) redundancy: String,
    /// Whether the loss of any zone must be survived.
    #[serde(default)]
    pub(crate) survive_zone_loss: bool,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyMessage {
    /// Its name.
    pub(crate) name: String,
    /// Its number.
    pub(crate) id: u16,
    /// `single`, `replicated:N` or `ec:K+M`.
    pub(crate) redundancy: String,
    /// Whether new buckets that name none have it.
    pub(crate) default: bool,
    /// Whether a chunk is acknowledged only if the loss of any zone is survived.
    pub(crate) survive_zone_loss: bool,
    /// What it can promise with the nodes there are.
    pub(crate) promise: PromiseMessage,
}

/// Asks to begin the drive anew that the path names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplaceMessage {
    /// Although it serves.
    #[serde(default)]
    pub(crate) force: bool,
}

/// What became of an order, in words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DoneMessage {
    /// For a person.
    pub(crate) done: String,
}
