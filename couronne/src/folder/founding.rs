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
//! on with, of the same cluster. Must not know: how a cluster keeps it.

use couronne_base::env::Env;
use couronne_protocol::net::certificates::{Authority, PrivateKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::secrets::Secrets;
use super::{DataFolder, DataFolderError, FORMAT_VERSION, check_version, credentials, decoded, encoded};

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
        let Some(file) = self.read::<FoundingFile>(FOUNDING)? else { return Ok(None) };
        let path = self.name().join(FOUNDING);
        check_version(&path, file.format_version)?;
        let parsed = || Some((u128::from_str_radix(&file.cluster, 16).ok()?, decoded(&file.authority)?));
        let reason = "the cluster or its authority does not parse".to_owned();
        let (cluster, certificate) = parsed().ok_or(DataFolderError::Damaged { path, reason })?;
        let authority_key = PrivateKey::from_pkcs8(decoded(&file.authority_key).unwrap_or_default());
        let authority = Authority::load(cluster, &certificate, &authority_key)?;
        Ok(Some(Founding { cluster, authority, authority_key, secrets: file.secrets }))
    }

    /// What the founding node made; made now, if nothing was made yet.
    pub(crate) fn make_founding(&self, env: &Env) -> Result<Founding, DataFolderError> {
        if let Some(founding) = self.founding()? {
            return Ok(founding);
        }
        let root = credentials::open(&self.folders, env)?;
        let cluster = u128::from_be_bytes(env.random_bytes());
        let (authority, authority_key) = Authority::create(cluster, env)?;
        let founding = Founding { cluster, authority, authority_key, secrets: Secrets::make(root, env) };
        let file = FoundingFile {
            format_version: FORMAT_VERSION,
            cluster: format!("{cluster:032x}"),
            authority: encoded(founding.authority.certificate()).to_string(),
            authority_key: encoded(founding.authority_key.as_pkcs8()),
            secrets: founding.secrets.clone(),
        };
        self.write(FOUNDING, &file)?;
        Ok(founding)
    }

    /// The cluster keeps it now.
    pub(crate) fn forget_founding(&self) -> Result<(), DataFolderError> {
        self.remove(FOUNDING)
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
            authority: encoded(b"certificate").to_string(),
            authority_key: encoded(b"key"),
            secrets: Secrets {
                access_key: "ROOT".to_owned(),
                secret_key: secret("secret key"),
                sealing_secret: secret("00"),
                admin_token: secret("11"),
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
