//! The node's own file on each of its drives, in two copies: which node it is, and the map as it last knew it.
//!
//! The newest copy of all counts. The meta group decides what the map is; this copy says where that group lives, and which of this node's replicas may go on, before anyone can be asked.
//! ```text
//! file   = magic "COURNOD1" | CRC-64/NVME of the rest u64 | record
//! record = 1 node | 2 wall clock when last noted, milliseconds since 1970 | 3 map         by the field codec
//! ```
//! Must not know: where folders are, which replica leads.

use std::io;

use bytes::Bytes;
use couronne_base::codec::table::record;
use couronne_base::codec::{self, Corrupt};
use couronne_base::crc;
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

/// What stands in the file behind its checksum.
struct NodeRecord {
    node: NodeId,
    seen_ms: u64,
    /// The map's own bytes.
    map: Bytes,
}

record! { NodeRecord { 1 node, 2 seen_ms, 3 map } }

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
        let map = self.map.encode();
        let bytes = map.len().saturating_add(64);
        let record = codec::encode_about(&NodeRecord { node: self.node, seen_ms: self.seen_ms, map }, bytes);
        [&MAGIC[..], &crc::of(&record).to_be_bytes(), &record].concat().into()
    }

    fn decode(file: Bytes) -> Result<Self, Corrupt> {
        let rest = file.strip_prefix(MAGIC).ok_or(Corrupt("no file of a node"))?;
        match rest.split_first_chunk::<8>() {
            Some((sum, record)) if crc::of(record) == u64::from_be_bytes(*sum) => {
                let NodeRecord { node, seen_ms, map } = codec::decode(&file.slice_ref(record))?;
                Ok(Self { node, seen_ms, map: ClusterMap::decode(map)? })
            }
            _ => Err(Corrupt("a file of a node that was altered or cut off")),
        }
    }
}

#[cfg(test)]
pub(in crate::membership) mod tests {
    use couronne_cluster::Role;
    use couronne_cluster::changes::{self, Founding};
    use couronne_cluster::map::{Bootstrap, MapNode};
    use couronne_placement::{Policy, PolicyId};
    use couronne_ring::{DriveId, RegionName, ZoneName};

    use super::*;

    /// The map of a node of one drive that is alone.
    pub(in crate::membership) fn lone_map() -> ClusterMap {
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
        changes::found(Founding { cluster: 9, id: NodeId(7), node, drives, policy, bootstrap, now_ms: 0 }).unwrap()
    }

    #[test]
    fn is_written_as_its_format_says_and_shows_every_flipped_bit() {
        let file = NodeFile { node: NodeId(7), seen_ms: 0x0102_0304, map: lone_map() };
        let bytes = file.encode();
        let map = file.map.encode();
        let mut expected = b"COURNOD1".to_vec();
        expected.extend_from_slice(&crc::of(&bytes[16..]).to_be_bytes());
        expected.extend_from_slice(&[1, 1, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        expected.extend_from_slice(&[2, 4, 0x84, 0x86, 0x88, 0x08]);
        expected.extend_from_slice(&[3, (map.len() & 0x7f) as u8 | 0x80, (map.len() >> 7) as u8]);
        expected.extend_from_slice(&map);
        assert_eq!(bytes, expected);
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
