//! What a cluster's gateways work with: root credentials, what seals users' keys, the admin token.
//!
//! The founding node makes them once; the cluster keeps them beside its map and gives them to its gateways.
//! Promises: no `Debug`. Must not know: the processes that ask for them.

use std::path::PathBuf;

use couronne_base::env::Env;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::credentials::{self, Credentials};
use super::{DataFolder, DataFolderError, read_anywhere};

/// The secrets.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    /// The root access key.
    pub(crate) access_key: String,
    /// The root secret key.
    #[serde(with = "super::secret")]
    pub(crate) secret_key: Zeroizing<String>,
    /// What seals users' secret keys at rest, 64 hexadecimal digits.
    #[serde(with = "super::secret")]
    pub(crate) sealing_secret: Zeroizing<String>,
    /// The token of every member's admin listener.
    #[serde(with = "super::secret")]
    pub(crate) admin_token: Zeroizing<String>,
}

impl Secrets {
    /// New secrets, around these root credentials.
    pub(super) fn make(root: Credentials, env: &Env) -> Self {
        Self {
            access_key: root.access_key,
            secret_key: root.secret_key,
            sealing_secret: Zeroizing::new(hex::encode(env.random_bytes::<32>())),
            admin_token: Zeroizing::new(hex::encode(env.random_bytes::<32>())),
        }
    }

    /// The root credentials.
    pub(crate) fn root(&self) -> Credentials {
        Credentials { access_key: self.access_key.clone(), secret_key: self.secret_key.clone() }
    }

    /// The secrets as text, as the cluster keeps them.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(toml::to_string(self).unwrap_or_default())
    }

    /// What the cluster kept.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        toml::from_str(std::str::from_utf8(bytes).ok()?).ok()
    }

    /// What seals users' secret keys.
    pub(crate) fn sealing_bytes(&self) -> Option<Zeroizing<[u8; 32]>> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(self.sealing_secret.as_str(), bytes.as_mut()).ok()?;
        Some(bytes)
    }
}

impl DataFolder {
    /// The root credentials as the operator of a lone server wants them: those of the environment, else those of the
    /// file, which is made of what the cluster keeps if it is gone.
    pub(crate) fn root_credentials(&self, kept: &Secrets, env: &Env) -> Result<Credentials, DataFolderError> {
        if read_anywhere(&self.folders, credentials::NAME)?.is_none() {
            self.write(credentials::NAME, &kept.root())?;
        }
        credentials::open(&self.folders, env)
    }

    /// The file that keeps the root credentials for the operator.
    pub(crate) fn credentials_path(&self) -> PathBuf {
        self.name().join(credentials::NAME)
    }
}
