//! What processes of a cluster tell each other for operators, as JSON: how each is, and what it is ordered to do.
//!
//! Ranges, repair and scrubbing are said as the API shows them; of drives a node says what the map does not know.
//! Promises: a process reads a message in which another release says more.
//! Must not know: how messages travel.

use std::collections::BTreeMap;

use couronne_admin::types::{
    ApiError, ErrorCode, NodeRole, Range, Repair, Scrub, SecretName, StoragePolicyRequest, TokenRequest,
    UnrepairedObject,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The status of a process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct StatusMessage {
    /// The version of its binary.
    pub(crate) version: String,
    /// The version of the cluster map by which this was judged.
    pub(crate) map_version: u64,
    /// The version of the cluster map that first knew the newest loss, by the map that it knows; 0: there was none.
    #[serde(default)]
    pub(crate) loss_version: u64,
    /// Its drives.
    pub(crate) drives: Vec<DriveMessage>,
    /// The metadata ranges of which it has replicas.
    pub(crate) ranges: Vec<Range>,
    /// Why its duties that delete are halted; unset: they are not.
    pub(crate) halted: Option<String>,
    /// How far the cluster time, as it counts it, is behind its clock, in milliseconds.
    #[serde(default)]
    pub(crate) time_lag_ms: u64,
    /// Background work since its start: counters by name.
    pub(crate) background: BTreeMap<String, u64>,
    /// Repair of the ranges that it leads.
    pub(crate) repair: Repair,
    /// Scrubbing of its drives and of the ranges that it leads.
    pub(crate) scrub: Scrub,
    /// The members, by the node reports that it took, if it leads the meta group; else none.
    pub(crate) members: Vec<MemberMessage>,
    /// Ranges that no member says that it leads, likewise.
    pub(crate) leaderless: u64,
    /// How long ago a member last said that it leads a range, in milliseconds, by the range's number, likewise.
    #[serde(default)]
    pub(crate) led_ago_ms: BTreeMap<u64, u64>,
}

/// A drive as its node knows it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DriveMessage {
    /// Its identity, hexadecimal.
    pub(crate) id: String,
    /// Its folder; unset: the node does not have it.
    pub(crate) folder: Option<String>,
    /// Why it does not serve; unset: it serves.
    pub(crate) down_reason: Option<String>,
    /// Whether it does not serve because calls to it do not come back in time.
    #[serde(default)]
    pub(crate) slow: bool,
    /// Whether it takes no new shards for want of space.
    pub(crate) full: bool,
    /// Its capacity, in bytes.
    pub(crate) total_bytes: u64,
    /// Its free space, in bytes.
    pub(crate) free_bytes: u64,
    /// Bytes of shards that are named.
    pub(crate) live_bytes: u64,
    /// Bytes that compaction can win.
    pub(crate) dead_bytes: u64,
    /// Bytes of its log in use.
    pub(crate) log_bytes: u64,
    /// When it was last read through, in milliseconds since 1970; unset: never, or it is not here.
    #[serde(default)]
    pub(crate) scrubbed_ms: Option<u64>,
    /// Since when it could have been, likewise.
    #[serde(default)]
    pub(crate) unscrubbed_since_ms: Option<u64>,
}

/// A member as the leader of the meta group knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MemberMessage {
    /// Its identity, hexadecimal.
    pub(crate) id: String,
    /// How long ago it sent its last node report, in milliseconds.
    pub(crate) report_age_ms: u64,
    /// The version of its binary; empty: it did not say.
    pub(crate) version: String,
    /// How far its clock is ahead of the median of the storage nodes', in milliseconds; unset: not known.
    pub(crate) clock_offset_ms: Option<i64>,
    /// The numbers of the newest certificate authority that it believes and of the one that signed its certificate, if it
    /// said so.
    #[serde(default)]
    pub(crate) certificate: Option<(u64, u64)>,
}

/// What an operator orders a storage node to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// A new policy.
    CreatePolicy {
        /// Its name.
        name: String,
        /// `single`, `replicated:N` or `ec:K+M`.
        redundancy: String,
        /// Whether the loss of any zone must be survived.
        survive_zone_loss: bool,
    },
    /// The policy of new buckets that name none.
    SetDefaultPolicy {
        /// Its name.
        name: String,
    },
    /// Begin a drive of this node anew.
    ReplaceDrive {
        /// Its identity, hexadecimal.
        drive: String,
        /// Although it serves.
        force: bool,
    },
    /// Look for every blob of the ranges led here.
    StartRepair,
    /// Which objects of a range led here lack shards.
    ListUnrepaired {
        /// The range.
        range: u64,
        /// Those whose blobs come after this one, hexadecimal.
        after: Option<String>,
        /// At most so many.
        limit: u32,
        /// Only those that cannot be read.
        unreadable: bool,
    },
    /// Begin a round of the scrubber over the drives here.
    StartScrub,
    /// A token with which processes join.
    CreateToken {
        /// The role of the processes that join with it.
        role: NodeRole,
        /// For how many minutes it is good.
        lifetime_minutes: u32,
        /// How many processes join with it.
        joins_max: u32,
    },
    /// The join tokens that are live.
    ListTokens,
    /// Revoke a join token.
    RevokeToken {
        /// Its identity, hexadecimal.
        token: String,
    },
    /// Expel a member.
    ExpelNode {
        /// Its identity, hexadecimal.
        node: String,
        /// Although data is lost or in danger by it.
        force: bool,
    },
    /// Have another secret take the place of one.
    RotateSecret {
        /// Which.
        secret: SecretName,
        /// For how many minutes the old root credentials are taken beside the new ones.
        keep_minutes: u32,
    },
    /// The clock of this node is right.
    ConfirmClock,
}

/// An order on its way, with who gave it and the token that the operator gave with it. A secret: no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct GivenOrder {
    /// The order.
    #[serde(flatten)]
    pub(crate) order: Order,
    /// Who gave it, as logs show it. The process that passed it on says so, and is not asked for proof.
    #[serde(default)]
    pub(crate) actor: String,
    /// The operator's token. The storage node that carries the order out asks for it: a process that passes orders on
    /// can give none.
    #[serde(default, with = "crate::folder::secret")]
    pub(crate) token: Zeroizing<String>,
}

/// The objects of a range that lack shards.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UnrepairedOfRange {
    /// The objects.
    pub(crate) objects: Vec<UnrepairedObject>,
    /// More follow, behind this blob, hexadecimal.
    pub(crate) next: Option<String>,
}

/// What a storage node found.
pub(crate) fn parsed<T: DeserializeOwned>(said: &str) -> Result<T, ApiError> {
    serde_json::from_str(said).map_err(|error| ApiError::new(ErrorCode::Internal, error))
}

impl Order {
    /// Whether the token that reads is enough for it.
    pub(crate) const fn only_reads(&self) -> bool {
        matches!(self, Self::ListTokens)
    }
}

impl From<StoragePolicyRequest> for Order {
    fn from(StoragePolicyRequest { name, redundancy, survive_zone_loss }: StoragePolicyRequest) -> Self {
        Self::CreatePolicy { name, redundancy, survive_zone_loss }
    }
}

impl From<TokenRequest> for Order {
    fn from(TokenRequest { role, lifetime_minutes, joins_max }: TokenRequest) -> Self {
        Self::CreateToken { role, lifetime_minutes, joins_max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not even a gateway that has the token that reads is told what tenants keep.
    #[test]
    fn what_names_objects_takes_the_admin_token() {
        let list = Order::ListUnrepaired { range: 1, after: None, limit: 1, unreadable: true };
        assert!(!list.only_reads() && Order::ListTokens.only_reads());
    }

    #[test]
    fn a_message_that_says_more_is_read() {
        let order = r#"{"order":"create_policy","name":"n","redundancy":"single","survive_zone_loss":false,"more":1}"#;
        assert!(matches!(serde_json::from_str(order).unwrap(), Order::CreatePolicy { name, .. } if name == "n"));
        let given =
            GivenOrder { order: Order::StartScrub, actor: "ada".to_owned(), token: Zeroizing::new("t".to_owned()) };
        let given = serde_json::to_value(given).unwrap();
        assert_eq!(given, serde_json::json!({ "order": "start_scrub", "actor": "ada", "token": "t" }));
        let given: GivenOrder = serde_json::from_str(order).unwrap();
        assert_eq!((given.actor.as_str(), given.token.as_str()), ("", ""));
        let mut status = serde_json::to_value(StatusMessage { map_version: 7, ..StatusMessage::default() }).unwrap();
        status["more"] = 1.into();
        status["repair"]["more"] = 1.into();
        assert_eq!(serde_json::from_value::<StatusMessage>(status).unwrap().map_version, 7);
    }
}
