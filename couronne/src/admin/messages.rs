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
    /// The S3 listener of the process that was asked; of a storage node, the one for its peers.
    pub(crate) listen: String,
    /// The storage nodes.
    #[serde(default)]
    pub(crate) nodes: Vec<NodeMessage>,
    /// Its drives.
    pub(crate) drives: Vec<DriveMessage>,
    /// Metadata ranges.
    pub(crate) ranges: Vec<RangeMessage>,
    /// Why the duties that delete are halted; unset: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) halted: Option<String>,
    /// Background work: counters by name.
    pub(crate) background: std::collections::BTreeMap<String, u64>,
    /// Repair.
    #[serde(default)]
    pub(crate) repair: RepairMessage,
}

/// How repair gets on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RepairMessage {
    /// Blobs that could be better with the drives that serve now, or that were not looked at yet, and ranges
    /// that lack members; 0: all are as good as they can be.
    pub(crate) pending: u64,
    /// Their chunks, as far as they were counted.
    pub(crate) pending_chunks: u64,
    /// Blobs that are as good as they can be, and wait for a drive.
    pub(crate) parked: u64,
    /// Bytes of shards rebuilt since the nodes started.
    pub(crate) rebuilt_bytes: u64,
    /// Bytes of shards rebuilt in a second, of late.
    pub(crate) bytes_per_second: u64,
    /// Seconds until nothing is pending; unset: nothing to tell it by.
    pub(crate) seconds_left: Option<u64>,
    /// How many more shards the most endangered chunk may lose; unset: none is known to be in danger.
    pub(crate) survives: Option<i16>,
}

impl RepairMessage {
    /// Adds what another node says.
    pub(crate) fn add(&mut self, other: &Self) {
        self.pending += other.pending;
        self.pending_chunks += other.pending_chunks;
        self.parked += other.parked;
        self.rebuilt_bytes += other.rebuilt_bytes;
        self.bytes_per_second += other.bytes_per_second;
        self.seconds_left = self.seconds_left.max(other.seconds_left);
        self.survives = [self.survives, other.survives].into_iter().flatten().min();
    }
}

/// A storage node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NodeMessage {
    /// What operators call it.
    pub(crate) name: String,
    /// Its identity, hexadecimal.
    pub(crate) id: String,
    /// Its region.
    pub(crate) region: String,
    /// Its zone.
    pub(crate) zone: String,
    /// Whether it answers.
    pub(crate) answers: bool,
    /// The version of its binary; unset: it does not answer.
    pub(crate) version: Option<String>,
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
    /// The name of its node.
    #[serde(default)]
    pub(crate) node: String,
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

/// Asks for a token with which others join.
#[derive(Serialize, Deserialize)]
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
