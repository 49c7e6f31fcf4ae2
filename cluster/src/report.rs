//! How a member tells the meta group that it lives, and learns of newer maps.
//!
//! Promises: bytes of any origin give a report, an answer or [`Corrupt`]; what a member calls its build can be shown.
//! Must not know: what follows from a report.

use bytes::Bytes;
use couronne_base::codec::table::{choice, record};
use couronne_base::codec::{self, Corrupt};
use couronne_metadata::ids::RangeId;
use couronne_ring::DriveId;

use crate::drive_state::DriveState;
use crate::map::{CommittedMembers, LogEnd};

/// The longest name of a build, in bytes.
const BUILD_BYTES_MAX: usize = 64;

/// What a member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// The version of the map it knows.
    pub map_version: u64,
    /// Its drives. One that it does not name is down.
    pub drives: Vec<(DriveId, DriveState)>,
    /// The ranges that replicas of its lead.
    pub leads: Vec<RangeId>,
    /// The version of its binary; empty: it did not say.
    pub build: String,
    /// Its wall clock, in milliseconds since 1970; unset: it did not say.
    pub wall_ms: Option<u64>,
    /// Whether it doubts its wall clock.
    pub doubts_clock: bool,
    /// Up to where the logs of its drives are durable.
    pub log_ends: Vec<DriveLogEnd>,
    /// The members of groups that it leads, where the map that it knows has others.
    pub groups: Vec<GroupReport>,
    /// Its node starts, and says nothing of itself: it asks what was heard of its drives.
    pub is_starting: bool,
    /// Its certificate; unset: it has none that counts.
    pub certificate: Option<CertificateReport>,
}

/// How a member stands to the cluster's certificate authorities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CertificateReport {
    /// The number of the newest authority that it believes.
    pub trusted: u64,
    /// The number of the authority that signed its certificate; 0: of none that it believes.
    pub signed_by: u64,
}

/// The members of the group of a range, as its leader has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReport {
    /// The range.
    pub range: RangeId,
    /// The members that are committed.
    pub members: CommittedMembers,
}

/// Up to where the log of a drive is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriveLogEnd {
    /// The drive.
    pub drive: DriveId,
    /// The random number of its start: the log of another start says nothing of this one.
    pub start: u64,
    /// Up to where.
    pub end: LogEnd,
}

/// How far a member's wall clock is off, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockOffset {
    /// The node that was asked cannot say.
    #[default]
    Unsaid,
    /// No node can say: too few storage nodes reported, or most of them doubt their clocks.
    Unknown,
    /// How far the clock is ahead of the median of the storage nodes', in milliseconds.
    Ahead(i64),
}

/// The answer to a node report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReportAnswer {
    /// The drive whose replica leads the meta group; unset: the node that was asked knows of none. Then another
    /// node is to be asked: one that is no member yet would never know.
    pub leader: Option<DriveId>,
    /// The map, if it is newer than what the member knows; else empty.
    pub map: Bytes,
    /// How far its wall clock is off, as far as it is known.
    pub clock: ClockOffset,
    /// Where logs end, as was heard last: of the drives of others that wrote lately; to a node that starts, of its own.
    pub log_ends: Vec<DriveLogEnd>,
}

record! { NodeReport { 1 map_version, 2 drives, 3 leads, 4 build, 5 wall_ms, 6 doubts_clock, 7 log_ends, 8 groups, 9 is_starting,
    10 certificate,
} }
record! { CertificateReport { 1 trusted, 2 signed_by } }
record! { GroupReport { 1 range, 2 members } }
record! { DriveLogEnd { 1 drive, 2 start, 3 end } }
record! { NodeReportAnswer { 1 leader, 2 map, 3 clock, 4 log_ends } }
choice! { ClockOffset { 1 Unsaid, 2 Unknown, 3 Ahead(1 ms) } }

impl NodeReport {
    /// The report's bytes.
    pub fn encode(&self) -> Bytes {
        codec::encode(self)
    }

    /// The report of these bytes.
    pub fn decode(bytes: Bytes) -> Result<Self, Corrupt> {
        let report: Self = codec::decode(&bytes)?;
        let is_shown = report.build.bytes().all(|byte| byte.is_ascii_graphic());
        if is_shown && report.build.len() <= BUILD_BYTES_MAX { Ok(report) } else { Err(Corrupt("no name of a build")) }
    }
}

impl NodeReportAnswer {
    /// The answer's bytes.
    pub fn encode(&self) -> Bytes {
        let ends_bytes = self.log_ends.len().saturating_mul(size_of::<DriveLogEnd>());
        codec::encode_about(self, self.map.len().saturating_add(ends_bytes).saturating_add(64))
    }

    /// The answer of these bytes.
    pub fn decode(bytes: Bytes) -> Result<Self, Corrupt> {
        codec::decode(&bytes)
    }
}
