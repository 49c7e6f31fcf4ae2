//! A ring as a value of the field codec, for a disk or a wire.
//!
//! ```text
//! ring  = 1 epoch | 2 partition bits | 3 width | 4 drive* (ascending by id) | 5 table
//! drive = 1 id | 2 node | 3 region | 4 zone | 5 weight | 6 membership
//! table = for each partition, for each of its slots: the place of the slot's drive in the list above, u16, big-endian
//! ```
//! The table is one string of bytes, two for a slot: it is most of a ring, and an id would take sixteen.
//! Promises: any bytes give a valid ring or [`Corrupt`], within memory bounded by their own length.
//! Must not know: what carries the bytes, and what checks that none of them changed.

use bytes::Bytes;
use couronne_base::codec::table::{Slot, choice, newtype, put, record};
use couronne_base::codec::{Corrupt, Input, Value, Writer};

use crate::domain::FailureDomain;
use crate::drive::{RingDrive, RingMembership};
use crate::ids::{DriveId, Epoch, NodeId, RegionName, ZoneName};
use crate::ring::{DRIVES_MAX, Ring, check_shape};

newtype! { DriveId Epoch NodeId RegionName ZoneName }

choice! { FailureDomain { 1 Drive, 2 Node, 3 Zone, 4 Region } }
choice! { RingMembership { 1 Active, 2 Draining } }
record! { RingDrive { 1 id, 2 node, 3 region, 4 zone, 5 weight, 6 membership } }

impl Value for Ring {
    fn write(&self, out: &mut Writer) {
        put(&self.epoch(), 1, out);
        put(&self.partition_bits(), 2, out);
        put(&self.width(), 3, out);
        self.all_drives().for_each(|(drive, _)| put(drive, 4, out));
        out.field(5, |out| {
            for id in self.partitions().flat_map(|partition| self.drives(partition)) {
                out.raw(&place(self.position(*id)).to_be_bytes());
            }
        });
    }

    fn read(mut input: Input<'_>) -> Result<Self, Corrupt> {
        let (mut epoch, mut partition_bits, mut width) = (Slot::<Epoch>::new(), Slot::<u8>::new(), Slot::<u8>::new());
        let (mut drives, mut table) = (Slot::<Vec<RingDrive>>::new(), Slot::<Bytes>::new());
        while let Some((number, value)) = input.next_field()? {
            match number {
                1 => epoch.take(value)?,
                2 => partition_bits.take(value)?,
                3 => width.take(value)?,
                4 => drives.take(value)?,
                5 => table.take(value)?,
                _ => {}
            }
        }
        let (partition_bits, width) = (partition_bits.finish()?, width.finish()?);
        let drives: Vec<RingDrive> = drives.finish()?;
        let table = slots(partition_bits, width, &drives, &table.finish()?)?;
        Self::new(epoch.finish()?, partition_bits, width, drives, table).map_err(|_| Corrupt("no valid ring"))
    }
}

/// The drives of the table's slots.
fn slots(partition_bits: u8, width: u8, drives: &[RingDrive], table: &[u8]) -> Result<Vec<DriveId>, Corrupt> {
    check_shape(partition_bits, width).map_err(|_| Corrupt("no shape of a ring"))?;
    if drives.len() > DRIVES_MAX {
        return Err(Corrupt("too many drives in a ring"));
    }
    let (places, rest) = table.as_chunks::<2>();
    if !rest.is_empty() || places.len() != usize::from(width) << partition_bits {
        return Err(Corrupt("a ring's table of another size"));
    }
    let drive = |place: &[u8; 2]| drives.get(usize::from(u16::from_be_bytes(*place))).map(|drive| drive.id);
    places.iter().map(|place| drive(place).ok_or(Corrupt("a slot of no drive"))).collect()
}

/// Places fit: a ring has at most [`DRIVES_MAX`] drives, and each slot's is one of them.
fn place(position: Option<usize>) -> u16 {
    position.and_then(|position| u16::try_from(position).ok()).unwrap_or(u16::MAX)
}
