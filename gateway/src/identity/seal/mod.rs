//! Sealing of users' secret keys and of sessions' tokens ([`couronne_base::seal`]), under keys that follow from secrets of the cluster.
//!
//! A secret key is sealed about its access key, account and owner, so that it opens in no other row than its own. Several
//! secrets of the cluster may open, while they are changed; one seals.

mod secret;

use bytes::Bytes;
use couronne_base::seal::{NotSealed, SealKey, sealed_by};

use couronne_metadata::system::identity::KeyRow;
use zeroize::Zeroizing;

use super::IdentityError;
pub use secret::Secret;

/// What secret keys are sealed for. Changing it makes every sealed secret unreadable.
pub(super) const SECRET_KEYS: &str = "couronne 2026-11 sealing of access keys' secrets";

/// What the tokens of sessions are sealed for. Changing it ends every session.
pub(super) const SESSION_TOKENS: &str = "couronne 2026-12 sealing of session tokens";

/// Whose secret key it is.
#[derive(Clone, Copy)]
pub(super) struct SealedFor<'a> {
    access_key: &'a str,
    /// The account's canonical id.
    account: &'a str,
    /// The user's id, or the account's.
    owner: &'a str,
}

/// Seals and opens, for one purpose.
pub(super) struct Sealer {
    /// The first seals, all open.
    keys: Vec<SealKey>,
}

impl<'a> SealedFor<'a> {
    /// Whose secret key the row of an access key has.
    pub(super) fn of(row: &'a KeyRow, access_key: &'a str) -> Self {
        Self { access_key, account: &row.account_id, owner: &row.owner }
    }

    fn about(&self) -> [&[u8]; 3] {
        [self.access_key, self.account, self.owner].map(str::as_bytes)
    }
}

impl From<NotSealed> for IdentityError {
    fn from(_: NotSealed) -> Self {
        Self::Sealed
    }
}

impl Sealer {
    /// Seals under the first secret, and opens what any of them sealed.
    pub(super) fn new(purpose: &str, sealing: &Secret, opening: &[Secret]) -> Result<Self, IdentityError> {
        let keys = std::iter::once(sealing).chain(opening).map(|secret| SealKey::derive(purpose, secret.expose()));
        Ok(Self { keys: keys.collect::<Result<_, _>>()? })
    }

    pub(super) fn seal(&self, of: SealedFor<'_>, secret: &Secret) -> Result<Bytes, IdentityError> {
        self.seal_about(&of.about(), secret.expose())
    }

    pub(super) fn open(&self, of: SealedFor<'_>, sealed: &[u8]) -> Result<Secret, IdentityError> {
        Ok(Secret::new(self.open_about(&of.about(), sealed)?.as_slice()))
    }

    /// Seals what is about something.
    pub(super) fn seal_about(&self, about: &[&[u8]], bytes: &[u8]) -> Result<Bytes, IdentityError> {
        let newest = self.keys.first().ok_or(IdentityError::Sealed)?;
        Ok(newest.seal(about, bytes)?.into())
    }

    /// Opens what was sealed about the same.
    pub(super) fn open_about(&self, about: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
        let name = sealed_by(sealed);
        let key = self.keys.iter().find(|key| Some(key.name()) == name).ok_or(IdentityError::Sealed)?;
        Ok(key.open(about, sealed)?)
    }

    /// Whether this was sealed under the key that seals now.
    pub(super) fn is_newest(&self, sealed: &[u8]) -> bool {
        self.keys.first().is_some_and(|newest| sealed_by(sealed) == Some(newest.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVE: SealedFor<'_> = SealedFor { access_key: "AKEY", account: "acme", owner: "eve" };

    fn sealer(sealing: u8, opening: &[u8]) -> Sealer {
        let secret = |byte: u8| Secret::new([byte; 32]);
        Sealer::new(SECRET_KEYS, &secret(sealing), &opening.iter().copied().map(secret).collect::<Vec<_>>())
            .ok()
            .unwrap()
    }

    #[test]
    fn what_is_sealed_opens_only_where_it_belongs() {
        let (sealing, secret) = (sealer(7, &[]), Secret::new("s3cr3t-s3cr3t"));
        let sealed = sealing.seal(EVE, &secret).ok().unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"s3cr3t"));
        assert_eq!(sealing.open(EVE, &sealed).ok().unwrap().expose(), secret.expose());
        // Another key's row, another account's or user's, and parts that only together read the same.
        for other in [
            SealedFor { access_key: "BKEY", ..EVE },
            SealedFor { account: "evil", ..EVE },
            SealedFor { owner: "bob", ..EVE },
            SealedFor { account: "acm", owner: "eeve", ..EVE },
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
        let old = sealer(7, &[]).seal(EVE, &secret).ok().unwrap();
        let both = sealer(8, &[7]);
        assert!(both.open(EVE, &old).is_ok() && !both.is_newest(&old));
        let new = both.seal(EVE, &secret).ok().unwrap();
        assert!(both.is_newest(&new) && sealer(8, &[]).open(EVE, &new).is_ok());
        assert!(sealer(8, &[]).open(EVE, &old).is_err() && sealer(7, &[]).open(EVE, &new).is_err());
        assert!(!both.is_newest(&[]) && !both.is_newest(&new[..8]));
    }
}
