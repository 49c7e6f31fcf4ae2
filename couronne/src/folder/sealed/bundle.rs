//! What one storage node that was reset has for the others of its cluster: in a file of its own, in clear, which the operator
//! carries and deletes.
//!
//! ```text
//! format_version = 1
//! cluster_key = "<64 hexadecimal digits>"
//! founding = "<founding.toml, opened>"
//! ```
//! Must not know: what a reset does with it.

use std::path::Path;

use couronne_base::env::Env;
use couronne_storage_node::node::ClusterKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::founding::Founding;
use super::super::secret::SecretText;
use super::super::{DataFolderError, FORMAT_VERSION, check_version, damaged, files};

/// What is carried.
pub(crate) struct Bundle {
    /// The new authority and secrets.
    pub(crate) founding: Founding,
    /// The new key of the cluster.
    pub(crate) cluster_key: ClusterKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BundleFile {
    format_version: u32,
    cluster_key: SecretText,
    founding: SecretText,
}

impl Bundle {
    /// A new one, for a cluster that there is.
    pub(crate) fn make(cluster: u128, cluster_key: ClusterKey, env: &Env) -> Result<Self, DataFolderError> {
        Ok(Self { founding: Founding { is_reset: true, ..Founding::make(cluster, env)? }, cluster_key })
    }

    /// Writes it, for its owner only; what is there of this name is replaced.
    pub(crate) fn write(&self, path: &Path) -> Result<(), DataFolderError> {
        let file = BundleFile {
            format_version: FORMAT_VERSION,
            cluster_key: SecretText(Zeroizing::new(hex::encode(self.cluster_key.expose()))),
            founding: SecretText(self.founding.text(path)?),
        };
        let text = Zeroizing::new(super::toml_of(path, &file)?);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        files::replace(folder, &name, &text).map_err(DataFolderError::io("writing", path))
    }

    /// Reads that of a cluster.
    pub(crate) fn read(path: &Path, cluster: u128) -> Result<Self, DataFolderError> {
        let damage = |reason: &str| DataFolderError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
        let text = files::read(path).map_err(DataFolderError::io("reading", path))?.map(Zeroizing::new);
        let text = text.ok_or_else(|| damage("it is not there"))?;
        let file: BundleFile = toml::from_str(&text).map_err(|error| damaged(path, &error))?;
        check_version(path, file.format_version)?;
        let founding = Founding::parse(path, &file.founding.0)?;
        let bytes = Zeroizing::new(hex::decode(file.cluster_key.0.as_str()).unwrap_or_default());
        let cluster_key = ClusterKey::from_bytes(&bytes).ok_or_else(|| damage("the cluster's key does not parse"))?;
        match founding.cluster == cluster {
            true => Ok(Self { founding, cluster_key }),
            false => Err(damage("it is of another cluster")),
        }
    }
}
