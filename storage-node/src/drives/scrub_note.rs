//! When a drive was last read through: a small file on the drive itself.
//!
//! ```text
//! couronne scrub
//! incarnation <16 hexadecimal digits>
//! emptied <decimal: how often the map knew the drive as emptied then>
//! since <decimal: milliseconds since 1970>
//! ended <decimal: milliseconds since 1970; 0: never>
//! check <16 hexadecimal digits: CRC-64/NVME of all lines before>
//! ```
//! Promises: a note says nothing of another incarnation of the drive, nor of the drive after another loss, so one that
//! was emptied, found to be rolled back or without segments begins at never; a note that is gone or damaged counts as
//! never, too. A restart changes nothing.
//! Must not know: how a drive is read through.

use std::sync::Arc;

use bytes::Bytes;

use super::shards::crc64;
use crate::disk::{Access, Disk, replace};

const PATH: &str = "scrubbed";
const FILE_BYTES_MAX: u64 = 4096;

/// When a drive was last read through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubNote {
    /// The incarnation of the drive that this is said of.
    pub incarnation: u64,
    /// How often the map knew the drive as emptied when this was said.
    pub emptied_times: u64,
    /// Since when the drive is of this incarnation, as far as is known, in milliseconds since 1970.
    pub since_ms: u64,
    /// When a round last ended that read every shard and left none damaged, in milliseconds since 1970; unset: never.
    pub ended_ms: Option<u64>,
}

impl ScrubNote {
    /// A drive of this incarnation that was never read through, as of a time in milliseconds since 1970.
    pub(crate) const fn never(incarnation: u64, emptied_times: u64, since_ms: u64) -> Self {
        Self { incarnation, emptied_times, since_ms, ended_ms: None }
    }

    /// Whether both speak of one incarnation of the drive, with no loss between them.
    pub(crate) fn is_of_same(&self, other: &Self) -> bool {
        (self.incarnation, self.emptied_times) == (other.incarnation, other.emptied_times)
    }

    /// The note of a drive, if there is one that says anything of this incarnation.
    pub(crate) async fn read(disk: &Arc<dyn Disk>, incarnation: u64) -> Option<Self> {
        let file = disk.open(PATH, Access::Buffered).await.ok()?;
        let len = file.len().await.ok()?.min(FILE_BYTES_MAX);
        let bytes = file.read(0, usize::try_from(len).ok()?).await.ok()?;
        Self::decode(&bytes).filter(|note| note.incarnation == incarnation)
    }

    /// Writes the note, whole and durably.
    pub(crate) async fn write(&self, disk: &Arc<dyn Disk>) -> std::io::Result<()> {
        replace(&**disk, PATH, self.encode()).await
    }

    fn encode(&self) -> Bytes {
        let Self { incarnation, emptied_times, since_ms, ended_ms } = self;
        let ended = ended_ms.unwrap_or(0);
        let text = format!(
            "couronne scrub\nincarnation {incarnation:016x}\nemptied {emptied_times}\nsince {since_ms}\nended {ended}\n"
        );
        let check = crc64(text.as_bytes());
        format!("{text}check {check:016x}\n").into()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (checked, check) = std::str::from_utf8(bytes).ok()?.split_once("check ")?;
        if check != format!("{:016x}\n", crc64(checked.as_bytes())) {
            return None;
        }
        let mut lines = checked.strip_prefix("couronne scrub\n")?.lines();
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let incarnation = u64::from_str_radix(value("incarnation")?, 16).ok()?;
        let emptied_times = value("emptied")?.parse().ok()?;
        let since_ms = value("since")?.parse().ok()?;
        let ended: u64 = value("ended")?.parse().ok()?;
        Some(Self { incarnation, emptied_times, since_ms, ended_ms: Some(ended).filter(|ended| *ended > 0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::simulated::SimulatedDisk;

    #[tokio::test]
    async fn a_note_outlives_restarts_and_says_nothing_of_another_incarnation() {
        let simulated = SimulatedDisk::new(1, 1 << 20);
        let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
        assert_eq!(ScrubNote::read(&disk, 7).await, None);
        let never = ScrubNote::never(7, 2, 300);
        never.write(&disk).await.unwrap();
        assert_eq!(ScrubNote::read(&disk, 7).await, Some(never));
        let ended = ScrubNote { ended_ms: Some(900), ..never };
        ended.write(&disk).await.unwrap();
        let simulated = simulated.crash();
        let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
        assert_eq!(ScrubNote::read(&disk, 7).await, Some(ended));
        assert_eq!(ScrubNote::read(&disk, 8).await, None);
        assert!(!ended.is_of_same(&ScrubNote { incarnation: 8, ..ended }) && ended.is_of_same(&never));
        assert!(!ended.is_of_same(&ScrubNote { emptied_times: 3, ..ended }));
        simulated.flip_bit(PATH, 40, 3).unwrap();
        assert_eq!(ScrubNote::read(&disk, 7).await, None);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_shows() {
        let note = ScrubNote { incarnation: u64::MAX, emptied_times: 3, since_ms: 5, ended_ms: Some(6) };
        let bytes = note.encode();
        assert_eq!(ScrubNote::decode(&bytes), Some(note));
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1;
            assert_eq!(ScrubNote::decode(&damaged), None);
            assert_eq!(ScrubNote::decode(&bytes[..at]), None);
        }
    }
}
