//! OpenID Connect providers of an account: create, find, list, change, delete. A role may trust their users.
//!
//! One row each, by the provider's address. Must not know: how a provider's tokens are verified.

use couronne_metadata::command::Expect;
use couronne_metadata::ids::Ordinal;
use couronne_metadata::system::identity::{self as at, OidcProviderRow, Tag};

use super::rows::listed;
use super::tags::check_tags;
use super::{Account, EntityKind, Identity, IdentityError};

/// IAM's quotas: client ids and thumbprints of a provider, providers of an account.
const CLIENT_IDS_MAX: usize = 100;
const THUMBPRINTS_MAX: usize = 5;
const PROVIDERS_MAX: usize = 100;

/// The longest address, in bytes, and the longest client id: IAM's.
const URL_BYTES_MAX: usize = 255;

const ABSENT: IdentityError = IdentityError::NoSuch(EntityKind::OidcProvider);

/// A provider to be created.
pub struct NewOidcProvider {
    /// Its address: `https://` and what follows.
    pub url: Box<str>,
    /// The audiences that its tokens may be for.
    pub client_ids: Vec<Box<str>>,
    /// SHA-1 of the certificates that it may show, in hexadecimal.
    pub thumbprints: Vec<Box<str>>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// What a provider is called by in ARNs, trust policies and rows: its address without the scheme and without one slash at the
/// end. No more than two addresses have the same name: each is asked for keys of its own.
pub fn oidc_provider_name(url: &str) -> Result<&str, IdentityError> {
    let name = url.strip_prefix("https://").unwrap_or_default();
    let name = name.strip_suffix('/').unwrap_or(name);
    let plain = name.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#@".contains(&byte));
    if name.is_empty() || name.ends_with('/') || url.len() > URL_BYTES_MAX || !plain {
        return Err(IdentityError::Invalid(
            "the address of a provider is https://HOST/PATH, up to 255 characters long",
        ));
    }
    Ok(name)
}

impl Identity {
    /// Creates a provider.
    pub async fn create_oidc_provider(
        &self,
        account: &Account,
        new: NewOidcProvider,
    ) -> Result<Box<str>, IdentityError> {
        let NewOidcProvider { url, client_ids, thumbprints, tags } = new;
        let name = oidc_provider_name(&url)?;
        let row = OidcProviderRow { client_ids, thumbprints, tags, created: self.now() };
        check_provider(&row)?;
        if self.list_oidc_providers(account).await?.len() >= PROVIDERS_MAX {
            return Err(IdentityError::Limit { what: "OpenID Connect providers", max: PROVIDERS_MAX });
        }
        if !self.rows.put(at::oidc_provider(&account.id, name), Expect::Absent, &row).await? {
            return Err(IdentityError::Exists(EntityKind::OidcProvider));
        }
        Ok(name.into())
    }

    /// A provider by its address without the scheme.
    pub async fn oidc_provider(&self, account: &Account, name: &str) -> Result<OidcProviderRow, IdentityError> {
        self.provider_row(account, name).await.map(|(row, _)| row)
    }

    /// The addresses of all providers of an account, without the scheme.
    pub async fn list_oidc_providers(&self, account: &Account) -> Result<Vec<Box<str>>, IdentityError> {
        let limit = u32::try_from(PROVIDERS_MAX).unwrap_or(u32::MAX);
        let (rows, _) = self.rows.scan(&at::oidc_provider(&account.id, ""), "", limit).await?;
        let readable = rows.into_iter().filter(|(name, row)| listed::<OidcProviderRow>("oidc", name, row).is_some());
        Ok(readable.map(|(name, _)| name).collect())
    }

    /// Changes a provider; `change` may be asked several times.
    pub async fn change_oidc_provider(
        &self,
        account: &Account,
        name: &str,
        change: impl Fn(&mut OidcProviderRow),
    ) -> Result<(), IdentityError> {
        let (mut row, version) = self.provider_row(account, name).await?;
        change(&mut row);
        check_provider(&row)?;
        let changed = self.rows.put(at::oidc_provider(&account.id, name), Expect::Version(version), &row).await?;
        if changed { Ok(()) } else { Err(IdentityError::Busy) }
    }

    /// Deletes a provider. Roles may go on to name it, and trust nobody by that.
    pub async fn delete_oidc_provider(&self, account: &Account, name: &str) -> Result<(), IdentityError> {
        let (_, version) = self.provider_row(account, name).await?;
        let removed = self.rows.remove(at::oidc_provider(&account.id, name), Expect::Version(version)).await?;
        if removed { Ok(()) } else { Err(IdentityError::Busy) }
    }

    async fn provider_row(&self, account: &Account, name: &str) -> Result<(OidcProviderRow, Ordinal), IdentityError> {
        if name.is_empty() {
            return Err(ABSENT);
        }
        self.rows.get(at::oidc_provider(&account.id, name)).await?.ok_or(ABSENT)
    }
}

fn check_provider(row: &OidcProviderRow) -> Result<(), IdentityError> {
    let OidcProviderRow { client_ids, thumbprints, tags, .. } = row;
    check_tags(tags)?;
    if client_ids.len() > CLIENT_IDS_MAX {
        return Err(IdentityError::Limit { what: "client ids of a provider", max: CLIENT_IDS_MAX });
    }
    if thumbprints.len() > THUMBPRINTS_MAX {
        return Err(IdentityError::Limit { what: "thumbprints of a provider", max: THUMBPRINTS_MAX });
    }
    if client_ids.iter().any(|id| id.is_empty() || id.len() > URL_BYTES_MAX) {
        return Err(IdentityError::Invalid("a client id has 1 to 255 characters"));
    }
    let is_sha1 = |text: &str| text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !thumbprints.iter().all(|text| is_sha1(text)) {
        return Err(IdentityError::Invalid("a thumbprint has 40 hexadecimal digits"));
    }
    Ok(())
}
