//! The forms of names and keys.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use couronne_base::env::Env;

use super::{IdentityError, NAME_BYTES_MAX, NewKey, Secret};

/// A name of an account or user: what AWS allows for users, so without `/`.
pub(super) fn check_name(name: &str) -> Result<(), IdentityError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-:".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        return Err(IdentityError::Invalid("a name has 1 to 128 letters, digits or any of + = , . @ _ - :"));
    }
    Ok(())
}

/// A key that someone chose: AWS's lengths for access keys, and a secret that can be signed with.
pub(super) fn check_new_key(key: &NewKey) -> Result<(), IdentityError> {
    check_access_key(&key.access_key)?;
    let secret = key.secret.expose();
    if !(8..=128).contains(&secret.len()) || !secret.iter().all(u8::is_ascii_graphic) {
        return Err(IdentityError::Invalid("a secret key has 8 to 128 printable ASCII characters"));
    }
    Ok(())
}

/// An access key, chosen or sent by whoever asks.
pub(super) fn check_access_key(access_key: &str) -> Result<(), IdentityError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !(3..=128).contains(&access_key.len()) || !access_key.bytes().all(allowed) {
        return Err(IdentityError::Invalid("an access key has 3 to 128 letters, digits or any of _ - ."));
    }
    Ok(())
}

/// A random access key (100 bits) and secret key (240 bits).
pub(super) fn random_key(env: &Env) -> NewKey {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte % 32)).copied().map_or('A', char::from);
    let access_key: String = env.random_bytes::<20>().iter().map(letter).collect();
    let secret = URL_SAFE_NO_PAD.encode(env.random_bytes::<30>());
    NewKey { access_key: access_key.into(), secret: Secret::new(secret) }
}

/// The canonical id of the root account of a cluster: the same on every gateway, with no row.
pub(super) fn root_id(cluster: u128) -> Box<str> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"couronne root account");
    context.update(&cluster.to_be_bytes());
    hex::encode(context.finish()).into()
}
