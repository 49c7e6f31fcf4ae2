//! The cluster map: one row of a group of its own, changed by compare-and-swap.
//!
//! Promises: a change that was answered is durable at a quorum of the keepers, and stands on this
//! node's drives before anything here acts on it; changes by several nodes at once are made one after
//! the other, each on top of what the others left.
//! Must not know: what a change means.

use std::sync::Arc;

use bytes::Bytes;
use couronne_cluster::MapError;
use couronne_cluster::map::MapState;
use couronne_metadata::command::Expect;
use couronne_metadata::ids::{ObjectKey, Ordinal};
use couronne_metadata::query::SystemRow;

use super::{LocalNode, NodeError};

/// The key of the map's row.
const MAP_KEY: &[u8] = b"map";

impl LocalNode {
    /// Changes the map; `change` says whether it changed anything. It may be called several times, each
    /// time with the map as it is then. Returns the map after the change.
    pub(crate) async fn change_map(
        &self,
        mut change: impl FnMut(&mut MapState) -> Result<bool, MapError>,
    ) -> Result<Arc<MapState>, NodeError> {
        loop {
            let row = self.read_row(MAP_KEY).await?;
            let (expect, mut map) = match row {
                Some(SystemRow { version, value }) => {
                    let map = MapState::decode(value).map_err(|error| NodeError::Map(error.to_string()))?;
                    (Expect::Version(version), map)
                }
                // The group was just made: the map that made it is its first row.
                None => (Expect::Absent, MapState::clone(&self.map())),
            };
            let changed = change(&mut map)?;
            if changed || expect == Expect::Absent {
                map.version += 1;
                if self.write_row(MAP_KEY, expect, Some(map.encode())).await?.is_none() {
                    continue;
                }
            }
            self.adopt(map).await?;
            return Ok(self.map());
        }
    }

    /// Takes the map as its group has it, unless the row is still the version that is `known`; which it is.
    pub(super) async fn read_map(&self, known: Option<Ordinal>) -> Result<Option<Ordinal>, NodeError> {
        let Some(SystemRow { version, value }) = self.read_row(MAP_KEY).await? else { return Ok(None) };
        if known != Some(version) {
            self.adopt(MapState::decode(value).map_err(|error| NodeError::Map(error.to_string()))?).await?;
        }
        Ok(Some(version))
    }

    /// Reads a row of the map's group; what was acknowledged before is in the answer.
    pub(crate) async fn read_row(&self, key: &[u8]) -> Result<Option<SystemRow>, NodeError> {
        self.client.router().meta_get(&row_key(key)?).await.map_err(|error| NodeError::Map(error.to_string()))
    }

    /// Writes or removes a row of the map's group; `None` if it is not what was expected.
    pub(crate) async fn write_row(
        &self,
        key: &[u8],
        expect: Expect,
        value: Option<Bytes>,
    ) -> Result<Option<Ordinal>, NodeError> {
        let written = self.client.router().meta_write(&row_key(key)?, expect, value).await;
        written.map_err(|error| NodeError::Map(error.to_string()))
    }
}

fn row_key(key: &[u8]) -> Result<ObjectKey, NodeError> {
    ObjectKey::new(Bytes::copy_from_slice(key)).map_err(|error| NodeError::Map(error.to_string()))
}
