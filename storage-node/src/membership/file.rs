//! The node's own file on each of its drives: who it is, and the map as it last knew it.
//!
//! The newest copy counts. The map's own group decides what the map is; this copy says where that
//! group lives, and which of this node's replicas may go on, before anyone can be asked.
//! ```text
//! magic "COURNOD1" | CRC-64/NVME of the rest u64 | node u128 | wall clock when last noted, milliseconds u64 | map
//! ```
//! Must not know: where folders are, who leads.

use std::io;

use bytes::{Buf, BufMut, Bytes};
use couronne_base::fixed::{Malformed, Reader};
use couronne_protocol::map::MapState;
use couronne_ring::NodeId;

use crate::disk::{Access, Disk};

const PATH: &str = "map";
const NEW_PATH: &str = "map.new";
const MAGIC: &[u8; 8] = b"COURNOD1";
const BYTES_MAX: u64 = 64 << 20;

/// What a node knows when it starts.
#[derive(Clone, Debug)]
pub(crate) struct NodeFile {
    pub(crate) node: NodeId,
    /// What the wall clock said when it was last noted (milliseconds since 1970).
    pub(crate) seen_ms: u64,
    pub(crate) map: MapState,
}

impl NodeFile {
    /// Reads the copy of a drive; `None` if there is none or it does not verify.
    pub(crate) async fn read(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let file = match disk.open(PATH, Access::Buffered).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let len = file.len().await?.min(BYTES_MAX);
        let bytes = file.read(0, usize::try_from(len).map_err(io::Error::other)?).await?;
        let read = Self::decode(bytes);
        if let Err(error) = &read {
            tracing::warn!(%error, "a drive's copy of the map does not verify; another drive's is wanted");
        }
        Ok(read.ok())
    }

    /// Writes a copy to a drive: whole and durably, or not at all.
    pub(crate) async fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        match disk.remove(NEW_PATH).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.create(NEW_PATH, 0, Access::Buffered).await?;
        file.write(0, vec![self.encode()], true).await?;
        disk.rename(NEW_PATH, PATH).await?;
        disk.sync_dir("").await
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
        Ok(Self { node, seen_ms, map: MapState::decode(file)? })
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    couronne_base::crc::of(bytes)
}
