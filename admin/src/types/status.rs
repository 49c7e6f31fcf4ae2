//! How a server or a cluster is, as JSON: what nodes tell each other and what operators are shown.
//!
//! Nodes of other releases may say less: whatever was added later has a default.
//! Must not know: how it is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a server is doing, or a cluster.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
    /// The clock of the process that was asked, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) now_ms: u64,
    /// The version of the cluster map by which this was judged; 0: it did not say.
    #[serde(default)]
    pub(crate) map_version: u64,
    /// What is in danger.
    #[serde(default)]
    pub(crate) danger: DangerMessage,
    /// What the default policy can promise.
    #[serde(default)]
    pub(crate) promise: PromiseMessage,
    /// The storage nodes.
    #[serde(default)]
    pub(crate) nodes: Vec<NodeMessage>,
    /// The gateways.
    #[serde(default)]
    pub(crate) gateways: Vec<NodeMessage>,
    /// The drives.
    pub(crate) drives: Vec<DriveMessage>,
    /// Metadata ranges.
    pub(crate) ranges: Vec<RangeMessage>,
    /// Why the duties that delete are halted; unset: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) halted: Option<String>,
    /// Background work: counters by name.
    pub(crate) background: BTreeMap<String, u64>,
    /// Repair.
    #[serde(default)]
    pub(crate) repair: RepairMessage,
    /// Scrubbing.
    #[serde(default)]
    pub(crate) scrub: ScrubMessage,
    /// What the node heard of the members, if it leads the map's group. Only between nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) heard: Vec<HeardMessage>,
    /// Ranges that no member says that it leads, likewise.
    #[serde(default, skip_serializing)]
    pub(crate) leaderless: u64,
}

/// What is in danger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DangerMessage {
    /// How many more losses everything survives, as far as is known; below 0: something is out of reach now.
    pub(crate) survives: i64,
    /// How many the default policy promises.
    pub(crate) promised: i64,
    /// Chunks known to survive no more than that.
    pub(crate) chunks: u64,
    /// Chunks known to survive fewer losses than their policy promises.
    pub(crate) degraded_chunks: u64,
    /// Drives that are away and whose shards were not made up for yet.
    pub(crate) drives_away: u64,
    /// Ranges without a leader: their keys can be neither read nor written.
    pub(crate) leaderless: Vec<u64>,
    /// Ranges that survive no more losses than `survives`, and fewer than promised.
    pub(crate) ranges: u64,
    /// Storage nodes that are still to join until the cluster begins.
    pub(crate) awaited_nodes: u64,
}

/// What a policy can promise with the nodes and zones that its ring is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PromiseMessage {
    /// The policy's name.
    pub(crate) policy: String,
    /// Nodes that hold chunks.
    pub(crate) nodes: usize,
    /// Zones that do.
    pub(crate) zones: usize,
    /// How many drives may be lost, whichever they are.
    pub(crate) drives_survived: usize,
    /// How many nodes.
    pub(crate) nodes_survived: usize,
    /// How many zones.
    pub(crate) zones_survived: usize,
    /// The zones that may not be lost.
    pub(crate) zones_not_survived: Vec<String>,
}

/// How repair gets on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RepairMessage {
    /// Blobs that could be better with the drives that serve now, or that were not looked at yet, and ranges
    /// that lack members; 0: all are as good as they can be.
    pub(crate) pending: u64,
    /// Their chunks, as far as they were counted.
    pub(crate) pending_chunks: u64,
    /// Chunks looked at since something last was to be done, and seconds since then.
    #[serde(default)]
    pub(crate) done_chunks: u64,
    #[serde(default)]
    pub(crate) seconds_passed: u64,
    /// Blobs that are as good as they can be, and wait for a drive.
    pub(crate) parked: u64,
    /// Bytes of shards rebuilt since the nodes started.
    pub(crate) rebuilt_bytes: u64,
    /// Bytes of shards rebuilt in a second, of late.
    pub(crate) bytes_per_second: u64,
    /// Seconds until nothing is pending; unset: nothing to tell it by, or not everything is counted yet.
    pub(crate) seconds_left: Option<u64>,
    /// How many more losses the most endangered of these chunks survives; unset: there is none.
    pub(crate) survives: Option<i16>,
    /// What survives fewer losses than its policy promises, the most endangered first.
    #[serde(default)]
    pub(crate) degraded: Vec<DegradedMessage>,
    /// How long a drive is waited for until its shards are rebuilt elsewhere, in seconds.
    #[serde(default)]
    pub(crate) grace_s: u64,
}

/// Chunks that survive so many more losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DegradedMessage {
    /// How many; below 0 they cannot be read now.
    pub(crate) survives: i16,
    /// Their blobs.
    pub(crate) blobs: u64,
    /// The chunks of these.
    pub(crate) chunks: u64,
}

impl RepairMessage {
    /// Adds what another node says.
    pub(crate) fn add(&mut self, other: &Self) {
        let says = |repair: &Self| (repair.pending > 0, repair.seconds_left);
        self.seconds_left = slowest(says(self), says(other));
        self.seconds_passed = self.seconds_passed.max(other.seconds_passed);
        self.pending += other.pending;
        self.pending_chunks += other.pending_chunks;
        self.done_chunks += other.done_chunks;
        self.parked += other.parked;
        self.rebuilt_bytes += other.rebuilt_bytes;
        self.bytes_per_second += other.bytes_per_second;
        self.survives = [self.survives, other.survives].into_iter().flatten().min();
        self.grace_s = self.grace_s.max(other.grace_s);
        for level in &other.degraded {
            match self.degraded.iter_mut().find(|known| known.survives == level.survives) {
                Some(known) => {
                    known.blobs += level.blobs;
                    known.chunks += level.chunks;
                }
                None => self.degraded.push(*level),
            }
        }
        self.degraded.sort_unstable_by_key(|level| level.survives);
    }
}

/// How long two take that work side by side, each with whether it works and what it says of that: the slower decides,
/// and who cannot say may be that.
fn slowest(one: (bool, Option<u64>), other: (bool, Option<u64>)) -> Option<u64> {
    let is_silent = |(works, left): (bool, Option<u64>)| works && left.is_none();
    one.1.max(other.1).filter(|_| !is_silent(one) && !is_silent(other))
}

/// How the scrubber gets on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScrubMessage {
    /// Whether a round is under way.
    pub(crate) running: bool,
    /// Rounds that every node has finished since its start.
    pub(crate) rounds: u64,
    /// When the last such round ended, in milliseconds since 1970; unset: there was none.
    pub(crate) ended_ms: Option<u64>,
    /// From shards to owners, by drive.
    pub(crate) drives: Vec<ScrubDriveMessage>,
    /// From owners to shards: chunks looked for in the round under way, or in the last one.
    #[serde(default)]
    pub(crate) looked_chunks: u64,
    /// Chunks there were to be looked for; unset until they are counted.
    pub(crate) total_chunks: Option<u64>,
    /// Bytes read in a second.
    pub(crate) bytes_per_second: u64,
    /// Seconds since the round under way began; 0: none is.
    #[serde(default)]
    pub(crate) seconds_passed: u64,
    /// Seconds until the round ends; unset: nothing to tell it by, or not everything is counted yet.
    pub(crate) seconds_left: Option<u64>,
    /// Shards found missing or wrong since the nodes started.
    pub(crate) found: u64,
    /// Chunks of which shards were put back.
    pub(crate) healed: u64,
    /// Shards deleted that no row names.
    pub(crate) orphans: u64,
}

/// A drive in the scrubber's round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScrubDriveMessage {
    /// Its identity, hexadecimal.
    pub(crate) drive: String,
    /// The name of its node.
    pub(crate) node: String,
    /// Bytes read.
    pub(crate) read_bytes: u64,
    /// Bytes there were to be read.
    pub(crate) total_bytes: u64,
}

impl ScrubMessage {
    /// Adds what another node says; `None` before the first.
    pub(crate) fn joined(this: Option<Self>, other: Self) -> Self {
        let Some(mut this) = this else { return other };
        let says = |scrub: &Self| (scrub.running, scrub.seconds_left);
        this.seconds_left = slowest(says(&this), says(&other));
        this.seconds_passed = this.seconds_passed.max(other.seconds_passed);
        this.running |= other.running;
        this.rounds = this.rounds.min(other.rounds);
        this.ended_ms = this.ended_ms.zip(other.ended_ms).map(|(one, other)| one.min(other));
        this.drives.extend(other.drives);
        this.looked_chunks += other.looked_chunks;
        this.total_chunks = this.total_chunks.zip(other.total_chunks).map(|(one, other)| one + other);
        this.bytes_per_second += other.bytes_per_second;
        this.found += other.found;
        this.healed += other.healed;
        this.orphans += other.orphans;
        this
    }
}

/// A process of the cluster.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct NodeMessage {
    /// What operators call it.
    pub(crate) name: String,
    /// Its identity, hexadecimal.
    pub(crate) id: String,
    /// `storage node` or `gateway`.
    #[serde(default)]
    pub(crate) role: String,
    /// Its region.
    pub(crate) region: String,
    /// Its zone.
    pub(crate) zone: String,
    /// Where its peers reach it; empty: nobody does.
    #[serde(default)]
    pub(crate) address: String,
    /// Whether it answers; of a gateway, whether it was heard of within the last seconds.
    pub(crate) answers: bool,
    /// The version of its binary, as it last said; unset: it did not.
    pub(crate) version: Option<String>,
    /// Since when none of its drives serves, in milliseconds since 1970; unset: one does.
    #[serde(default)]
    pub(crate) down_since_ms: Option<u64>,
    /// How long ago it last reported, in milliseconds; unset: not to the leader there is now.
    #[serde(default)]
    pub(crate) heard_ago_ms: Option<u64>,
    /// How far its clock is ahead of the median of the storage nodes', in milliseconds, if known.
    #[serde(default)]
    pub(crate) clock_ms: Option<i64>,
    /// Its drives.
    #[serde(default)]
    pub(crate) drives: usize,
}

/// A member as the leader of the map's group knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HeardMessage {
    /// Its identity, hexadecimal.
    pub(crate) id: String,
    /// How long ago it reported, in milliseconds.
    pub(crate) ago_ms: u64,
    /// The version of its binary; empty: it did not say.
    pub(crate) version: String,
    /// How far its clock is ahead of the median of the storage nodes', in milliseconds, if known.
    pub(crate) clock_ms: Option<i64>,
}

/// A drive.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DriveMessage {
    /// Its identity, hexadecimal.
    pub(crate) id: String,
    /// The name of its node.
    #[serde(default)]
    pub(crate) node: String,
    /// Its region.
    #[serde(default)]
    pub(crate) region: String,
    /// Its zone.
    #[serde(default)]
    pub(crate) zone: String,
    /// `serving`, `full`, `leaving` (its node is about to stop), `refilling` (it came back emptied, and repair is
    /// not done), `down` (it is waited for), or `lost` (what it held is rebuilt elsewhere).
    #[serde(default)]
    pub(crate) state: String,
    /// Its folder; unset: it is not here.
    pub(crate) folder: Option<String>,
    /// Why it does not serve; unset: it serves.
    pub(crate) down: Option<String>,
    /// Since when, in milliseconds since 1970, as the map says.
    #[serde(default)]
    pub(crate) down_since_ms: Option<u64>,
    /// Whether it has no space for new rows.
    #[serde(default)]
    pub(crate) full: bool,
    /// How often it came back emptied or rolled back.
    #[serde(default)]
    pub(crate) emptied_times: u64,
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
