//! When a chunk may be acknowledged.
//!
//! Let `k + m` be the chunk's geometry and *durable* the number of its shards that are fsynced.
//!
//! 1. Every shard is durable, on its primary or on a handoff. A shard may be left out only if the
//!    cluster map says that its drive is down. With fewer drives left than shards, some hold two.
//! 2. `durable - fullest >= k`, where *fullest* is the most of them that lie in one failure domain.
//!
//! The second holds for the chunk's failure domain, the widest level (region, zone, node, drive)
//! whose loss the chunk's primaries survive: on a lone node the drive; over enough nodes the node.
//! It depends on the ring and the geometry alone, never on what happens to be up, so a promise is
//! not weakened by the failures it is made for: rather is the write refused. A policy may demand
//! that a certain level is survived; then a chunk whose primaries cannot is refused.
//!
//! Without parity (`m` = 0, the policy `single`) no loss can be survived at any level; *fullest*
//! is taken as 0 and the rule says: all `k` shards are durable.
//!
//! What follows: of the W shards durable at the acknowledgement, any W - k may be lost, since any
//! `k` give the chunk back; and with parity W is above k, so one such loss, or that of one whole
//! failure domain, is always survived.

use couronne_ring::{DriveId, FailureDomain, Ring};
use thiserror::Error;

use crate::geometry::Geometry;

/// What became of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardFate {
    /// The shard is fsynced on this drive, be it the primary or a handoff.
    Durable(DriveId),
    /// The shard was left out: the cluster map says its drive is down, and no handoff took it.
    DriveDown,
    /// The shard is not known to be durable anywhere.
    Missing,
}

/// The acknowledgement rule of one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    k: usize,
    shards: usize,
    domain: Option<FailureDomain>,
}

/// Why a chunk may not be acknowledged. All of these are a 503 to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QuorumError {
    /// The policy demands more than the chunk's primaries can give.
    #[error("the ring has too few domains: this chunk would not survive the loss of a {0:?}")]
    CannotSurvive(FailureDomain),
    /// Another number of shards than the geometry has.
    #[error("{found} shards are accounted for where the chunk has {expected}")]
    ShardCount {
        /// The number of shards of the geometry.
        expected: usize,
        /// As given.
        found: usize,
    },
    /// A shard is nowhere, although its drive is not known to be down.
    #[error("shard {0} was not written")]
    ShardMissing(usize),
    /// Too little would be left after the loss of the fullest failure domain.
    #[error("{durable} shards are durable, {fullest} of them in one failure domain; {k} must be left without it")]
    TooFewDurable {
        /// Durable shards.
        durable: usize,
        /// The most of them in one failure domain.
        fullest: usize,
        /// Shards needed to read the chunk.
        k: usize,
    },
}

impl Quorum {
    /// The rule for a chunk of `geometry` with these `primaries` of `ring`; `demanded` is the level
    /// whose loss the policy wants survived, if it does.
    pub fn new(
        ring: &Ring,
        primaries: &[DriveId],
        geometry: &Geometry,
        demanded: Option<FailureDomain>,
    ) -> Result<Self, QuorumError> {
        let (k, shards) = (usize::from(geometry.k()), usize::from(geometry.shards()));
        if primaries.len() != shards {
            return Err(QuorumError::ShardCount { expected: shards, found: primaries.len() });
        }
        let survives = |level: &FailureDomain| shards - fullest(ring, primaries, *level) >= k;
        let domain = FailureDomain::WIDEST_FIRST.into_iter().find(survives);
        match demanded {
            Some(level) if domain < Some(level) => Err(QuorumError::CannotSurvive(level)),
            _ => Ok(Self { k, shards, domain }),
        }
    }

    /// The level whose loss is survived from the acknowledgement on; `None` without parity.
    pub const fn domain(&self) -> Option<FailureDomain> {
        self.domain
    }

    /// Whether the chunk may be acknowledged, given the fate of each shard in order.
    pub fn check(&self, ring: &Ring, fates: &[ShardFate]) -> Result<(), QuorumError> {
        if fates.len() != self.shards {
            return Err(QuorumError::ShardCount { expected: self.shards, found: fates.len() });
        }
        // A drive that the ring does not know lies in no known domain: it counts for nothing.
        let mut drives = Vec::with_capacity(fates.len());
        for (number, fate) in fates.iter().enumerate() {
            match fate {
                ShardFate::Durable(drive) if ring.drive(*drive).is_some() => drives.push(*drive),
                ShardFate::DriveDown => {}
                ShardFate::Durable(_) | ShardFate::Missing => return Err(QuorumError::ShardMissing(number)),
            }
        }
        let durable = drives.len();
        let fullest = self.domain.map_or(0, |level| fullest(ring, &drives, level));
        if durable - fullest >= self.k {
            return Ok(());
        }
        Err(QuorumError::TooFewDurable { durable, fullest, k: self.k })
    }
}

/// The most of these drives in one domain of a level.
fn fullest(ring: &Ring, drives: &[DriveId], level: FailureDomain) -> usize {
    let domains: Vec<u16> = drives.iter().filter_map(|id| ring.domains(*id)).map(|path| path.at(level)).collect();
    let sharing = |domain: &u16| domains.iter().filter(|other| *other == domain).count();
    domains.iter().map(sharing).max().unwrap_or(0)
}
