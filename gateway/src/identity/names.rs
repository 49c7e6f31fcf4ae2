//! The forms of names and keys.

use aws_lc_rs::digest;
use couronne_base::env::Env;
use zeroize::Zeroizing;

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

/// An access key, chosen or sent by the client.
pub(super) fn check_access_key(access_key: &str) -> Result<(), IdentityError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !(3..=128).contains(&access_key.len()) || !access_key.bytes().all(allowed) {
        return Err(IdentityError::Invalid("an access key has 3 to 128 letters, digits or any of _ - ."));
    }
    Ok(())
}

/// A random access key of 20 capitals and digits (100 bits) and a secret key of 40 letters and digits (238 bits).
/// No shell, URL or settings file gives any of these characters a meaning, so that both can be pasted anywhere.
pub fn random_key(env: &Env) -> NewKey {
    let access_key = random_text(env, b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789", 20);
    let secret = random_text(env, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 40);
    let access_key = String::from_utf8_lossy(&access_key).into_owned();
    NewKey { access_key: access_key.into(), secret: Secret::new(secret.as_slice()) }
}

/// So many characters of an alphabet, each as likely as any other.
fn random_text(env: &Env, alphabet: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
    // A byte past the last whole multiple of the alphabet would favour its first characters: another is taken.
    let whole = 256 - 256 % alphabet.len();
    let mut text = Zeroizing::new(Vec::with_capacity(len));
    while text.len() < len {
        let random = Zeroizing::new(env.random_bytes::<64>());
        let fair = random.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < whole);
        let characters = fair.filter_map(|byte| alphabet.get(byte % alphabet.len()).copied());
        let missing = len - text.len();
        text.extend(characters.take(missing));
    }
    text
}

/// The canonical id of the root account of a cluster: the same on every gateway, with no row.
pub(super) fn root_id(cluster: u128) -> Box<str> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"couronne root account");
    context.update(&cluster.to_be_bytes());
    hex::encode(context.finish()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn generated_keys_are_letters_and_digits_and_use_all_of_them() {
        let env = couronne_base::env::system();
        let mut used = BTreeSet::new();
        for _ in 0..200 {
            let key = random_key(&env);
            check_new_key(&key).unwrap();
            let secret = key.secret.expose();
            assert_eq!((key.access_key.len(), secret.len()), (20, 40));
            assert!(key.access_key.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
            assert!(secret.iter().all(u8::is_ascii_alphanumeric));
            used.extend(secret.iter().copied());
        }
        assert_eq!(used.len(), 62, "of 8,000 characters none is missing but with a probability of 1 in 10^54");
    }
}
