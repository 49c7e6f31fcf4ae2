//! What a cluster's gateways work with: root credentials, what seals users' keys, the admin token.
//!
//! The founding node makes them once; the cluster keeps them beside its map and gives them to its gateways.
//! Promises: no `Debug`. Must not know: the processes that ask for them.

use std::path::PathBuf;

use couronne_base::env::Env;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::credentials::{self, ACCESS_KEY_VARIABLE, Credentials, SECRET_KEY_VARIABLE};
use super::{DataFolder, DataFolderError, first_sound};

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
    /// Has the operator find the root credentials that the cluster keeps. What else the file said counts for nothing:
    /// it may be damaged, or left by another cluster, and keys that clients use must not change by such an accident.
    pub(crate) fn show_credentials(&self, kept: &Secrets) -> Result<(), DataFolderError> {
        let others = match first_sound(&self.folders, credentials::NAME, credentials::parse) {
            Err(DataFolderError::Damaged { .. }) => true,
            found => found?.is_some_and(|found| found != kept.root()),
        };
        if others {
            let path = self.credentials_path();
            tracing::warn!(
                path = %path.display(),
                "the file had other root credentials than the cluster keeps, which stay: it is written again; \
                 {ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE} change them"
            );
        }
        credentials::keep(&self.folders, &kept.root())
    }

    /// The file that keeps the root credentials for the operator.
    pub(crate) fn credentials_path(&self) -> PathBuf {
        self.name().join(credentials::NAME)
    }
}
