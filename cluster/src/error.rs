//! Why a change of the map was refused.
//!
//! Must not know: how the map is kept.

use couronne_metadata::ids::RangeId;
use couronne_placement::{Redundancy, ReplicasError};
use couronne_ring::{BuildError, DriveId, FailureDomain, ZoneName};
use thiserror::Error;

use crate::drive_state::DriveState;

/// Why the map stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MapError {
    /// A cluster needs a drive to begin with.
    #[error("too few drives: there is none")]
    NoDrive,
    /// More replicas of a range would begin anew than it survives: the rest could not elect a leader.
    #[error(
        "too few drives: range {} would be left without a majority of its voters, for drives {} were emptied, rolled back \
         or damaged, and {replaced} more of its voters were on drives that began anew and are not refilled yet",
        .range.0, named(.drives)
    )]
    TooManyForgot {
        /// The range.
        range: RangeId,
        /// The drives with voters of it that forgot their past.
        drives: Vec<DriveId>,
        /// How many voters beside those were given up before.
        replaced: usize,
    },
    /// A drive that is up is not replaced while another one is down or lost.
    #[error("too few drives: drive {0} is down: nothing that is up can be done without meanwhile")]
    AnotherIsDown(DriveId),
    /// A drive is not given up while a group needs its voter.
    #[error(
        "the group of range {} has too few other voters that serve: bring back what else is away, or wait until its \
         replicas are whole",
        .0.0
    )]
    QuorumNeedsIt(RangeId),
    /// A drive that serves is not given up where it holds the only copies.
    #[error("a policy keeps one copy: what the drive holds would be lost")]
    OnlyCopy,
    /// The tables of drive states do not allow it.
    #[error("drive {drive}: is {from}, which {to} may not follow")]
    Transition {
        /// The drive.
        drive: DriveId,
        /// Its state.
        from: DriveState,
        /// The state that was to follow.
        to: DriveState,
    },
    /// Another member has the name.
    #[error("the name {0} is another member's: choose one with cluster.name")]
    NameTaken(String),
    /// A member stays what it is.
    #[error("this key is a member's of another role: join from an empty folder")]
    OtherRole,
    /// What a new member was given is of an authority that another one took the place of meanwhile.
    #[error("the cluster's certificate authority was changed meanwhile: try again")]
    OldAuthority,
    /// An identity that was expelled is never a member again.
    #[error("this key is a member's that was expelled: join from an empty folder")]
    Expelled,
    /// Without the member's replicas a range would have no quorum.
    #[error(
        "range {} would be left without a majority of its replicas: no member is expelled before others have enough of \
         them", .0.0
    )]
    NoQuorumLeft(RangeId),
    /// The member's drives hold shards that nothing else has, or more of a chunk than its policy can spare.
    #[error("policy {0} cannot spare what the drives of this member hold: what has no other copy would be lost")]
    NotSpared(String),
    /// The map has no such member.
    #[error("this member is not in the map")]
    UnknownMember,
    /// A storage node among others stays in its region and zone: rings and replicas were spread by them.
    #[error("this node joined in region {region}, zone {zone}: set cluster.region and cluster.zone so")]
    Spread {
        /// The region that it joined in.
        region: String,
        /// The zone that it joined in.
        zone: String,
    },
    /// A member cannot have another one's drive.
    #[error("a drive of it belongs to another node")]
    DriveOfAnother,
    /// A name of a member, region or zone.
    #[error("names of members, regions and zones are 1 to 63 letters, digits, hyphens, underscores and dots")]
    MemberName,
    /// A storage node without drives or address.
    #[error("a storage node has drives, and an address where its peers reach it")]
    NothingToServe,
    /// A policy, by its name, and why it is refused.
    #[error("policy {0}: {1}")]
    Policy(String, PolicyRefusal),
    /// The redundancy of the first policy is not to be changed by a setting.
    #[error("the policy was fixed as {formed} at the first start and cannot become {asked}")]
    OtherRedundancy {
        /// The first policy's.
        formed: Redundancy,
        /// The setting's.
        asked: Redundancy,
    },
    /// Metadata has no place.
    #[error("policy placing metadata: {0}")]
    Replicas(#[from] ReplicasError),
}

/// Why a policy is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyRefusal {
    /// The name is none.
    #[error("a name is 1 to 63 letters, digits, hyphens, underscores, dots, colons and plus signs")]
    Name,
    /// No policy has the name.
    #[error("there is none of this name")]
    Unknown,
    /// Another policy has the name.
    #[error("exists already, with {0}")]
    Exists(Redundancy),
    /// There are no rings yet.
    #[error("the cluster has not begun yet")]
    NotBegun,
    /// All numbers are given.
    #[error("there are too many policies")]
    TooMany,
    /// The ranges' metadata would be lost before the data.
    #[error(
        "{redundancy} survives {} losses, so its metadata needs {wanted} replicas; the ranges have {fewest}, and \
         changing that is to come",
        .redundancy.losses()
    )]
    MetadataReplicas {
        /// The policy's.
        redundancy: Redundancy,
        /// Replicas that a range would need.
        wanted: usize,
        /// Replicas of the range that has the fewest.
        fewest: usize,
    },
    /// The metadata would be lost before the data, once there are ranges.
    #[error(
        "{redundancy} survives {} losses, so its metadata needs {wanted} drives; there are {drives}",
        .redundancy.losses()
    )]
    MetadataDrives {
        /// The policy's.
        redundancy: Redundancy,
        /// Drives that a range would need.
        wanted: usize,
        /// Drives of the cluster.
        drives: usize,
    },
    /// The loss of a domain takes more shards of a chunk than the policy can spare.
    #[error(
        "the loss of a {word} takes up to {worst} shards of a chunk, and {redundancy} can spare {spare}; there are \
         {domains} {word}s",
        word = word(*.level)
    )]
    Survives {
        /// The policy's.
        redundancy: Redundancy,
        /// The domain.
        level: FailureDomain,
        /// Shards of one chunk in one domain, at most.
        worst: usize,
        /// Shards that may be lost.
        spare: usize,
        /// Domains of that level.
        domains: usize,
    },
    /// The loss of a domain takes a range its majority.
    #[error(
        "the loss of a {word} takes up to {inside} of the {replicas} replicas of range {} (zone {}), so its metadata would \
         be out of reach; moving them is to come",
        .range.0, .zone.0,
        word = word(*.level)
    )]
    MetadataSurvives {
        /// The domain.
        level: FailureDomain,
        /// The range that has the most replicas in one domain.
        range: RangeId,
        /// The zone of that domain.
        zone: ZoneName,
        /// Replicas in it.
        inside: usize,
        /// Replicas of the range.
        replicas: usize,
    },
    /// The redundancy has no geometry.
    #[error("{0}: {1}")]
    Geometry(Redundancy, couronne_placement::GeometryError),
    /// The redundancy has no ring over these drives.
    #[error("{0}: {1}")]
    Ring(Redundancy, BuildError),
}

fn named(drives: &[DriveId]) -> String {
    drives.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

const fn word(level: FailureDomain) -> &'static str {
    match level {
        FailureDomain::Drive => "drive",
        FailureDomain::Node => "node",
        FailureDomain::Zone => "zone",
        FailureDomain::Region => "region",
    }
}
