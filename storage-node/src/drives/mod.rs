//! The drives of a node: mounted at its start or in place of a lost one, watched, shown to gateways and peers.
//!
//! Promises: a drive that is out of service answers nothing any more; what is known here of this node's drives is
//! seen in its map at once, whatever the meta group says yet.
//! Must not know: ranges, callers.

mod damage;
mod findings;
pub(crate) mod folders;
mod memory_stores;
mod mount;
mod mounted;
mod noted;
mod remains;
mod rocks_stores;
mod scrub_note;
pub mod shards;
mod slowness;
mod space;
mod stores;
pub(crate) mod threads;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use couronne_cluster::map::{ClusterMap, MapView};
use couronne_cluster::{DriveState, WriteState};
use couronne_protocol::map::SharedMap;
use couronne_protocol::shard::ShardError;
use couronne_ring::{DriveId, NodeId};
use parking_lot::Mutex;

pub(crate) use self::damage::{DamageReport, DamageReports};
pub(crate) use self::findings::{ForgetfulDrives, OmittedDrives};
pub(crate) use self::folders::is_folder;
pub use self::folders::{check_makeable, empty_folder, is_in_use, open_folder, open_folders};
pub use self::memory_stores::MemoryStores;
pub(crate) use self::mount::{FoundDrive, begin_stores_anew, keep_rotten_stores, mount, mount_all};
pub(crate) use self::mounted::MountedDrive;
pub use self::mounted::{NodeDrive, Reopen};
pub(crate) use self::noted::LeftOut;
pub use self::noted::{DriveNotes, NotedDrive};
pub(crate) use self::remains::remains;
pub use self::rocks_stores::RocksStores;
pub use self::scrub_note::ScrubNote;
pub use self::shards::{
    BIRTH_AHEAD_MS_MAX, BIRTH_BEHIND_MS_MAX, Drive, Identity, IdentityError, ListedShard, Parts, Settings, Stats,
};
pub use self::stores::{Stores, replica_store};
pub use self::threads::StoreThreads;
pub(crate) use self::watch::{OnFailure, watch};

/// Mounted drives by their ids.
pub(crate) type ById = BTreeMap<DriveId, Arc<MountedDrive>>;

/// The drives of a node.
pub(crate) struct Drives {
    node: NodeId,
    map: Arc<SharedMap>,
    mounted: ArcSwap<ById>,
    /// Drives that were let go of, and whether something still uses their files.
    released: Mutex<BTreeMap<DriveId, [Weak<()>; 2]>>,
    /// Shards that readers found missing or wrong.
    pub(crate) damage: DamageReports,
}

impl Drives {
    /// The drives that a node mounted at its start.
    pub(crate) fn new(node: NodeId, map: Arc<SharedMap>, mounted: ById) -> Self {
        let mounted = ArcSwap::from_pointee(mounted);
        Self { node, map, mounted, released: Mutex::default(), damage: DamageReports::default() }
    }

    /// The mounted drives, those marked failed among them.
    pub(crate) fn mounted(&self) -> impl Iterator<Item = Arc<MountedDrive>> + use<> {
        self.mounted.load().values().cloned().collect::<Vec<_>>().into_iter()
    }

    /// The mounted drives by their ids, those marked failed among them.
    pub(crate) fn by_id(&self) -> Arc<ById> {
        self.mounted.load_full()
    }

    /// A mounted drive.
    pub(crate) fn find(&self, drive: DriveId) -> Option<Arc<MountedDrive>> {
        self.mounted.load().get(&drive).cloned()
    }

    /// The drives of this node that could not be mounted.
    pub(crate) fn missing(&self) -> Vec<DriveId> {
        let mounted = self.mounted.load();
        self.map.state().drives_of(self.node).filter(|drive| !mounted.contains_key(drive)).collect()
    }

    /// The shard store of a drive that serves here.
    pub(crate) fn shards(&self, drive: DriveId) -> Result<Drive, ShardError> {
        let mounted = self.find(drive).ok_or_else(|| ShardError::Down("the drive is not here".to_owned()))?;
        mounted.serving().cloned()
    }

    /// Whether most of these drives have space for new rows, as far as is known here. A minority that has
    /// none holds nobody up: it lives on its reserve, and is replaced as a lost drive is when that is gone.
    pub(crate) fn have_space(&self, drives: &[DriveId]) -> bool {
        let map = self.map.state();
        let is_full = |drive: &&DriveId| match self.find(**drive) {
            Some(mounted) => mounted.writes() == WriteState::Full,
            None => map.drives.get(*drive).is_some_and(|drive| drive.writes == WriteState::Full),
        };
        drives.iter().filter(is_full).count() * 2 < drives.len()
    }

    /// Mounts a drive in the place of one that was let go of.
    pub(crate) fn add(&self, drive: Arc<MountedDrive>) {
        self.change(|mounted| drop(mounted.insert(drive.id, Arc::clone(&drive))));
    }

    /// Lets go of a drive: nothing reaches it any more, and what still uses its files is remembered.
    pub(crate) fn release(&self, drive: &MountedDrive) {
        self.released.lock().insert(drive.id, [drive.stores.in_use(), drive.disk.in_use()]);
        self.change(|mounted| drop(mounted.remove(&drive.id)));
    }

    /// Whether a drive was let go of and something still uses its files.
    pub(crate) fn is_in_use(&self, drive: DriveId) -> bool {
        self.released.lock().get(&drive).is_some_and(|uses| uses.iter().any(|used| used.strong_count() > 0))
    }

    /// Whether a drive was let go of, and its files were not seen to be unused since.
    pub(crate) fn is_released(&self, drive: DriveId) -> bool {
        self.released.lock().contains_key(&drive)
    }

    /// Nothing uses the files of a drive that was let go of.
    pub(crate) fn forget_release(&self, drive: DriveId) {
        self.released.lock().remove(&drive);
    }

    fn change(&self, change: impl Fn(&mut ById)) {
        self.mounted.rcu(|mounted| {
            let mut mounted = ById::clone(mounted);
            change(&mut mounted);
            mounted
        });
        self.show();
    }

    /// Shows at once what is known here of this node's drives.
    pub(crate) fn show(&self) {
        self.map.show(view(&self.map.state(), self.node, &self.mounted.load()));
    }
}

/// The map as gateways see it: what is known here of this node's drives, whatever the map says yet.
pub(crate) fn view(map: &ClusterMap, node: NodeId, mounted: &ById) -> MapView {
    let mut view = map.view();
    for (id, drive) in view.drives.iter_mut().filter(|(_, drive)| drive.node == node) {
        match mounted.get(id).map_or(DriveState::DOWN, |mounted| mounted.state()) {
            DriveState::WRITABLE => {}
            known => drive.state = known,
        }
    }
    view
}
