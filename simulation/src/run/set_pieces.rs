//! Set pieces: one thing goes wrong alone, in a cluster at work that is well otherwise, so that it can be told exactly
//! what has to come of it.
//!
//! Promises: each ends with the cluster at rest, as well as it was.
//! Must not know: the faults that strike at random.

use std::collections::BTreeSet;

use couronne_base::testing::{Rng, WALL_START_US};
use couronne_cluster::map::ReplicaId;
use couronne_gateway::engine::EngineError;
use couronne_metadata::ids::RangeId;
use couronne_ring::{DriveId, NodeId};
use couronne_storage_node::node::{Stores, replica_store};
use couronne_storage_node::replicas::applied_row;

use super::{DRAIN_MS_MAX, Failure, Run};
use crate::clients::hostile::{Attack, Prey};
use crate::clients::locks;
use crate::clients::values::Value;
use crate::judge::audit::statuses;
use crate::judge::losses::Losses;
use crate::world::disks::SimulatedDrive;
use crate::world::parts::REAP_DELAY_MS;

/// After so long, in milliseconds, others have heard where the log of a drive ended.
const HEARD_MS: u64 = 3000;

/// For so long drives hang: calls are late after five seconds, and then others are elected. Milliseconds.
const HANG_MS: u64 = 13_000;

/// So long after a node died, in milliseconds, its replicas have other places: the grace, what it takes to miss it, and
/// some rounds.
const MOVED_MS: u64 = 40_000;

/// For so long a drive that came back empty is watched as it gets its replicas, in milliseconds.
const REFILL_MS: u64 = 15_000;

/// What a drive of this kind takes longer for each call, in milliseconds.
const SLOW_MS: u64 = 150;

/// A replica that has applied nothing while the members are those of this entry or a later one lacks too much for a vote.
const YOUNG_ENTRIES: u64 = 300;

/// How long what was dropped may take to go, once it is due, in milliseconds.
const REAPED_MS: u64 = 15_000;

/// What was asked is answered within this time, in milliseconds.
const ASK_MS: u64 = 60_000;

/// By how much all clocks are wrong in the end, and for how long an object is locked then, in milliseconds.
const LEAP_MS: i64 = 3_600_000;
const LOCKED_MS: u64 = 600_000;

impl Run {
    /// One of the set pieces, drawn by `rng`.
    pub(super) fn set_piece(&mut self, rng: &mut Rng) -> Result<(), Failure> {
        let nodes: Vec<NodeId> = self.world.shape.storage_nodes().collect();
        let Some(victim) = rng.pick(&nodes).copied() else { return Ok(()) };
        self.workload.is_open = true;
        let wrong = match rng.below(9) {
            0 => self.put_back(victim, rng)?,
            1 => self.put_back_in_the_dark(victim, rng)?,
            2 => self.hang(victim)?,
            3 => self.bury(victim)?,
            4 => self.replace(victim)?,
            5 => self.seal_all(rng)?,
            6 if self.world.shape.scrubbed => self.alter(rng)?,
            7 if self.world.shape.scrubbed => self.rot_rows(victim, rng)?,
            _ => self.attack()?,
        };
        if wrong.is_empty() { Ok(()) } else { Err(Failure::Wrong(wrong)) }
    }

    /// Has clients rest, and the cluster come to rest.
    pub(super) fn calm_down(&mut self) -> Result<(), Failure> {
        self.workload.is_open = false;
        self.until("what is under way ends", DRAIN_MS_MAX, |run| run.workload.is_idle())?;
        self.come_to_rest(0)
    }

    /// A drive is put back by seconds, to a state of the start that ran.
    fn put_back(&mut self, victim: NodeId, rng: &mut Rng) -> Result<Vec<String>, Failure> {
        let drives: Vec<DriveId> = self.world.shape.drives_of(victim).collect();
        let Some(id) = rng.pick(&drives).copied() else { return Ok(Vec::new()) };
        let Some(snapshot) = self.world.drives.get_mut(&id).map(SimulatedDrive::snapshot) else {
            return Ok(Vec::new());
        };
        self.pass(rng.between(2000, 8000));
        let now = self.world.drives.get(&id).map(|drive| self.world.by_hand(drive.log_digest())).transpose()?;
        let has_moved = now != Some(self.world.by_hand(snapshot.log_digest())?);
        self.pass(HEARD_MS);
        let mut losses = Losses::default();
        if has_moved {
            losses.expect(&self.world, id);
        }
        self.world.kill(victim, rng.permille(500));
        self.world.drives.insert(id, snapshot);
        self.world.note(format_args!("put back by seconds {id}"));
        self.pass(rng.between(100, 3000));
        self.world.start(victim)?;
        self.calm_down()?;
        Ok(losses.check(&self.world))
    }

    /// All drives of a node hang: what it leads is led by others.
    fn hang(&mut self, victim: NodeId) -> Result<Vec<String>, Failure> {
        let set_hang = |run: &Self, hangs| {
            let drives = run.world.shape.drives_of(victim).filter_map(|drive| run.world.drives.get(&drive));
            drives.for_each(|drive| drive.set_hang(hangs));
            run.world.note(format_args!("hang all of {victim} {hangs}"));
        };
        set_hang(self, true);
        self.pass(HANG_MS);
        let silent = || Failure::Late("a node says how it is".to_owned());
        let statuses = statuses(&mut self.world).ok_or_else(silent)?;
        let others = || statuses.iter().filter(|(id, _)| **id != victim);
        let ranges = |is_led: bool| -> BTreeSet<RangeId> {
            let ranges = others().flat_map(|(_, status)| &status.ranges);
            ranges.filter(|range| !is_led || range.leader.is_some()).map(|range| range.id).collect()
        };
        let unled: Vec<RangeId> = ranges(false).difference(&ranges(true)).copied().collect();
        set_hang(self, false);
        self.calm_down()?;
        let line = |range: RangeId| format!("range {} is led by nobody but {victim}, whose drives hang", range.0);
        Ok(unled.into_iter().map(line).collect())
    }

    /// A node dies for longer than the grace: its replicas move, if there are enough others.
    fn bury(&mut self, victim: NodeId) -> Result<Vec<String>, Failure> {
        self.world.kill(victim, true);
        self.pass(MOVED_MS);
        let mut wrong = Vec::new();
        let (others, wanted) = (self.world.shape.nodes.saturating_sub(1), self.voters_wanted());
        let alive = self.world.shape.storage_nodes().find_map(|node| self.world.node(node));
        if let Some(map) = alive.map(|node| node.map()).filter(|_| usize::from(others) >= wanted) {
            let buried: Vec<DriveId> = self.world.shape.drives_of(victim).collect();
            let left = map.all_ranges().filter(|range| range.replicas.values().any(|drive| buried.contains(drive)));
            wrong.extend(left.map(|range| format!("range {} has a replica on {victim}, which is lost", range.id.0)));
        }
        self.world.start(victim)?;
        self.calm_down()?;
        Ok(wrong)
    }

    /// How many voters a group is to have.
    pub(super) fn voters_wanted(&self) -> usize {
        2 * usize::from(self.world.shape.redundancy.losses()) + 1
    }

    /// A node gets empty drives, and slow ones: its replicas vote only once they have what the others have.
    fn replace(&mut self, victim: NodeId) -> Result<Vec<String>, Failure> {
        let drives: Vec<DriveId> = self.world.shape.drives_of(victim).collect();
        let (mut losses, mut wrong) = (Losses::default(), BTreeSet::new());
        drives.iter().for_each(|drive| losses.expect(&self.world, *drive));
        // Those have votes until others took their places, and no rows any more.
        let emptied: BTreeSet<ReplicaId> = self.voters().into_iter().map(|(replica, ..)| replica).collect();
        self.world.kill(victim, false);
        for drive in &drives {
            if let Some(drive) = self.world.drives.get_mut(drive) {
                drive.wipe();
                drive.set_slow(SLOW_MS);
            }
        }
        self.world.start(victim)?;
        for _ in 0..REFILL_MS / 50 {
            self.pass(50);
            wrong.extend(self.young_voters(&drives, &emptied));
        }
        drives.iter().filter_map(|drive| self.world.drives.get(drive)).for_each(|drive| drive.set_slow(0));
        self.calm_down()?;
        Ok(wrong.into_iter().chain(losses.check(&self.world)).collect())
    }

    /// The replicas that vote, by the newest map of all: each with its drive and the entry that made it a voter.
    fn voters(&self) -> Vec<(ReplicaId, DriveId, u64)> {
        let maps = self.world.shape.storage_nodes().filter_map(|node| self.world.node(node)).map(|node| node.map());
        let Some(map) = maps.max_by_key(|map| map.version) else { return Vec::new() };
        let groups = map.all_ranges().filter_map(|range| range.members.as_ref());
        let voters = groups.flat_map(|group| group.voters.iter().map(|(id, drive)| (*id, *drive, group.index)));
        voters.collect()
    }

    /// Replicas on these drives that vote, and have applied nothing of a log that is long; but for those that were emptied.
    fn young_voters(&self, drives: &[DriveId], emptied: &BTreeSet<ReplicaId>) -> Vec<String> {
        let is_young = |(replica, drive, index): &(ReplicaId, DriveId, u64)| {
            let drive = self.world.drives.get(drive).filter(|_| drives.contains(drive))?;
            let store = drive.stores.open(&replica_store(*replica)).ok()?;
            let is_empty = store.view().get(&applied_row()).ok()?.is_none();
            (is_empty && *index > YOUNG_ENTRIES && !emptied.contains(replica)).then_some(())
        };
        let young = self.voters().into_iter().filter(|voter| is_young(voter).is_some());
        young.map(|(replica, drive, _)| format!("{replica} on {drive} votes and has nothing")).collect()
    }

    /// A gateway means ill: what others have stays as it is.
    fn attack(&mut self) -> Result<Vec<String>, Failure> {
        let late = || Failure::Late("a gateway that means ill does its worst".to_owned());
        let gateway = self.world.shape.gateways().next().ok_or_else(late)?;
        let node = self.world.shape.storage_nodes().find_map(|node| self.world.node(node)).ok_or_else(late)?;
        let (engine, process) =
            (self.world.engine(gateway).ok_or_else(late)?, self.world.process(gateway).ok_or_else(late)?);
        let attack = Attack::new(self.world.network.transport(process.peer), node, self.wall_ms());
        let value = Value { number: u64::MAX - self.world.now_ms(), len: 300 << 10 };
        let laid = {
            let engine = engine.clone();
            self.world.ask(gateway, ASK_MS, async move { Prey::lay(&engine, value).await })
        };
        let prey = laid.flatten().ok_or_else(late)?;
        let for_task = prey.clone();
        self.world.ask(gateway, ASK_MS, async move { attack.on(&for_task).await }).ok_or_else(late)?;
        self.world.note(format_args!("attack through {gateway}"));
        self.pass(REAP_DELAY_MS + REAPED_MS);
        let read = self.world.ask(gateway, ASK_MS, async move { prey.read(&engine).await });
        self.calm_down()?;
        Ok(match read {
            Some(Ok(bytes)) if bytes == value.bytes() => Vec::new(),
            Some(Ok(_)) => vec!["a gateway that means ill changed what an object holds".to_owned()],
            Some(Err(error)) => vec![format!("a gateway that means ill took an object: {error}")],
            None => return Err(late()),
        })
    }

    fn wall_ms(&self) -> u64 {
        WALL_START_US / 1000 + self.world.now_ms()
    }

    /// All clocks leap at once, as by a time server that is wrong: what is locked stays.
    pub(super) fn leap_all(&mut self) -> Result<(), Failure> {
        let late = |what: &str| Failure::Late(what.to_owned());
        let gateway = self.world.shape.gateways().next().ok_or_else(|| late("there is a gateway"))?;
        let engine = self.world.engine(gateway).ok_or_else(|| late("a gateway serves"))?;
        let until_ms = self.wall_ms().saturating_add(LOCKED_MS);
        let locking = engine.clone();
        let locked = self.world.ask(gateway, ASK_MS, async move { locks::lock(&locking, until_ms).await });
        let locked = locked.flatten().ok_or_else(|| late("an object is locked"))?;
        let all: Vec<NodeId> = self.world.processes().map(|process| process.peer.node).collect();
        for id in all {
            self.world.process_mut(id).into_iter().for_each(|process| process.set_wall_clock(LEAP_MS));
        }
        self.world.note(format_args!("all clocks leap {LEAP_MS}"));
        self.pass(2000);
        let deleted: Option<Result<(), EngineError>> =
            self.world.ask(gateway, ASK_MS, async move { locks::delete(&engine, locked).await });
        match deleted {
            Some(Ok(())) => Err(Failure::Wrong(vec!["a leap of all clocks opened a lock".to_owned()])),
            _ => Ok(()),
        }
    }
}
