//! The forms of names, paths, ids and keys; random ones.

use aws_lc_rs::digest;
use couronne_base::env::Env;
use couronne_metadata::system::identity::{ACCOUNT_NUMBER_DIGITS, is_account_number};
use zeroize::Zeroizing;

use super::{IdentityError, NAME_BYTES_MAX, NewKey, Secret};

/// The longest path, in bytes: IAM's.
const PATH_BYTES_MAX: usize = 512;

/// The longest description, in characters: IAM's.
const DESCRIPTION_CHARACTERS_MAX: usize = 1000;

/// What unique ids and access keys are made of.
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A name of a user, group, role or policy: what IAM allows, so without `/`.
pub(super) fn check_name(name: &str) -> Result<(), IdentityError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        return Err(IdentityError::Invalid("a name has 1 to 128 letters, digits or any of + = , . @ _ -"));
    }
    Ok(())
}

/// A path, as IAM has it: `/`, or visible ASCII between two of them.
pub(super) fn check_path(path: &str) -> Result<(), IdentityError> {
    let is_framed = path.starts_with('/') && path.ends_with('/');
    if !is_framed || path.len() > PATH_BYTES_MAX || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(IdentityError::Invalid("a path begins and ends with / and has up to 512 visible ASCII characters"));
    }
    Ok(())
}

/// A description in somebody's words.
pub(super) fn check_description(text: &str) -> Result<(), IdentityError> {
    if text.chars().count() > DESCRIPTION_CHARACTERS_MAX {
        return Err(IdentityError::Invalid("a description has up to 1000 characters"));
    }
    Ok(())
}

/// An address of mail, as far as its form tells.
pub(super) fn check_email(email: &str) -> Result<(), IdentityError> {
    let is_address = email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if !is_address || email.len() > 254 || !email.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(IdentityError::Invalid("an email address is NAME@HOST in up to 254 visible ASCII characters"));
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

/// A random key of a session: an access key as AWS's temporary ones are, and a secret key as [`random_key`]'s.
pub(super) fn random_session_key(env: &Env) -> NewKey {
    NewKey { access_key: random_id(env, "ASIA"), ..random_key(env) }
}

/// A random unique id with this prefix (80 bits).
pub(super) fn random_id(env: &Env, prefix: &str) -> Box<str> {
    let text = random_text(env, BASE32, 16);
    format!("{prefix}{}", String::from_utf8_lossy(&text)).into()
}

/// A random number of an account.
pub(super) fn random_number(env: &Env) -> Box<str> {
    loop {
        let number = random_text(env, b"0123456789", ACCOUNT_NUMBER_DIGITS);
        let number = String::from_utf8_lossy(&number);
        if is_account_number(&number) {
            return number.into();
        }
    }
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
    hex::encode(of_cluster(b"couronne root account", cluster)).into()
}

/// The number of the root account of a cluster, likewise.
pub(super) fn root_number(cluster: u128) -> Box<str> {
    let digest = of_cluster(b"couronne root account's number", cluster);
    let digits = digest.as_ref().iter().take(ACCOUNT_NUMBER_DIGITS).map(|byte| char::from(b'0' + byte % 10));
    let number: String = digits.collect();
    if is_account_number(&number) { number.into() } else { "000000000001".into() }
}

fn of_cluster(purpose: &[u8], cluster: u128) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(purpose);
    context.update(&cluster.to_be_bytes());
    context.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use couronne_metadata::system::identity::is_unique_id;
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

    #[test]
    fn ids_and_numbers_have_their_forms() {
        let env = couronne_base::env::system();
        for _ in 0..200 {
            assert!(is_unique_id(&random_id(&env, "AIDA"), "AIDA"));
            assert!(is_account_number(&random_number(&env)));
        }
        for cluster in 0..2_000 {
            assert!(is_account_number(&root_number(cluster)), "{cluster}");
        }
        assert_ne!(root_number(1), root_number(2));
    }

    #[test]
    fn names_and_paths_are_iams() {
        for good in ["a", "ada.lovelace@example.com", "a+b=c,d_e-f"] {
            check_name(good).unwrap();
        }
        for bad in ["", "a/b", "a b", "a:b", "\u{fc}", &"a".repeat(129)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["/", "/a/", "/division/team-1/"] {
            check_path(good).unwrap();
        }
        for bad in ["", "a", "/a", "a/", "/a b/", &format!("/{}/", "a".repeat(511))] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
    }
}
