//! Drives in memory, each with at most one fault at a time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_placement::frame::FRAME_BYTES;
use couronne_placement::{BlobId, ShardId};
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardClient, ShardError, ShardFrames};
use couronne_ring::{DriveId, Epoch};
use parking_lot::Mutex;
use tokio::time::sleep;

/// What a drive does wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriveFault {
    /// It does not answer but says so at once.
    Down,
    /// It takes this long for everything.
    Late(Duration),
    /// It never answers.
    Stuck,
    /// It takes no shards.
    Full,
    /// It has too much queued.
    Overloaded,
    /// Reads find nothing.
    Forgets,
    /// Reads give a flipped bit.
    Flips,
    /// Reads give another shard's bytes and checksums.
    Misdirects,
    /// It says that shards are longer than they are.
    Lies,
    /// Its ring is of this epoch.
    Epoch(Epoch),
}

/// Drives in memory.
pub struct FakeDrives {
    drives: Mutex<BTreeMap<DriveId, FakeDrive>>,
    reports: Mutex<Vec<(DriveId, ShardId, Owner)>>,
    seed: u64,
    writing_bytes: AtomicUsize,
    writing_bytes_peak: AtomicUsize,
}

#[derive(Default)]
struct FakeDrive {
    shards: BTreeMap<ShardId, PutShard>,
    fault: Option<DriveFault>,
}

impl FakeDrives {
    /// Empty drives.
    pub fn new(ids: &[DriveId], seed: u64) -> Self {
        let drives = ids.iter().map(|id| (*id, FakeDrive::default())).collect();
        Self {
            drives: Mutex::new(drives),
            reports: Mutex::default(),
            seed,
            writing_bytes: AtomicUsize::new(0),
            writing_bytes_peak: AtomicUsize::new(0),
        }
    }

    /// Gives a drive a fault, or heals it.
    pub fn set_fault(&self, drive: DriveId, fault: Option<DriveFault>) {
        if let Some(drive) = self.drives.lock().get_mut(&drive) {
            drive.fault = fault;
        }
    }

    /// Empties a drive.
    pub fn wipe(&self, drive: DriveId) {
        if let Some(drive) = self.drives.lock().get_mut(&drive) {
            drive.shards.clear();
        }
    }

    /// The drives.
    pub fn ids(&self) -> Vec<DriveId> {
        self.drives.lock().keys().copied().collect()
    }

    /// Every shard there is: where, which, whose.
    pub fn shards(&self) -> Vec<(DriveId, PutShard)> {
        let drives = self.drives.lock();
        drives.iter().flat_map(|(id, drive)| drive.shards.values().map(|shard| (*id, shard.clone()))).collect()
    }

    /// The blobs of which there are shards.
    pub fn blobs(&self) -> Vec<BlobId> {
        let mut blobs: Vec<BlobId> = self.shards().iter().map(|(_, put)| put.shard.chunk.blob).collect();
        blobs.sort_unstable();
        blobs.dedup();
        blobs
    }

    /// What was reported as missing or wrong.
    pub fn reports(&self) -> Vec<(DriveId, ShardId, Owner)> {
        self.reports.lock().clone()
    }

    /// The most payload bytes that were being written at once.
    pub fn writing_bytes_peak(&self) -> usize {
        self.writing_bytes_peak.load(Ordering::Relaxed)
    }

    fn fault(&self, drive: DriveId) -> Result<Option<DriveFault>, ShardError> {
        let drives = self.drives.lock();
        let drive = drives.get(&drive).ok_or_else(|| ShardError::Down("no such drive".to_owned()))?;
        Ok(drive.fault.clone())
    }

    async fn put(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        match self.fault(drive)? {
            Some(DriveFault::Down) => return Err(ShardError::Down("it was told to be".to_owned())),
            Some(DriveFault::Late(by)) => sleep(by).await,
            Some(DriveFault::Stuck) => std::future::pending().await,
            Some(DriveFault::Full) => return Err(ShardError::Full),
            Some(DriveFault::Overloaded) => return Err(ShardError::Overloaded),
            Some(DriveFault::Epoch(epoch)) if epoch != request.epoch => return Err(ShardError::StaleEpoch(epoch)),
            _ => tokio::task::yield_now().await,
        }
        let frames = request.payload.len().div_ceil(FRAME_BYTES as usize);
        if request.frames.len() != frames {
            return Err(ShardError::Refused("frames do not match the length".to_owned()));
        }
        if let Some(drive) = self.drives.lock().get_mut(&drive) {
            let stored = drive.shards.get(&request.shard);
            if stored.is_some_and(|stored| stored.owner != request.owner || stored.payload != request.payload) {
                return Err(ShardError::Conflict);
            }
            drive.shards.insert(request.shard, request);
        }
        Ok(())
    }

    fn get(&self, drive: DriveId, request: &GetShard, fault: Option<DriveFault>) -> Result<ShardFrames, ShardError> {
        let drives = self.drives.lock();
        let shards = drives.get(&drive).map(|drive| &drive.shards).ok_or(ShardError::NotFound)?;
        let stored = match fault {
            Some(DriveFault::Forgets) => None,
            Some(DriveFault::Misdirects) => shards.values().find(|stored| stored.shard != request.shard),
            _ => shards.get(&request.shard),
        };
        let stored = stored.ok_or(ShardError::NotFound)?;
        let at = |frame: u32| (frame as usize).saturating_mul(FRAME_BYTES as usize).min(stored.payload.len());
        let (start, end) = (at(request.first_frame), at(request.first_frame.saturating_add(request.frames)));
        let frames = stored.frames.iter().skip(request.first_frame as usize).take(request.frames as usize);
        let mut payload = stored.payload.slice(start..end);
        if fault == Some(DriveFault::Flips) {
            payload = flip(&payload, self.seed);
        }
        let mut shard_len = u32::try_from(stored.payload.len()).unwrap_or(u32::MAX);
        if fault == Some(DriveFault::Lies) {
            shard_len += 1;
        }
        Ok(ShardFrames { geometry: stored.geometry, shard_len, checksums: frames.copied().collect(), payload })
    }
}

#[async_trait]
impl ShardClient for FakeDrives {
    async fn put_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        let writing = Writing::begin(self, request.payload.len());
        let put = self.put(drive, request).await;
        drop(writing);
        put
    }

    async fn get_shard(&self, drive: DriveId, request: GetShard) -> Result<ShardFrames, ShardError> {
        let fault = self.fault(drive)?;
        match &fault {
            Some(DriveFault::Down) => return Err(ShardError::Down("it was told to be".to_owned())),
            Some(DriveFault::Overloaded) => return Err(ShardError::Overloaded),
            Some(DriveFault::Late(by)) => sleep(*by).await,
            Some(DriveFault::Stuck) => std::future::pending().await,
            _ => tokio::task::yield_now().await,
        }
        self.get(drive, &request, fault)
    }

    async fn report(&self, drive: DriveId, shard: ShardId, owner: Owner) {
        self.reports.lock().push((drive, shard, owner));
    }
}

/// Counts the bytes of a write while it lasts, even if it is dropped.
struct Writing<'a>(&'a FakeDrives, usize);

impl<'a> Writing<'a> {
    fn begin(drives: &'a FakeDrives, bytes: usize) -> Self {
        let now = drives.writing_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        drives.writing_bytes_peak.fetch_max(now, Ordering::Relaxed);
        Self(drives, bytes)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.writing_bytes.fetch_sub(self.1, Ordering::Relaxed);
    }
}

fn flip(payload: &Bytes, seed: u64) -> Bytes {
    let mut bent = payload.to_vec();
    let at = usize::try_from(seed).unwrap_or(0).checked_rem(bent.len()).unwrap_or(0);
    if let Some(byte) = bent.get_mut(at) {
        *byte ^= 1 << (seed % 8);
    }
    bent.into()
}
