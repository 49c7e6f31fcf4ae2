//! What goes wrong in the stores of a drive: rows rot, files rot, writes are refused, the medium fails.
//!
//! Must not know: what the rows mean.

use couronne_ring::DriveId;

use super::{AWAY_MS, Cure, Faults};
use crate::world::World;
use crate::world::founding::node_of;

/// How many neighbouring rows rot at most, as of one block.
const ROTTEN_ROWS_MAX: u64 = 30;

impl Faults {
    /// Has the stores of one of the victim's drives rot: rows, which are met when they are read; rows that are met when
    /// they are rewritten, so that the stores take no writes any more; files without which they cannot be opened.
    pub(super) fn rot_stores(&mut self, world: &mut World) {
        let Some(id) = self.victim.and_then(|id| self.drive_of(world, id)) else { return };
        // What nobody reads only a scrubber finds.
        match self.rng.below(10) {
            0..=5 if world.shape.scrubbed => self.rot_rows(world, id),
            6..=7 => {
                world.note(format_args!("seal stores of {id}"));
                world.drives.get(&id).into_iter().for_each(|drive| drive.stores.seal());
            }
            _ => {
                world.note(format_args!("break stores of {id}"));
                world.drives.get(&id).into_iter().for_each(|drive| drive.stores.break_files());
                self.kill(world, node_of(id), AWAY_MS);
            }
        }
    }

    fn rot_rows(&mut self, world: &World, id: DriveId) {
        let Some(drive) = world.drives.get(&id) else { return };
        let names = drive.stores.names();
        let Some(name) = self.rng.pick(&names) else { return };
        let count = usize::try_from(self.rng.between(1, ROTTEN_ROWS_MAX)).unwrap_or(1);
        let (seed, is_cached) = (self.rng.draw(), self.rng.permille(500));
        let rotted = drive.stores.rot_rows(name, seed, count, is_cached);
        world.note(format_args!("rot {rotted} rows of {name} on {id} {is_cached}"));
    }

    /// The medium below a drive's stores fails: they serve nothing until they are opened again.
    pub(super) fn fail_stores(&mut self, world: &World, id: DriveId) {
        world.note(format_args!("fail stores of {id}"));
        world.drives.get(&id).into_iter().for_each(|drive| drive.stores.fail());
        self.sick.insert(node_of(id));
        self.later(world, (2000, 9000), Cure::Restart(node_of(id)));
    }
}
