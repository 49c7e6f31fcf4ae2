//! Where the replicas of a metadata range go: `2f + 1` drives over distinct failure domains.

use couronne_ring::{DomainPath, DriveId, RingDrive};
use thiserror::Error;

use crate::place::drive_hash;
use crate::spread::Crowd;

/// Why a range has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReplicasError {
    /// A replica lives on a drive of its own.
    #[error("a range of {wanted} replicas needs as many drives, and there are {eligible}")]
    TooFewDrives {
        /// Replicas asked for.
        wanted: usize,
        /// Active drives of a weight above zero.
        eligible: usize,
    },
}

/// Chooses the drives of a range's `count` replicas.
///
/// Replicas share as few regions, then zones, then nodes as can be. Among drives equal in that,
/// those with the least `load` (replicas they hold already, as the caller counts them) come
/// first, then a hash of `seed` decides: over many ranges drives hold equally many.
pub fn replicas(
    drives: &[RingDrive],
    count: usize,
    seed: u64,
    load: impl Fn(DriveId) -> u32,
) -> Result<Vec<DriveId>, ReplicasError> {
    let mut left: Vec<(u32, u64, DriveId, DomainPath)> = drives
        .iter()
        .zip(DomainPath::of_drives(drives))
        .filter(|(drive, _)| drive.is_eligible())
        .map(|(drive, path)| (load(drive.id), drive_hash(seed, drive.id), drive.id, path))
        .collect();
    if left.len() < count {
        return Err(ReplicasError::TooFewDrives { wanted: count, eligible: left.len() });
    }
    left.sort_unstable();
    let mut crowd = Crowd::default();
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count {
        let Some((best, _)) = left.iter().enumerate().min_by_key(|(_, (.., path))| crowd.around(*path)) else { break };
        let (_, _, id, path) = left.remove(best);
        crowd.add(path);
        chosen.push(id);
    }
    Ok(chosen)
}
