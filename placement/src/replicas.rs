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
    let mut left = by_preference(drives, seed, load, RingDrive::is_eligible);
    if left.len() < count {
        return Err(ReplicasError::TooFewDrives { wanted: count, eligible: left.len() });
    }
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

/// Chooses the drive of one more replica beside those on `kept`, of the drives that are `allowed`: as [`replicas`]
/// does. None if no drive is allowed.
pub fn replica_beside(
    drives: &[RingDrive],
    kept: &[DriveId],
    seed: u64,
    load: impl Fn(DriveId) -> u32,
    allowed: impl Fn(&RingDrive) -> bool,
) -> Option<DriveId> {
    let mut crowd = Crowd::default();
    let paths = drives.iter().zip(DomainPath::of_drives(drives));
    paths.filter(|(drive, _)| kept.contains(&drive.id)).for_each(|(_, path)| crowd.add(path));
    let left =
        by_preference(drives, seed, load, |drive| drive.is_eligible() && !kept.contains(&drive.id) && allowed(drive));
    left.into_iter().min_by_key(|(.., path)| crowd.around(*path)).map(|(_, _, id, _)| id)
}

/// Some of the drives, with their domains: those with the least load first, then as the hash of `seed` decides.
fn by_preference(
    drives: &[RingDrive],
    seed: u64,
    load: impl Fn(DriveId) -> u32,
    included: impl Fn(&RingDrive) -> bool,
) -> Vec<(u32, u64, DriveId, DomainPath)> {
    let all = drives.iter().zip(DomainPath::of_drives(drives));
    let mut sorted: Vec<_> = all
        .filter(|(drive, _)| included(drive))
        .map(|(drive, path)| (load(drive.id), drive_hash(seed, drive.id), drive.id, path))
        .collect();
    sorted.sort_unstable();
    sorted
}
