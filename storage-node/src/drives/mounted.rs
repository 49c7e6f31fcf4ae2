//! A drive in its place in the node: its files, its log, its stores, its shards.
//!
//! Promises: a drive that is down answers nothing any more; what it may still write reaches no one.
//! Must not know: ranges.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use couronne_base::env::Env;
use couronne_cluster::map::{DriveStart, Emptied, LogEnd, StoredDrive};
use couronne_cluster::report::DriveLogEnd;
use couronne_cluster::{DriveState, WriteState};
use couronne_metadata::store::StoreError;
use couronne_protocol::shard::ShardError;
use couronne_ring::DriveId;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::scrub_note::ScrubNote;
use super::shards::OpenError;
use super::slowness::Slowness;
use super::space::DriveSpace;
use super::stores::{SHARD_INDEX, Stores};
use super::threads::{LONG_CALL_TIME_MAX, StoreThreads};
use super::{Drive, Identity, IdentityError, Parts, Settings};
use crate::disk::{CallWatch, Disk, WatchedDisk};
use crate::error::NodeError;
use crate::log::{DriveLog, LogError};

/// A drive given to a node at its start.
#[derive(Clone)]
pub struct NodeDrive {
    /// What operators call it: its folder.
    pub name: String,
    /// Its files.
    pub disk: Arc<dyn Disk>,
    /// Its stores.
    pub stores: Arc<dyn Stores>,
    /// Sizes and limits of its shard store; by its space, if absent.
    pub settings: Option<Settings>,
    /// Opens its files and stores again, once nothing uses these any more; unset: only a start can.
    pub reopen: Option<Reopen>,
}

/// Opens a drive again.
#[derive(Clone)]
pub struct Reopen(Arc<dyn Fn() -> BoxFuture<'static, Result<NodeDrive, NodeError>> + Send + Sync>);

impl Reopen {
    /// By calling this.
    pub fn by(open: impl Fn() -> BoxFuture<'static, Result<NodeDrive, NodeError>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(open))
    }

    /// Opens it.
    pub(crate) async fn open(&self) -> Result<NodeDrive, NodeError> {
        (self.0)().await
    }
}

/// A drive that was opened.
pub(crate) struct MountedDrive {
    pub(crate) name: String,
    pub(crate) id: DriveId,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) stores: Arc<dyn Stores>,
    /// Where calls to its stores wait.
    pub(crate) threads: StoreThreads,
    pub(crate) log: Arc<DriveLog>,
    pub(crate) shards: Drive,
    pub(crate) reopen: Option<Reopen>,
    /// The random number of this start of the drive.
    start: u64,
    /// As its identity says now: another one than its shards were opened with, once it was found to have forgotten.
    incarnation: AtomicU64,
    down: ArcSwapOption<String>,
    /// Whether calls to it come back in time.
    slowness: Slowness,
    space: DriveSpace,
    /// Held while the node's file is written to it.
    file: Arc<tokio::sync::Mutex<()>>,
    leaving: AtomicBool,
    is_marked: AtomicBool,
    /// Whether the map was told of this start.
    is_registered: AtomicBool,
    /// Whether it took the place of another while the node runs, and the map was not told yet.
    is_new: AtomicBool,
    /// When it was last read through.
    scrub: Mutex<ScrubNote>,
    /// The sequences of shards at the last two looks at its log's end, the later first.
    looks: Mutex<[u64; 2]>,
}

impl MountedDrive {
    /// Opens the log, which was durable up to `known_end`, and the shard store of a drive whose identity was booted.
    /// [`NodeError::RottenStores`] if only other stores help.
    pub(super) async fn open(
        drive: &NodeDrive,
        identity: Identity,
        known_end: LogEnd,
        env: &Env,
    ) -> Result<Self, NodeError> {
        let NodeDrive { name, disk, stores, settings, reopen } = drive.clone();
        let calls = CallWatch::default();
        let disk: Arc<dyn Disk> = Arc::new(WatchedDisk { disk, calls: calls.clone() });
        let threads = StoreThreads::watched(Arc::clone(&stores), calls.clone());
        let failed = |error: &dyn std::fmt::Display| NodeError::Drive(format!("{name}: {error}"));
        let log =
            DriveLog::open(Arc::clone(&disk), identity.drive, known_end, env).await.map_err(|error| match error {
                LogError::Corrupt(what) => NodeError::CorruptLog(format!("{name}: {what}")),
                error => failed(&error),
            })?;
        let settings = match settings {
            Some(settings) => settings,
            None => Settings::for_space(disk.space().await.map_err(|error| failed(&error))?),
        };
        let opening = OpeningShards { name: &name, disk: &disk, stores: &stores, threads: &threads, env, settings };
        let shards = opening.start(identity).await?;
        let down = ArcSwapOption::empty();
        let [leaving, is_marked, is_registered, is_new] = [false; 4].map(AtomicBool::new);
        let (id, log, start) = (identity.drive, Arc::new(log), u64::from_be_bytes(env.random_bytes()));
        let incarnation = AtomicU64::new(identity.incarnation);
        let scrub = scrub_note(&name, &disk, &shards, env).await;
        Ok(Self {
            name,
            id,
            disk,
            stores,
            threads,
            log,
            shards,
            reopen,
            start,
            incarnation,
            down,
            slowness: Slowness::new(calls),
            space: DriveSpace::default(),
            file: Arc::default(),
            leaving,
            is_marked,
            is_registered,
            is_new,
            scrub: Mutex::new(scrub),
            looks: Mutex::default(),
        })
    }

    /// How the drive came back.
    pub(crate) fn drive_start(&self) -> DriveStart {
        let (boots, incarnation) = (self.shards.identity().boots, self.incarnation.load(Ordering::Relaxed));
        DriveStart { boots, incarnation, start: self.start, log_end: self.log.recovered_end() }
    }

    /// Notes that the map was told of this start.
    pub(crate) fn note_registered(&self) {
        self.is_registered.store(true, Ordering::Relaxed);
        self.is_new.store(false, Ordering::Release);
    }

    /// Notes that it takes the place of another: until the map was told, no replica of the other's is opened on it, and nobody
    /// is told that it serves.
    pub(crate) fn note_new(&self) {
        self.is_new.store(true, Ordering::Release);
    }

    /// Whether it took the place of another, and the map was not told yet.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new.load(Ordering::Acquire)
    }

    /// Whether it was started again since, as the map knows it: by a process that has a copy of its folder.
    pub(crate) fn is_superseded(&self, known: &StoredDrive) -> bool {
        self.down().is_none() && self.is_registered.load(Ordering::Relaxed) && known.start != self.start
    }

    /// Notes that the drive has forgotten its past: by its count of starts alone that could not be told any more
    /// after a few further ones.
    pub(crate) async fn begin_anew(&self, env: &Env) -> Result<(), IdentityError> {
        let incarnation = Identity::begin_anew(&self.disk, env).await?;
        self.incarnation.store(incarnation, Ordering::Relaxed);
        Ok(())
    }

    /// Whether its start found that segments lost something that was durable.
    pub(crate) fn has_lost_segments(&self) -> bool {
        self.shards.has_lost_segments()
    }

    /// When it was last read through, given how often the map knows it as emptied. What was read of an incarnation before
    /// counts for nothing, nor what was read before the last loss.
    pub(crate) fn scrub_note(&self, emptied: Emptied) -> ScrubNote {
        let (note, incarnation) = (*self.scrub.lock(), self.incarnation.load(Ordering::Relaxed));
        let current = ScrubNote::never(incarnation, emptied.times, emptied.last_ms.unwrap_or(note.since_ms));
        if note.is_of_same(&current) { note } else { current }
    }

    /// Notes, durably, that a round ended at a time in milliseconds since 1970 that read every shard and left none
    /// damaged, if the drive is as it was when the round `began`.
    pub(crate) async fn note_scrubbed(&self, began: ScrubNote, emptied: Emptied, ended_ms: u64) -> std::io::Result<()> {
        if self.scrub_note(emptied).is_of_same(&began) {
            let note = ScrubNote { ended_ms: Some(ended_ms), ..began };
            note.write(&self.disk).await?;
            *self.scrub.lock() = note;
        }
        Ok(())
    }

    /// Has its log grow if shards were written, so that the log's end tells of them, too: else a drive that holds shards
    /// and leads or follows nothing could be put back unnoticed. Looks twice, for a record has its sequence before it
    /// is durable.
    pub(crate) fn mark_shards(&self) {
        let sequence = self.shards.sequence();
        let mut looks = self.looks.lock();
        let is_unchanged = *looks == [sequence; 2];
        let [before, _] = *looks;
        *looks = [sequence, before];
        // A log that takes nothing any more is told by its watcher; calls that hang are not to pile up.
        if !is_unchanged
            && self.is_well()
            && let Err(error) = self.log.mark()
        {
            tracing::debug!(drive = self.name, %error, "drive log is not marked");
        }
    }

    /// Up to where its log is durable.
    pub(crate) fn log_end(&self) -> DriveLogEnd {
        DriveLogEnd { drive: self.id, start: self.start, end: self.log.end() }
    }

    /// Takes the drive out of service for good; the first reason stays.
    pub(crate) fn take_down(&self, reason: &str) {
        self.down.rcu(|old| old.clone().or_else(|| Some(Arc::new(reason.to_owned()))));
        self.log.close(reason);
        self.threads.end();
    }

    /// Whether its stores are known to be rotten.
    pub(crate) fn is_rotten(&self) -> bool {
        self.stores.rot().is_some()
    }

    /// Whether it is to be mounted again once it is out of service: with another index, other stores, the segments
    /// that are left, or once there is space.
    pub(crate) fn wants_remount(&self) -> bool {
        let is_damaged = self.shards.is_index_rotten() || self.shards.is_segment_missing() || self.is_rotten();
        is_damaged || self.log.found_no_space()
    }

    /// Looks whether its stores or its index are rotten, so that the drive cannot go on as it is, and why. The index is
    /// dropped then: it is made anew from the segments when the drive is mounted again.
    pub(crate) async fn look_for_rot(&self) -> Option<String> {
        let (stores, is_index_rotten) = (Arc::clone(&self.stores), self.shards.is_index_rotten());
        let look = move || -> Result<Option<&'static str>, StoreError> {
            if stores.note_sealed()? {
                return Ok(Some("its stores met rot and take no writes any more"));
            }
            if is_index_rotten {
                stores.remove(SHARD_INDEX)?;
                return Ok(Some("its index is rotten: it is made anew from the segments"));
            }
            Ok(None)
        };
        match self.threads.run(look).await.and_then(|looked| looked) {
            Ok(reason) => reason.map(str::to_owned),
            Err(error) => {
                tracing::error!(drive = self.name, %error, "rot in a drive's stores cannot be noted");
                is_index_rotten.then(|| format!("its index is rotten: {error}"))
            }
        }
    }

    /// Removes stores that were set aside, if there are any.
    pub(crate) async fn drop_set_aside(&self) {
        let stores = Arc::clone(&self.stores);
        let drop_them = move || {
            let has_some = stores.has_set_aside();
            if has_some { stores.drop_set_aside().map(|()| true) } else { Ok(false) }
        };
        match self.threads.run_within(LONG_CALL_TIME_MAX, drop_them).await.and_then(|dropped| dropped) {
            Ok(true) => tracing::info!(drive = self.name, "rotten stores that were set aside are gone"),
            Ok(false) => {}
            Err(error) => tracing::warn!(drive = self.name, %error, "rotten stores that were set aside stay"),
        }
    }

    /// Whether this is the first time that the node learns of the drive's end.
    pub(crate) fn mark_failed(&self) -> bool {
        !self.is_marked.swap(true, Ordering::Relaxed)
    }

    /// Looks whether calls come back in time. Whether that changed.
    pub(crate) fn look_at_calls(&self) -> bool {
        self.slowness.look()
    }

    /// Whether calls to it do not come back in time, or did not a moment ago.
    pub(crate) fn is_slow(&self) -> bool {
        self.slowness.is_slow()
    }

    /// Whether the drive serves, and in time.
    pub(crate) fn is_well(&self) -> bool {
        !self.is_down() && !self.is_slow()
    }

    /// The turn to write the node's file to it, if nothing writes that now.
    pub(crate) fn take_file(&self) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        Arc::clone(&self.file).try_lock_owned().ok()
    }

    /// Looks how much space is left, and sees to the ballast. Whether the drive is full now, or is so no longer.
    pub(crate) async fn look_at_space(&self) -> bool {
        match self.space.look(&self.name, &*self.disk).await {
            Ok(has_changed) => has_changed,
            Err(error) => {
                tracing::warn!(drive = self.name, %error, "the space of a drive cannot be looked at");
                false
            }
        }
    }

    /// The drive's node is about to stop.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether the drive, if it serves, takes new shards.
    pub(crate) fn writes(&self) -> WriteState {
        match () {
            () if self.leaving.load(Ordering::Relaxed) => WriteState::Stopping,
            () if self.space.is_full() => WriteState::Full,
            () => WriteState::Writable,
        }
    }

    /// How the drive is, as this node knows.
    pub(crate) fn state(&self) -> DriveState {
        match () {
            () if self.is_down() => DriveState::DOWN,
            () if self.is_slow() => DriveState::SLOW,
            () => DriveState::up(self.writes()),
        }
    }

    fn is_down(&self) -> bool {
        self.down.load().is_some()
    }

    /// Why the drive is out of service, if it is.
    pub(crate) fn down(&self) -> Option<String> {
        self.down.load_full().map(|reason| reason.to_string())
    }

    /// The shard store, if the drive serves.
    pub(crate) fn serving(&self) -> Result<&Drive, ShardError> {
        match self.down.load_full() {
            None => Ok(&self.shards),
            Some(reason) => Err(ShardError::Down(reason.to_string())),
        }
    }
}

/// The shard store of a drive that is being opened.
struct OpeningShards<'a> {
    name: &'a str,
    disk: &'a Arc<dyn Disk>,
    stores: &'a Arc<dyn Stores>,
    threads: &'a StoreThreads,
    env: &'a Env,
    settings: Settings,
}

impl OpeningShards<'_> {
    /// Starts it. Of a rotten index nothing is read: it is made anew from the segments. Where the database met rot and
    /// takes no writes, that is noted, and it is opened again so that it rewrites nothing.
    async fn start(&self, identity: Identity) -> Result<Drive, NodeError> {
        let (mut rebuilds, mut is_opened_again) = (false, false);
        loop {
            let error = match self.try_start(identity, rebuilds).await {
                Err(OpenError::Index(error)) => error,
                started => return started.map_err(|error| NodeError::Drive(format!("{}: {error}", self.name))),
            };
            match error {
                StoreError::Rotten(what) | StoreError::Corrupt(what) if !rebuilds && self.stores.is_open() => {
                    tracing::error!(drive = self.name, what, "the index is rotten: it is made anew from the segments");
                    rebuilds = true;
                }
                StoreError::Sealed(what) if !is_opened_again => {
                    tracing::error!(drive = self.name, what, "the stores met rot: they are opened to rewrite nothing");
                    self.open_again().await.map_err(|error| self.rotten(&error))?;
                    is_opened_again = true;
                }
                error @ (StoreError::Rotten(_) | StoreError::Sealed(_) | StoreError::Corrupt(_)) => {
                    return Err(self.rotten(&error));
                }
                error => return Err(NodeError::Drive(format!("{}: opening drive: {error}", self.name))),
            }
        }
    }

    async fn try_start(&self, identity: Identity, rebuild: bool) -> Result<Drive, OpenError> {
        let stores = Arc::clone(self.stores);
        let index = self.threads.run(move || stores.open(SHARD_INDEX)).await??;
        let (disk, threads) = (Arc::clone(self.disk), self.threads.clone());
        let parts = Parts { disk, index, threads, env: self.env.clone(), settings: self.settings };
        Drive::start(parts, identity, rebuild).await
    }

    async fn open_again(&self) -> Result<(), StoreError> {
        let stores = Arc::clone(self.stores);
        let open_again = move || stores.note_sealed().and_then(|_| stores.open_again());
        self.threads.run_within(LONG_CALL_TIME_MAX, open_again).await?
    }

    fn rotten(&self, what: &StoreError) -> NodeError {
        NodeError::RottenStores { drive: self.name.to_owned(), what: what.to_string() }
    }
}

/// What the drive itself says of when it was read through. If it says nothing, or has lost segments since, it was never,
/// and that is noted.
async fn scrub_note(name: &str, disk: &Arc<dyn Disk>, shards: &Drive, env: &Env) -> ScrubNote {
    let incarnation = shards.identity().incarnation;
    let noted = ScrubNote::read(disk, incarnation).await;
    if let Some(note) = noted.filter(|_| !shards.has_lost_segments()) {
        return note;
    }
    let emptied_times = noted.map_or(0, |note| note.emptied_times);
    let note = ScrubNote::never(incarnation, emptied_times, env.clock.wall_ms());
    if let Err(error) = note.write(disk).await {
        tracing::warn!(drive = name, %error, "since when the drive is to be scrubbed is not noted");
    }
    note
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use std::time::Duration;

    use couronne_metadata::ids::{BucketId, ObjectKey};
    use couronne_placement::{BlobId, ChunkId, Geometry, PolicyId, ResidencyClass, ShardId, frame};
    use couronne_protocol::shard::{Owner, PutShard};
    use couronne_ring::Epoch;

    use super::super::MemoryStores;
    use super::*;
    use crate::disk::simulated::SimulatedDisk;

    fn request(env: &Env) -> PutShard {
        let owner = Owner {
            bucket: BucketId::new(ResidencyClass(0), [3; 4], "b"),
            key: ObjectKey::new("key".to_owned()).unwrap(),
        };
        let blob = BlobId::new(env.clock.wall_ms(), env.random_bytes(), owner.binding());
        let shard = ShardId { chunk: ChunkId { blob, index: 0 }, number: 0 };
        let (geometry, payload) = (Geometry::new(2, 1, 1 << 20).unwrap(), bytes::Bytes::from_static(b"some bytes"));
        let (policy, class, epoch) = (PolicyId(1), ResidencyClass(0), Epoch(1));
        let frames = frame::seal(shard, geometry, &payload);
        PutShard { shard, owner, geometry, policy, class, epoch, frames, payload }
    }

    async fn mounted(disk: &SimulatedDisk, stores: &Arc<MemoryStores>, env: &Env) -> MountedDrive {
        let (disk, stores): (Arc<dyn Disk>, Arc<dyn Stores>) = (Arc::new(disk.clone()), Arc::clone(stores) as _);
        let identity = match Identity::boot(&disk, 9).await {
            Err(IdentityError::Absent) => Identity::format(&disk, env, 9).await.unwrap(),
            booted => booted.unwrap(),
        };
        let drive = NodeDrive { name: "drive".to_owned(), disk, stores, settings: None, reopen: None };
        MountedDrive::open(&drive, identity, LogEnd::START, env).await.unwrap()
    }

    /// A date from before a loss says nothing, be it the drive or a leader that found the loss, also after another start.
    #[tokio::test]
    async fn a_date_of_a_scrub_ends_with_each_loss_that_the_map_knows() {
        let (env, _) = couronne_base::testing::env(1);
        let (disk, stores) = (SimulatedDisk::new(1, 1 << 30), Arc::default());
        let whole = Emptied::default();
        let drive = mounted(&disk, &stores, &env).await;
        drive.note_scrubbed(drive.scrub_note(whole), whole, 900).await.unwrap();
        assert_eq!(drive.scrub_note(whole).ended_ms, Some(900));
        let began = drive.scrub_note(whole);
        let emptied = Emptied { times: 1, last_ms: Some(1000), version: 5 };
        let never = ScrubNote::never(began.incarnation, 1, 1000);
        assert_eq!(drive.scrub_note(emptied), never);
        drive.note_scrubbed(began, emptied, 1100).await.unwrap();
        assert_eq!(drive.scrub_note(emptied), never, "a round that began before the loss");
        let disk = disk.crash();
        let drive = mounted(&disk, &stores, &env).await;
        assert_eq!(drive.scrub_note(emptied), never);
        drive.note_scrubbed(drive.scrub_note(emptied), emptied, 1200).await.unwrap();
        let disk = disk.crash();
        assert_eq!(mounted(&disk, &stores, &env).await.scrub_note(emptied).ended_ms, Some(1200));
    }

    /// What is made anew from the segments is not read before, and rot that a start meets while the database rewrites its
    /// rows is noted: neither keeps the drive out.
    #[tokio::test]
    async fn a_start_that_meets_rot_in_the_stores_goes_on() {
        let (env, _) = couronne_base::testing::env(1);
        let (disk, stores) = (SimulatedDisk::new(1, 1 << 30), Arc::<MemoryStores>::default());
        let drive = mounted(&disk, &stores, &env).await;
        let request = request(&env);
        let shard = request.shard;
        drive.shards.restore_shard(request).await.unwrap();
        drive.shards.flush().await.unwrap();
        drop(drive);
        assert!(stores.rot_rows(SHARD_INDEX, 0, usize::MAX, false) > 0);
        let disk = disk.crash();
        let drive = mounted(&disk, &stores, &env).await;
        assert!(drive.shards.verify(shard).await.is_ok() && !drive.is_rotten());
        drive.shards.flush().await.unwrap();
        drop(drive);
        assert!(stores.rot_rows(SHARD_INDEX, 0, usize::MAX, false) > 0);
        stores.seal();
        let drive = mounted(&disk.crash(), &stores, &env).await;
        assert_eq!(drive.shards.verify(shard).await, Ok(10));
        assert!(drive.is_rotten());
    }

    /// Where no replica writes a thing the log's end tells of shards all the same; and a drive at rest writes nothing.
    #[tokio::test]
    async fn its_log_goes_on_with_its_shards_and_rests_when_they_do() {
        let (env, _) = couronne_base::testing::env(1);
        let (name, settings) = ("drive".to_owned(), None);
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1, 1 << 30));
        let identity = Identity::format(&disk, &env, 9).await.unwrap();
        let drive = NodeDrive { name, disk, stores: Arc::new(MemoryStores::default()), settings, reopen: None };
        let mounted = MountedDrive::open(&drive, identity, LogEnd::START, &env).await.unwrap();
        let mark = || async {
            mounted.mark_shards();
            tokio::time::sleep(Duration::from_millis(50)).await;
            mounted.log_end().end
        };
        for _ in 0..2 {
            mark().await;
        }
        let rests = mark().await;
        assert_eq!(mark().await, rests);
        mounted.shards.restore_shard(request(&env)).await.unwrap();
        assert!(mark().await > rests, "a shard was written");
        for _ in 0..2 {
            mark().await;
        }
        let rests = mark().await;
        assert_eq!(mark().await, rests);
    }
}
