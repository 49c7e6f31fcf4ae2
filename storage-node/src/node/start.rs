//! Starting a node: which drives are here, what they remember, and which replicas may go on.
//!
//! In two steps, because the map is kept by a group that this node may be part of: first what its own
//! file says of the keepers, then, once the group answers, everything else by the map as it is now.
//! Promises: a drive that comes back emptied, rolled back or with a corrupt log gets new replicas
//! before any of them acts; a start that was cut off can be repeated.
//! Must not know: requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use couronne_base::env::Env;
use couronne_base::watch;
use couronne_protocol::map::{Formation, MapNode, MapState, ReplicaId, SharedMap, StoredDrive};
use couronne_protocol::transport::{Role, Transport};
use couronne_ring::{DriveId, NodeId, RegionName, ZoneName};
use futures_util::future::join_all;
use parking_lot::{Mutex, RwLock};
use tokio::time::sleep;

use super::file::NodeFile;
use super::slot::{NodeDrive, Slot};
use super::{LocalNode, NodeError, NodeSettings, Routes, reports, supervision};
use crate::clock::ClockGuard;
use crate::consensus::{Directory, LocalPeers, RaftService};
use crate::drive::{Identity, IdentityError};
use crate::duties::{self, Duties};
use crate::log::DriveLog;

/// The pause before a node that could not register tries again.
const REGISTER_AGAIN: Duration = Duration::from_millis(200);

/// Makes a node's transport, given who it is and the map in which it finds others.
pub type Connect = Box<dyn FnOnce(NodeId, Arc<SharedMap>) -> Arc<dyn Transport> + Send>;

struct Surveyed {
    drive: NodeDrive,
    identity: Option<Identity>,
    file: Option<NodeFile>,
}

impl LocalNode {
    /// Starts a node with these drives; the first start founds a cluster of it alone. Returns once every
    /// range that has a quorum here has a leader, or after a few seconds.
    pub async fn open(env: Env, drives: Vec<NodeDrive>, settings: NodeSettings) -> Result<Arc<Self>, NodeError> {
        let node = Self::prepare(env, drives, settings, None).await?;
        node.begin().await?;
        Ok(node)
    }

    /// The first half of a start: opens the drives, and the replicas that keep the map. A node that is
    /// one of several is given `connect`, which makes its transport; it must then be reachable
    /// ([`LocalNode::service`]) before the second half, [`LocalNode::begin`], for which the map's group
    /// is needed.
    pub async fn prepare(
        env: Env,
        drives: Vec<NodeDrive>,
        settings: NodeSettings,
        connect: Option<Connect>,
    ) -> Result<Arc<Self>, NodeError> {
        if drives.is_empty() {
            return Err(NodeError::TooFewDrives("there is none".to_owned()));
        }
        let mut surveyed = survey(&drives).await?;
        if newest_file(&surveyed).is_none() {
            found_alone(&env, &drives, &settings).await?;
            surveyed = survey(&drives).await?;
        }
        let file = newest_file(&surveyed).cloned().ok_or(NodeError::NoMember)?;
        check_policy(&file.map, &settings)?;
        let (slots, forgetful) = open_slots(&env, &file, surveyed).await?;
        let clock = Arc::new(ClockGuard::new(&env, file.seen_ms, settings.duties.clock_leap_ms, connect.is_some()));
        let map = Arc::new(SharedMap::new(file.map.clone()));
        map.show(supervision::view(&file.map, file.node, &slots));
        let id = file.node;
        let transport = connect.map(|connect| connect(id, Arc::clone(&map)));
        let local_peers = LocalPeers::default();
        let raft_service = RaftService::new(local_peers.clone(), Arc::clone(&map) as Arc<dyn Directory>);
        let node = Arc::new_cyclic(|here| Self {
            raft_service,
            routes: Arc::new(Routes::new(here.clone(), id, Arc::clone(&map), transport.clone())),
            transport,
            heard: Mutex::default(),
            duties: Duties::new(settings.duties.clone()),
            clock,
            env,
            id,
            settings,
            local_peers,
            slots: ArcSwap::from_pointee(slots),
            released: Mutex::default(),
            forgetful,
            map,
            file: tokio::sync::Mutex::new(file),
            keeper_leader: Mutex::default(),
            servers: RwLock::default(),
            opening: tokio::sync::Mutex::default(),
            stopping: watch::channel(false).0,
        });
        node.open_keepers().await?;
        supervision::begin(&node);
        Ok(node)
    }

    /// The second half of a start: registers with the map's group, then opens everything else. With
    /// other nodes about it waits for them as long as it takes.
    pub async fn begin(self: &Arc<Self>) -> Result<(), NodeError> {
        let gone = loop {
            match self.register(&self.forgetful).await {
                Err(NodeError::Map(reason)) if !self.is_alone() && !self.is_stopping() => {
                    tracing::warn!(reason, "the cluster map does not answer yet");
                    sleep(REGISTER_AGAIN).await;
                }
                registered => break registered?,
            }
        };
        self.forget(&gone).await;
        self.open_replicas().await?;
        tokio::spawn(reports::follow_map(Arc::downgrade(self)));
        duties::begin(self);
        self.await_leaders().await;
        Ok(())
    }

    /// Tells the map that this node's drives are here, and how often each was started. Those that forgot
    /// their past are noted as emptied and get new replicas; the old ones are returned.
    pub(super) async fn register(&self, forgetful: &[DriveId]) -> Result<Vec<(DriveId, ReplicaId)>, NodeError> {
        let slots = self.slots.load_full();
        let mut gone = Vec::new();
        let now_ms = self.env.clock.wall_ms();
        self.change_map(|map| {
            gone.clear();
            let mut forgot: BTreeSet<DriveId> = forgetful.iter().copied().collect();
            for (id, slot) in slots.iter().filter(|(_, slot)| slot.down().is_none()) {
                let Some(drive) = map.drives.get_mut(id) else { continue };
                let identity = slot.shards.identity();
                if identity.forgot(drive) {
                    forgot.insert(*id);
                }
                (drive.boots, drive.incarnation) = (identity.boots, identity.incarnation);
                (drive.down_since_ms, drive.intake) = (None, slot.intake());
            }
            check_survivors(map, &forgot)?;
            for drive in forgot {
                if let Some(emptied) = map.drives.get_mut(&drive).map(|drive| &mut drive.emptied) {
                    emptied.times = emptied.times.saturating_add(1);
                    emptied.last_ms = now_ms;
                }
                gone.extend(map.renew_replicas(drive).into_iter().map(|replica| (drive, replica)));
            }
            Ok(true)
        })
        .await?;
        Ok(gone)
    }

    /// Takes a newer map: it stands on this node's drives before anything acts on it.
    pub(super) async fn adopt(&self, map: MapState) -> Result<(), NodeError> {
        let mut file = self.file.lock().await;
        if map.version <= file.map.version {
            return Ok(());
        }
        let next = NodeFile { map, ..file.clone() };
        let slots = self.slots.load_full();
        save(&next, &slots).await?;
        let view = supervision::view(&next.map, self.id, &slots);
        self.map.learn(next.map.clone(), view);
        *file = next;
        Ok(())
    }

    /// Notes the time, so that the next start can tell a leap of the clock. Not while it is doubted.
    pub(crate) async fn note_time(&self) {
        let mut file = self.file.lock().await;
        file.seen_ms = self.env.clock.wall_ms();
        if let Err(error) = save(&file, &self.slots.load_full()).await {
            tracing::error!(%error, "the time could not be noted");
        }
    }
}

fn newest_file(surveyed: &[Surveyed]) -> Option<&NodeFile> {
    let files = surveyed.iter().filter_map(|found| found.file.as_ref());
    files.max_by_key(|file| (file.map.version, file.seen_ms))
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
        let file = match NodeFile::read(&*drive.disk).await {
            Ok(file) => file,
            Err(error) => {
                tracing::error!(drive = drive.name, %error, "drive is left out");
                continue;
            }
        };
        surveyed.push(Surveyed { drive: drive.clone(), identity, file });
    }
    let clusters: BTreeSet<u128> =
        surveyed.iter().filter_map(|found| found.identity.as_ref()).map(|identity| identity.cluster).collect();
    if clusters.len() > 1 {
        return Err(NodeError::Drive("folders belong to different clusters".to_owned()));
    }
    Ok(surveyed)
}

/// Founds a cluster of this node alone.
async fn found_alone(env: &Env, drives: &[NodeDrive], settings: &NodeSettings) -> Result<(), NodeError> {
    let policy = settings.policy.as_ref().ok_or(NodeError::NoMember)?;
    let node = MapNode {
        role: Role::StorageNode,
        name: "local".into(),
        address: "".into(),
        region: RegionName("local".into()),
        zone: ZoneName("local".into()),
    };
    let (cluster, id) = (u128::from_be_bytes(env.random_bytes()), NodeId(u128::from_be_bytes(env.random_bytes())));
    let formation = Formation { nodes: 1, ranges: settings.range_count };
    let planned = LocalNode::plan_drives(env, drives).await?;
    LocalNode::found(env, drives, &planned, (cluster, id, node), policy, formation).await
}

fn check_policy(map: &MapState, settings: &NodeSettings) -> Result<(), NodeError> {
    let asked = settings.policy.as_ref().map(|policy| policy.redundancy);
    // The first of all; which is the default is an operator's to change.
    let first = map.policies.values().next().map(|first| first.policy.redundancy);
    match (first, asked) {
        (Some(formed), Some(asked)) if formed != asked => {
            Err(NodeError::Policy(format!("was fixed at the first start: {formed}, not {asked}")))
        }
        _ => Ok(()),
    }
}

impl Identity {
    /// Whether the drive forgot what it knew when the map last heard of it.
    const fn forgot(&self, known: &StoredDrive) -> bool {
        let is_another = self.incarnation != known.incarnation && self.incarnation > 0 && known.incarnation > 0;
        is_another || self.boots < known.boots
    }
}

type Slots = BTreeMap<DriveId, Arc<Slot>>;

/// Opens the node's drives that are here. Also says which of them have forgotten their past.
async fn open_slots(env: &Env, file: &NodeFile, surveyed: Vec<Surveyed>) -> Result<(Slots, Vec<DriveId>), NodeError> {
    let map = &file.map;
    let present: BTreeSet<DriveId> =
        surveyed.iter().filter_map(|found| found.identity.as_ref()).map(|identity| identity.drive).collect();
    let mut absent = map.drives_of(file.node).filter(|drive| !present.contains(drive));
    let (mut opening, mut renewed) = (Vec::new(), BTreeSet::new());
    for Surveyed { drive, identity, .. } in surveyed {
        let name = &drive.name;
        let id = match identity {
            Some(identity) => {
                let known = map.drives.get(&identity.drive).filter(|known| known.node == file.node);
                let Some(known) = known else {
                    return Err(NodeError::Drive(format!("{name}: is not a drive of this node")));
                };
                if identity.forgot(known) {
                    tracing::warn!(name, "drive was rolled back or formatted anew: its replicas begin anew");
                    renewed.insert(identity.drive);
                    if identity.incarnation == known.incarnation {
                        begin_anew(&drive, env).await?;
                    }
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
                let formatted = Identity::format_as(&drive.disk, env, map.cluster, id).await;
                formatted.map_err(|error| NodeError::Drive(format!("{name}: {error}")))?;
                renewed.insert(id);
                id
            }
        };
        opening.push((id, drive));
    }
    let opened = join_all(opening.iter().map(|(_, drive)| open_slot(env, map.cluster, drive))).await;
    let mut slots = Slots::new();
    for ((id, drive), opened) in opening.iter().zip(opened) {
        let opened = match opened {
            Err(error @ NodeError::CorruptLog(_)) => {
                renewed.insert(*id);
                check_survivors(map, &renewed)?;
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
    check_survivors(map, &renewed)?;
    if slots.is_empty() {
        return Err(NodeError::TooFewDrives("none can be opened".to_owned()));
    }
    Ok((slots, renewed.into_iter().collect()))
}

/// Refuses to go on when more replicas of a range have forgotten their past than it survives: the
/// rest could not elect a leader, and what is left must not be touched.
fn check_survivors(map: &MapState, renewed: &BTreeSet<DriveId>) -> Result<(), NodeError> {
    for range in map.all_ranges().filter(|range| range.founders.is_empty()) {
        let lost = range.replicas.values().filter(|drive| renewed.contains(drive)).count();
        if lost > 0 && (range.replicas.len() - lost) * 2 <= range.replicas.len() {
            let reason = "more drives were emptied, rolled back or damaged than the policy survives";
            return Err(NodeError::TooFewDrives(reason.to_owned()));
        }
    }
    Ok(())
}

/// Notes on a drive that it has forgotten its past: by its count of starts alone that could not be told any more
/// after a few further ones, if those are cut off before the map knows.
async fn begin_anew(drive: &NodeDrive, env: &Env) -> Result<(), NodeError> {
    let noted = Identity::begin_anew(&drive.disk, env).await;
    noted.map_err(|error| NodeError::Drive(format!("{}: {error}", drive.name)))
}

/// Opens a drive whose log is corrupt with an empty one.
async fn reopen_slot(env: &Env, drive: &NodeDrive) -> Result<Slot, NodeError> {
    let failed = |error: &dyn std::fmt::Display| NodeError::Drive(format!("{}: {error}", drive.name));
    begin_anew(drive, env).await?;
    DriveLog::remove(&*drive.disk).await.map_err(|error| failed(&error))?;
    let identity = Identity::read(&drive.disk).await.map_err(|error| failed(&error))?;
    Slot::open(drive, identity, env).await
}

pub(super) async fn open_slot(env: &Env, cluster: u128, drive: &NodeDrive) -> Result<Slot, NodeError> {
    let booted = Identity::boot(&drive.disk, cluster).await;
    let identity = booted.map_err(|error| NodeError::Drive(format!("{}: {error}", drive.name)))?;
    Slot::open(drive, identity, env).await
}

/// Writes the node's file to every drive that serves.
async fn save(file: &NodeFile, slots: &Slots) -> Result<(), NodeError> {
    let serving = || slots.values().filter(|slot| slot.down().is_none());
    let written = join_all(serving().map(|slot| file.write(&*slot.disk))).await;
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
