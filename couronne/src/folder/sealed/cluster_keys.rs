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
use super::super::{DataFolder, DataFolderError, damaged, files};

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

    /// The same at a start. Of a damaged file the keys are given by the other storage nodes, if there are any: the file is set
    /// aside. Where this node is the only one, nobody else has the key, and the start is refused.
    pub(crate) fn cluster_keys_at_start(&self, have_others: bool) -> Result<Vec<ClusterKey>, DataFolderError> {
        match self.cluster_keys() {
            Err(damage @ (DataFolderError::Damaged { .. } | DataFolderError::OtherKey { .. })) if have_others => {
                for path in self.folders.iter().map(|folder| folder.join(CLUSTER_KEYS)) {
                    if files::exists(&path).map_err(DataFolderError::io("reading", &path))? {
                        let aside = files::set_aside(&path).map_err(DataFolderError::io("renaming", &path))?;
                        let aside = aside.display();
                        tracing::error!(%damage, %aside, "set aside: other storage nodes are asked for the cluster's keys");
                    }
                }
                Ok(Vec::new())
            }
            Err(DataFolderError::Damaged { path, reason }) => Err(DataFolderError::OnlyKeyDamaged { path, reason }),
            keys => keys,
        }
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
