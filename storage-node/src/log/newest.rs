//! Which file of a drive's log is the newest, noted outside the log.
//!
//! Without the note, a log whose newest file is gone or reads as zeroes would end where the file before it ends,
//! and nobody could tell. The note stands at the top of the drive, in two blocks that are written in turn:
//! ```text
//! magic "COURLOGN" | drive u128 | sequence of the newest file u64 | CRC-64/NVME of all before u64 | zeroes
//! ```
//! Promises: the note never names a file whose header is not durable; a file takes batches only after the note names
//! it. To note takes neither space nor a descriptor: a full drive goes on with the log files that it has.
//! Must not know: what a log file holds.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use couronne_base::crc;
use couronne_base::fixed::Reader;
use couronne_ring::DriveId;

use super::UNFINISHED;
use super::batch::BLOCK_BYTES;
use crate::disk::{Access, Disk, DiskFile, when_files_are_left};

const PATH: &str = "log-newest";
const MAGIC: &[u8; 8] = b"COURLOGN";
const BYTES: usize = 40;

/// The blocks of the file. The one that is not written keeps the note before, whatever becomes of the write.
const BLOCKS: u64 = 2;

/// The note, open for the next one.
pub(super) struct NewestNote {
    file: Arc<dyn DiskFile>,
    drive: DriveId,
}

impl NewestNote {
    /// Opens the note, which is made if there is none. Also gives the sequence of the newest file as noted; 0: none is,
    /// or the note does not verify, and a damaged note alone loses nothing.
    pub(super) async fn open(disk: &dyn Disk, drive: DriveId) -> io::Result<(Self, u64)> {
        let (file, is_new) = match when_files_are_left(|| disk.open(PATH, Access::Direct)).await {
            Ok(file) if file.len().await? == BLOCKS * to_u64(BLOCK_BYTES) => (file, false),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (make(disk).await?, true),
        };
        let mut noted = None;
        for block in 0..BLOCKS {
            let block = file.read(block.saturating_mul(to_u64(BLOCK_BYTES)), BLOCK_BYTES).await?;
            noted = noted.max(decode(block, drive));
        }
        if noted.is_none() && !is_new {
            tracing::warn!(%drive, "the note of the newest log file does not verify");
        }
        Ok((Self { file, drive }, noted.unwrap_or(0)))
    }

    /// Notes that this file is the newest; durable when it returns.
    pub(super) async fn write(&self, sequence: u64) -> io::Result<()> {
        let mut block = encode(self.drive, sequence);
        block.resize(BLOCK_BYTES, 0);
        let offset = (sequence % BLOCKS).saturating_mul(to_u64(BLOCK_BYTES));
        self.file.write(offset, vec![Bytes::from(block)], true).await
    }
}

/// Forgets the note, once the log is removed.
pub(super) async fn remove(disk: &dyn Disk) -> io::Result<()> {
    match disk.remove(PATH).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => disk.sync_dir("").await,
    }
}

/// Makes the file, written out: it has its name once it is whole.
async fn make(disk: &dyn Disk) -> io::Result<Arc<dyn DiskFile>> {
    let unfinished = format!("{PATH}{UNFINISHED}");
    match disk.remove(&unfinished).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let len = BLOCKS * to_u64(BLOCK_BYTES);
    let file = when_files_are_left(|| disk.create(&unfinished, len, Access::Direct)).await?;
    let zeroes = Bytes::from(vec![0; BLOCK_BYTES]);
    for block in 0..BLOCKS {
        file.write(block.saturating_mul(to_u64(BLOCK_BYTES)), vec![zeroes.clone()], false).await?;
    }
    file.sync().await?;
    disk.rename(&unfinished, PATH).await?;
    when_files_are_left(|| disk.sync_dir("")).await?;
    Ok(file)
}

fn encode(drive: DriveId, sequence: u64) -> Vec<u8> {
    let mut note = Vec::with_capacity(BLOCK_BYTES);
    note.extend_from_slice(MAGIC);
    note.put_u128(drive.0);
    note.put_u64(sequence);
    note.put_u64(crc::of(&note));
    note
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

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_its_format_says_and_shows_every_flipped_bit() {
        let note = Bytes::from(encode(DriveId(7), 0x0102));
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
