//! The newest map that the process knows, beside its drives: with it a gateway finds its cluster, and a storage
//! node that lost all its drives.
//!
//! Promises: what is kept is a file of a map, with its magic and CRC, so that a file cut short or altered is no map.
//! Must not know: what a map says.

use couronne_cluster::map::ClusterMap;

use super::{DataFolder, DataFolderError, decoded, encoded, read_anywhere, write_everywhere};

const MAP: &str = "map";

impl DataFolder {
    /// The last known map; none if what is kept is damaged.
    pub(crate) fn map(&self) -> Result<Option<ClusterMap>, DataFolderError> {
        let file = read_anywhere(&self.folders, MAP)?.and_then(|text| decoded(&text));
        Ok(file.and_then(|file| ClusterMap::from_file(&file).ok()))
    }

    /// Keeps the newest map.
    pub(crate) fn keep_map(&self, map: &ClusterMap) -> Result<(), DataFolderError> {
        write_everywhere(&self.folders, MAP, &encoded(&map.to_file()))
    }
}
