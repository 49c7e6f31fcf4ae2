//! The policies that this binary makes: which redundancy a number of drives gets when none is asked for, which ones it
//! cannot hold, and the policy that a redundancy stands for.
//!
//! Promises: with four or more drives one lost drive neither loses a byte nor stops a write.
//! Must not know: folders, files.

use couronne_placement::{CHUNK_BYTES_MAX, Policy, PolicyId, Redundancy};
use thiserror::Error;

/// The size of a full shard of an erasure-coded chunk, in bytes: large enough that a disk's and a
/// message's fixed costs vanish, small enough that a request's chunks in flight stay few MiB.
const SHARD_BYTES: u32 = 1 << 20;
/// The chunk size where a chunk is not divided among drives, in bytes.
const WHOLE_CHUNK_BYTES: u32 = 4 << 20;
/// Bodies up to this length (bytes) travel in the commit: one message less and no shard to write.
const INLINE_BYTES_MAX: u32 = 8 << 10;
/// Bodies up to this length (bytes) are kept as `m + 1` whole copies: the number of appends is what
/// small objects cost.
const COPIES_BYTES_MAX: u32 = 128 << 10;

/// A redundancy that the drives cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "{redundancy} takes at least {needed} drives ({shards} for the shards of a chunk, {replicas} for the replicas of the \
     metadata, which must survive what the data survives); there are {drives}"
)]
pub(crate) struct TooFewDrives {
    redundancy: Redundancy,
    shards: u16,
    replicas: u16,
    needed: u16,
    drives: u16,
}

/// The redundancy of a cluster that was given none.
///
/// `k + m` leaves as many drives as it can while the survivors of `m` losses still take a whole chunk
/// with the quorum rule (shards less those of the fullest drive >= k), so `ec:2+1` and not `3+1` on four.
pub(crate) fn default_redundancy(drives: u16) -> Redundancy {
    match drives {
        0..=2 => Redundancy::Single,
        3 => Redundancy::Replicated(2),
        4 => Redundancy::Erasure { k: 2, m: 1 },
        5 => Redundancy::Erasure { k: 3, m: 2 },
        6 | 7 => Redundancy::Erasure { k: 4, m: 2 },
        8 | 9 => Redundancy::Erasure { k: 6, m: 2 },
        _ => Redundancy::Erasure { k: 8, m: 2 },
    }
}

/// Refuses a redundancy whose shards or metadata replicas would have to share a drive.
pub(crate) fn check(redundancy: Redundancy, drives: u16) -> Result<(), TooFewDrives> {
    let losses = u16::from(redundancy.losses());
    let shards = u16::from(redundancy.data_shards()) + losses;
    let replicas = 2 * losses + 1;
    let needed = shards.max(replicas);
    if drives < needed {
        return Err(TooFewDrives { redundancy, shards, replicas, needed, drives });
    }
    Ok(())
}

/// The policy that a redundancy stands for, named after it.
pub(crate) fn of(redundancy: Redundancy) -> Policy {
    let chunk_bytes = match redundancy {
        Redundancy::Single | Redundancy::Replicated(_) => WHOLE_CHUNK_BYTES,
        Redundancy::Erasure { k, .. } => (u32::from(k) * SHARD_BYTES).min(CHUNK_BYTES_MAX),
    };
    Policy {
        id: PolicyId(0),
        name: redundancy.to_string().into(),
        redundancy,
        chunk_bytes,
        inline_bytes_max: INLINE_BYTES_MAX,
        copies_bytes_max: COPIES_BYTES_MAX,
        survives: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_fits_its_drives() {
        for drives in 1..=100 {
            check(default_redundancy(drives), drives).unwrap();
        }
        assert_eq!(default_redundancy(6).to_string(), "ec:4+2");
    }

    #[test]
    fn survivors_of_m_losses_still_take_a_chunk() {
        for drives in 4..=100 {
            let redundancy = default_redundancy(drives);
            let (k, m) = (u16::from(redundancy.data_shards()), u16::from(redundancy.losses()));
            let survivors = drives - m;
            let fullest = (k + m).div_ceil(survivors);
            assert!(k + m - fullest >= k, "{redundancy} on {drives} drives");
        }
    }

    #[test]
    fn metadata_must_fit_as_well() {
        assert!(check(Redundancy::Erasure { k: 2, m: 2 }, 4).is_err(), "five replicas on four drives");
        assert!(check(Redundancy::Replicated(3), 3).is_err());
        check(Redundancy::Replicated(3), 5).unwrap();
        let message = check(Redundancy::Erasure { k: 4, m: 2 }, 1).unwrap_err().to_string();
        assert!(message.contains("at least 6 drives"), "{message}");
    }
}
