//! Which file of a drive's log is the newest, noted outside the log.
//!
//! Without the note, a log whose newest file is gone or reads as zeroes would end where the file before it ends,
//! and nobody could tell. The note stands at the top of the drive:
//! ```text
//! magic "COURLOGN" | drive u128 | sequence of the newest file u64 | CRC-64/NVME of all before u64
//! ```
//! Promises: the note never names a file whose header is not durable; a file takes batches only after the note names
//! it. Must not know: what a log file holds.

use std::io;

use bytes::{Buf, BufMut, Bytes};
use couronne_base::crc;
use couronne_base::fixed::Reader;
use couronne_ring::DriveId;

use crate::disk::{Access, Disk, replace};

const PATH: &str = "log-newest";
const MAGIC: &[u8; 8] = b"COURLOGN";
const BYTES: usize = 40;

/// The sequence of the newest file of the drive's log, as noted. 0: there is no note, or it does not verify; a
/// damaged note alone loses nothing.
pub(super) async fn read(disk: &dyn Disk, drive: DriveId) -> io::Result<u64> {
    let file = match disk.open(PATH, Access::Buffered).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    let noted = match file.len().await? == BYTES as u64 {
        true => decode(file.read(0, BYTES).await?, drive),
        false => None,
    };
    if noted.is_none() {
        tracing::warn!(%drive, "the note of the newest log file does not verify");
    }
    Ok(noted.unwrap_or(0))
}

/// Notes that this file is the newest.
pub(super) async fn write(disk: &dyn Disk, drive: DriveId, sequence: u64) -> io::Result<()> {
    replace(disk, PATH, encode(drive, sequence)).await
}

/// Forgets the note, once the log is removed.
pub(super) async fn remove(disk: &dyn Disk) -> io::Result<()> {
    match disk.remove(PATH).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => disk.sync_dir("").await,
    }
}

fn encode(drive: DriveId, sequence: u64) -> Bytes {
    let mut note = Vec::with_capacity(BYTES);
    note.extend_from_slice(MAGIC);
    note.put_u128(drive.0);
    note.put_u64(sequence);
    note.put_u64(crc::of(&note));
    note.into()
}

fn decode(mut note: Bytes, drive: DriveId) -> Option<u64> {
    let sum = crc::of(note.get(..BYTES - 8)?);
    if !note.starts_with(MAGIC) {
        return None;
    }
    note.advance(MAGIC.len());
    let mut reader = Reader::new(&mut note, "note of the newest log file");
    let (noted_drive, sequence, noted_sum) = (reader.u128().ok()?, reader.u64().ok()?, reader.u64().ok()?);
    (noted_sum == sum && noted_drive == drive.0).then_some(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_its_format_says_and_shows_every_flipped_bit() {
        let note = encode(DriveId(7), 0x0102);
        let mut expected = b"COURLOGN".to_vec();
        expected.extend_from_slice(&7u128.to_be_bytes());
        expected.extend_from_slice(&0x0102u64.to_be_bytes());
        expected.extend_from_slice(&crc::of(&expected).to_be_bytes());
        assert_eq!(note, expected);
        assert_eq!(decode(note.clone(), DriveId(7)), Some(0x0102));
        assert_eq!(decode(note.clone(), DriveId(8)), None, "the note of another drive");
        for bit in 0..note.len() * 8 {
            let mut damaged = note.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(damaged.into(), DriveId(7)), None, "bit {bit}");
            assert_eq!(decode(note.slice(..bit / 8), DriveId(7)), None, "{} bytes", bit / 8);
        }
    }
}
