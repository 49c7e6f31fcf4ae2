//! The root credentials: made or preset when a cluster is founded, changed by the environment of a lone server. What
//! counts is what the cluster keeps.
//!
//! Promises: a secret key never appears in `Debug`, and leaves this process only where the operator asked.
//! Must not know: what root may do.

use couronne_base::env::Env;
use couronne_gateway::identity::random_key;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::DataFolderError;

/// The variable that presets the root access key.
pub(crate) const ACCESS_KEY_VARIABLE: &str = "COURONNE_ACCESS_KEY";
/// The variable that presets the root secret key.
pub(crate) const SECRET_KEY_VARIABLE: &str = "COURONNE_SECRET_KEY";

/// The shortest secret key of this cluster, in bytes: the reader of one signature can try secrets without asking a
/// server.
const SECRET_BYTES_MIN: usize = 16;

/// An access key and its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// The access key, 3 to 128 letters, digits, `_`, `-` or `.`.
    pub(crate) access_key: String,
    /// The secret key, visible ASCII characters.
    #[serde(with = "super::secret")]
    pub(crate) secret_key: Zeroizing<String>,
}

/// Why a key pair was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum CredentialsError {
    /// Only one of the pair is given.
    #[error("an access key and a secret key are given together or not at all")]
    Half,
    /// The access key is unusable.
    #[error("an access key takes 3 to 128 letters, digits, `_`, `-` or `.`")]
    AccessKey,
    /// The secret key is unusable.
    #[error("a secret key takes {0} to 128 visible ASCII characters")]
    SecretKey(usize),
}

impl Credentials {
    /// A key pair that nobody can guess.
    pub(crate) fn generate(env: &Env) -> Self {
        let key = random_key(env);
        let secret_key = Zeroizing::new(String::from_utf8_lossy(key.secret.expose()).into_owned());
        Self { access_key: key.access_key.into(), secret_key }
    }

    /// A key pair that somebody chose; `None` if neither half is given.
    pub(crate) fn chosen(
        access_key: Option<String>,
        secret_key: Option<String>,
    ) -> Result<Option<Self>, CredentialsError> {
        Self::checked(access_key, secret_key.map(Zeroizing::new), SECRET_BYTES_MIN)
    }

    fn checked(
        access_key: Option<String>,
        secret_key: Option<Zeroizing<String>>,
        secret_bytes_min: usize,
    ) -> Result<Option<Self>, CredentialsError> {
        let (access_key, secret_key) = match (access_key, secret_key) {
            (None, None) => return Ok(None),
            (Some(access_key), Some(secret_key)) => (access_key, secret_key),
            _ => return Err(CredentialsError::Half),
        };
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if !(3..=128).contains(&access_key.len()) || !access_key.bytes().all(fit) {
            return Err(CredentialsError::AccessKey);
        }
        let fits = (secret_bytes_min..=128).contains(&secret_key.len());
        if !fits || !secret_key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CredentialsError::SecretKey(secret_bytes_min));
        }
        Ok(Some(Self { access_key, secret_key }))
    }
}

/// The root credentials that the environment presets, if it does.
pub(crate) fn preset() -> Result<Option<Credentials>, CredentialsError> {
    Credentials::chosen(variable(ACCESS_KEY_VARIABLE), variable(SECRET_KEY_VARIABLE))
}

/// The credentials of a client of any server, which has its own rules: as given, else as the environment has them for AWS's
/// own tools, if it has any. The secret key may be there and the access key be given.
pub(crate) fn of_client(
    access_key: Option<String>,
    secret_key: Option<Zeroizing<String>>,
) -> Result<Option<Credentials>, CredentialsError> {
    let access_key = access_key.or_else(|| variable("AWS_ACCESS_KEY_ID"));
    let secret_key = secret_key.or_else(|| variable("AWS_SECRET_ACCESS_KEY").map(Zeroizing::new));
    Credentials::checked(access_key, secret_key, 1)
}

/// The root credentials of a cluster that is founded: those of the environment, else new ones.
pub(super) fn of_founding(env: &Env) -> Result<Credentials, DataFolderError> {
    Ok(preset()?.unwrap_or_else(|| Credentials::generate(env)))
}

/// A variable of the environment that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_pass_their_own_rules_and_differ() {
        let env = couronne_base::env::system();
        let one = Credentials::generate(&env);
        let two = Credentials::generate(&env);
        assert_eq!((one.access_key.len(), one.secret_key.len()), (20, 40));
        assert_ne!(one.access_key, two.access_key);
        assert!(one.secret_key.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let chosen = Credentials::chosen(Some(one.access_key.clone()), Some(one.secret_key.to_string()));
        assert!(chosen.unwrap() == Some(one));
    }

    #[test]
    fn halves_and_odd_characters_are_refused() {
        let some = |text: &str| Some(text.to_owned());
        let refused = |access_key, secret_key| Credentials::chosen(access_key, secret_key).err();
        assert_eq!(refused(some("abc"), None), Some(CredentialsError::Half));
        assert_eq!(refused(some("a/b"), some("1234567890123456")), Some(CredentialsError::AccessKey));
        assert_eq!(refused(some("abc"), some("12345678 0123456")), Some(CredentialsError::SecretKey(16)));
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused_with_the_bound() {
        let chosen = |secret: &str| Credentials::chosen(Some("abc".to_owned()), Some(secret.to_owned()));
        assert_eq!(chosen("").err(), Some(CredentialsError::SecretKey(16)));
        let error = chosen("123456789012345").err().unwrap();
        assert_eq!(error.to_string(), "a secret key takes 16 to 128 visible ASCII characters");
        assert!(chosen("1234567890123456").unwrap().is_some());
        // What another server takes is its own affair.
        let client = of_client(Some("abc".to_owned()), Some(Zeroizing::new("12345678".to_owned())));
        assert!(client.unwrap().is_some());
    }
}
