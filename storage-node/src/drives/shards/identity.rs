//! The identity of a drive: a small file at its top, so that it can be moved to another node and is never
//! taken for another.
//!
//! Promises: written whole and durably or not at all, in two copies; a drive of another cluster, a newer format or
//! with both copies damaged is refused, never formatted over.
//! Must not know: segments, nodes.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::env::Env;
use couronne_ring::DriveId;
use thiserror::Error;

use super::record::crc64;
use crate::disk::{Disk, read_copies, write_copies};

const PATH: &str = "drive";
const FORMAT: u64 = 1;
const FILE_BYTES_MAX: u64 = 4096;

/// A drive's identity, as both copies of its file say it:
///
/// ```text
/// couronne drive
/// format 1
/// cluster <32 hexadecimal digits>
/// drive <32 hexadecimal digits>
/// boots <decimal>
/// incarnation <16 hexadecimal digits>
/// check <16 hexadecimal digits: CRC-64/NVME of all lines before>
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster it belongs to.
    pub cluster: u128,
    /// Its own id, given when it was formatted.
    pub drive: DriveId,
    /// How often it was started. A lower count than before means it was rolled back.
    pub boots: u64,
    /// Given at random when it was formatted, and again when it is found to have forgotten its past: another
    /// one than before means that it has. Never 0.
    pub incarnation: u64,
}

/// Why a drive was refused.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// There is no identity: the drive was never formatted, or wiped.
    #[error("drive is not formatted")]
    Absent,
    /// There is one already.
    #[error("drive is formatted already")]
    Present,
    /// The file is not what was written.
    #[error(
        "its identity is damaged (the files `drive` and `drive.copy`): put either file back from a copy of the folder and \
         restart the node. Without one the drive has to begin anew: empty its folder, but only if other drives have what \
         it held, as `couronne status` of the cluster says"
    )]
    Damaged,
    /// A newer release wrote the identity.
    #[error("drive has format {0}, this release knows format 1")]
    Format(u64),
    /// The drive belongs to another cluster.
    #[error("drive belongs to cluster {found:032x}, not {expected:032x}")]
    Cluster {
        /// The cluster that the identity names.
        found: u128,
        /// The cluster of this node.
        expected: u128,
    },
    /// The drive could not be read or written.
    #[error("accessing drive identity: {0}")]
    Disk(#[from] io::Error),
}

impl Identity {
    /// Gives an empty drive its identity.
    pub async fn format(disk: &Arc<dyn Disk>, env: &Env, cluster: u128) -> Result<Self, IdentityError> {
        Self::format_as(disk, env, cluster, DriveId(u128::from_be_bytes(env.random_bytes()))).await
    }

    /// Gives an empty drive the identity of one that is gone, whose place it takes. Its incarnation is
    /// another, which tells everyone that it has forgotten what the other knew.
    pub async fn format_as(
        disk: &Arc<dyn Disk>,
        env: &Env,
        cluster: u128,
        drive: DriveId,
    ) -> Result<Self, IdentityError> {
        match Self::read(disk).await {
            Err(IdentityError::Absent) => {}
            Ok(_) => return Err(IdentityError::Present),
            Err(error) => return Err(error),
        }
        let incarnation = u64::from_be_bytes(env.random_bytes());
        let identity = Self { cluster, drive, boots: 0, incarnation };
        identity.write(disk).await?;
        Ok(identity)
    }

    /// Reads the identity of a drive: of the copies that verify the one that counts more starts.
    pub async fn read(disk: &Arc<dyn Disk>) -> Result<Self, IdentityError> {
        let mut newest: Result<Self, IdentityError> = Err(IdentityError::Absent);
        for copy in read_copies(&**disk, PATH, FILE_BYTES_MAX).await? {
            match (&newest, Self::decode(&copy)) {
                // A newer release wrote it: what an older copy says counts no more.
                (_, Err(error @ IdentityError::Format(_))) => return Err(error),
                (Ok(known), Ok(read)) if read.boots <= known.boots => {}
                (Ok(_), Err(_)) => {}
                (_, read) => newest = read,
            }
        }
        newest
    }

    /// Reads the identity, checks the cluster, and counts this start.
    pub async fn boot(disk: &Arc<dyn Disk>, cluster: u128) -> Result<Self, IdentityError> {
        let mut identity = Self::read(disk).await?;
        if identity.cluster != cluster {
            return Err(IdentityError::Cluster { found: identity.cluster, expected: cluster });
        }
        identity.boots = identity.boots.saturating_add(1);
        identity.write(disk).await?;
        Ok(identity)
    }

    /// Gives the drive another incarnation, since it has forgotten its past; returns which.
    pub async fn begin_anew(disk: &Arc<dyn Disk>, env: &Env) -> Result<u64, IdentityError> {
        let incarnation = u64::from_be_bytes(env.random_bytes());
        Self { incarnation, ..Self::read(disk).await? }.write(disk).await?;
        Ok(incarnation)
    }

    async fn write(&self, disk: &Arc<dyn Disk>) -> Result<(), IdentityError> {
        Ok(write_copies(&**disk, PATH, self.encode()).await?)
    }

    fn encode(&self) -> Bytes {
        let Self { cluster, drive, boots, incarnation } = self;
        let text = format!(
            "couronne drive\nformat {FORMAT}\ncluster {cluster:032x}\ndrive {drive}\nboots {boots}\n\
             incarnation {incarnation:016x}\n"
        );
        let check = crc64(text.as_bytes());
        format!("{text}check {check:016x}\n").into()
    }

    fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let text = std::str::from_utf8(bytes).map_err(|_| IdentityError::Damaged)?;
        let (checked, check) = text.split_once("check ").ok_or(IdentityError::Damaged)?;
        if check != format!("{:016x}\n", crc64(checked.as_bytes())) {
            return Err(IdentityError::Damaged);
        }
        let mut lines = checked.lines();
        if lines.next() != Some("couronne drive") {
            return Err(IdentityError::Damaged);
        }
        let mut value = |name: &str| {
            let line = lines.next().and_then(|line| line.split_once(' '));
            line.filter(|(found, _)| *found == name).map(|(_, value)| value).ok_or(IdentityError::Damaged)
        };
        let format = value("format")?.parse().map_err(|_| IdentityError::Damaged)?;
        if format != FORMAT {
            return Err(IdentityError::Format(format));
        }
        let cluster = u128::from_str_radix(value("cluster")?, 16).map_err(|_| IdentityError::Damaged)?;
        let drive = DriveId::parse(value("drive")?).ok_or(IdentityError::Damaged)?;
        let boots = value("boots")?.parse().map_err(|_| IdentityError::Damaged)?;
        let incarnation = u64::from_str_radix(value("incarnation")?, 16).map_err(|_| IdentityError::Damaged)?;
        Ok(Self { cluster, drive, boots, incarnation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::simulated::SimulatedDisk;
    use crate::disk::{copies, replace};

    #[test]
    fn comes_back_and_shows_every_flipped_bit() {
        let identity = Identity { cluster: 5, drive: DriveId(u128::MAX), boots: 42, incarnation: 7 };
        let bytes = identity.encode();
        assert_eq!(Identity::decode(&bytes).unwrap(), identity);
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1;
            assert!(Identity::decode(&damaged).is_err());
            assert!(Identity::decode(&bytes[..at]).is_err());
        }
    }

    #[test]
    fn is_written_as_drawn() {
        let identity = Identity { cluster: 5, drive: DriveId(9), boots: 42, incarnation: 7 };
        let written = "couronne drive\nformat 1\ncluster 00000000000000000000000000000005\n\
                       drive 00000000000000000000000000000009\nboots 42\nincarnation 0000000000000007\n\
                       check CRC\n";
        let (checked, _) = written.split_once("check ").unwrap();
        let written = written.replace("CRC", &format!("{:016x}", crc64(checked.as_bytes())));
        assert_eq!(identity.encode(), written.as_bytes());
        assert_eq!(Identity::decode(written.as_bytes()).unwrap(), identity);
        let (unformatted, _) = written.split_once("incarnation ").unwrap();
        let unformatted = format!("{unformatted}check {:016x}\n", crc64(unformatted.as_bytes()));
        assert!(matches!(Identity::decode(unformatted.as_bytes()), Err(IdentityError::Damaged)));
    }

    #[tokio::test]
    async fn one_damaged_copy_costs_nothing_and_two_are_never_formatted_over() {
        let simulated = SimulatedDisk::new(1, 1 << 20);
        let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
        let env = couronne_base::testing::still_env(1).0;
        let formatted = Identity::format(&disk, &env, 5).await.unwrap();
        let booted = Identity::boot(&disk, 5).await.unwrap();
        assert_eq!(booted, Identity { boots: 1, ..formatted });
        for copy in copies::names(PATH) {
            simulated.flip_bit(&copy, 60, 3).unwrap();
            assert_eq!(Identity::read(&disk).await.unwrap(), booted, "{copy} is damaged");
            simulated.flip_bit(&copy, 60, 3).unwrap();
            disk.remove(&copy).await.unwrap();
            assert_eq!(Identity::read(&disk).await.unwrap(), booted, "{copy} is gone");
            booted.write(&disk).await.unwrap();
        }
        for copy in copies::names(PATH) {
            simulated.flip_bit(&copy, 60, 3).unwrap();
        }
        assert!(matches!(Identity::format(&disk, &env, 5).await, Err(IdentityError::Damaged)));
    }

    #[tokio::test]
    async fn a_start_that_is_cut_off_between_the_copies_is_counted() {
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(2, 1 << 20));
        let old = Identity { cluster: 5, drive: DriveId(9), boots: 41, incarnation: 7 };
        old.write(&disk).await.unwrap();
        let counted = Identity { boots: 42, ..old };
        for copy in copies::names(PATH) {
            old.write(&disk).await.unwrap();
            replace(&*disk, &copy, counted.encode()).await.unwrap();
            assert_eq!(Identity::read(&disk).await.unwrap(), counted);
        }
    }

    #[test]
    fn a_newer_format_is_refused() {
        let text = "couronne drive\nformat 2\n";
        let bytes = format!("{text}check {:016x}\n", crc64(text.as_bytes()));
        assert!(matches!(Identity::decode(bytes.as_bytes()), Err(IdentityError::Format(2))));
    }
}
