//! Sealing of secret keys: AES-256-GCM under a key derived from the cluster secret.
//!
//! ```text
//! sealed = version (1) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
//! ```
//! The access key is authenticated with it, so that a sealed secret cannot be moved to another key's row.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use bytes::Bytes;

use super::{IdentityError, Secret};

const VERSION: u8 = 1;
/// BLAKE3's derivation context: changing it makes every sealed secret unreadable.
const CONTEXT: &str = "couronne 2026-11 sealing of access keys' secrets";

/// Seals and opens secret keys.
pub(super) struct Sealer {
    key: LessSafeKey,
}

impl Sealer {
    pub(super) fn new(cluster_secret: &Secret) -> Result<Self, IdentityError> {
        let mut key = blake3::derive_key(CONTEXT, cluster_secret.expose());
        let unbound = UnboundKey::new(&AES_256_GCM, &key);
        zeroize::Zeroize::zeroize(&mut key);
        Ok(Self { key: LessSafeKey::new(unbound.map_err(|_| IdentityError::Sealed)?) })
    }

    /// Seals a secret; `nonce` is random and never used twice.
    pub(super) fn seal(
        &self,
        access_key: &str,
        secret: &Secret,
        nonce: [u8; NONCE_LEN],
    ) -> Result<Bytes, IdentityError> {
        let mut body = secret.expose().to_vec();
        let sealed =
            self.key.seal_in_place_append_tag(Nonce::from(&nonce), Aad::from(access_key.as_bytes()), &mut body);
        sealed.map_err(|_| IdentityError::Sealed)?;
        Ok([&[VERSION][..], &nonce, &body].concat().into())
    }

    pub(super) fn open(&self, access_key: &str, sealed: &[u8]) -> Result<Secret, IdentityError> {
        let opened = || {
            let (version, rest) = sealed.split_first()?;
            let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok().filter(|_| *version == VERSION)?;
            let mut body = zeroize::Zeroizing::new(body.to_vec());
            let plain = self.key.open_in_place(nonce, Aad::from(access_key.as_bytes()), &mut body).ok()?;
            Some(Secret::new(&*plain))
        };
        opened().ok_or(IdentityError::Sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_where_it_belongs() {
        let sealer = Sealer::new(&Secret::new([7; 32])).ok().unwrap();
        let secret = Secret::new("s3cr3t-s3cr3t");
        let sealed = sealer.seal("AKEY", &secret, [1; NONCE_LEN]).ok().unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"s3cr3t"));
        assert_eq!(sealer.open("AKEY", &sealed).ok().unwrap().expose(), secret.expose());
        assert!(sealer.open("BKEY", &sealed).is_err());
        let other = Sealer::new(&Secret::new([8; 32])).ok().unwrap();
        assert!(other.open("AKEY", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bent = sealed.to_vec();
            bent[at] ^= 1;
            assert!(sealer.open("AKEY", &bent).is_err(), "byte {at}");
            assert!(sealer.open("AKEY", &sealed[..at]).is_err(), "length {at}");
        }
    }
}
