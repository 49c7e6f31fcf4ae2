//! A small file that stands twice on its drive, so that one rotten sector does not cost what it says.
//!
//! Promises: a copy is replaced only once the other is durable, so after a crash at any moment one of them is whole.
//! Must not know: what is in the file, which copy counts.

use std::io;

use bytes::Bytes;

use super::{Access, Disk, replace};

/// Writes both copies of the file `path`, which stands at the top of the disk: whole and durably.
pub(crate) async fn write_copies(disk: &dyn Disk, path: &str, bytes: Bytes) -> io::Result<()> {
    replace(disk, path, bytes.clone()).await?;
    replace(disk, &second(path), bytes).await
}

/// The copies that there are, the first of them first; of each at most `bytes_max` bytes. A copy that cannot be read
/// is an error only if the other is not there.
pub(crate) async fn read_copies(disk: &dyn Disk, path: &str, bytes_max: u64) -> io::Result<Vec<Bytes>> {
    let (mut copies, mut failed) = (Vec::new(), None);
    for path in [path.to_owned(), second(path)] {
        match read(disk, &path, bytes_max).await {
            Ok(Some(bytes)) => copies.push(bytes),
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if copies.is_empty() => Err(error),
        _ => Ok(copies),
    }
}

async fn read(disk: &dyn Disk, path: &str, bytes_max: u64) -> io::Result<Option<Bytes>> {
    let file = match disk.open(path, Access::Buffered).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let len = file.len().await?.min(bytes_max);
    Ok(Some(file.read(0, usize::try_from(len).map_err(io::Error::other)?).await?))
}

/// The names of both copies.
pub(crate) fn names(path: &str) -> [String; 2] {
    [path.to_owned(), second(path)]
}

fn second(path: &str) -> String {
    format!("{path}.copy")
}
