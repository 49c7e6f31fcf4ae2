//! The faults: processes that die, stop or are cut off, machines that lose power, drives that fail, fill up,
//! slow down, hang, rot, are swapped or put back to an earlier state, messages that are late, lost or repeated, clocks
//! that are wrong.
//!
//! A node may be away for longer than the grace, and then have empty drives: it died for good and was replaced.
//! Crashes and cuts may hit any number of processes: then operations fail, and nothing is lost. What
//! takes durable bytes away hits the drives of one node, the round's victim: more than one failure domain at a time is
//! more than was promised for what was written while others were away.
//! Promises: every fault ends; after [`Faults::heal`] all is well but what repair has to do. Which drives the map must
//! have noted as emptied by then is told ([`Faults::losses`]).
//! Must not know: objects, clients.

mod stores;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::Ordering;

use couronne_ring::{DriveId, NodeId};
use couronne_storage_node::disk::simulated::Fault;
use couronne_storage_node::disk::{Access, Disk};

use crate::judge::losses::Losses;
use crate::world::World;
use crate::world::disks::{CAPACITY, SimulatedDrive};
use crate::world::founding::node_of;
use crate::world::network::Weather;
use couronne_base::testing::Rng;

/// The pause between two faults, in milliseconds.
const PAUSE_MS: (u64, u64) = (100, 2500);

/// How long a node is away that dies, in milliseconds.
const AWAY_MS: (u64, u64) = (50, 12_000);

/// How long one is away whose drive is lost by then: longer than the grace.
const LOST_MS: (u64, u64) = (16_000, 28_000);

/// How wrong a clock may be that is thought to be right no more: milliseconds, least and most.
const LEAP_MS: (u64, u64) = (6000, 20 * 86_400_000);

/// How fast or slow clocks may run, in millionths; a leader's lease stands a fifth.
const RATE_PPM: (u64, u64) = (950_000, 1_050_000);

/// How wrong a wall clock may be, in milliseconds, one way or the other.
const OFFSET_MS_MAX: u64 = 2500;

/// Bytes of a log file's header.
const LOG_HEADER_BYTES: u64 = 64;

/// Where a drive notes which log file is its newest.
const NEWEST_NOTE: &str = "log-newest";

/// Files of a drive of which it has another copy, or that it can do without.
const SMALL_FILES: [&str; 3] = ["drive", "map", NEWEST_NOTE];

/// What ends a fault.
#[derive(Clone, Copy, Debug)]
enum Cure {
    Start(NodeId),
    Restart(NodeId),
    GoOn(NodeId),
    SetClock(NodeId),
    Mend,
    FineWeather,
    Room(DriveId),
    Speed(DriveId),
    Unhang(DriveId),
}

/// An earlier state of a drive of the victim.
struct Snapshot {
    id: DriveId,
    drive: SimulatedDrive,
    age: SnapshotAge,
}

/// How old a snapshot is. One of the start that runs is not put back while other things go wrong: where the log of a
/// drive ended is then heard by nobody, if all who heard it die as well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SnapshotAge {
    /// The start that runs is that of the snapshot.
    OfThisStart,
    /// The process was killed since.
    Killed,
    /// The process was started again since, and is registered.
    OfAnEarlierStart,
}

/// What goes wrong, and when it ends.
pub struct Faults {
    rng: Rng,
    next_ms: u64,
    /// What is still to be ended, by time.
    cures: BTreeMap<(u64, u64), Cure>,
    number: u64,
    /// The node whose drives may lose what was durable.
    victim: Option<NodeId>,
    /// An earlier state of one of them.
    snapshot: Option<Snapshot>,
    /// Nodes whose drive failed: they need a restart.
    sick: BTreeSet<NodeId>,
    /// Drives whose note of their newest log file is rotten: that it is lost they cannot tell.
    noteless: BTreeSet<DriveId>,
    /// The drives that forgot.
    pub losses: Losses,
    /// How many there were.
    pub count: u64,
}

impl Faults {
    /// Faults of a round that begins now. With `lossy`, the drives of one node may lose durable bytes.
    pub fn new(mut rng: Rng, world: &World, lossy: bool) -> Self {
        let nodes: Vec<NodeId> = world.shape.storage_nodes().collect();
        let victim = rng.pick(&nodes).copied().filter(|_| lossy);
        let next_ms = world.now_ms() + rng.between(PAUSE_MS.0, PAUSE_MS.1);
        Self {
            rng,
            next_ms,
            cures: BTreeMap::new(),
            number: 0,
            victim,
            snapshot: None,
            sick: BTreeSet::new(),
            noteless: BTreeSet::new(),
            losses: Losses::default(),
            count: 0,
        }
    }

    /// Has every process's clocks be a little wrong.
    pub fn skew_clocks(&mut self, world: &mut World) {
        let all: Vec<NodeId> = world.processes().map(|process| process.peer.node).collect();
        for id in all {
            self.skew(world, id);
        }
    }

    fn skew(&mut self, world: &mut World, id: NodeId) {
        let rate = self.rng.between(RATE_PPM.0, RATE_PPM.1);
        let ahead = i64::try_from(self.rng.below(2 * OFFSET_MS_MAX)).unwrap_or(0);
        let offset = ahead - i64::try_from(OFFSET_MS_MAX).unwrap_or(0);
        world.note(format_args!("clock {id} {rate} {offset}"));
        world.process_mut(id).into_iter().for_each(|process| process.skew(rate, offset));
    }

    /// Has a process's wall clock leap, as one does that was set by hand or by a time server that is wrong.
    fn leap(&mut self, world: &mut World, id: NodeId) {
        // Any order of magnitude is as likely as another.
        let scale = self.rng.between(0, (LEAP_MS.1 / LEAP_MS.0).ilog2().into());
        let by = self.rng.between(LEAP_MS.0 << scale, LEAP_MS.0 << (scale + 1)).min(LEAP_MS.1);
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        // What a gateway that is ahead leaves behind is as young as it says.
        let is_behind = world.shape.gateways().any(|gateway| gateway == id) || self.rng.permille(500);
        let offset = if is_behind { -by } else { by };
        world.note(format_args!("leap {id} {offset}"));
        world.process_mut(id).into_iter().for_each(|process| process.set_wall_clock(offset));
        self.later(world, (500, 10_000), Cure::SetClock(id));
    }

    /// Has as many nodes lose a drive or all of them at once.
    pub fn lose(&mut self, world: &mut World, count: u8) {
        let mut nodes: Vec<NodeId> = world.shape.storage_nodes().collect();
        for _ in 0..count {
            let Some(id) = self.rng.pick(&nodes).copied() else { return };
            nodes.retain(|node| *node != id);
            self.wipe(world, id);
        }
    }

    /// What goes wrong, or ends, in this tick.
    pub fn tick(&mut self, world: &mut World) -> io::Result<()> {
        while let Some(entry) = self.cures.first_entry().filter(|entry| entry.key().0 <= world.now_ms()) {
            let cure = entry.remove();
            self.cure(world, cure)?;
        }
        self.restart_failed(world);
        self.age_snapshot(world);
        if world.now_ms() >= self.next_ms {
            self.next_ms = world.now_ms() + self.rng.between(PAUSE_MS.0, PAUSE_MS.1);
            self.count += 1;
            self.strike(world)?;
        }
        Ok(())
    }

    /// A node that gave up its start is started again after a while.
    fn restart_failed(&mut self, world: &mut World) {
        let nodes: Vec<NodeId> = world.shape.storage_nodes().collect();
        for id in nodes {
            let reason = world.seat(id).and_then(|seat| seat.failed.lock().take());
            if let Some(reason) = reason {
                world.note(format_args!("{id} did not start: {reason}"));
                self.kill(world, id, (500, 3000));
            }
        }
    }

    /// Ends every fault at once, and starts whatever does not run.
    pub fn heal(&mut self, world: &mut World) -> io::Result<()> {
        for cure in std::mem::take(&mut self.cures).into_values() {
            self.cure(world, cure)?;
        }
        for id in std::mem::take(&mut self.sick) {
            self.cure(world, Cure::Restart(id))?;
        }
        let all: Vec<NodeId> = world.processes().map(|process| process.peer.node).collect();
        for id in all {
            self.cure(world, Cure::GoOn(id))?;
            self.cure(world, Cure::Start(id))?;
        }
        Ok(())
    }

    fn cure(&mut self, world: &mut World, cure: Cure) -> io::Result<()> {
        match cure {
            Cure::Start(id) if world.process(id).is_some_and(|process| !process.is_alive()) => world.start(id)?,
            Cure::Start(_) => {}
            Cure::Restart(id) => {
                self.sick.remove(&id);
                world.kill(id, false);
                world.start(id)?;
            }
            Cure::SetClock(id) => world.process_mut(id).into_iter().for_each(|process| process.set_wall_clock(0)),
            Cure::GoOn(id) => world.process_mut(id).into_iter().for_each(|process| process.go_on()),
            Cure::Mend => world.network.mend(),
            Cure::FineWeather => world.network.set_weather(Weather::FINE),
            Cure::Room(id) => world.drives.get(&id).into_iter().for_each(|drive| drive.disk.set_capacity(CAPACITY)),
            Cure::Speed(id) => world.drives.get(&id).into_iter().for_each(|drive| drive.set_slow(0)),
            Cure::Unhang(id) => world.drives.get(&id).into_iter().for_each(|drive| drive.set_hang(false)),
        }
        world.note(format_args!("cure {cure:?}"));
        Ok(())
    }

    fn later(&mut self, world: &World, (least_ms, most_ms): (u64, u64), cure: Cure) {
        self.number += 1;
        let due = world.now_ms() + self.rng.between(least_ms, most_ms);
        self.cures.insert((due, self.number), cure);
    }

    fn strike(&mut self, world: &mut World) -> io::Result<()> {
        let nodes: Vec<NodeId> = world.shape.storage_nodes().collect();
        let gateways: Vec<NodeId> = world.shape.gateways().collect();
        let (Some(node), Some(gateway)) = (self.rng.pick(&nodes).copied(), self.rng.pick(&gateways).copied()) else {
            return Ok(());
        };
        let some = if self.rng.permille(200) { gateway } else { node };
        let Some(drive) = self.drive_of(world, node) else { return Ok(()) };
        match self.rng.below(100) {
            0..=16 => self.die(world, node, 100),
            17..=21 => self.leave(world, node),
            22..=27 => self.kill(world, gateway, (100, 3000)),
            28..=30 => nodes.iter().chain(&gateways).for_each(|id| self.kill(world, *id, (100, 4000))),
            31..=48 => self.cut(world, some),
            49..=60 => self.spoil_weather(world),
            61..=69 => {
                world.note(format_args!("stop {some}"));
                world.process_mut(some).into_iter().for_each(|process| process.stop());
                self.later(world, (200, 6000), Cure::GoOn(some));
            }
            70..=74 => self.fail_disk(world, node, drive),
            75..=76 => self.fail_stores(world, drive),
            77..=81 => self.fill_disk(world, node, drive)?,
            82..=84 => self.hang(world, drive),
            85..=88 => {
                let slow_ms = self.rng.between(10, 400);
                world.note(format_args!("slow {drive} {slow_ms}"));
                world.drives.get(&drive).into_iter().for_each(|drive| drive.set_slow(slow_ms));
                self.later(world, (500, 8000), Cure::Speed(drive));
            }
            89..=90 => self.skew(world, some),
            91 => self.leap(world, some),
            92..=93 => self.rot(world)?,
            94 => self.rot_stores(world),
            95..=96 => self.victim.into_iter().for_each(|id| self.wipe(world, id)),
            97 => self.lose_newest_log(world)?,
            _ => self.victim.into_iter().for_each(|id| self.put_back(world, id)),
        }
        Ok(())
    }

    /// Kills a node, now and then until its drive is lost.
    fn die(&mut self, world: &mut World, id: NodeId, for_good_permille: u64) {
        let away_ms = if self.rng.permille(for_good_permille) { LOST_MS } else { AWAY_MS };
        self.kill(world, id, away_ms);
    }

    fn kill(&mut self, world: &mut World, id: NodeId, away_ms: (u64, u64)) {
        self.sick.remove(&id);
        if let Some(snapshot) = self.snapshot.as_mut().filter(|_| self.victim == Some(id))
            && snapshot.age == SnapshotAge::OfThisStart
        {
            snapshot.age = SnapshotAge::Killed;
        }
        world.kill(id, self.rng.permille(500));
        self.later(world, away_ms, Cure::Start(id));
    }

    /// Asks a node to stop, as an operator does, and starts it again whether it was done or not.
    fn leave(&mut self, world: &World, id: NodeId) {
        let Some((node, process)) = world.node(id).and_then(|node| Some((node, world.process(id)?))) else { return };
        world.note(format_args!("leave {id}"));
        process.spawn(async move { node.shutdown().await });
        self.later(world, (20, 5000), Cure::Restart(id));
    }

    /// Cuts a process off, or a zone, one way or both.
    fn cut(&mut self, world: &World, id: NodeId) {
        let all: Vec<NodeId> = world.processes().map(|process| process.peer.node).collect();
        let zone = world.shape.zone_of(id);
        let whole_zone = self.rng.permille(200);
        let (inside, outside): (Vec<NodeId>, Vec<NodeId>) =
            all.into_iter().partition(|other| *other == id || whole_zone && world.shape.zone_of(*other) == zone);
        let few = self.rng.permille(300);
        let ways = self.rng.below(3);
        world.note(format_args!("cut {inside:?} {ways} {few}"));
        for (one, other) in inside.iter().flat_map(|one| outside.iter().map(move |other| (*one, *other))) {
            if few && self.rng.permille(500) {
                continue;
            }
            if ways != 1 {
                world.network.cut(one, other);
            }
            if ways != 2 {
                world.network.cut(other, one);
            }
        }
        self.later(world, (300, 10_000), Cure::Mend);
    }

    fn spoil_weather(&mut self, world: &World) {
        let weather = Weather {
            delay_min_ms: 1,
            delay_max_ms: self.rng.between(1, 40),
            late_permille: self.rng.below(200),
            late_max_ms: self.rng.between(10, 3000),
            stuck_permille: if self.rng.permille(300) { self.rng.below(100) } else { 0 },
            lost_permille: self.rng.below(60),
            repeated_permille: self.rng.below(200),
        };
        world.note(format_args!("{weather:?}"));
        world.network.set_weather(weather);
        self.later(world, (500, 8000), Cure::FineWeather);
    }

    /// A sync, a write or a read fails: the drive may be out of service until a restart.
    fn fail_disk(&mut self, world: &World, id: NodeId, drive: DriveId) {
        if !world.process(id).is_some_and(|process| process.is_alive()) {
            return;
        }
        let fault = match self.rng.below(3) {
            0 => Fault::FailSync,
            // What a start cannot read only a scrubber misses.
            1 if world.shape.scrubbed => Fault::FailRead,
            _ => Fault::FailWrite,
        };
        let after = u32::try_from(self.rng.below(30)).unwrap_or(0);
        world.note(format_args!("{fault:?} {drive} {after}"));
        world.drives.get(&drive).into_iter().for_each(|drive| drive.disk.inject(fault, after));
        self.sick.insert(id);
        self.later(world, (2000, 9000), Cure::Restart(id));
    }

    /// Calls to a drive do not come back for a while, mostly for longer than they may.
    fn hang(&mut self, world: &World, id: DriveId) {
        world.note(format_args!("hang {id}"));
        world.drives.get(&id).into_iter().for_each(|drive| drive.set_hang(true));
        self.later(world, (1000, 20_000), Cure::Unhang(id));
    }

    fn fill_disk(&mut self, world: &World, node: NodeId, id: DriveId) -> io::Result<()> {
        let Some(drive) = world.drives.get(&id).filter(|drive| !drive.hangs()) else { return Ok(()) };
        let space = world.by_hand(drive.disk.space())?;
        let room = self.rng.below(12 << 20);
        world.note(format_args!("full {id} {room}"));
        drive.disk.set_capacity(space.total.saturating_sub(space.free).saturating_add(room));
        self.sick.insert(node);
        self.later(world, (1000, 8000), Cure::Room(id));
        self.later(world, (8000, 10_000), Cure::Restart(node));
        Ok(())
    }

    /// One of a node's drives.
    fn drive_of(&mut self, world: &World, id: NodeId) -> Option<DriveId> {
        let drives: Vec<DriveId> = world.shape.drives_of(id).collect();
        self.rng.pick(&drives).copied()
    }

    /// Flips some bits of what a drive of the victim keeps: of its segments, of the header of a log file, of one copy of
    /// its small files. (The last batch of a log that is rotten looks like a torn write; by design nothing tells them
    /// apart.) A log file is written again in time: so the node is dead by then, and must notice
    /// when it starts.
    fn rot(&mut self, world: &mut World) -> io::Result<()> {
        let Some(id) = self.victim.filter(|_| world.shape.scrubbed) else { return Ok(()) };
        let Some(id) = self.drive_of(world, id) else { return Ok(()) };
        let (folder, span, flips) = match self.rng.below(10) {
            0..=6 => ("segments", 256 << 10, self.rng.between(1, 200)),
            7..=8 => ("log", LOG_HEADER_BYTES, 1),
            _ => ("", 64, self.rng.between(1, 200)),
        };
        if folder == "log" {
            self.kill(world, node_of(id), AWAY_MS);
        }
        let Some(drive) = world.drives.get(&id).filter(|drive| !drive.hangs()) else { return Ok(()) };
        let mut names = world.by_hand(drive.disk.list(folder))?;
        names.retain(|name| !folder.is_empty() || SMALL_FILES.contains(&name.as_str()));
        // A file that is being made has no name yet.
        names.retain(|name| !name.ends_with(".new"));
        let Some(name) = self.rng.pick(&names).cloned() else { return Ok(()) };
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let len = world.by_hand(async { drive.disk.open(&path, Access::Buffered).await?.len().await })?;
        let first = if folder == "segments" { self.rng.below(len) } else { 0 };
        for _ in 0..flips {
            let at = first.saturating_add(self.rng.below(span)).min(len.saturating_sub(1));
            drive.disk.flip_bit(&path, at, u8::try_from(self.rng.below(8)).unwrap_or(0))?;
        }
        world.note(format_args!("rot {id} {path} {first}"));
        if name == NEWEST_NOTE {
            self.noteless.insert(id);
        }
        if folder == "log" {
            self.losses.expect(world, id);
        }
        Ok(())
    }

    /// Takes the newest log file from a drive of the victim, which dies.
    fn lose_newest_log(&mut self, world: &mut World) -> io::Result<()> {
        let Some(id) = self.victim.and_then(|id| self.drive_of(world, id)) else { return Ok(()) };
        if self.noteless.contains(&id) {
            return Ok(());
        }
        self.kill(world, node_of(id), AWAY_MS);
        let Some(drive) = world.drives.get(&id).filter(|drive| !drive.hangs()) else { return Ok(()) };
        let Some(newest) = world.by_hand(drive.newest_log())? else { return Ok(()) };
        world.by_hand(async {
            drive.disk.remove(&newest).await?;
            drive.disk.sync_dir("log").await
        })?;
        world.note(format_args!("lose {id} {newest}"));
        self.losses.expect(world, id);
        Ok(())
    }

    /// Takes a snapshot of the victim's drive, if there is none; notes whether it was started again since.
    fn age_snapshot(&mut self, world: &mut World) {
        let Some(id) = self.victim else { return };
        let is_running = world.process(id).is_some_and(|process| process.is_alive());
        if !is_running || !world.seat(id).is_some_and(|seat| seat.begun.load(Ordering::Relaxed)) {
            return;
        }
        match &mut self.snapshot {
            Some(snapshot) if snapshot.age == SnapshotAge::Killed => snapshot.age = SnapshotAge::OfAnEarlierStart,
            Some(_) => {}
            None => {
                let Some(id) = self.drive_of(world, id) else { return };
                let drive = world.drives.get_mut(&id).map(SimulatedDrive::snapshot);
                self.snapshot = drive.map(|drive| Snapshot { id, drive, age: SnapshotAge::OfThisStart });
                world.note(format_args!("snapshot {id}"));
            }
        }
    }

    /// Puts the snapshot in the place of the victim's drive, if it is of an earlier start.
    fn put_back(&mut self, world: &mut World, id: NodeId) {
        let is_old = self.snapshot.as_ref().is_some_and(|snapshot| snapshot.age == SnapshotAge::OfAnEarlierStart);
        let Some(snapshot) = self.snapshot.take_if(|_| is_old) else { return };
        self.losses.expect(world, snapshot.id);
        self.kill(world, id, (100, 12_000));
        world.drives.insert(snapshot.id, snapshot.drive);
        world.note(format_args!("put back {}", snapshot.id));
    }

    /// Swaps a drive of a node, or all, for empty ones.
    fn wipe(&mut self, world: &mut World, id: NodeId) {
        let one = self.drive_of(world, id).filter(|_| self.rng.permille(500));
        let drives: Vec<DriveId> =
            world.shape.drives_of(id).filter(|drive| one.is_none_or(|one| one == *drive)).collect();
        for drive in &drives {
            self.losses.expect(world, *drive);
        }
        self.die(world, id, 300);
        for drive in drives {
            world.drives.get_mut(&drive).into_iter().for_each(|drive| drive.wipe());
            world.note(format_args!("wipe {drive}"));
        }
    }
}
