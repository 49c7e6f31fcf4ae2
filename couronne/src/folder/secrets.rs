//! What a cluster's gateways work with: root credentials, what seals users' keys, the admin token.
//!
//! The founder makes them once; the cluster keeps them beside its map and gives them to its gateways.
//! Promises: no `Debug`. Must not know: who asks for them.

use couronne_base::env::Env;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::folder::credentials::{self, Credentials, CredentialsError};

/// The secrets.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    /// The root access key.
    pub(crate) access_key: String,
    /// The root secret key.
    #[serde(with = "crate::folder::secret")]
    pub(crate) secret_key: Zeroizing<String>,
    /// What seals users' secret keys at rest, 64 hexadecimal digits.
    #[serde(with = "crate::folder::secret")]
    pub(crate) sealing_secret: Zeroizing<String>,
    /// The token of every member's admin listener.
    #[serde(with = "crate::folder::secret")]
    pub(crate) admin_token: Zeroizing<String>,
}

impl Secrets {
    /// New ones; the environment may preset the root credentials.
    pub(crate) fn make(env: &Env) -> Result<Self, CredentialsError> {
        let root = credentials::preset()?.unwrap_or_else(|| Credentials::generate(env));
        Ok(Self {
            access_key: root.access_key,
            secret_key: root.secret_key,
            sealing_secret: Zeroizing::new(hex::encode(env.random_bytes::<32>())),
            admin_token: Zeroizing::new(hex::encode(env.random_bytes::<32>())),
        })
    }

    /// As the cluster keeps them.
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
