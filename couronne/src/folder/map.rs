//! The newest map that the process knows, beside its drives: with it a gateway finds its cluster, and a storage
//! node that lost all its drives.
//!
//! Promises: what is kept is a file of a map, with its magic and CRC, so that a file cut short or altered is no map.
//! Must not know: what a map says.

use couronne_cluster::map::ClusterMap;

use super::{DataFolder, DataFolderError, decoded, encoded, read_copy, write_everywhere};

pub(super) const MAP: &str = "map";

impl DataFolder {
    /// The newest known map. A damaged copy counts for nothing: the cluster has the map.
    pub(crate) fn map(&self) -> Result<Option<ClusterMap>, DataFolderError> {
        let mut newest: Option<ClusterMap> = None;
        for folder in &self.folders {
            let path = folder.join(MAP);
            let text = match read_copy(&path) {
                Err(DataFolderError::Damaged { .. }) => continue,
                text => text?,
            };
            let Some(text) = text else { continue };
            match decoded(&text).and_then(|map| ClusterMap::from_file(&map).ok()) {
                Some(map) if newest.as_ref().is_none_or(|known| known.version < map.version) => newest = Some(map),
                Some(_) => {}
                None => tracing::warn!(path = %path.display(), "this copy of the cluster map is damaged"),
            }
        }
        Ok(newest)
    }

    /// The newest known map of a gateway, which finds its cluster by it.
    pub(crate) fn gateway_map(&self) -> Result<ClusterMap, DataFolderError> {
        self.map()?.ok_or_else(|| DataFolderError::NoMap(self.name().join(MAP)))
    }

    /// Keeps a map, unless a newer one was kept. May be called by several tasks at once.
    pub(crate) fn keep_map(&self, map: &ClusterMap) -> Result<(), DataFolderError> {
        let mut kept = self.kept_map.lock();
        if map.version < *kept {
            return Ok(());
        }
        write_everywhere(&self.folders, MAP, &encoded(&map.to_file()))?;
        *kept = map.version;
        Ok(())
    }
}
