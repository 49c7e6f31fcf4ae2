//! The newest map that the process knows, beside its drives: with it a gateway finds its cluster, and a storage
//! node that lost all its drives.
//!
//! Must not know: what a map says.

use super::{DataFolder, DataFolderError, decoded, encoded, read_anywhere, write_everywhere};

const MAP: &str = "map";

impl DataFolder {
    /// The last known map.
    pub(crate) fn map(&self) -> Result<Option<Vec<u8>>, DataFolderError> {
        Ok(read_anywhere(&self.folders, MAP)?.and_then(|text| decoded(&text)))
    }

    /// Keeps the newest map.
    pub(crate) fn keep_map(&self, map: &[u8]) -> Result<(), DataFolderError> {
        write_everywhere(&self.folders, MAP, &encoded(map))
    }
}
