//! Set pieces in which drives lose rows, or what they had promised, though their files look sound.
//!
//! Promises: each ends with the cluster at rest, as well as it was.
//! Must not know: how stores are scrubbed, or begun anew.

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;
use couronne_base::testing::Rng;
use couronne_cluster::map::{MAP_RANGE, ReplicaId};
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::store::{Batch, Store, StoreError};
use couronne_ring::{DriveId, NodeId};
use couronne_storage_node::node::{Stores, replica_store};

use super::{Failure, Run, START_MS_MAX};
use crate::judge::audit::statuses;
use crate::judge::losses::Losses;
use crate::world::disks::SimulatedDrive;

/// What a drive takes longer for each call while it gets its rows anew, in milliseconds.
const SLOW_MS: u64 = 150;

/// The pause from one drive whose stores are sealed to the next, in milliseconds: the others have heard of it.
const SEAL_PAUSE_MS: (u64, u64) = (2000, 6000);

/// So many neighbouring rows rot in each store, as those of a block.
const ROTTEN_ROWS: usize = 10;

/// Within this time, in milliseconds, the replicas of a range were compared: some cycles.
const COMPARED_MS: u64 = 240_000;

impl Run {
    /// A drive is put back to an earlier start, and the whole cluster loses power: nobody heard where its log ended.
    pub(super) fn put_back_in_the_dark(&mut self, victim: NodeId, rng: &mut Rng) -> Result<Vec<String>, Failure> {
        let drives: Vec<DriveId> = self.world.shape.drives_of(victim).collect();
        let Some(id) = rng.pick(&drives).copied() else { return Ok(Vec::new()) };
        let Some(snapshot) = self.world.drives.get_mut(&id).map(SimulatedDrive::snapshot) else {
            return Ok(Vec::new());
        };
        self.world.kill(victim, false);
        self.world.start(victim)?;
        self.until("a node is up again", START_MS_MAX, |run| run.world.unready().is_empty())?;
        self.pass(rng.between(1000, 5000));
        let mut losses = Losses::default();
        losses.expect(&self.world, id);
        let all: Vec<NodeId> = self.world.processes().map(|process| process.peer.node).collect();
        all.iter().for_each(|node| self.world.kill(*node, true));
        self.world.drives.insert(id, snapshot);
        self.world.note(format_args!("put back in the dark {id}"));
        for node in all {
            self.world.start(node)?;
        }
        self.calm_down()?;
        Ok(losses.check(&self.world))
    }

    /// The stores of all drives take no writes any more, one after another: each begins with no rows once the others can
    /// do without its own.
    pub(super) fn seal_all(&mut self, rng: &mut Rng) -> Result<Vec<String>, Failure> {
        let mut drives: Vec<DriveId> = self.world.drives.keys().copied().collect();
        while let Some(id) = rng.pick(&drives).copied() {
            drives.retain(|drive| *drive != id);
            if let Some(drive) = self.world.drives.get(&id) {
                drive.set_slow(SLOW_MS);
                drive.stores.seal();
            }
            self.world.note(format_args!("seal {id}"));
            self.pass(rng.between(SEAL_PAUSE_MS.0, SEAL_PAUSE_MS.1));
        }
        self.world.drives.values().for_each(|drive| drive.set_slow(0));
        self.calm_down()?;
        Ok(Vec::new())
    }

    /// Rows rot in all stores of a node's drives: what has them begins anew, or is made anew, whether anybody reads them or
    /// not.
    pub(super) fn rot_rows(&mut self, victim: NodeId, rng: &mut Rng) -> Result<Vec<String>, Failure> {
        let drives = self.world.shape.drives_of(victim).filter_map(|id| Some((id, self.world.drives.get(&id)?)));
        for (id, drive) in drives {
            for name in drive.stores.names() {
                let rotted = drive.stores.rot_rows(&name, rng.draw(), ROTTEN_ROWS, rng.permille(500));
                self.world.note(format_args!("rot {rotted} rows of {name} on {id}"));
            }
        }
        self.pass(rng.between(0, 20_000));
        self.calm_down()?;
        Ok(Vec::new())
    }

    /// A follower has another row than the others, though no checksum tells: it begins anew.
    pub(super) fn alter(&mut self, rng: &mut Rng) -> Result<Vec<String>, Failure> {
        // What a client would be told meanwhile is not what this is about.
        self.calm_down()?;
        let Some((replica, drive, row)) = self.row_to_alter(rng)? else { return Ok(Vec::new()) };
        self.world.note(format_args!("alter {row:?} of {replica} on {drive}"));
        let is_named = |run: &Self| {
            let maps = run.world.shape.storage_nodes().filter_map(|node| run.world.node(node)).map(|node| node.map());
            maps.max_by_key(|map| map.version).is_some_and(|map| map.places().contains(&(replica, drive)))
        };
        for _ in 0..COMPARED_MS {
            if !is_named(self) {
                self.calm_down()?;
                return Ok(Vec::new());
            }
            self.pass(1);
        }
        Ok(vec![format!("{replica} on {drive} has another row than the others, and nobody notices")])
    }

    /// Alters a row of an object at a replica that votes and does not lead, if there is one.
    fn row_to_alter(&mut self, rng: &mut Rng) -> Result<Option<(ReplicaId, DriveId, Bytes)>, Failure> {
        let statuses = statuses(&mut self.world).ok_or_else(|| Failure::Late("a node says how it is".to_owned()))?;
        let leaders: BTreeSet<_> = statuses
            .values()
            .flat_map(|status| status.ranges.iter().filter_map(|range| Some((range.id, range.leader?))))
            .collect();
        let Some(map) = self.world.shape.storage_nodes().find_map(|node| self.world.node(node)).map(|node| node.map())
        else {
            return Ok(None);
        };
        let ranges = map.all_ranges().filter(|range| range.id != MAP_RANGE && range.is_settled());
        let mut followers: Vec<(ReplicaId, DriveId)> = ranges
            .flat_map(|range| range.replicas.iter().map(|(replica, drive)| (range.id, *replica, *drive)))
            .filter(|(range, _, drive)| !leaders.contains(&(*range, *drive)))
            .map(|(_, replica, drive)| (replica, drive))
            .collect();
        while let Some((replica, drive)) = rng.pick(&followers).copied() {
            followers.retain(|follower| *follower != (replica, drive));
            let stores = self.world.drives.get(&drive).map(|drive| &drive.stores);
            let altered = stores.map(|stores| alter_one(&*stores.open(&replica_store(replica))?)).transpose();
            if let Some(row) = altered.map_err(|error| Failure::Wrong(vec![error.to_string()]))?.flatten() {
                return Ok(Some((replica, drive, row)));
            }
        }
        Ok(None)
    }
}

/// Flips a bit of the last object's row, as a sound store would give it.
fn alter_one(store: &dyn Store) -> Result<Option<Bytes>, StoreError> {
    let (start, end) = (key::of_range(RowKind::Current, &[]), key::end_of_kind(RowKind::Version));
    let last = store.view().scan(Bound::Included(&start), Bound::Excluded(&end), true).next()?;
    let Some((row, value)) = last else { return Ok(None) };
    let mut altered = value.to_vec();
    altered.last_mut().into_iter().for_each(|byte| *byte ^= 1);
    let mut batch = Batch::default();
    batch.put(row.clone(), altered);
    store.apply(&batch)?;
    Ok(Some(row))
}
