//! The cluster map: one row of the meta group, changed by compare-and-swap, with a copy on this node's drives.
//!
//! Promises: a change that was answered is durable at a quorum of the meta group, and stands on this
//! node's drives before anything here acts on it; changes by several nodes at once are made one after
//! the other, each on top of what the others left.
//! Must not know: what a change means.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::env::Env;
use couronne_client::Client;
use couronne_cluster::map::{ClusterMap, ReplicaId};
use couronne_cluster::{MapError, changes};
use couronne_metadata::command::Expect;
use couronne_metadata::ids::{ObjectKey, Ordinal, RangeId};
use couronne_metadata::query::SystemRow;
use couronne_protocol::map::SharedMap;
use couronne_ring::{DriveId, NodeId};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::file::NodeFile;
use crate::cluster_time::ClusterTime;
use crate::disk::Disk;
use crate::drives::{ById, Drives, MountedDrive, view};
use crate::error::NodeError;
use crate::replicas::RenewReplicas;
use crate::surroundings::Surroundings;

/// How long a drive may take to write the node's file.
const SAVE_WAIT: Duration = Duration::from_secs(5);

/// The key of the map's row.
const MAP_KEY: &[u8] = b"map";

/// The cluster map as this node reads, changes and keeps it.
pub(crate) struct MapStore {
    env: Env,
    id: NodeId,
    drives: Arc<Drives>,
    /// What asks the meta group.
    client: Arc<Client>,
    /// The newest map known here. It stands in the file first.
    map: Arc<SharedMap>,
    /// Is told what the map notes of it.
    time: Arc<ClusterTime>,
    /// Held while the file is written.
    file: tokio::sync::Mutex<NodeFile>,
}

impl MapStore {
    /// The store of a node whose drives have this file.
    pub(crate) fn new(surroundings: Surroundings, drives: Arc<Drives>, client: Arc<Client>, file: NodeFile) -> Self {
        let Surroundings { env, id, map, time, .. } = surroundings;
        Self { env, id, drives, client, map, time, file: tokio::sync::Mutex::new(file) }
    }

    /// The newest map known here.
    pub(crate) fn map(&self) -> Arc<ClusterMap> {
        self.map.state()
    }

    /// Changes the map; `change` says whether it changed anything. It may be called several times, each
    /// time with the map as it is then. Returns the map after the change.
    pub(crate) async fn update(
        &self,
        mut change: impl FnMut(&mut ClusterMap) -> Result<bool, MapError>,
    ) -> Result<Arc<ClusterMap>, NodeError> {
        loop {
            let row = self.read_row(MAP_KEY).await?;
            let (expect, mut map) = match row {
                Some(SystemRow { version, value }) => {
                    let map = ClusterMap::decode(value).map_err(|error| NodeError::Map(error.to_string()))?;
                    (Expect::Version(version), map)
                }
                // The group was just made: the map that made it is its first row.
                None => (Expect::Absent, ClusterMap::clone(&self.map())),
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
            self.adopt(ClusterMap::decode(value).map_err(|error| NodeError::Map(error.to_string()))?).await?;
        }
        Ok(Some(version))
    }

    /// Takes a newer map: it stands on this node's drives before anything acts on it.
    pub(crate) async fn adopt(&self, map: ClusterMap) -> Result<(), NodeError> {
        let mut file = self.file.lock().await;
        if map.version <= file.map.version {
            return Ok(());
        }
        let next = NodeFile { map, ..file.clone() };
        let drives = self.drives.by_id();
        save(&next, &drives).await?;
        let view = view(&next.map, self.id, &drives);
        self.time.learn(next.map.time_ms);
        self.map.learn(next.map.clone(), view);
        *file = next;
        Ok(())
    }

    /// Notes the time, so that the next start can tell a leap of the clock. Not while it is doubted.
    pub(crate) async fn note_time(&self) {
        let mut file = self.file.lock().await;
        file.seen_ms = self.env.clock.wall_ms();
        match save(&file, &self.drives.by_id()).await {
            Ok(()) => {}
            Err(error @ NodeError::NoneServes) => tracing::debug!(%error, "the time is noted later"),
            Err(error) => tracing::error!(%error, "the time could not be noted"),
        }
    }

    /// Writes the map to a drive that is about to be mounted.
    pub(crate) async fn write_to(&self, disk: &dyn Disk) -> Result<(), NodeError> {
        Ok(self.file.lock().await.write(disk).await?)
    }

    /// Reads a row of the meta group; what was acknowledged before is in the answer.
    pub(crate) async fn read_row(&self, key: &[u8]) -> Result<Option<SystemRow>, NodeError> {
        self.client.router().meta_get(&row_key(key)?).await.map_err(|error| NodeError::Map(error.to_string()))
    }

    /// Writes or removes a row of the meta group; `None` if it is not what was expected.
    pub(crate) async fn write_row(
        &self,
        key: &[u8],
        expect: Expect,
        value: Option<Bytes>,
    ) -> Result<Option<Ordinal>, NodeError> {
        let written = self.client.router().meta_write(&row_key(key)?, expect, value).await;
        written.map_err(|error| NodeError::Map(error.to_string()))
    }
}

fn row_key(key: &[u8]) -> Result<ObjectKey, NodeError> {
    ObjectKey::new(Bytes::copy_from_slice(key)).map_err(|error| NodeError::Map(error.to_string()))
}

#[async_trait]
impl RenewReplicas for MapStore {
    async fn renew_replicas(&self, replicas: &[(DriveId, ReplicaId)]) -> Result<(), NodeError> {
        let renew = |map: &mut ClusterMap| {
            changes::renew_replicas(map, replicas.iter().map(|(_, replica)| *replica));
            Ok(true)
        };
        self.update(renew).await.map(drop)
    }

    async fn renew_one(
        &self,
        range: RangeId,
        replica: ReplicaId,
        voters: &BTreeSet<ReplicaId>,
    ) -> Result<bool, NodeError> {
        let mut is_renewed = false;
        let renew = |map: &mut ClusterMap| {
            let named = map.range(range).map(|range| range.replicas.keys().copied().collect());
            is_renewed = named.as_ref() == Some(voters) && changes::can_do_without(map, replica);
            if is_renewed {
                changes::renew_replicas(map, [replica]);
            }
            Ok(is_renewed)
        };
        self.update(renew).await?;
        Ok(is_renewed)
    }

    async fn give_up_replica(&self, replica: ReplicaId) -> Result<(), NodeError> {
        let give_up = |map: &mut ClusterMap| {
            let given_up = changes::give_up_replica(map, replica)?;
            if let Some(drive) = given_up {
                tracing::error!(%drive, %replica, "drive was rolled back: its replicas begin anew");
            }
            Ok(given_up.is_some())
        };
        self.update(give_up).await.map(drop)
    }
}

/// Writes the node's file to every drive that serves: to one of them at least, or it is an error. One that hangs is
/// left out, for the newest file of all counts.
async fn save(file: &NodeFile, drives: &ById) -> Result<(), NodeError> {
    let serving: Vec<_> = drives.values().filter(|drive| drive.down().is_none()).collect();
    let count = serving.len();
    let written = join_all(serving.iter().map(|drive| save_on(file, drive))).await;
    let (mut saved, mut hanging) = (0usize, 0usize);
    for (drive, written) in serving.into_iter().zip(written) {
        match written {
            Some(Ok(())) => saved += 1,
            None => hanging += 1,
            // A full drive is read from all the same; it takes the map once there is space.
            Some(Err(error)) if error.kind() == io::ErrorKind::StorageFull => {
                tracing::error!(drive = drive.name, %error, "the map was not written to a full drive");
            }
            Some(Err(error)) => {
                tracing::error!(drive = drive.name, %error, "the map was not written to a drive");
                drive.take_down(&format!("writing the map: {error}"));
            }
        }
    }
    if hanging == count {
        return Err(NodeError::NoneServes);
    }
    if saved == 0 {
        return Err(NodeError::TooFewDrives("none takes the map".to_owned()));
    }
    Ok(())
}

/// Writes the node's file to a drive; `None` if the drive hangs. Then the write goes on, and until it has ended no
/// other begins, for it could not be told what the file is in the end.
async fn save_on(file: &NodeFile, drive: &MountedDrive) -> Option<io::Result<()>> {
    if drive.is_slow() {
        return None;
    }
    let turn = drive.take_file()?;
    let (file, disk) = (file.clone(), Arc::clone(&drive.disk));
    let writing = tokio::spawn(async move {
        let _turn = turn;
        file.write(&*disk).await
    });
    match timeout(SAVE_WAIT, writing).await {
        Ok(written) => Some(written.unwrap_or_else(|error| Err(io::Error::other(error)))),
        Err(_) => None,
    }
}
