//! The keys of the cluster that a storage node has, sealed under its own.
//!
//! ```text
//! keys = ["<key, 64 hexadecimal digits>", ...]        the oldest first; the whole file is sealed
//! ```
//! Must not know: what they seal.

use std::io;
use std::path::Path;

use couronne_storage_node::node::{ClusterKey, KeepClusterKeys};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::secret::SecretText;
use super::super::{DataFolder, DataFolderError, damaged};

pub(in super::super) const CLUSTER_KEYS: &str = "cluster-keys.toml";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterKeysFile {
    keys: Vec<SecretText>,
}

impl DataFolder {
    /// The keys of the cluster, the oldest first.
    pub(crate) fn cluster_keys(&self) -> Result<Vec<ClusterKey>, DataFolderError> {
        Ok(self.read_sealed(CLUSTER_KEYS, parse)?.unwrap_or_default())
    }

    /// Keeps these keys, and no others.
    pub(crate) fn keep_cluster_keys(&self, keys: &[ClusterKey]) -> Result<(), DataFolderError> {
        let keys = keys.iter().map(|key| SecretText(Zeroizing::new(hex::encode(key.expose())))).collect();
        self.write_sealed(CLUSTER_KEYS, &ClusterKeysFile { keys })
    }
}

impl KeepClusterKeys for DataFolder {
    fn keep(&self, keys: &[ClusterKey]) -> io::Result<()> {
        self.keep_cluster_keys(keys).map_err(io::Error::other)
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<ClusterKey>, DataFolderError> {
    let file: ClusterKeysFile = toml::from_str(text).map_err(|error| damaged(path, &error))?;
    let key = |text: &SecretText| {
        let bytes = Zeroizing::new(hex::decode(text.0.as_str()).ok()?);
        ClusterKey::from_bytes(&bytes)
    };
    let reason = || "a key does not parse".to_owned();
    let keys: Option<Vec<_>> = file.keys.iter().map(key).collect();
    keys.ok_or_else(|| DataFolderError::Damaged { path: path.to_owned(), reason: reason() })
}
