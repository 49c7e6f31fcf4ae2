//! Starting a node: which drives are here, what they remember, and which replicas may go on.
//!
//! Promises: the newest map counts; a drive that comes back emptied, rolled back or with a corrupt log
//! gets new replicas before any of them acts; a start that was cut off can be repeated.
//! Must not know: requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use couronne_protocol::env::Env;
use couronne_ring::DriveId;
use futures_util::future::join_all;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::formation::first_map;
use super::map::{MapRange, NodeMap};
use super::slot::{NodeDrive, Slot};
use super::stores::replica_store;
use super::{LocalNode, NodeError, NodeSettings, supervision};
use crate::consensus::types::ReplicaId;
use crate::consensus::{Group, GroupComponents, Machine, Switchboard};
use crate::drive::{Identity, IdentityError};
use crate::duties::{self, ClockGuard, Duties};
use crate::log::DriveLog;
use crate::range_server::{RangeComponents, RangeServer};
use crate::replica::{RowMachine, StartState};

struct Surveyed {
    drive: NodeDrive,
    identity: Option<Identity>,
    map: Option<NodeMap>,
}

/// A replica that was opened, not yet serving.
struct Opened {
    range: MapRange,
    replica: ReplicaId,
    drive: DriveId,
    group: Arc<Group>,
    machine: Arc<RowMachine>,
    last: Option<crate::consensus::types::Position>,
}

impl LocalNode {
    /// Starts a node with these drives; the first start forms it. Returns once every range that has a
    /// quorum here has a leader, or after a few seconds.
    pub async fn open(env: Env, drives: Vec<NodeDrive>, settings: NodeSettings) -> Result<Arc<Self>, NodeError> {
        if drives.is_empty() {
            return Err(NodeError::TooFewDrives("there is none".to_owned()));
        }
        let mut surveyed = survey(&drives).await?;
        let newest = surveyed.iter().filter_map(|found| found.map.as_ref()).max_by_key(|map| map.version).cloned();
        let mut map = match newest {
            Some(map) => map,
            None => {
                let map = form(&env, &surveyed, &settings).await?;
                surveyed = survey(&drives).await?;
                map
            }
        };
        check_policy(&map, &settings)?;
        let (slots, renewed) = open_slots(&env, &map, surveyed).await?;
        let gone: Vec<(DriveId, ReplicaId)> = renewed
            .iter()
            .flat_map(|drive| map.renew_replicas(*drive).into_iter().map(|replica| (*drive, replica)))
            .collect();
        for slot in slots.values() {
            map.drives.insert(slot.id, slot.shards.identity().boots);
        }
        save(&mut map, &slots).await?;
        forget(&slots, &gone).await;

        let switchboard = Switchboard::default();
        let opened = open_replicas(&env, &mut map, &slots, &switchboard, &settings).await?;
        if !map.born {
            initialize(&opened).await?;
        }
        elect(&opened).await;
        let missing = map.drives.keys().filter(|drive| !slots.contains_key(drive)).copied().collect();
        let servers = serve(&env, &settings, &slots, opened);
        let clock = ClockGuard::new(&env, map.seen_ms, settings.duties.clock_leap_ms);
        let duties = Duties::new(settings.duties.clone(), clock);
        let published = ArcSwap::from_pointee(supervision::cluster_map(&map, &slots, map.version << 20));
        let node = Arc::new(Self {
            duties,
            env,
            switchboard,
            slots,
            missing,
            map: Mutex::new(map),
            map_change: tokio::sync::Mutex::default(),
            published,
            servers: RwLock::new(servers),
            stopping: watch::channel(false).0,
        });
        supervision::begin(&node);
        duties::begin(&node);
        node.await_leaders().await;
        Ok(node)
    }
}

async fn survey(drives: &[NodeDrive]) -> Result<Vec<Surveyed>, NodeError> {
    let mut surveyed = Vec::new();
    for drive in drives {
        let identity = match Identity::read(&drive.disk).await {
            Ok(identity) => Some(identity),
            Err(IdentityError::Absent) => None,
            Err(error @ (IdentityError::Format(_) | IdentityError::Cluster { .. })) => {
                return Err(NodeError::Drive(format!("{}: {error}", drive.name)));
            }
            Err(error) => {
                tracing::error!(drive = drive.name, %error, "drive is left out");
                continue;
            }
        };
        let map = match NodeMap::read(&*drive.disk).await {
            Ok(map) => map,
            Err(error) => {
                tracing::error!(drive = drive.name, %error, "drive is left out");
                continue;
            }
        };
        surveyed.push(Surveyed { drive: drive.clone(), identity, map });
    }
    let clusters: BTreeSet<u128> =
        surveyed.iter().filter_map(|found| found.identity.as_ref()).map(|identity| identity.cluster).collect();
    if clusters.len() > 1 {
        return Err(NodeError::Drive("folders belong to different clusters".to_owned()));
    }
    Ok(surveyed)
}

/// Forms the node: every drive gets an identity, then the map is written to all.
async fn form(env: &Env, surveyed: &[Surveyed], settings: &NodeSettings) -> Result<NodeMap, NodeError> {
    if let Some(used) = surveyed.iter().find(|found| found.identity.as_ref().is_some_and(|identity| identity.boots > 0))
    {
        return Err(NodeError::Drive(format!("{}: has been in use, but no drive has a map", used.drive.name)));
    }
    let known = surveyed.iter().find_map(|found| found.identity.as_ref()).map(|identity| identity.cluster);
    let cluster = known.unwrap_or_else(|| u128::from_be_bytes(env.random_bytes()));
    let mut ids = Vec::new();
    for found in surveyed {
        let identity = match &found.identity {
            Some(identity) => identity.drive,
            None => {
                let formatted = Identity::format(&found.drive.disk, env, cluster).await;
                formatted.map_err(|error| NodeError::Drive(format!("{}: {error}", found.drive.name)))?.drive
            }
        };
        ids.push(identity);
    }
    let map = first_map(env, cluster, &ids, &settings.policy, settings.range_count)?;
    for found in surveyed {
        map.write(&*found.drive.disk).await?;
    }
    Ok(map)
}

fn check_policy(map: &NodeMap, settings: &NodeSettings) -> Result<(), NodeError> {
    let formed = map.policies.get(&map.default_policy).map(|policy| policy.policy.redundancy);
    match formed {
        Some(formed) if formed != settings.policy.redundancy => Err(NodeError::Policy(format!(
            "was fixed at the first start: {formed}, not {}",
            settings.policy.redundancy
        ))),
        _ => Ok(()),
    }
}

type Slots = BTreeMap<DriveId, Arc<Slot>>;

/// Opens the drives of the map that are here. Also says which of them have forgotten their past.
async fn open_slots(env: &Env, map: &NodeMap, surveyed: Vec<Surveyed>) -> Result<(Slots, Vec<DriveId>), NodeError> {
    let present: BTreeSet<DriveId> =
        surveyed.iter().filter_map(|found| found.identity.as_ref()).map(|identity| identity.drive).collect();
    let mut absent = map.drives.keys().filter(|drive| !present.contains(drive)).copied();
    let (mut opening, mut renewed) = (Vec::new(), BTreeSet::new());
    for Surveyed { drive, identity, .. } in surveyed {
        let name = &drive.name;
        let id = match identity {
            Some(identity) => {
                let Some(boots) = map.drives.get(&identity.drive) else {
                    return Err(NodeError::Drive(format!("{name}: is not a drive of this node")));
                };
                if identity.boots < *boots {
                    tracing::warn!(name, "drive was rolled back: its replicas begin anew");
                    renewed.insert(identity.drive);
                }
                identity.drive
            }
            // An empty folder takes the place of a drive that is gone.
            None => {
                let Some(id) = absent.next() else {
                    return Err(NodeError::Drive(format!(
                        "{name}: no drive of this node is missing for it to replace"
                    )));
                };
                tracing::warn!(name, drive = %id, "an empty folder replaces a missing drive");
                let formatted = Identity::format_as(&drive.disk, map.cluster, id).await;
                formatted.map_err(|error| NodeError::Drive(format!("{name}: {error}")))?;
                renewed.insert(id);
                id
            }
        };
        opening.push((id, drive));
    }
    let opened = join_all(opening.iter().map(|(_, drive)| open_slot(env, map.cluster, drive))).await;
    for ((id, _), opened) in opening.iter().zip(&opened) {
        if let Err(NodeError::CorruptLog(_)) = opened {
            renewed.insert(*id);
        }
    }
    check_survivors(map, &renewed)?;
    let mut slots = Slots::new();
    for ((id, drive), opened) in opening.iter().zip(opened) {
        let opened = match opened {
            Err(error @ NodeError::CorruptLog(_)) => {
                tracing::error!(drive = drive.name, %error, "the drive's replicas begin anew");
                reopen_slot(env, drive).await
            }
            opened => opened,
        };
        match opened {
            Ok(slot) => drop(slots.insert(*id, Arc::new(slot))),
            Err(error) => tracing::error!(drive = drive.name, %error, "drive is left out"),
        }
    }
    if slots.is_empty() {
        return Err(NodeError::TooFewDrives("none can be opened".to_owned()));
    }
    Ok((slots, renewed.into_iter().collect()))
}

/// Refuses to go on when more replicas of a range have forgotten their past than it survives: the
/// rest could not elect a leader, and what is left must not be touched.
fn check_survivors(map: &NodeMap, renewed: &BTreeSet<DriveId>) -> Result<(), NodeError> {
    for range in map.ranges.iter().filter(|_| map.born) {
        let lost = range.replicas.values().filter(|drive| renewed.contains(drive)).count();
        if lost > 0 && (range.replicas.len() - lost) * 2 <= range.replicas.len() {
            let reason = "more drives were emptied, rolled back or damaged than the policy survives";
            return Err(NodeError::TooFewDrives(reason.to_owned()));
        }
    }
    Ok(())
}

/// Opens a drive whose log is corrupt with an empty one.
async fn reopen_slot(env: &Env, drive: &NodeDrive) -> Result<Slot, NodeError> {
    let failed = |error: &dyn std::fmt::Display| NodeError::Drive(format!("{}: {error}", drive.name));
    DriveLog::remove(&*drive.disk).await.map_err(|error| failed(&error))?;
    let identity = Identity::read(&drive.disk).await.map_err(|error| failed(&error))?;
    Slot::open(drive, identity, env).await
}

async fn open_slot(env: &Env, cluster: u128, drive: &NodeDrive) -> Result<Slot, NodeError> {
    let booted = Identity::boot(&drive.disk, cluster).await;
    let identity = booted.map_err(|error| NodeError::Drive(format!("{}: {error}", drive.name)))?;
    Slot::open(drive, identity, env).await
}

/// Writes the next version of the map to every drive that is here.
pub(super) async fn save(map: &mut NodeMap, slots: &Slots) -> Result<(), NodeError> {
    map.version += 1;
    let serving = || slots.values().filter(|slot| slot.down().is_none());
    let written = join_all(serving().map(|slot| map.write(&*slot.disk))).await;
    let mut saved = 0usize;
    for (slot, written) in serving().zip(written) {
        match written {
            Ok(()) => saved += 1,
            Err(error) => {
                tracing::error!(drive = slot.name, %error, "drive does not take the map");
                slot.take_down(&format!("writing the map: {error}"));
            }
        }
    }
    if saved == 0 {
        return Err(NodeError::TooFewDrives("none takes the map".to_owned()));
    }
    Ok(())
}

/// Removes what is left of replicas that were replaced. Failing at it costs space only.
async fn forget(slots: &Slots, gone: &[(DriveId, ReplicaId)]) {
    for (drive, replica) in gone {
        let Some(slot) = slots.get(drive) else { continue };
        if let Ok(log) = slot.log.replica(*replica)
            && let Err(error) = log.destroy().await
        {
            tracing::warn!(%replica, %error, "old replica's log stays");
        }
        if let Err(error) = slot.stores.remove(&replica_store(*replica)) {
            tracing::warn!(%replica, %error, "old replica's rows stay");
        }
    }
}

/// Opens every replica of the map whose drive is here. One whose rows were being replaced when it
/// stopped is given a new id, and begins empty.
async fn open_replicas(
    env: &Env,
    map: &mut NodeMap,
    slots: &Slots,
    switchboard: &Switchboard,
    settings: &NodeSettings,
) -> Result<Vec<Opened>, NodeError> {
    let mut broken = Vec::new();
    let mut machines = BTreeMap::new();
    for (replica, drive) in places(map) {
        let Some(slot) = slots.get(&drive).filter(|slot| slot.down().is_none()) else { continue };
        match open_machine(slot, replica) {
            Ok(Some(machine)) => drop(machines.insert(replica, machine)),
            Ok(None) => broken.push((drive, replica)),
            Err(error) => {
                tracing::error!(%replica, drive = slot.name, %error, "replica is left out");
            }
        }
    }
    broken.retain(|(_, replica)| {
        let range = map.ranges.iter().find(|range| range.replicas.contains_key(replica));
        let sound = range.is_some_and(|range| {
            range.replicas.keys().filter(|id| machines.contains_key(id)).count() * 2 > range.replicas.len()
        });
        if !sound {
            tracing::error!(%replica, "rows are behind the log, and too few other replicas are here: left out");
        }
        sound
    });
    if !broken.is_empty() {
        for (drive, replica) in &broken {
            tracing::warn!(%replica, "replica was being rebuilt when it stopped: begins anew");
            map.renew_replica(*replica);
            let Some(slot) = slots.get(drive) else { continue };
            let renewed = places(map).into_iter().filter(|(id, place)| place == drive && !machines.contains_key(id));
            for (id, _) in renewed.collect::<Vec<_>>() {
                let machine = open_machine(slot, id).ok().flatten();
                machine.into_iter().for_each(|machine| drop(machines.insert(id, machine)));
            }
        }
        save(map, slots).await?;
        forget(slots, &broken).await;
    }
    let mut opened = Vec::new();
    for range in &map.ranges {
        for (replica, drive) in &range.replicas {
            let (Some(slot), Some(machine)) = (slots.get(drive), machines.remove(replica)) else { continue };
            match open_replica(env, slot, range, *replica, machine, switchboard, settings).await {
                Ok(replica) => opened.push(replica),
                Err(error) => tracing::error!(%replica, drive = slot.name, %error, "replica is left out"),
            }
        }
    }
    Ok(opened)
}

fn places(map: &NodeMap) -> Vec<(ReplicaId, DriveId)> {
    map.ranges.iter().flat_map(|range| range.replicas.iter().map(|(replica, drive)| (*replica, *drive))).collect()
}

/// The rows of a replica; `None` if they cannot be gone on with.
fn open_machine(slot: &Slot, replica: ReplicaId) -> Result<Option<Arc<RowMachine>>, NodeError> {
    let failed = |error: &dyn std::fmt::Display| NodeError::Replica(format!("{replica}: {error}"));
    let store = slot.stores.open(&replica_store(replica)).map_err(|error| failed(&error))?;
    let (machine, state) = RowMachine::open(store).map_err(|error| failed(&error))?;
    let Ok(log) = slot.log.replica(replica) else { return Ok(None) };
    let purged = log.bounds().purged.map(|purged| purged.index);
    let behind = purged.is_some_and(|purged| machine.position().is_none_or(|applied| applied.index < purged));
    Ok((state == StartState::Sound && !behind).then(|| Arc::new(machine)))
}

async fn open_replica(
    env: &Env,
    slot: &Slot,
    range: &MapRange,
    replica: ReplicaId,
    machine: Arc<RowMachine>,
    switchboard: &Switchboard,
    settings: &NodeSettings,
) -> Result<Opened, NodeError> {
    let failed = |error: &dyn std::fmt::Display| NodeError::Replica(format!("{replica}: {error}"));
    let log = slot.log.replica(replica).map_err(|error| failed(&error))?;
    let last = log.bounds().last;
    let rows: Arc<dyn Machine> = machine.clone();
    let switchboard = switchboard.clone();
    let (drive, env) = (slot.id, env.clone());
    let components = GroupComponents { replica, drive, log, machine: rows, switchboard, network: None, env };
    // Every replica of the range that can exist lives in this process, which has just started and
    // holds the locks of its drives: no leader from before can still count on a lease.
    let group = Group::start(components, settings.consensus, false).await.map_err(|error| failed(&error))?;
    Ok(Opened { range: range.clone(), replica, drive: slot.id, group: Arc::new(group), machine, last })
}

/// Makes the first members of ranges that never had a leader.
async fn initialize(opened: &[Opened]) -> Result<(), NodeError> {
    let mut done = BTreeSet::new();
    for replica in opened.iter().filter(|opened| opened.last.is_some()) {
        done.insert(replica.range.id);
    }
    for replica in opened {
        if done.insert(replica.range.id) {
            let initialized = replica.group.initialize(&replica.range.replicas).await;
            initialized.map_err(|error| NodeError::Replica(error.to_string()))?;
        }
    }
    Ok(())
}

/// Has a replica with the longest log of each range stand for election at once, spread over drives.
async fn elect(opened: &[Opened]) {
    use crate::consensus::Consensus;
    let mut leads: BTreeMap<DriveId, usize> = BTreeMap::new();
    let mut ranges: BTreeMap<_, Vec<&Opened>> = BTreeMap::new();
    for replica in opened {
        ranges.entry(replica.range.id).or_default().push(replica);
    }
    for replicas in ranges.values() {
        let longest = replicas.iter().map(|replica| replica.last).max().flatten();
        let candidates = replicas.iter().filter(|replica| replica.last == longest);
        let Some(best) = candidates.min_by_key(|replica| leads.get(&replica.drive).copied().unwrap_or(0)) else {
            continue;
        };
        if longest.is_some() {
            *leads.entry(best.drive).or_default() += 1;
            best.group.elect().await;
        }
    }
}

fn serve(
    env: &Env,
    settings: &NodeSettings,
    slots: &Slots,
    opened: Vec<Opened>,
) -> BTreeMap<(couronne_metadata::ids::RangeId, DriveId), Arc<RangeServer>> {
    let mut servers = BTreeMap::new();
    for Opened { range, replica, drive, group, machine, .. } in opened {
        let Some(slot) = slots.get(&drive) else { continue };
        let components = RangeComponents {
            descriptor: range.descriptor(),
            replica,
            drive,
            consensus: group,
            machine,
            log: Arc::clone(&slot.log),
            env: env.clone(),
            evaluation: settings.evaluation.clone(),
        };
        servers.insert((range.id, drive), Arc::new(RangeServer::new(components)));
    }
    servers
}
