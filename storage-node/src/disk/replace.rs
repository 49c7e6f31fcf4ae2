//! A small file written whole: the one way in which files of a drive are created under their name or replaced.
//!
//! Promises: after a crash at any moment the name has the old bytes or the new ones, never part of either; once
//! it returns, the new ones are durable. While the process is out of open files it waits.
//! Must not know: what is in the file.

use std::io;

use bytes::Bytes;

use super::{Access, Disk, when_files_are_left};

/// Replaces the file `path`, which stands at the top of the disk.
pub(crate) async fn replace(disk: &dyn Disk, path: &str, bytes: Bytes) -> io::Result<()> {
    let unfinished = format!("{path}.new");
    match disk.remove(&unfinished).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = when_files_are_left(|| disk.create(&unfinished, 0, Access::Buffered)).await?;
    file.write(0, vec![bytes], true).await?;
    disk.rename(&unfinished, path).await?;
    when_files_are_left(|| disk.sync_dir("")).await
}
