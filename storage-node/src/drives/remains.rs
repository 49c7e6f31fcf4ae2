//! What is left of a drive in a folder that has no identity.
//!
//! A drive's identity is the first that is made in its folder. So a folder that has none and holds anything of a drive
//! lost it, and is not empty.
//! Must not know: what becomes of the folder.

use std::io;

use super::NodeDrive;
use super::folders::MAP;
use super::shards::SEGMENTS;
use crate::disk::read_copies;
use crate::log;

/// The name of something of a drive that is here, identities apart; `None` if nothing is.
pub(crate) async fn remains(drive: &NodeDrive) -> io::Result<Option<&'static str>> {
    for folder in [SEGMENTS, log::FOLDER] {
        if !drive.disk.list(folder).await?.is_empty() {
            return Ok(Some(folder));
        }
    }
    if !read_copies(&*drive.disk, MAP, 1).await?.is_empty() {
        return Ok(Some(MAP));
    }
    Ok(drive.stores.holds_any().then_some("stores"))
}
