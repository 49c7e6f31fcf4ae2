//! A ring as bytes, for a disk or a wire.
//!
//! Promises: what `to_bytes` wrote, `from_bytes` reads, on any machine and in any later release;
//! any other bytes are refused with an error, within memory bounded by their own length.

use std::sync::Arc;

use couronne_base::crc;
use thiserror::Error;

use crate::drive::{DriveState, RingDrive};
use crate::ids::{DriveId, Epoch, NodeId, RegionName, ZoneName};
use crate::ring::{DRIVES_MAX, Ring, RingError, check_shape};

const MAGIC: [u8; 8] = *b"COURRING";
const VERSION: u16 = 1;

/// Why bytes are not a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// They do not begin as a ring does.
    #[error("not a ring: the magic is missing")]
    Magic,
    /// A version this release does not know.
    #[error("ring encoding version {0} is not known to this release")]
    Version(u16),
    /// They end too early or too late.
    #[error("the length of the ring does not fit its contents")]
    Length,
    /// Some of them changed.
    #[error("the checksum of the ring does not match")]
    Checksum,
    /// A name that is not UTF-8, or a state that does not exist.
    #[error("a drive of the ring is described in no known way")]
    Drive,
    /// Well-formed, but no valid ring.
    #[error(transparent)]
    Ring(#[from] RingError),
}

impl Ring {
    /// Encodes the ring. All integers are big-endian:
    ///
    /// ```text
    /// magic "COURRING"  8 | version u16 = 1 | length of all that follows up to the checksum u32
    /// epoch u64 | partition bits u8 | width u8 | drives u16
    /// per drive, ascending by id:
    ///     id 16 | node 16 | weight u32 | state u8 (0 active, 1 draining)
    ///     region length u8, UTF-8 | zone length u8, UTF-8
    /// per partition, per slot: index of the drive in the list above u16
    /// CRC-64/NVME of all before it u64
    /// ```
    ///
    /// A slot is two bytes and not an id of sixteen, since the table is most of a ring.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(self.epoch().0.to_be_bytes());
        body.extend([self.partition_bits(), self.width()]);
        body.extend(u16_of(self.all_drives().len()).to_be_bytes());
        for (drive, _) in self.all_drives() {
            body.extend(drive.id.0.to_be_bytes());
            body.extend(drive.node.0.to_be_bytes());
            body.extend(drive.weight.to_be_bytes());
            body.push(match drive.state {
                DriveState::Active => 0,
                DriveState::Draining => 1,
            });
            put_name(&mut body, &drive.region.0);
            put_name(&mut body, &drive.zone.0);
        }
        for id in self.partitions().flat_map(|partition| self.drives(partition)) {
            body.extend(u16_of(self.position(*id).unwrap_or(usize::MAX)).to_be_bytes());
        }
        let mut bytes = Vec::with_capacity(body.len() + 22);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(body);
        let crc = crc::of(&bytes);
        bytes.extend(crc.to_be_bytes());
        bytes
    }

    /// Decodes what [`Ring::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader(bytes);
        if reader.take::<8>().map_err(|_| DecodeError::Magic)? != MAGIC {
            return Err(DecodeError::Magic);
        }
        let version = u16::from_be_bytes(reader.take()?);
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let length = u32::from_be_bytes(reader.take()?);
        let (covered, crc) = bytes.split_last_chunk::<8>().ok_or(DecodeError::Length)?;
        let mut body = Reader(reader.0.get(..reader.0.len().saturating_sub(8)).unwrap_or(&[]));
        if u32::try_from(body.0.len()) != Ok(length) {
            return Err(DecodeError::Length);
        }
        if crc::of(covered) != u64::from_be_bytes(*crc) {
            return Err(DecodeError::Checksum);
        }
        decode_body(&mut body)
    }
}

fn decode_body(body: &mut Reader<'_>) -> Result<Ring, DecodeError> {
    let epoch = Epoch(u64::from_be_bytes(body.take()?));
    let [partition_bits, width] = body.take()?;
    check_shape(partition_bits, width)?;
    let drive_count = usize::from(u16::from_be_bytes(body.take()?));
    if drive_count > DRIVES_MAX {
        return Err(RingError::TooManyDrives.into());
    }
    let drives = (0..drive_count).map(|_| decode_drive(body)).collect::<Result<Vec<_>, _>>()?;

    let slot_count = usize::from(width) << partition_bits;
    if body.0.len() != slot_count * 2 {
        return Err(DecodeError::Length);
    }
    let mut table = Vec::with_capacity(slot_count);
    while !body.0.is_empty() {
        let index = usize::from(u16::from_be_bytes(body.take()?));
        table.push(drives.get(index).ok_or(DecodeError::Drive)?.id);
    }
    Ok(Ring::new(epoch, partition_bits, width, drives, table)?)
}

fn decode_drive(body: &mut Reader<'_>) -> Result<RingDrive, DecodeError> {
    let id = DriveId(u128::from_be_bytes(body.take()?));
    let node = NodeId(u128::from_be_bytes(body.take()?));
    let weight = u32::from_be_bytes(body.take()?);
    let state = match body.take()? {
        [0] => DriveState::Active,
        [1] => DriveState::Draining,
        _ => return Err(DecodeError::Drive),
    };
    let region = RegionName(body.name()?);
    let zone = ZoneName(body.name()?);
    Ok(RingDrive { id, node, zone, region, weight, state })
}

/// Writes a name of at most 255 bytes; the builder takes no longer ones.
fn put_name(body: &mut Vec<u8>, name: &str) {
    body.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    body.extend(name.as_bytes());
}

/// Drive counts and positions fit: a ring has at most [`DRIVES_MAX`] drives.
fn u16_of(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(DecodeError::Length)?;
        self.0 = rest;
        Ok(*head)
    }

    fn name(&mut self) -> Result<Arc<str>, DecodeError> {
        let [len] = self.take()?;
        let (name, rest) = self.0.split_at_checked(usize::from(len)).ok_or(DecodeError::Length)?;
        self.0 = rest;
        std::str::from_utf8(name).map(Arc::from).map_err(|_| DecodeError::Drive)
    }
}
