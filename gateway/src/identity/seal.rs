//! Sealing of secret keys: AES-256-GCM under a key derived from a secret of the cluster.
//!
//! ```text
//! sealed = version (1) ‖ which key (8) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
//! ```
//! Access key, account and user are authenticated with it, each with its length, so that a sealed secret opens in no other
//! row than its own. Several secrets of the cluster may open, while they are changed; one seals.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use bytes::Bytes;

use super::{IdentityError, Secret};

const VERSION: u8 = 2;
/// BLAKE3's derivation context: changing it makes every sealed secret unreadable.
const CONTEXT: &str = "couronne 2026-11 sealing of access keys' secrets";
/// What a key is known by.
const NAME_CONTEXT: &str = "couronne 2026-11 name of a sealing key";

/// Whose secret key it is.
#[derive(Clone, Copy)]
pub(super) struct SealedFor<'a> {
    pub(super) access_key: &'a str,
    /// The account's canonical id.
    pub(super) account: &'a str,
    pub(super) user: &'a str,
}

/// Seals and opens secret keys.
pub(super) struct Sealer {
    /// The first seals, all open.
    keys: Vec<SealingKey>,
}

struct SealingKey {
    name: [u8; 8],
    key: LessSafeKey,
}

impl SealedFor<'_> {
    fn authenticated(&self) -> Aad<Vec<u8>> {
        let mut bytes = Vec::new();
        for part in [self.access_key, self.account, self.user] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Aad::from(bytes)
    }
}

impl SealingKey {
    fn new(secret: &Secret) -> Result<Self, IdentityError> {
        let mut key = blake3::derive_key(CONTEXT, secret.expose());
        let [n0, n1, n2, n3, n4, n5, n6, n7, ..] = blake3::derive_key(NAME_CONTEXT, secret.expose());
        let unbound = UnboundKey::new(&AES_256_GCM, &key);
        zeroize::Zeroize::zeroize(&mut key);
        let key = LessSafeKey::new(unbound.map_err(|_| IdentityError::Sealed)?);
        Ok(Self { name: [n0, n1, n2, n3, n4, n5, n6, n7], key })
    }
}

impl Sealer {
    /// Seals under the first secret, and opens what any of them sealed.
    pub(super) fn new(sealing: &Secret, opening: &[Secret]) -> Result<Self, IdentityError> {
        let keys = std::iter::once(sealing).chain(opening).map(SealingKey::new);
        Ok(Self { keys: keys.collect::<Result<_, _>>()? })
    }

    /// Seals a secret; `nonce` is random and never used twice.
    pub(super) fn seal(
        &self,
        of: SealedFor<'_>,
        secret: &Secret,
        nonce: [u8; NONCE_LEN],
    ) -> Result<Bytes, IdentityError> {
        let SealingKey { name, key } = self.keys.first().ok_or(IdentityError::Sealed)?;
        let mut body = secret.expose().to_vec();
        let sealed = key.seal_in_place_append_tag(Nonce::from(&nonce), of.authenticated(), &mut body);
        sealed.map_err(|_| IdentityError::Sealed)?;
        Ok([&[VERSION][..], name, &nonce, &body].concat().into())
    }

    pub(super) fn open(&self, of: SealedFor<'_>, sealed: &[u8]) -> Result<Secret, IdentityError> {
        let opened = || {
            let (version, rest) = sealed.split_first()?;
            let (name, rest) = rest.split_first_chunk::<8>()?;
            let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok().filter(|_| *version == VERSION)?;
            let SealingKey { key, .. } = self.keys.iter().find(|key| key.name == *name)?;
            let mut body = zeroize::Zeroizing::new(body.to_vec());
            let plain = key.open_in_place(nonce, of.authenticated(), &mut body).ok()?;
            Some(Secret::new(&*plain))
        };
        opened().ok_or(IdentityError::Sealed)
    }

    /// Whether this was sealed under the key that seals now.
    pub(super) fn is_newest(&self, sealed: &[u8]) -> bool {
        let newest = self.keys.first().map(|key| key.name);
        newest.is_some() && sealed.get(1..).and_then(|rest| rest.first_chunk::<8>()) == newest.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVE: SealedFor<'_> = SealedFor { access_key: "AKEY", account: "acme", user: "eve" };

    fn sealer(sealing: u8, opening: &[u8]) -> Sealer {
        let secret = |byte: u8| Secret::new([byte; 32]);
        Sealer::new(&secret(sealing), &opening.iter().copied().map(secret).collect::<Vec<_>>()).ok().unwrap()
    }

    #[test]
    fn what_is_sealed_opens_only_where_it_belongs() {
        let (sealing, secret) = (sealer(7, &[]), Secret::new("s3cr3t-s3cr3t"));
        let sealed = sealing.seal(EVE, &secret, [1; NONCE_LEN]).ok().unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"s3cr3t"));
        assert_eq!(sealing.open(EVE, &sealed).ok().unwrap().expose(), secret.expose());
        // Another key's row, another account's or user's, and parts that only together read the same.
        for other in [
            SealedFor { access_key: "BKEY", ..EVE },
            SealedFor { account: "evil", ..EVE },
            SealedFor { user: "bob", ..EVE },
            SealedFor { account: "acm", user: "eeve", ..EVE },
        ] {
            assert!(sealing.open(other, &sealed).is_err());
        }
        assert!(sealer(8, &[]).open(EVE, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bent = sealed.to_vec();
            bent[at] ^= 1;
            assert!(sealing.open(EVE, &bent).is_err(), "byte {at}");
            assert!(sealing.open(EVE, &sealed[..at]).is_err(), "length {at}");
        }
    }

    #[test]
    fn several_keys_open_and_the_first_seals() {
        let secret = Secret::new("s3cr3t-s3cr3t");
        let old = sealer(7, &[]).seal(EVE, &secret, [1; NONCE_LEN]).ok().unwrap();
        let both = sealer(8, &[7]);
        assert!(both.open(EVE, &old).is_ok() && !both.is_newest(&old));
        let new = both.seal(EVE, &secret, [2; NONCE_LEN]).ok().unwrap();
        assert!(both.is_newest(&new) && sealer(8, &[]).open(EVE, &new).is_ok());
        assert!(sealer(8, &[]).open(EVE, &old).is_err() && sealer(7, &[]).open(EVE, &new).is_err());
        assert!(!both.is_newest(&[]) && !both.is_newest(&new[..8]));
    }
}
