//! What a founding node has made and its cluster does not keep yet: the cluster's id, its authority, its secrets. So has one
//! whose secrets were reset.
//!
//! ```text
//! the whole file is sealed
//!
//! format_version = 1
//! cluster = "<32 hexadecimal digits>"
//! is_reset = true or false: whether they take the place of those that the cluster keeps
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
use super::{DataFolder, DataFolderError, FORMAT_VERSION, check_version, credentials, damaged, decoded, encoded};

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
    /// Whether all that takes the place of what the cluster keeps, for that is lost.
    pub(crate) is_reset: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FoundingFile {
    format_version: u32,
    cluster: String,
    is_reset: bool,
    authority: String,
    #[serde(with = "super::secret")]
    authority_key: Zeroizing<String>,
    secrets: Secrets,
}

impl DataFolder {
    /// What the founding node made, if the cluster does not keep it yet.
    pub(crate) fn founding(&self) -> Result<Option<Founding>, DataFolderError> {
        self.read_sealed(FOUNDING, Founding::parse).map_err(|error| match error {
            DataFolderError::Damaged { path, reason } => DataFolderError::FoundingDamaged { path, reason },
            error => error,
        })
    }

    /// The same; a new one, which stands nowhere yet, if nothing was made.
    pub(crate) fn founding_or_new(&self, env: &Env) -> Result<Founding, DataFolderError> {
        if let Some(founding) = self.founding()? {
            return Ok(founding);
        }
        Founding::make(u128::from_be_bytes(env.random_bytes()), env)
    }

    /// Keeps it until the cluster does, with what is for the operator.
    pub(crate) fn keep_founding(&self, founding: &Founding) -> Result<(), DataFolderError> {
        self.keep_for_operator(&founding.secrets)?;
        self.write_sealed(FOUNDING, &founding.file())
    }

    /// The cluster keeps it now.
    pub(crate) fn forget_founding(&self) -> Result<(), DataFolderError> {
        self.remove(FOUNDING)
    }
}

impl Founding {
    /// An authority and secrets for a cluster.
    pub(super) fn make(cluster: u128, env: &Env) -> Result<Self, DataFolderError> {
        let root = credentials::of_founding(env)?;
        let (authority, authority_key) = Authority::create(cluster, env)?;
        Ok(Self { cluster, authority, authority_key, secrets: Secrets::make(root, env), is_reset: false })
    }

    fn file(&self) -> FoundingFile {
        FoundingFile {
            format_version: FORMAT_VERSION,
            cluster: format!("{:032x}", self.cluster),
            is_reset: self.is_reset,
            authority: encoded(self.authority.certificate()).to_string(),
            authority_key: encoded(self.authority_key.as_pkcs8()),
            secrets: self.secrets.clone(),
        }
    }

    /// The text of its file, before that is sealed.
    pub(super) fn text(&self, path: &Path) -> Result<Zeroizing<String>, DataFolderError> {
        let failed =
            |error: toml::ser::Error| DataFolderError::Damaged { path: path.to_owned(), reason: error.to_string() };
        toml::to_string(&self.file()).map(Zeroizing::new).map_err(failed)
    }

    /// What a file means.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, DataFolderError> {
        let file: FoundingFile = toml::from_str(text).map_err(|error| damaged(path, &error))?;
        check_version(path, file.format_version)?;
        let damaged = |reason: String| DataFolderError::Damaged { path: path.to_owned(), reason };
        let parsed = || Some((u128::from_str_radix(&file.cluster, 16).ok()?, decoded(&file.authority)?));
        let reason = || damaged("the cluster or its authority does not parse".to_owned());
        let (cluster, certificate) = parsed().ok_or_else(reason)?;
        let authority_key = PrivateKey::from_pkcs8(decoded(&file.authority_key).unwrap_or_default());
        let authority =
            Authority::load(cluster, &certificate, &authority_key).map_err(|error| damaged(error.to_string()))?;
        Ok(Self { cluster, authority, authority_key, secrets: file.secrets, is_reset: file.is_reset })
    }
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
            is_reset: false,
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
                      is_reset = false\nauthority = \"Y2VydGlmaWNhdGU=\"\nauthority_key = \"a2V5\"\n\n\
                      [secrets]\naccess_key = \"ROOT\"\nsecret_key = \"secret key\"\n\
                      sealing_secret = \"00\"\nadmin_token = \"11\"\n";
        assert_eq!(toml::to_string(&file).unwrap(), golden);
        assert_eq!(toml::to_string(&toml::from_str::<FoundingFile>(golden).unwrap()).unwrap(), golden);
    }
}
