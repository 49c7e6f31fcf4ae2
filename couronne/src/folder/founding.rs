//! What a founding node has made and its cluster does not keep yet: the cluster's id, its authority, its secrets.
//!
//! ```text
//! format_version = 1
//! cluster = "<32 hexadecimal digits>"
//! authority = "<certificate, DER, base64>"
//! authority_key = "<private key, PKCS #8, base64>"
//!
//! [secrets]
//! access_key, secret_key, sealing_secret, admin_token
//! ```
//! Promises: it is made once and stands here before any drive is prepared; so a founding that was cut off is gone
//! on with, of the same cluster. Until it is kept nothing of it stands anywhere. Must not know: how a cluster keeps it.

use std::path::Path;

use couronne_base::env::Env;
use couronne_protocol::net::certificates::{Authority, PrivateKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::secrets::Secrets;
use super::{
    DataFolder, DataFolderError, FORMAT_VERSION, check_version, credentials, damaged, decoded, encoded, first_sound,
};

pub(super) const FOUNDING: &str = "founding.toml";

/// The cluster that is founded.
pub(crate) struct Founding {
    /// Its id.
    pub(crate) cluster: u128,
    /// Its authority.
    pub(crate) authority: Authority,
    /// The authority's private key.
    pub(crate) authority_key: PrivateKey,
    /// Its secrets.
    pub(crate) secrets: Secrets,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FoundingFile {
    format_version: u32,
    cluster: String,
    authority: String,
    #[serde(with = "super::secret")]
    authority_key: Zeroizing<String>,
    secrets: Secrets,
}

impl DataFolder {
    /// What the founding node made, if the cluster does not keep it yet.
    pub(crate) fn founding(&self) -> Result<Option<Founding>, DataFolderError> {
        first_sound(&self.folders, FOUNDING, parse)
    }

    /// The same; a new one, which stands nowhere yet, if nothing was made.
    pub(crate) fn founding_or_new(&self, env: &Env) -> Result<Founding, DataFolderError> {
        if let Some(founding) = self.founding()? {
            return Ok(founding);
        }
        let root = credentials::of_founding(&self.folders, env)?;
        let cluster = u128::from_be_bytes(env.random_bytes());
        let (authority, authority_key) = Authority::create(cluster, env)?;
        Ok(Founding { cluster, authority, authority_key, secrets: Secrets::make(root, env) })
    }

    /// Keeps it until the cluster does, with the root credentials for the operator.
    pub(crate) fn keep_founding(&self, founding: &Founding) -> Result<(), DataFolderError> {
        credentials::keep(&self.folders, &founding.secrets.root())?;
        let file = FoundingFile {
            format_version: FORMAT_VERSION,
            cluster: format!("{:032x}", founding.cluster),
            authority: encoded(founding.authority.certificate()).to_string(),
            authority_key: encoded(founding.authority_key.as_pkcs8()),
            secrets: founding.secrets.clone(),
        };
        self.write(FOUNDING, &file)
    }

    /// The cluster keeps it now.
    pub(crate) fn forget_founding(&self) -> Result<(), DataFolderError> {
        self.remove(FOUNDING)
    }
}

/// What a file means.
fn parse(path: &Path, text: &str) -> Result<Founding, DataFolderError> {
    let file: FoundingFile = toml::from_str(text).map_err(|error| damaged(path, &error))?;
    check_version(path, file.format_version)?;
    let damaged = |reason: String| DataFolderError::Damaged { path: path.to_owned(), reason };
    let parsed = || Some((u128::from_str_radix(&file.cluster, 16).ok()?, decoded(&file.authority)?));
    let reason = || damaged("the cluster or its authority does not parse".to_owned());
    let (cluster, certificate) = parsed().ok_or_else(reason)?;
    let authority_key = PrivateKey::from_pkcs8(decoded(&file.authority_key).unwrap_or_default());
    let authority =
        Authority::load(cluster, &certificate, &authority_key).map_err(|error| damaged(error.to_string()))?;
    Ok(Founding { cluster, authority, authority_key, secrets: file.secrets })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_its_format_says() {
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        let file = FoundingFile {
            format_version: 1,
            cluster: format!("{:032x}", 9),
            authority: encoded(b"certificate").to_string(),
            authority_key: encoded(b"key"),
            secrets: Secrets {
                access_key: "ROOT".to_owned(),
                secret_key: secret("secret key"),
                sealing_secret: secret("00"),
                admin_token: secret("11"),
                opening_secret: None,
                retiring: None,
            },
        };
        let golden = "format_version = 1\ncluster = \"00000000000000000000000000000009\"\n\
                      authority = \"Y2VydGlmaWNhdGU=\"\nauthority_key = \"a2V5\"\n\n\
                      [secrets]\naccess_key = \"ROOT\"\nsecret_key = \"secret key\"\n\
                      sealing_secret = \"00\"\nadmin_token = \"11\"\n";
        assert_eq!(toml::to_string(&file).unwrap(), golden);
        assert_eq!(toml::to_string(&toml::from_str::<FoundingFile>(golden).unwrap()).unwrap(), golden);
    }
}
