//! A drive that died and has an empty one in its place: it begins anew under the same identity.
//!
//! The drive keeps its id, so rings and places stay as they are; it gets another incarnation, so that
//! everyone sees that it forgot what it knew. The steps: let go of what is left of the old one; give the
//! empty folder the identity and open it; tell the map, which counts it as emptied and gives it new
//! replicas. Repair then refills it. The old one's databases must be closed before: while they are open they
//! write by path, into whatever has taken their place. What was cut off between two steps the next start goes on with.
//! Promises: a drive that serves is left alone, unless that is forced and nothing else is in danger; and none is begun anew,
//! nor anything of it touched, while a group has no majority without the vote that may be brought back with it.
//! Must not know: folders.

use std::sync::Arc;
use std::time::Duration;

use couronne_cluster::changes;
use couronne_cluster::map::LogEnd;
use couronne_protocol::map::MapSource;
use couronne_ring::DriveId;
use tokio::time::{Instant, sleep};

use super::Membership;
use crate::drives::{self, DriveNotes, ForgetfulDrives, Identity, NodeDrive, NotedDrive, OnFailure};
use crate::error::NodeError;

/// How long what still uses a drive's old files may take to end.
const RELEASE_WAIT: Duration = Duration::from_secs(15);

/// The pause before it is looked at again.
const RELEASE_PAUSE: Duration = Duration::from_millis(50);

impl Membership {
    /// What operators call the drives that were opened.
    pub fn drive_names(&self) -> Vec<(DriveId, String)> {
        self.drives.mounted().map(|drive| (drive.id, drive.name.clone())).collect()
    }

    /// Which drive each folder holds, and on which file system it is.
    pub async fn noted_drives(&self) -> DriveNotes {
        let mut notes = DriveNotes::default();
        for drive in self.drives.mounted() {
            match drive.disk.file_system().await {
                Ok(file_system) => {
                    notes.by_name.insert(drive.name.clone(), NotedDrive { drive: drive.id, file_system });
                }
                Err(error) => tracing::warn!(name = drive.name, %error, "the drive's file system cannot be asked for"),
            }
        }
        notes
    }

    /// Lets go of a drive of this node that does not serve, or that is forced to stop. Returns once nothing
    /// here uses its files: what is still open would write into those that take their place.
    pub async fn release_drive(&self, id: DriveId, is_forced: bool) -> Result<(), NodeError> {
        let map = self.map();
        if map.drives.get(&id).is_none_or(|drive| drive.node != self.id) {
            return Err(NodeError::Drive(format!("{id}: is not a drive of this node")));
        }
        changes::check_quorum(&map, &self.map.current(), id)?;
        if let Some(drive) = self.drives.find(id) {
            if drive.down().is_none() {
                if !is_forced {
                    return Err(NodeError::Drive(format!("{id}: serves; nothing is replaced")));
                }
                changes::check_spare(&map, &self.map.current(), id)?;
                self.replicas.drive_failed(&drive, "it is being replaced").await;
            }
            self.drives.release(&drive);
        }
        self.await_release(id).await
    }

    async fn await_release(&self, id: DriveId) -> Result<(), NodeError> {
        let began = Instant::now();
        while self.drives.is_in_use(id) {
            if began.elapsed() > RELEASE_WAIT {
                let reason = format!("{id}: its old files are still in use; try again, or restart the node");
                return Err(NodeError::Drive(reason));
            }
            sleep(RELEASE_PAUSE).await;
        }
        self.drives.forget_release(id);
        Ok(())
    }

    /// Begins a drive anew in an empty folder. If the map cannot be told, or refuses it, the node is as it was before.
    pub async fn replace_drive(self: &Arc<Self>, id: DriveId, drive: &NodeDrive) -> Result<(), NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::Drive(format!("{}: {error}", drive.name));
        if self.drives.find(id).is_some() || self.drives.is_released(id) {
            return Err(failed(&"is in use"));
        }
        let cluster = self.map().cluster;
        let formatted = Identity::format_as(&drive.disk, &self.env, cluster, id).await;
        formatted.map_err(|error| failed(&error))?;
        self.map_store.write_to(&*drive.disk).await?;
        let mounted = Arc::new(drives::mount(&self.env, cluster, drive, LogEnd::START).await?);
        mounted.note_new();
        self.drives.add(Arc::clone(&mounted));
        if let Err(error) = self.register(&ForgetfulDrives::default()).await {
            self.drives.release(&mounted);
            let hint = "nothing is on it: empty its folder, and give the order again";
            return Err(failed(&format_args!("{error}; {hint}")));
        }
        tracing::warn!(drive = %id, name = drive.name, "a drive begins anew");
        self.watch_drive(&mounted);
        self.replicas.forget_unnamed().await;
        self.replicas.open_assigned(&*self.map_store).await
    }
}
