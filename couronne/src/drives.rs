//! Opening the drives of this process, each with its share of the memory.
//!
//! Must not know: settings, which folders the drives are in, what is done with the drives.

use std::path::{Path, PathBuf};

use couronne_metadata::rocks::RocksSettings;
use couronne_storage_node::node::{NodeDrive, NodeError, open_folder, open_folders};

/// RocksDB memory of all drives together, in bytes: unflushed rows, and cached blocks.
const ROCKS_BYTES: usize = 128 << 20;

/// The drives in these folders.
pub(crate) async fn open(folders: &[PathBuf]) -> Result<Vec<NodeDrive>, NodeError> {
    open_folders(folders, &rocks_settings(folders.len())).await
}

/// The drive in one folder, of a node that has so many.
pub(crate) async fn open_one(folder: &Path, count: usize) -> Result<NodeDrive, NodeError> {
    open_folder(folder, &rocks_settings(count)).await
}

/// A drive's share of the memory.
fn rocks_settings(drives: usize) -> RocksSettings {
    let share = ROCKS_BYTES / drives.max(1);
    let write_buffers_bytes = share.clamp(12 << 20, 48 << 20);
    RocksSettings {
        write_buffers_bytes,
        // The larger a flush, the fewer files that a row may be in, and the less compaction.
        write_buffer_bytes: write_buffers_bytes / 3 * 2,
        block_cache_bytes: share.clamp(8 << 20, 32 << 20),
        ..RocksSettings::default()
    }
}
