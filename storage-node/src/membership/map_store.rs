//! The cluster map: one row of the meta group, changed by compare-and-swap, with a copy on this node's drives.
//!
//! Promises: a change that was answered is durable at a quorum of the keepers, and stands on this
//! node's drives before anything here acts on it; changes by several nodes at once are made one after
//! the other, each on top of what the others left.
//! Must not know: what a change means.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::env::Env;
use couronne_metadata::command::{Command, Envelope, Expect, Outcome, Refusal};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey, Ordinal};
use couronne_metadata::query::{Answer, Query, SystemRow};
use couronne_protocol::map::{MAP_RANGE, MapState, ReplicaId, SharedMap};
use couronne_protocol::range::{QueryEnvelope, RangeAddress, RangeClient, RangeError};
use couronne_ring::{DriveId, NodeId};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::file::NodeFile;
use crate::disk::Disk;
use crate::drives::{ById, Drives, view};
use crate::error::NodeError;
use crate::replicas::{RenewReplicas, Routes};
use crate::stop::StopSignal;
use crate::surroundings::Surroundings;

/// The key of the map's row.
const MAP_KEY: &[u8] = b"map";

/// How long the keepers are asked before a change is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one keeper may take.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The pause after all keepers were asked in vain.
const PAUSE: Duration = Duration::from_millis(20);

/// The cluster map as this node reads, changes and keeps it.
pub(crate) struct MapStore {
    env: Env,
    id: NodeId,
    drives: Arc<Drives>,
    routes: Arc<Routes>,
    /// The newest map known here. It stands in the file first.
    map: Arc<SharedMap>,
    /// Held while the file is written.
    file: tokio::sync::Mutex<NodeFile>,
    /// The drive of the replica that led the meta group when last heard of.
    leader_hint: Mutex<Option<DriveId>>,
    stop: Arc<StopSignal>,
}

impl MapStore {
    /// The store of a node whose drives have this file.
    pub(crate) fn new(surroundings: Surroundings, drives: Arc<Drives>, routes: Arc<Routes>, file: NodeFile) -> Self {
        let Surroundings { env, id, map, stop, .. } = surroundings;
        let (file, leader_hint) = (tokio::sync::Mutex::new(file), Mutex::default());
        Self { env, id, drives, routes, map, file, leader_hint, stop }
    }

    /// The newest map known here.
    pub(crate) fn map(&self) -> Arc<MapState> {
        self.map.state()
    }

    /// Changes the map; `change` says whether it changed anything. It may be called several times, each
    /// time with the map as it is then. Returns the map after the change.
    pub(crate) async fn update(
        &self,
        mut change: impl FnMut(&mut MapState) -> Result<bool, NodeError>,
    ) -> Result<Arc<MapState>, NodeError> {
        loop {
            let row = self.read_row(MAP_KEY).await?;
            let (expect, mut map) = match row {
                Some(SystemRow { version, value }) => {
                    let map = MapState::decode(value).map_err(|error| NodeError::Map(error.to_string()))?;
                    (Expect::Version(version), map)
                }
                // The group was just made: the map that made it is its first row.
                None => (Expect::Absent, MapState::clone(&self.map())),
            };
            let changed = change(&mut map)?;
            if changed || expect == Expect::Absent {
                map.version += 1;
                if self.write_row(MAP_KEY, expect, Some(map.encode())).await?.is_none() {
                    continue;
                }
            }
            self.adopt(map).await?;
            return Ok(self.map());
        }
    }

    /// Takes the map as its group has it, unless the row is still the version that is `known`; which it is.
    pub(crate) async fn read_map(&self, known: Option<Ordinal>) -> Result<Option<Ordinal>, NodeError> {
        let Some(SystemRow { version, value }) = self.read_row(MAP_KEY).await? else { return Ok(None) };
        if known != Some(version) {
            self.adopt(MapState::decode(value).map_err(|error| NodeError::Map(error.to_string()))?).await?;
        }
        Ok(Some(version))
    }

    /// Takes a newer map: it stands on this node's drives before anything acts on it.
    pub(crate) async fn adopt(&self, map: MapState) -> Result<(), NodeError> {
        let mut file = self.file.lock().await;
        if map.version <= file.map.version {
            return Ok(());
        }
        let next = NodeFile { map, ..file.clone() };
        let drives = self.drives.by_id();
        save(&next, &drives).await?;
        let view = view(&next.map, self.id, &drives);
        self.map.learn(next.map.clone(), view);
        *file = next;
        Ok(())
    }

    /// Notes the time, so that the next start can tell a leap of the clock. Not while it is doubted.
    pub(crate) async fn note_time(&self) {
        let mut file = self.file.lock().await;
        file.seen_ms = self.env.clock.wall_ms();
        if let Err(error) = save(&file, &self.drives.by_id()).await {
            tracing::error!(%error, "the time could not be noted");
        }
    }

    /// Writes the map to a drive that is about to be mounted.
    pub(crate) async fn write_to(&self, disk: &dyn Disk) -> Result<(), NodeError> {
        Ok(self.file.lock().await.write(disk).await?)
    }

    /// Reads a row of the map's group; what was acknowledged before is in the answer.
    pub(crate) async fn read_row(&self, key: &[u8]) -> Result<Option<SystemRow>, NodeError> {
        let key = row_key(key)?;
        let query = QueryEnvelope { bucket: BucketId::SYSTEM, rules_version: None, query: Query::SystemGet { key } };
        match self.ask_keepers(|address, _| self.routes.query(address, query.clone())).await {
            Ok(Answer::SystemGet(row)) => Ok(row),
            Ok(_) => Err(NodeError::Map("wrong answer".to_owned())),
            Err(error) => Err(NodeError::Map(error.to_string())),
        }
    }

    /// Writes or removes a row of the map's group; `None` if it is not what was expected.
    pub(crate) async fn write_row(
        &self,
        key: &[u8],
        expect: Expect,
        value: Option<Bytes>,
    ) -> Result<Option<Ordinal>, NodeError> {
        let now_ms = self.env.clock.wall_ms();
        let envelope = Envelope {
            commit: CommitId::new(now_ms, self.env.random_bytes()),
            deadline_ms: now_ms.saturating_add(u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX)),
            bucket: BucketId::SYSTEM,
            rules_version: 0,
            key: row_key(key)?,
            command: Command::SystemWrite { expect, value },
            is_repeat: false,
        };
        let attempt = |address, is_repeat| self.routes.execute(address, Envelope { is_repeat, ..envelope.clone() });
        match self.ask_keepers(attempt).await {
            Ok(Outcome::Done { ordinal }) => Ok(Some(ordinal)),
            Ok(_) => Err(NodeError::Map("wrong answer".to_owned())),
            Err(RangeError::Refused(Refusal::Conflict)) => Ok(None),
            Err(error) => Err(NodeError::Map(error.to_string())),
        }
    }

    /// Asks the keepers until one that leads answers. What is asked has the same meaning however often
    /// it is repeated: a command carries its commit id. An attempt is told whether one before it went unanswered.
    async fn ask_keepers<T, A>(&self, attempt: impl Fn(RangeAddress, bool) -> A) -> Result<T, RangeError>
    where
        A: Future<Output = Result<T, RangeError>>,
    {
        let began = Instant::now();
        let (mut turn, mut hinted, mut is_repeat) = (0usize, false, false);
        loop {
            let keepers = self.map().keepers.clone();
            let places: Vec<DriveId> = keepers.replicas.values().copied().collect();
            // Never two hints in a row: those who are wrong about each other must not keep it from the rest.
            let hint = self.leader_hint.lock().take().filter(|hint| !hinted && places.contains(hint));
            hinted = hint.is_some();
            let Some(replica) =
                hint.or_else(|| turn.checked_rem(places.len()).and_then(|place| places.get(place).copied()))
            else {
                return Err(RangeError::Corrupt("nobody keeps the map".to_owned()));
            };
            let address = RangeAddress { range: MAP_RANGE, generation: keepers.generation, replica };
            let error = match timeout(ATTEMPT, attempt(address, is_repeat)).await {
                Ok(Ok(answer)) => {
                    *self.leader_hint.lock() = Some(replica);
                    return Ok(answer);
                }
                Ok(Err(error @ (RangeError::Refused(_) | RangeError::Corrupt(_)))) => {
                    *self.leader_hint.lock() = Some(replica);
                    return Err(error);
                }
                Ok(Err(RangeError::NotLeader(Some(leader)))) if leader != replica => {
                    *self.leader_hint.lock() = Some(leader);
                    RangeError::NotLeader(None)
                }
                Ok(Err(error)) => error,
                Err(_) => RangeError::Unavailable { reason: "no answer in time".to_owned(), maybe_done: true },
            };
            is_repeat |= matches!(error, RangeError::Unavailable { maybe_done: true, .. });
            if began.elapsed() > PATIENCE || self.stop.is_stopping() {
                return Err(error);
            }
            if hinted {
                continue;
            }
            turn = turn.wrapping_add(1);
            if turn.checked_rem(places.len()).is_none_or(|left| left == 0) {
                sleep(PAUSE).await;
            }
        }
    }
}

fn row_key(key: &[u8]) -> Result<ObjectKey, NodeError> {
    ObjectKey::new(Bytes::copy_from_slice(key)).map_err(|error| NodeError::Map(error.to_string()))
}

#[async_trait]
impl RenewReplicas for MapStore {
    async fn renew_replicas(&self, replicas: &[(DriveId, ReplicaId)]) -> Result<(), NodeError> {
        let renew = |map: &mut MapState| {
            replicas.iter().for_each(|(_, replica)| map.renew_replica(*replica));
            Ok(true)
        };
        self.update(renew).await.map(drop)
    }
}

/// Writes the node's file to every drive that serves.
async fn save(file: &NodeFile, drives: &ById) -> Result<(), NodeError> {
    let serving = || drives.values().filter(|drive| drive.down().is_none());
    let written = join_all(serving().map(|drive| file.write(&*drive.disk))).await;
    let mut saved = 0usize;
    for (drive, written) in serving().zip(written) {
        match written {
            Ok(()) => saved += 1,
            Err(error) => {
                tracing::error!(drive = drive.name, %error, "drive does not take the map");
                drive.take_down(&format!("writing the map: {error}"));
            }
        }
    }
    if saved == 0 {
        return Err(NodeError::TooFewDrives("none takes the map".to_owned()));
    }
    Ok(())
}
