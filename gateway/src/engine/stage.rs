//! Staging: receiving a body into a durable blob that no row names yet.
//!
//! The body is cut in chunks as it arrives: while one chunk is received and hashed, the one before is
//! encoded and written. A chunk's share of the write budget is taken as its bytes arrive, in the name of the bucket's
//! account. A body that fits the policy's inline bound stays in memory, to travel in its
//! commit. The blob's geometry is chosen when the first chunk is complete, since by then a short body
//! has ended and its length is known.
//!
//! After a crash of the gateway: no row names the blob, and the scrubber, after the disown horizon,
//! deletes its shards. After a failure short of that: the blob is abandoned ([`super::abandon`]).
//! Must not know: where the body comes from, which row will name it.

use std::sync::Arc;

use bytes::Bytes;
use couronne_base::buffer::AlignedBuffer;
use couronne_base::fair::{Claim, Cut, Holder, OnBehalf, Short};
use couronne_base::mutant;
use couronne_client::{ChunkToWrite, ChunkWritten, ClientError};
use couronne_metadata::command::NewData;
use couronne_metadata::ids::{BucketId, ObjectKey, PartNumber, UploadId};
use couronne_metadata::record::{BlobRef, Checksum, Etag};
use couronne_placement::{BlobId, ChunkId, Geometry, Policy, PolicyId, Redundancy};
use couronne_protocol::shard::Owner;
use tokio::task::{JoinSet, yield_now};

use super::abandon::BlobGuard;
use super::bucket::BytesFor;
use super::hash::{BodyDigests, BodyHashes};
use super::{BodyError, BodySource, Bucket, Engine, EngineError, Shared};

/// After hashing so much, about half a millisecond's work, a body lets others have the thread. Bytes.
const HASHED_BYTES_PER_TURN: usize = 256 << 10;

/// A received body: durable in a blob, or small enough to travel in its commit. It belongs to one
/// bucket and key. Dropped before a commit was sent, its blob is abandoned.
pub struct Staged {
    bucket: BucketId,
    key: ObjectKey,
    data: NewData,
    size: u64,
    md5: [u8; 16],
    checksum: Option<Checksum>,
    guard: Option<BlobGuard>,
}

impl Staged {
    /// Its length in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Its entity tag: the MD5 of its bytes.
    pub const fn etag(&self) -> Etag {
        Etag { digest: self.md5, parts: None }
    }

    /// The checksum that was asked for, computed over its bytes.
    pub const fn checksum(&self) -> Option<&Checksum> {
        self.checksum.as_ref()
    }

    /// CRC-64/NVME of its bytes.
    pub const fn crc64(&self) -> u64 {
        match &self.data {
            NewData::Inline(_, crc64) => *crc64,
            NewData::Blob(blob, ..) => blob.crc64,
        }
    }

    /// The bucket and key it was received for.
    pub const fn owner(&self) -> (BucketId, &ObjectKey) {
        (self.bucket, &self.key)
    }

    /// What the commit names.
    pub(super) const fn data(&self) -> &NewData {
        &self.data
    }

    /// The guard that abandons its blob, if it has one.
    pub(super) const fn guard(&self) -> Option<&BlobGuard> {
        self.guard.as_ref()
    }
}

impl Engine {
    /// Receives a body for one key: hashes, cuts, encodes and writes it while it arrives, and checks
    /// what its sender said of it. When this returns `Ok` the bytes are durable and match; nothing is
    /// visible yet. What the bucket's quota has no room for is refused before the body is taken.
    pub async fn stage(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        body: &mut dyn BodySource,
    ) -> Result<Staged, EngineError> {
        self.stage_as(BytesFor::Object, bucket, key, body).await
    }

    /// The same for a part of an open upload of that key.
    pub async fn stage_part(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        (upload, number): (UploadId, PartNumber),
        body: &mut dyn BodySource,
    ) -> Result<Staged, EngineError> {
        self.stage_as(BytesFor::Part(upload, number), bucket, key, body).await
    }

    async fn stage_as(
        &self,
        bytes_for: BytesFor,
        bucket: &Bucket,
        key: &ObjectKey,
        body: &mut dyn BodySource,
    ) -> Result<Staged, EngineError> {
        self.check_room(bucket, key, body.length(), bytes_for).await?;
        let map = self.shared.client.map().current();
        let policy = map.policies.get(&bucket.entry.rules.policy).ok_or(EngineError::NoSuchPolicy)?;
        let mut intake = Intake::new(body, self.shared.clone(), policy.redundancy, bucket.holder());
        let first = intake.chunk(policy.chunk_bytes).await?;
        let owner = Owner { bucket: bucket.entry.id, key: key.clone() };
        let (data, digests, guard) = if intake.ended && intake.received <= u64::from(policy.inline_bytes_max) {
            let digests = intake.finish()?;
            (NewData::Inline(first.bytes, digests.crc64), digests, None)
        } else {
            self.stage_blob(bucket, owner, policy, intake, first).await?
        };
        let size = match &data {
            NewData::Inline(bytes, _) => bytes.len() as u64,
            NewData::Blob(blob, ..) => blob.len,
        };
        let BodyDigests { md5, checksum, .. } = digests;
        Ok(Staged { bucket: bucket.entry.id, key: key.clone(), data, size, md5, checksum, guard })
    }

    async fn stage_blob(
        &self,
        bucket: &Bucket,
        owner: Owner,
        policy: &Policy,
        mut intake: Intake<'_>,
        first: Chunk,
    ) -> Result<(NewData, BodyDigests, Option<BlobGuard>), EngineError> {
        let known_len = if intake.ended { Some(intake.received) } else { intake.declared };
        let geometry =
            policy.geometry(known_len).map_err(|error| EngineError::Corrupt(format!("storage policy: {error}")))?;
        let env = self.env();
        let id = BlobId::new(env.clock.wall_ms(), env.random_bytes(), owner.binding());
        let mut blob = BlobRef { id, len: 0, policy: policy.id, geometry, crc64: 0 };
        let guard = BlobGuard::new(self.shared.clone(), bucket, owner.key.clone(), blob.clone());
        let mut writer = BlobWriter::new(self.shared.clone(), owner, &blob);

        let mut next = Some(first);
        while let Some(chunk) = next.take() {
            guard.covers(writer.start(chunk).await?);
            if !intake.ended {
                next = Some(intake.chunk(geometry.chunk_bytes()).await?).filter(|chunk| !chunk.bytes.is_empty());
            }
        }
        let ChunkWritten { missing, placed_by } = writer.finish().await?;
        blob.len = intake.received;
        let digests = intake.finish()?;
        blob.crc64 = digests.crc64;
        Ok((NewData::Blob(blob, missing, Some(placed_by)), digests, Some(guard)))
    }
}

/// A received chunk and its share of the memory budget.
struct Chunk {
    bytes: Bytes,
    share: Claim,
}

impl Chunk {
    /// One that its client has sent: its memory comes back by our own doing.
    fn complete(bytes: Bytes, share: Claim) -> Self {
        share.settle();
        Self { bytes, share }
    }
}

/// The receiving side: takes the body's pieces, hashes them, and cuts chunks.
struct Intake<'a> {
    body: &'a mut dyn BodySource,
    shared: Arc<Shared>,
    redundancy: Redundancy,
    /// The holder that memory is taken for.
    holder: Holder,
    cut: Cut,
    hashes: BodyHashes,
    declared: Option<u64>,
    /// What the last piece had beyond its chunk.
    rest: Bytes,
    received: u64,
    hashed_since_yield: usize,
    ended: bool,
}

impl<'a> Intake<'a> {
    fn new(body: &'a mut dyn BodySource, shared: Arc<Shared>, redundancy: Redundancy, holder: Holder) -> Self {
        let hashes = BodyHashes::new(body.expected());
        let declared = body.length();
        Self {
            body,
            shared,
            redundancy,
            holder,
            cut: OnBehalf::of_task().cut,
            hashes,
            declared,
            rest: Bytes::new(),
            received: 0,
            hashed_since_yield: 0,
            ended: false,
        }
    }

    /// The next chunk: of `chunk_bytes`, or shorter if the body ends in it; empty if it has ended.
    async fn chunk(&mut self, chunk_bytes: u32) -> Result<Chunk, EngineError> {
        let left = self.declared.map_or(u64::MAX, |declared| declared.saturating_sub(self.received));
        let wanted = usize::try_from(left.min(u64::from(chunk_bytes))).unwrap_or(usize::MAX);
        let mut share = self.share(wanted.min(chunk_bytes as usize));
        let first = self.piece(chunk_bytes as usize, &mut share).await?;
        // One piece that is the whole chunk is taken as it is.
        if first.len() == wanted && self.declared == Some(self.received) {
            self.expect_end(&mut share).await?;
            return Ok(Chunk::complete(first, share));
        }
        let (mut buffer, _ahead) = self.buffer(first.len(), self.declared.map_or(0, |_| wanted));
        buffer.extend_from_slice(&first);
        while !self.ended && buffer.len() < chunk_bytes as usize {
            let piece = self.piece(chunk_bytes as usize - buffer.len(), &mut share).await?;
            buffer.extend_from_slice(&piece);
        }
        if self.declared == Some(self.received) {
            self.expect_end(&mut share).await?;
        }
        Ok(Chunk::complete(buffer.freeze(), share))
    }

    /// A buffer for the first bytes of a chunk that will have so many: for all of them at once, if there is memory for what
    /// has not arrived; else it grows as bytes arrive, and is never more than twice as large as what is in it.
    fn buffer(&self, first: usize, whole: usize) -> (AlignedBuffer, Option<Claim>) {
        let ahead = self.shared.client.buffers_ahead().claim_spare(&self.holder, whole as u64, &self.cut);
        let capacity = if ahead.is_some() { whole } else { first.next_power_of_two() };
        (AlignedBuffer::with_capacity(capacity.max(first)), ahead)
    }

    /// Up to `bytes_max` bytes of the body, hashed, and covered by a share; empty only at its end.
    async fn piece(&mut self, bytes_max: usize, share: &mut Claim) -> Result<Bytes, EngineError> {
        while self.rest.is_empty() && !self.ended {
            let next = tokio::select! {
                biased;
                () = self.cut.wait() => return Err(Short::Cut.into()),
                next = self.body.next() => next?,
            };
            match next {
                Some(bytes) => self.rest = bytes,
                None => self.end()?,
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(bytes_max));
        let wait = self.shared.client.buffer_wait(self.received > 0);
        self.received += piece.len() as u64;
        if self.declared.is_some_and(|declared| self.received > declared) {
            return Err(BodyError::TooLong.into());
        }
        share.take_in_steps(self.with_parity(piece.len()), wait).await?;
        self.hashes.update(&piece);
        self.hashed_since_yield += piece.len();
        if self.hashed_since_yield >= HASHED_BYTES_PER_TURN {
            self.hashed_since_yield = 0;
            yield_now().await;
        }
        Ok(piece)
    }

    /// All declared bytes are here: nothing but the end may follow.
    async fn expect_end(&mut self, share: &mut Claim) -> Result<(), EngineError> {
        if !self.ended && !self.piece(1, share).await?.is_empty() {
            return Err(BodyError::TooLong.into());
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), EngineError> {
        self.ended = true;
        match self.declared {
            Some(declared) if self.received < declared => Err(BodyError::Incomplete.into()),
            _ => Ok(()),
        }
    }

    /// What will take the memory of a chunk of this length at most. While a later chunk waits for memory, those before it
    /// are being written and give theirs back.
    fn share(&self, chunk_len: usize) -> Claim {
        let need = self.with_parity(chunk_len);
        self.shared.client.write_budget().claim(&self.holder, need, &self.cut)
    }

    /// The memory of so many bytes and their parity. (Copies share the data's memory.)
    fn with_parity(&self, len: usize) -> u64 {
        let data = len as u64;
        match self.redundancy {
            Redundancy::Erasure { k, m } => {
                data.saturating_add(data.saturating_mul(u64::from(m)).div_ceil(u64::from(k.max(1))))
            }
            Redundancy::Single | Redundancy::Replicated(_) => data,
        }
    }

    fn finish(self) -> Result<BodyDigests, EngineError> {
        let trailer = self.body.trailer_checksum();
        self.hashes.finish(trailer.as_deref())
    }
}

/// The writing side: so many chunks in flight, in order of their index.
struct BlobWriter {
    shared: Arc<Shared>,
    owner: Owner,
    blob: BlobId,
    policy: PolicyId,
    geometry: Geometry,
    started: u64,
    /// The worst of the chunks so far, and the oldest map that one of them was placed by.
    written: ChunkWritten,
    in_flight: JoinSet<Result<ChunkWritten, ClientError>>,
}

impl BlobWriter {
    fn new(shared: Arc<Shared>, owner: Owner, blob: &BlobRef) -> Self {
        let (policy, geometry) = (blob.policy, blob.geometry);
        let written = ChunkWritten { missing: 0, placed_by: u64::MAX };
        Self { shared, owner, blob: blob.id, policy, geometry, started: 0, written, in_flight: JoinSet::new() }
    }

    /// Starts writing the next chunk, once fewer than the bound are under way. Returns the blob's length
    /// as far as chunks were started.
    async fn start(&mut self, chunk: Chunk) -> Result<u64, EngineError> {
        // The chunk being received counts as one of those in flight.
        while self.in_flight.len() + 1 >= self.shared.chunks_in_flight_max.max(2) {
            self.join_one().await?;
        }
        let index = u32::try_from(self.started).map_err(|_| EngineError::EntityTooLarge)?;
        self.started += 1;
        let write = ChunkToWrite {
            owner: self.owner.clone(),
            chunk: ChunkId { blob: self.blob, index },
            geometry: self.geometry,
            policy: self.policy,
            bytes: chunk.bytes,
        };
        let (shared, share) = (self.shared.clone(), chunk.share);
        self.in_flight.spawn(async move {
            let written = shared.client.write_chunk(write).await;
            drop(share);
            written
        });
        Ok(self.started.saturating_mul(u64::from(self.geometry.chunk_bytes())))
    }

    async fn finish(mut self) -> Result<ChunkWritten, EngineError> {
        if mutant!(MetadataBeforeChunks) {
            self.in_flight.detach_all();
        }
        while !self.in_flight.is_empty() {
            self.join_one().await?;
        }
        Ok(self.written)
    }

    async fn join_one(&mut self) -> Result<(), EngineError> {
        match self.in_flight.join_next().await {
            Some(Ok(written)) => self.written = self.written.and(written?),
            Some(Err(error)) => return Err(EngineError::Unavailable(format!("writing a chunk: {error}"))),
            None => {}
        }
        Ok(())
    }
}
