//! Real drives: one folder each, its files beside its RocksDB.
//!
//! Promises: a folder that is gone is never made again once the node was formed, for it may only be
//! unmounted; nothing is made in an empty folder whose file system is not the one that was noted.
//! Must not know: what drives hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use couronne_metadata::rocks::RocksSettings;
use futures_util::future::BoxFuture;

use super::findings::OmittedDrives;
use super::noted::{DriveNotes, LeftOut};
use super::rocks_stores::{FOLDER, RocksStores};
use super::{NodeDrive, Reopen, space};
use crate::disk::files::FileDisk;
use crate::disk::{Disk, copies, read_copies};
use crate::error::NodeError;

/// A file that stands in every drive's folder once the node was formed.
pub(super) const MAP: &str = "map";

/// A file that stands in every drive's folder once the drive was formatted.
const IDENTITY: &str = "drive";

/// What is told of a drive whose folder is not there. It counts as away: nothing of it is given up.
const NOT_THERE: &str = "its folder is not there: its disk is probably not mounted. Mount it and restart the node";

/// Opens the drives in these folders. At the first start, when no folder is in use, they are made. What is noted of them
/// tells which are not mounted.
pub async fn open_folders(
    folders: &[PathBuf],
    settings: &RocksSettings,
    notes: &DriveNotes,
) -> Result<Vec<NodeDrive>, NodeError> {
    let mut formed = false;
    for folder in folders {
        formed |= exists_in(folder, MAP).await?;
    }
    let (mut drives, mut omitted) = (Vec::new(), OmittedDrives::default());
    for folder in folders {
        let name = folder.display().to_string();
        if formed && !exists(folder.clone()).await? {
            omitted.note(&name, &NOT_THERE);
            continue;
        }
        if formed && let Err(why) = check_mounted(folder, &name, notes).await? {
            omitted.note(&name, &why);
            continue;
        }
        match open(folder, settings, &name).await {
            Ok(drive) => drives.push(drive),
            Err(error @ NodeError::InUse(_)) => return Err(error),
            Err(error) if formed && drives_left(folders) => omitted.note(&name, &error),
            Err(error) => return Err(error),
        }
    }
    let mut mapped = false;
    for drive in &drives {
        // One whose map cannot be read is told of by who looks for the map.
        mapped |= !matches!(read_copies(&*drive.disk, MAP, 1).await, Ok(copies) if copies.is_empty());
    }
    if formed && !mapped {
        return Err(NodeError::NoMap(omitted.told()));
    }
    Ok(drives)
}

/// Refuses an empty folder on another file system than was noted, before anything is made in it.
async fn check_mounted(folder: &Path, name: &str, notes: &DriveNotes) -> Result<Result<(), LeftOut>, NodeError> {
    if is_in_use(folder).await? {
        return Ok(Ok(()));
    }
    Ok(notes.check_mounted(name, file_system_of(folder).await?))
}

/// Refuses to make the folder of a drive that is to begin anew, if it is not there and its disk is probably not mounted.
/// A folder that is there is fine.
pub async fn check_makeable(folder: &Path, notes: &DriveNotes) -> Result<(), NodeError> {
    if exists(folder.to_owned()).await? {
        return Ok(());
    }
    let absolute = std::path::absolute(folder)?;
    for above in absolute.ancestors().skip(1) {
        if exists(above.to_owned()).await? {
            let name = folder.display().to_string();
            let judged = notes.check_removed(&name, file_system_of(above).await?);
            return judged.map_err(|why| NodeError::Drive(format!("{name}: {why}")));
        }
    }
    Ok(())
}

async fn file_system_of(folder: &Path) -> Result<u64, NodeError> {
    let folder = folder.to_owned();
    let looked = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&folder)).await;
    Ok(looked.map_err(std::io::Error::other)?.map_err(std::io::Error::from)?.f_fsid)
}

/// Opens the drive in one folder, which is made if it is not there.
pub async fn open_folder(folder: &Path, settings: &RocksSettings) -> Result<NodeDrive, NodeError> {
    open(folder, settings, &folder.display().to_string()).await
}

/// Whether a folder holds a drive's files.
pub async fn is_in_use(folder: &Path) -> Result<bool, NodeError> {
    Ok(exists_in(folder, IDENTITY).await? || exists(folder.join(FOLDER)).await?)
}

/// Removes everything in a folder.
#[allow(clippy::disallowed_methods, reason = "a drive that is given up is no disk any more")]
pub async fn empty_folder(folder: PathBuf) -> Result<(), NodeError> {
    let emptied = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => std::fs::remove_dir_all(entry.path())?,
                false => std::fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    });
    Ok(emptied.await.map_err(std::io::Error::other)??)
}

/// Whether the node could do without one of its drives at all.
const fn drives_left(folders: &[PathBuf]) -> bool {
    folders.len() > 1
}

async fn open(folder: &Path, settings: &RocksSettings, name: &str) -> Result<NodeDrive, NodeError> {
    let failed = |error: &dyn std::fmt::Display| NodeError::Drive(format!("{name}: {error}"));
    let disk = FileDisk::open(folder).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => NodeError::InUse(name.to_owned()),
        _ => failed(&error),
    });
    let disk: Arc<dyn Disk> = Arc::new(disk?);
    space::give_up_if_short(name, &*disk).await.map_err(|error| failed(&error))?;
    let (path, how) = (folder.to_owned(), settings.clone());
    let opened = tokio::task::spawn_blocking(move || RocksStores::open(&path, &how)).await;
    let stores = Arc::new(opened.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?);
    let (path, settings) = (folder.to_owned(), settings.clone());
    let reopen = Reopen::by(move || open_again(path.clone(), settings.clone()));
    Ok(NodeDrive { name: name.to_owned(), disk, stores, settings: None, reopen: Some(reopen) })
}

/// Opens the drive in a folder once more, if it is there.
fn open_again(folder: PathBuf, settings: RocksSettings) -> BoxFuture<'static, Result<NodeDrive, NodeError>> {
    Box::pin(async move {
        if !exists_in(&folder, IDENTITY).await? {
            return Err(NodeError::Drive(format!("{}: no drive is there any more", folder.display())));
        }
        open_folder(&folder, &settings).await
    })
}

/// Whether something is there that is a folder; an error if it is anything else.
pub(crate) async fn is_folder(path: &Path) -> Result<bool, NodeError> {
    let (path, name) = (path.to_owned(), path.display().to_string());
    let looked = tokio::task::spawn_blocking(move || rustix::fs::stat(&path)).await;
    match looked.map_err(std::io::Error::other)? {
        Ok(found) if rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir() => Ok(true),
        Ok(_) => Err(NodeError::Drive(format!("{name}: it is no folder"))),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(NodeError::Drive(format!("{name}: {}", std::io::Error::from(error)))),
    }
}

/// Whether either copy of a file is in a folder.
async fn exists_in(folder: &Path, file: &str) -> Result<bool, NodeError> {
    let [first, second] = copies::names(file).map(|name| folder.join(name));
    match exists(first).await {
        Ok(true) => Ok(true),
        // One copy that cannot be looked at is no loss.
        first => exists(second).await.and_then(|is_there| if is_there { Ok(true) } else { first }),
    }
}

async fn exists(path: PathBuf) -> Result<bool, NodeError> {
    let name = path.display().to_string();
    let looked = tokio::task::spawn_blocking(move || rustix::fs::stat(&path)).await;
    match looked.map_err(std::io::Error::other)? {
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(false),
        Err(error) => Err(NodeError::Drive(format!("{name}: {}", std::io::Error::from(error)))),
    }
}
