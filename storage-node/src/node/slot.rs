//! A drive in its place in the node: its files, its log, its stores, its shards.
//!
//! Promises: a drive that is down answers nothing any more; what it may still write reaches no one.
//! Must not know: ranges.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use couronne_protocol::env::Env;
use couronne_protocol::shard::ShardError;
use couronne_ring::DriveId;

use super::NodeError;
use super::stores::{SHARD_INDEX, Stores};
use crate::disk::Disk;
use crate::drive::{Drive, Identity, Parts, Settings};
use crate::log::DriveLog;

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
}

/// A drive that was opened.
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) id: DriveId,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) stores: Arc<dyn Stores>,
    pub(crate) log: Arc<DriveLog>,
    pub(crate) shards: Drive,
    down: ArcSwapOption<String>,
}

impl Slot {
    /// Opens the log and the shard store of a drive whose identity was booted. Also says whether its
    /// log had to be made anew because it was corrupt, so that its replicas have forgotten their past.
    pub(super) async fn open(drive: &NodeDrive, identity: Identity, env: &Env) -> Result<(Self, bool), NodeError> {
        let NodeDrive { name, disk, stores, settings } = drive.clone();
        let failed = |error: &dyn std::fmt::Display| NodeError::Drive(format!("{name}: {error}"));
        let (log, renewed) = match DriveLog::open(Arc::clone(&disk), identity.drive, env).await {
            Ok(log) => (log, false),
            Err(error @ crate::log::LogError::Corrupt(_)) => {
                tracing::error!(drive = %identity.drive, %error, "the drive's replicas begin anew");
                DriveLog::remove(&*disk).await.map_err(|error| failed(&error))?;
                let log = DriveLog::open(Arc::clone(&disk), identity.drive, env).await;
                (log.map_err(|error| failed(&error))?, true)
            }
            Err(error) => return Err(failed(&error)),
        };
        let index = stores.open(SHARD_INDEX).map_err(|error| failed(&error))?;
        let settings = match settings {
            Some(settings) => settings,
            None => Settings::for_space(disk.space().await.map_err(|error| failed(&error))?),
        };
        let parts = Parts { disk: Arc::clone(&disk), index, env: env.clone(), settings };
        let shards = Drive::start(parts, identity, false).await.map_err(|error| failed(&error))?;
        let down = ArcSwapOption::empty();
        let slot = Self { name, id: identity.drive, disk, stores, log: Arc::new(log), shards, down };
        Ok((slot, renewed))
    }

    /// Takes the drive out of service for good; `false` if it was already.
    pub(crate) fn take_down(&self, reason: &str) -> bool {
        let old = self.down.swap(Some(Arc::new(reason.to_owned())));
        self.log.close(reason);
        old.is_none()
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
