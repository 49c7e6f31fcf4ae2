//! The node's own file on each of its drives, in two copies: who it is, and the map as it last knew it.
//!
//! The newest copy of all counts. The map's own group decides what the map is; this copy says where that
//! group lives, and which of this node's replicas may go on, before anyone can be asked.
//! ```text
//! magic "COURNOD1" | CRC-64/NVME of the rest u64 | node u128 | wall clock when last noted, milliseconds u64 | map
//! ```
//! Must not know: where folders are, who leads.

use std::io;

use bytes::{Buf, BufMut, Bytes};
use couronne_base::fixed::{Malformed, Reader};
use couronne_cluster::map::ClusterMap;
use couronne_ring::NodeId;

use crate::disk::{Disk, read_copies, write_copies};

const PATH: &str = "map";
const MAGIC: &[u8; 8] = b"COURNOD1";
const BYTES_MAX: u64 = 64 << 20;

/// What a node knows when it starts.
#[derive(Clone, Debug)]
pub(crate) struct NodeFile {
    pub(crate) node: NodeId,
    /// What the wall clock said when it was last noted (milliseconds since 1970).
    pub(crate) seen_ms: u64,
    pub(crate) map: ClusterMap,
}

impl NodeFile {
    /// Reads a drive's newest copy; `None` if there is none or none verifies.
    pub(crate) async fn read(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let mut newest: Option<Self> = None;
        for copy in read_copies(disk, PATH, BYTES_MAX).await? {
            match Self::decode(copy) {
                Ok(read) if newest.as_ref().is_none_or(|known| known.age() < read.age()) => newest = Some(read),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "a copy of the map does not verify; another is wanted"),
            }
        }
        Ok(newest)
    }

    /// The greater, the newer: the map's version, then the time noted.
    pub(crate) const fn age(&self) -> (u64, u64) {
        (self.map.version, self.seen_ms)
    }

    /// Writes both copies of a drive: each whole and durably, or not at all.
    pub(crate) async fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        write_copies(disk, PATH, self.encode()).await
    }

    fn encode(&self) -> Bytes {
        let mut body = Vec::new();
        body.put_u128(self.node.0);
        body.put_u64(self.seen_ms);
        body.extend_from_slice(&self.map.encode());
        let mut file = MAGIC.to_vec();
        file.put_u64(checksum(&body));
        file.extend_from_slice(&body);
        file.into()
    }

    fn decode(mut file: Bytes) -> Result<Self, Malformed> {
        if !file.starts_with(MAGIC) {
            return Err(Malformed("node file"));
        }
        file.advance(MAGIC.len());
        let sum = Reader::new(&mut file, "node file").u64()?;
        if checksum(&file) != sum {
            return Err(Malformed("node file"));
        }
        let mut reader = Reader::new(&mut file, "node file");
        let (node, seen_ms) = (NodeId(reader.u128()?), reader.u64()?);
        Ok(Self { node, seen_ms, map: ClusterMap::decode(file).map_err(|_| Malformed("map of a node file"))? })
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    couronne_base::crc::of(bytes)
}

#[cfg(test)]
mod tests {
    use couronne_cluster::Role;
    use couronne_cluster::changes::{self, Founding};
    use couronne_cluster::map::{Bootstrap, MapNode};
    use couronne_placement::{Policy, PolicyId};
    use couronne_ring::{DriveId, RegionName, ZoneName};

    use super::*;

    /// The map of a node of one drive that is alone.
    fn map() -> ClusterMap {
        let policy = Policy {
            id: PolicyId(0),
            name: "standard".into(),
            redundancy: "single".parse().unwrap(),
            chunk_bytes: 4 << 20,
            inline_bytes_max: 1024,
            copies_bytes_max: 4096,
            survives: None,
        };
        let node = MapNode {
            role: Role::StorageNode,
            name: "n7".into(),
            address: "".into(),
            region: RegionName("region".into()),
            zone: ZoneName("zone".into()),
        };
        let bootstrap = Bootstrap { nodes: 1, ranges: 4 };
        let drives = vec![(DriveId(70), 1)];
        changes::found(Founding { cluster: 9, id: NodeId(7), node, drives, policy, bootstrap }).unwrap()
    }

    #[test]
    fn is_written_as_its_format_says_and_shows_every_flipped_bit() {
        let file = NodeFile { node: NodeId(7), seen_ms: 0x0102_0304, map: map() };
        let bytes = file.encode();
        let (head, map) = bytes.split_at(40);
        let mut expected = b"COURNOD1".to_vec();
        expected.extend_from_slice(&couronne_base::crc::of(&bytes[16..]).to_be_bytes());
        expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(head, expected);
        assert_eq!(map, file.map.encode());
        let read = NodeFile::decode(bytes.clone()).unwrap();
        assert_eq!((read.node, read.seen_ms, read.encode()), (file.node, file.seen_ms, bytes.clone()));
        for at in (0..bytes.len()).filter(|at| *at < 64 || at % 101 == 0) {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1;
            assert!(NodeFile::decode(damaged.into()).is_err(), "byte {at}");
            assert!(NodeFile::decode(bytes.slice(..at)).is_err(), "{at} bytes");
        }
    }
}
