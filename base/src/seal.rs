//! Sealing of secrets at rest: AES-256-GCM under a key that follows from a secret and a purpose.
//!
//! ```text
//! sealed = version (1) ‖ name of the key (8) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
//! ```
//! What a secret is about is authenticated with it, each part with its length, so that it opens nowhere else. The nonce is
//! a keyed hash of all that is sealed (a synthetic IV): the same gives the same bytes, so that a file is written only where
//! it changes, and two different secrets have one nonce with a probability of 2^-96.
//! Promises: keys are wiped when dropped, and have no `Debug`; bytes of any origin open to what was sealed or to an error.
//! Must not know: what is sealed, where keys are kept.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use thiserror::Error;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const NAME_BYTES: usize = 8;

/// BLAKE3's derivation contexts: what a key is known by, and what its nonces are made with.
const NAME_CONTEXT: &str = "couronne 2026-11 name of a key that seals";
const NONCE_CONTEXT: &str = "couronne 2026-11 nonces of a key that seals";

/// What tells a key from others. The key does not follow from it.
pub type KeyName = [u8; NAME_BYTES];

/// It was not sealed by this key about this, or is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it was not sealed by this key for this place, or is damaged")]
pub struct NotSealed;

/// A key that seals and opens.
pub struct SealKey {
    name: KeyName,
    key: LessSafeKey,
    nonces: Zeroizing<[u8; 32]>,
}

impl SealKey {
    /// The key that follows from a secret of 32 bytes or more, for a purpose: a text that nothing else in the program uses.
    pub fn derive(purpose: &str, secret: &[u8]) -> Result<Self, NotSealed> {
        let key = Zeroizing::new(blake3::derive_key(purpose, secret));
        let [n0, n1, n2, n3, n4, n5, n6, n7, ..] = blake3::derive_key(NAME_CONTEXT, key.as_slice());
        let unbound = UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| NotSealed)?;
        let nonces = Zeroizing::new(blake3::derive_key(NONCE_CONTEXT, key.as_slice()));
        Ok(Self { name: [n0, n1, n2, n3, n4, n5, n6, n7], key: LessSafeKey::new(unbound), nonces })
    }

    /// Its name.
    pub const fn name(&self) -> KeyName {
        self.name
    }

    /// Seals a secret about something.
    pub fn seal(&self, about: &[&[u8]], secret: &[u8]) -> Result<Vec<u8>, NotSealed> {
        let about = authenticated(about);
        let mut hash = blake3::Hasher::new_keyed(&self.nonces);
        hash.update(&(about.len() as u64).to_be_bytes()).update(&about).update(secret);
        let mut nonce = [0; NONCE_LEN];
        hash.finalize_xof().fill(&mut nonce);
        let mut body = secret.to_vec();
        let sealed = self.key.seal_in_place_append_tag(Nonce::from(&nonce), Aad::from(about), &mut body);
        sealed.map_err(|_| NotSealed)?;
        Ok([&[VERSION][..], &self.name, &nonce, &body].concat())
    }

    /// Opens what this key sealed about this.
    pub fn open(&self, about: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotSealed> {
        let opened = || {
            let (_, rest) = split_name(sealed).filter(|(name, _)| *name == self.name)?;
            let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut body = Zeroizing::new(body.to_vec());
            let length = self.key.open_in_place(nonce, Aad::from(authenticated(about)), &mut body).ok()?.len();
            body.truncate(length);
            Some(body)
        };
        opened().ok_or(NotSealed)
    }
}

/// The name of the key that sealed this, if it is sealed at all.
pub fn sealed_by(sealed: &[u8]) -> Option<KeyName> {
    split_name(sealed).map(|(name, _)| name)
}

fn split_name(sealed: &[u8]) -> Option<(KeyName, &[u8])> {
    let (_, rest) = sealed.split_first().filter(|(version, _)| **version == VERSION)?;
    rest.split_first_chunk::<NAME_BYTES>().map(|(name, rest)| (*name, rest))
}

fn authenticated(about: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in about {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> SealKey {
        SealKey::derive("a test", &[byte; 32]).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_by_its_key_and_about_the_same_alone() {
        let about: &[&[u8]] = &[b"row", b"name"];
        let sealed = key(7).seal(about, b"s3cr3t").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"s3cr3t"));
        assert_eq!(key(7).open(about, &sealed).unwrap().as_slice(), b"s3cr3t");
        assert_eq!(sealed_by(&sealed), Some(key(7).name()));
        // Parts that only together read the same are others.
        let others: [&[&[u8]]; 4] = [&[b"row", b"other"], &[b"rown", b"ame"], &[b"rowname"], &[]];
        for other in others {
            assert_eq!(key(7).open(other, &sealed), Err(NotSealed));
        }
        let other_purpose = SealKey::derive("another test", &[7; 32]).unwrap();
        assert!(key(8).open(about, &sealed).is_err() && other_purpose.open(about, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(key(7).open(about, &bent).is_err(), "byte {at}");
            assert!(key(7).open(about, &sealed[..at]).is_err(), "length {at}");
        }
        assert_eq!(sealed_by(&[]), None);
    }

    #[test]
    fn the_same_is_sealed_alike_and_all_else_with_another_nonce() {
        let nonce = |about: &[&[u8]], secret: &[u8]| key(7).seal(about, secret).unwrap()[9..21].to_vec();
        assert_eq!(key(7).seal(&[b"a"], b"s").unwrap(), key(7).seal(&[b"a"], b"s").unwrap());
        assert_ne!(nonce(&[b"a"], b"s"), nonce(&[b"a"], b"t"));
        assert_ne!(nonce(&[b"a"], b"s"), nonce(&[b"b"], b"s"));
        assert_ne!(nonce(&[b"a"], b"bs"), nonce(&[b"ab"], b"s"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_open_to_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let named = [&[VERSION][..], &key(7).name(), &bytes].concat();
            prop_assert!(key(7).open(&[b"a"], &bytes).is_err() && key(7).open(&[b"a"], &named).is_err());
        }
    }
}
