//! The secrets that identities rest on: the root credentials, and what seals users' secret keys. They may be changed while
//! requests run.
//!
//! Promises: a request sees the secrets of one moment; those that were changed count from the next request on.
//! Must not know: where the secrets come from.

use std::sync::Arc;

use couronne_metadata::command::Expect;
use couronne_metadata::system::identity::{self as at, KeyRow};

use super::callers::CallerIdentity;
use super::rows::listed;
use super::seal::{SECRET_KEYS, SESSION_TOKENS, SealedFor, Sealer, Secret};
use super::{Account, Credential, CredentialSource, Identity, IdentityError};

/// Rows that are looked at at a time.
const PAGE: u32 = 200;

/// The credentials that need no row: the operator that sets the cluster up signs with them.
#[derive(Clone)]
pub struct RootCredentials {
    /// The access key.
    pub access_key: Box<str>,
    /// The secret key.
    pub secret: Secret,
}

/// Root credentials that are taken beside the others for a while.
#[derive(Clone)]
pub struct RetiringRoot {
    /// The credentials.
    pub root: RootCredentials,
    /// From when on they are taken no more, in milliseconds since 1970.
    pub until_ms: u64,
}

/// The secrets that identities rest on.
pub struct IdentitySecrets {
    /// The root credentials.
    pub root: RootCredentials,
    /// Those that were the root credentials before, if they are still taken.
    pub retiring: Option<RetiringRoot>,
    /// What seals users' secret keys and the tokens of sessions, 32 bytes.
    pub sealing: Secret,
    /// What opens them beside it, 32 bytes each.
    pub opening: Vec<Secret>,
}

/// The same, made ready.
pub(super) struct Ready {
    pub(super) root: Arc<Credential>,
    retiring: Option<(Arc<Credential>, u64)>,
    pub(super) sealer: Sealer,
    /// Seals the tokens of sessions.
    pub(super) tokens: Sealer,
}

impl Ready {
    pub(super) fn new(secrets: IdentitySecrets, account: &Account) -> Result<Self, IdentityError> {
        let IdentitySecrets { root, retiring, sealing, opening } = secrets;
        if std::iter::once(&sealing).chain(&opening).any(|secret| secret.expose().len() != 32) {
            return Err(IdentityError::Invalid("the secret that seals has 32 bytes"));
        }
        let retiring = retiring.map(|RetiringRoot { root, until_ms }| (credential(root, account), until_ms));
        let sealer = Sealer::new(SECRET_KEYS, &sealing, &opening)?;
        let tokens = Sealer::new(SESSION_TOKENS, &sealing, &opening)?;
        Ok(Self { root: credential(root, account), retiring, sealer, tokens })
    }

    /// The root credentials with this access key, at a time in milliseconds since 1970.
    pub(super) fn root_of(&self, access_key: &str, now_ms: u64) -> Option<Arc<Credential>> {
        let retiring = self.retiring.as_ref().filter(|(_, until_ms)| now_ms < *until_ms).map(|(root, _)| root);
        std::iter::once(&self.root).chain(retiring).find(|root| &*root.access_key == access_key).cloned()
    }
}

impl Identity {
    /// From now on these secrets count, and no others.
    pub fn change_secrets(&self, secrets: IdentitySecrets) -> Result<(), IdentityError> {
        self.secrets.store(Arc::new(Ready::new(secrets, &self.root_account())?));
        self.rows.forget_all();
        Ok(())
    }

    /// Seals every user's secret key anew that is not sealed under the secret that seals now; how many. What no secret of the
    /// cluster opens is left as it is: it opens nothing, and no row that a gateway forged keeps the old secret in use.
    pub async fn seal_anew(&self) -> Result<u64, IdentityError> {
        let (mut after, mut count) = (String::new(), 0);
        loop {
            let (page, more) = self.rows.scan(&at::key(""), &after, PAGE).await?;
            for (access_key, row) in &page {
                if listed::<KeyRow>("key", access_key, row).is_none() {
                    continue;
                }
                match self.seal_key_anew(access_key).await {
                    Ok(done) => count += u64::from(done),
                    Err(IdentityError::Sealed) => {
                        tracing::warn!(access_key, "no secret opens an access key: it is void")
                    }
                    Err(error) => return Err(error),
                }
            }
            match page.last() {
                Some((last, _)) if more => after = last.to_string(),
                _ => return Ok(count),
            }
        }
    }

    /// Deletes every access key whose secret key no secret of the cluster opens; how many. To be called where the secrets
    /// that opened them are lost for good.
    pub async fn delete_unopened_keys(&self) -> Result<u64, IdentityError> {
        let (mut after, mut count) = (String::new(), 0);
        loop {
            let (page, more) = self.rows.scan(&at::key(""), &after, PAGE).await?;
            for (access_key, row) in &page {
                let Some(row) = listed::<KeyRow>("key", access_key, row) else { continue };
                let opened = self.secrets.load().sealer.open(SealedFor::of(&row, access_key), &row.sealed);
                if matches!(opened, Err(IdentityError::Sealed)) {
                    self.remove_key(&row.owner, access_key).await?;
                    count += 1;
                }
            }
            match page.last() {
                Some((last, _)) if more => after = last.to_string(),
                _ => return Ok(count),
            }
        }
    }

    /// Seals one anew; whether that was to be done. One that is deleted meanwhile stays deleted.
    async fn seal_key_anew(&self, access_key: &str) -> Result<bool, IdentityError> {
        while let Some((row, version)) = self.rows.get::<KeyRow>(at::key(access_key)).await? {
            let secrets = self.secrets.load_full();
            if secrets.sealer.is_newest(&row.sealed) {
                return Ok(false);
            }
            let secret = secrets.sealer.open(SealedFor::of(&row, access_key), &row.sealed)?;
            let sealed = secrets.sealer.seal(SealedFor::of(&row, access_key), &secret)?;
            let anew = KeyRow { sealed, ..row };
            if self.rows.put(at::key(access_key), Expect::Version(version), &anew).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn credential(root: RootCredentials, account: &Account) -> Arc<Credential> {
    let RootCredentials { access_key, secret } = root;
    let caller = CallerIdentity::of_root(account.clone());
    Arc::new(Credential::new(access_key, secret, caller, CredentialSource::ClusterRoot))
}
