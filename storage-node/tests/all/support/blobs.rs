//! Blobs of a node under test: written shard by shard, wherever a test wants them, and looked for.

use bytes::Bytes;
use couronne_metadata::command::{Command, NewData, Precondition};
use couronne_metadata::record::{Attributes, BlobRef, Etag};
use couronne_placement::erasure::Codec;
use couronne_placement::frame;
use couronne_placement::{BlobId, ChunkId, Geometry, PolicyId, ShardId, place};
use couronne_protocol::map::MapSource;
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardClient, ShardDuties, ShardError};
use couronne_ring::DriveId;
use couronne_storage_node::disk::simulated::SimulatedDisk;
use couronne_storage_node::disk::{Access, Disk};
use couronne_storage_node::node::LocalNode;

/// A blob of 4+2 with all its shards.
pub struct TestBlob {
    pub named: BlobRef,
    pub owner: Owner,
    shards: Vec<(ShardId, Bytes)>,
}

impl TestBlob {
    /// A blob of two chunks, whose bytes follow from `seed`.
    pub fn new(owner: &Owner, born_ms: u64, seed: u8) -> Self {
        Self::of_len(owner, born_ms, seed, 1_300_000)
    }

    /// The same, of as many bytes.
    pub fn of_len(owner: &Owner, born_ms: u64, seed: u8, len: usize) -> Self {
        let geometry = Geometry::new(4, 2, 1 << 20).unwrap();
        let id = BlobId::new(born_ms, [seed; 10], owner.binding());
        let mut bytes = vec![0; len];
        blake3::Hasher::new().update(&id.to_bytes()).finalize_xof().fill(&mut bytes);
        let bytes = Bytes::from(bytes);
        let named = BlobRef { id, len: bytes.len() as u64, policy: PolicyId(0), geometry, crc64: 7 };
        let codec = Codec::of(&geometry).unwrap();
        let mut shards = Vec::new();
        for (index, chunk) in (0..).zip(bytes.chunks(1 << 20)) {
            let data = codec.split(&bytes.slice_ref(chunk));
            let parity = codec.encode(&data).unwrap();
            let chunk = ChunkId { blob: id, index };
            let number = |(number, payload)| (ShardId { chunk, number }, payload);
            shards.extend((0..).zip(data.into_iter().chain(parity)).map(number));
        }
        Self { named, owner: owner.clone(), shards }
    }

    /// All its shards, in order.
    pub fn shards(&self) -> impl Iterator<Item = ShardId> {
        self.shards.iter().map(|(shard, _)| *shard)
    }

    /// The bytes of a shard.
    pub fn payload(&self, shard: ShardId) -> &Bytes {
        &self.shards.iter().find(|(found, _)| *found == shard).unwrap().1
    }

    /// The drive where a shard belongs.
    pub fn primary(&self, node: &LocalNode, shard: ShardId) -> DriveId {
        let map = node.current();
        let ring = &map.rings[&self.named.policy];
        place(ring, shard.chunk, &self.named.geometry).unwrap().primaries[usize::from(shard.number)]
    }

    /// Writes every shard where `place` says, given its primary; `None` leaves it out.
    pub async fn write(&self, node: &LocalNode, place: impl Fn(ShardId, DriveId) -> Option<DriveId>) {
        for shard in self.shards() {
            if let Some(drive) = place(shard, self.primary(node, shard)) {
                self.write_one(node, shard, drive).await;
            }
        }
    }

    async fn write_one(&self, node: &LocalNode, shard: ShardId, drive: DriveId) {
        // As repair writes, which takes blobs of any age.
        let request = self.put(node, shard, self.payload(shard).clone());
        node.routes().restore_shard(drive, request).await.unwrap();
    }

    /// What is asked of a drive to write these bytes as one of the blob's shards.
    pub fn put(&self, node: &LocalNode, shard: ShardId, payload: Bytes) -> PutShard {
        PutShard {
            shard,
            owner: self.owner.clone(),
            geometry: self.named.geometry,
            policy: self.named.policy,
            class: self.owner.bucket.class(),
            epoch: node.current().rings[&self.named.policy].epoch(),
            frames: frame::seal(shard, self.named.geometry, &payload),
            payload,
        }
    }

    /// The command that makes it an object.
    pub fn commit(&self, missing: u8) -> Command {
        self.commit_placed_by(missing, None)
    }

    /// The same, of a gateway that placed it by this version of the map.
    pub fn commit_placed_by(&self, missing: u8, placed_by: Option<u64>) -> Command {
        Command::Put {
            data: NewData::Blob(self.named.clone(), missing, placed_by),
            size: self.named.len,
            etag: Etag { digest: [1; 16], parts: None },
            checksum: None,
            attributes: Attributes::default(),
            condition: Precondition::default(),
        }
    }

    /// Whether the shard is on that drive: `None` if it is not there, `false` if what is there is not
    /// its bytes.
    pub async fn is_on(&self, node: &LocalNode, shard: ShardId, drive: DriveId) -> Option<bool> {
        match node.routes().get_shard(drive, GetShard { shard, first_frame: 0, frames: u32::MAX }).await {
            Ok(read) => {
                let verified = frame::verify(shard, read.geometry, 0, &read.checksums, &read.payload).is_ok();
                assert!(!verified || read.payload == self.payload(shard), "wrong bytes verify");
                Some(verified)
            }
            Err(ShardError::NotFound | ShardError::Down(_)) => None,
            Err(error) => panic!("{shard:?}: {error}"),
        }
    }

    /// Where copies of its shards are, sound or not: how many.
    pub async fn copies(&self, node: &LocalNode) -> usize {
        let mut copies = 0;
        for shard in self.shards() {
            for drive in node.current().drives.keys() {
                copies += usize::from(self.is_on(node, shard, *drive).await.is_some());
            }
        }
        copies
    }

    /// Whether every shard is sound on its primary, and nowhere else.
    pub async fn is_whole(&self, node: &LocalNode) -> bool {
        for shard in self.shards() {
            if self.is_on(node, shard, self.primary(node, shard)).await != Some(true) {
                return false;
            }
        }
        self.copies(node).await == self.shards.len()
    }

    /// Flips a bit in the midst of the shard's bytes, wherever they stand on a disk.
    pub async fn flip(&self, disk: &SimulatedDisk, shard: ShardId) {
        let payload = self.payload(shard);
        let mut flipped = 0;
        for name in disk.list("segments").await.unwrap() {
            let path = format!("segments/{name}");
            let file = disk.open(&path, Access::Buffered).await.unwrap();
            let bytes = file.read(0, usize::try_from(file.len().await.unwrap()).unwrap()).await.unwrap();
            // Records begin at multiples of eight bytes.
            for at in (0..bytes.len()).step_by(8).filter(|at| bytes[*at..].starts_with(&payload[..64])) {
                disk.flip_bit(&path, (at + payload.len() / 2) as u64, 3).unwrap();
                flipped += 1;
            }
        }
        assert!(flipped > 0, "its bytes are not on the disk");
    }
}
