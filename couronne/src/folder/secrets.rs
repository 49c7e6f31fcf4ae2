//! The cluster's secrets: root credentials, what seals users' keys, the admin token; and what of them a gateway is given.
//!
//! The founding node makes them once; the cluster keeps them beside its map.
//! Promises: no `Debug`; a gateway is given what it needs to tell the admin token from others, never the token. Must not know: the processes that ask for them.

use bytes::Bytes;
use couronne_admin::server::{TokenDigests, reading_token};
use couronne_base::env::Env;
use couronne_gateway::identity::{IdentitySecrets, RetiringRoot, RootCredentials, Secret};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::credentials::Credentials;
use super::secret::SecretText;

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
    /// What opens users' secret keys beside `sealing_secret`, while that is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) opening_secret: Option<SecretText>,
    /// The root credentials that were before, if they are still taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retiring: Option<RetiringCredentials>,
}

/// Root credentials that are taken beside the others for a while.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetiringCredentials {
    /// From when on they are taken no more, in milliseconds since 1970.
    pub(crate) until_ms: u64,
    /// The credentials.
    pub(crate) root: Credentials,
}

impl Secrets {
    /// New secrets, around these root credentials.
    pub(super) fn make(root: Credentials, env: &Env) -> Self {
        Self {
            access_key: root.access_key,
            secret_key: root.secret_key,
            sealing_secret: random_secret(env),
            admin_token: random_secret(env),
            opening_secret: None,
            retiring: None,
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

    /// The same as bytes.
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self.text().as_bytes())
    }

    /// What the cluster kept.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        toml::from_str(std::str::from_utf8(bytes).ok()?).ok()
    }

    /// What a gateway works with.
    pub(crate) fn shared(&self) -> SharedSecrets {
        SharedSecrets {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            sealing_secret: self.sealing_secret.clone(),
            reading_token: reading_token(&self.admin_token),
            admin_token_digest: hex::encode(TokenDigests::of(&self.admin_token).orders),
            opening_secret: self.opening_secret.clone(),
            retiring: self.retiring.clone(),
        }
    }
}

/// What a gateway works with.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SharedSecrets {
    /// The root access key.
    pub(crate) access_key: String,
    /// The root secret key: signatures are verified with it.
    #[serde(with = "super::secret")]
    pub(crate) secret_key: Zeroizing<String>,
    /// What seals users' secret keys at rest, 64 hexadecimal digits.
    #[serde(with = "super::secret")]
    pub(crate) sealing_secret: Zeroizing<String>,
    /// The token of every member's admin listener that gives no orders.
    #[serde(with = "super::secret")]
    pub(crate) reading_token: Zeroizing<String>,
    /// The SHA-256 of the token that gives orders, 64 hexadecimal digits.
    pub(crate) admin_token_digest: String,
    /// What opens users' secret keys beside `sealing_secret`, while that is changed.
    pub(crate) opening_secret: Option<SecretText>,
    /// The root credentials that were before, if they are still taken.
    pub(crate) retiring: Option<RetiringCredentials>,
}

impl SharedSecrets {
    /// The text that goes to a gateway.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(toml::to_string(self).unwrap_or_default())
    }

    /// What a storage node gave.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        toml::from_str(std::str::from_utf8(bytes).ok()?).ok()
    }

    /// What identities rest on; `None` if that is unusable.
    pub(crate) fn identities(&self) -> Option<IdentitySecrets> {
        let root = |access_key: &str, secret_key: &str| RootCredentials {
            access_key: access_key.into(),
            secret: Secret::new(secret_key.as_bytes()),
        };
        let retiring = self.retiring.as_ref().map(|RetiringCredentials { until_ms, root: old }| RetiringRoot {
            root: root(&old.access_key, &old.secret_key),
            until_ms: *until_ms,
        });
        let opening = self.opening_secret.iter().map(|secret| bytes_of(&secret.0));
        Some(IdentitySecrets {
            root: root(&self.access_key, &self.secret_key),
            retiring,
            sealing: bytes_of(&self.sealing_secret)?,
            opening: opening.collect::<Option<_>>()?,
        })
    }

    /// What opens the admin listener.
    pub(crate) fn token_digests(&self) -> Option<TokenDigests> {
        let mut orders = [0; 32];
        hex::decode_to_slice(&self.admin_token_digest, &mut orders).ok()?;
        Some(TokenDigests { orders, reading: TokenDigests::of_reading(&self.reading_token) })
    }
}

/// 32 random bytes, 64 hexadecimal digits.
pub(crate) fn random_secret(env: &Env) -> Zeroizing<String> {
    Zeroizing::new(hex::encode(env.random_bytes::<32>()))
}

/// The 32 bytes of a secret.
fn bytes_of(text: &str) -> Option<Secret> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, bytes.as_mut()).ok()?;
    Some(Secret::new(bytes.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_given_what_tells_the_admin_token_from_others_and_never_the_token() {
        let env = couronne_base::env::system();
        let secrets = Secrets::make(Credentials::generate(&env), &env);
        let text = secrets.shared().text();
        assert!(!text.contains(secrets.admin_token.as_str()) && text.contains(secrets.secret_key.as_str()));
        let shared = SharedSecrets::parse(text.as_bytes()).unwrap();
        assert_eq!(shared.token_digests(), Some(TokenDigests::of(&secrets.admin_token)));
        assert!(Secrets::parse(text.as_bytes()).is_none());
    }
}
