//! What of the data folders is secret, sealed under the node's key, which does not lie in them.
//!
//! ```text
//! format_version = 1
//! sealed = "<the file's TOML, sealed, base64>"
//! ```
//! A sealed file opens under its own name alone. Must not know: what is sealed.

mod bundle;
mod cluster_keys;
mod node_key;
mod operator;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub(crate) use bundle::Bundle;
pub(super) use cluster_keys::CLUSTER_KEYS;
pub(crate) use node_key::{NodeKey, WantedKey};
pub(crate) use operator::OperatorSecrets;
pub(super) use operator::{OPERATOR, read_operator_secrets};

use super::{DataFolder, DataFolderError, FORMAT_VERSION, check_version, damaged, first_sound, write_everywhere};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedFile {
    format_version: u32,
    sealed: String,
}

impl DataFolder {
    /// Writes a sealed TOML file to every folder.
    pub(super) fn write_sealed<T: Serialize>(&self, name: &str, file: &T) -> Result<(), DataFolderError> {
        let text = Zeroizing::new(toml_of(&self.name().join(name), file)?.into_bytes());
        let sealed = self.node_key.seal(&[name], &text)?;
        let text = toml_of(&self.name().join(name), &SealedFile { format_version: FORMAT_VERSION, sealed })?;
        write_everywhere(&self.folders, name, &text)
    }

    /// The first copy of a sealed file that `parse` takes.
    pub(super) fn read_sealed<T>(
        &self,
        name: &str,
        parse: impl Fn(&Path, &str) -> Result<T, DataFolderError>,
    ) -> Result<Option<T>, DataFolderError> {
        read_sealed(&self.node_key, &self.folders, name, parse)
    }
}

fn read_sealed<T>(
    key: &NodeKey,
    folders: &[PathBuf],
    name: &str,
    parse: impl Fn(&Path, &str) -> Result<T, DataFolderError>,
) -> Result<Option<T>, DataFolderError> {
    first_sound(folders, name, |path, text| {
        let file: SealedFile = toml::from_str(text).map_err(|error| damaged(path, &error))?;
        check_version(path, file.format_version)?;
        let opened = key.open(path, &[name], &file.sealed)?;
        let no_text = |_| DataFolderError::Damaged { path: path.to_owned(), reason: "it is not text".to_owned() };
        parse(path, std::str::from_utf8(&opened).map_err(no_text)?)
    })
}

fn toml_of<T: Serialize>(path: &Path, file: &T) -> Result<String, DataFolderError> {
    toml::to_string(file).map_err(|error| DataFolderError::Damaged { path: path.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_its_format_says() {
        let golden = "format_version = 1\nsealed = \"c2VhbGVk\"\n";
        let file = SealedFile { format_version: 1, sealed: "c2VhbGVk".to_owned() };
        assert_eq!(toml::to_string(&file).unwrap(), golden);
        assert_eq!(toml::from_str::<SealedFile>(golden).unwrap().sealed, file.sealed);
    }
}
