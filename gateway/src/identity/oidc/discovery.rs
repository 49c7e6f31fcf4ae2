//! Where a provider publishes its keys (OpenID Connect Discovery 1.0, section 4).
//!
//! Promises: a provider speaks for itself alone: its document has to name it exactly as its tokens do.
//! Must not know: how documents are fetched, how long keys are kept.

use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error as ThisError;

use super::key::KeySet;
use crate::json::{self, Json};

/// Where the document about the provider lies, from its URL on.
const DOCUMENT: &str = "/.well-known/openid-configuration";

/// Fetches what providers publish.
#[async_trait]
pub trait Documents: Send + Sync + 'static {
    /// What lies at the URL, of bounded size, on behalf of an account.
    async fn fetch(&self, account: &str, url: &str) -> Result<Bytes, Box<dyn Error + Send + Sync>>;
}

/// Why the keys of a provider cannot be had. For the operator.
#[derive(Debug, ThisError)]
pub(super) enum DiscoveryError {
    /// The issuer has a query or a fragment.
    #[error("{0} is not the URL of a provider: it has a query or a fragment")]
    Issuer(Box<str>),
    /// A document could not be fetched.
    #[error("fetching {url}: {source}")]
    Fetch {
        /// Its URL.
        url: String,
        /// What happened.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A document is not what it should be.
    #[error("{url} is not {what}")]
    Malformed {
        /// Its URL.
        url: String,
        /// What it should be.
        what: &'static str,
    },
    /// The document is of another provider.
    #[error("{url} speaks for another provider ({issuer})")]
    Issued {
        /// The document.
        url: String,
        /// The provider that it names.
        issuer: String,
    },
    /// A provider that is reached by TLS publishes its keys in clear.
    #[error("{0} is not reached by TLS, and the provider is")]
    Clear(String),
}

/// Fetches the keys of the provider with this URL.
pub(super) async fn fetch_keys(
    documents: &dyn Documents,
    account: &str,
    issuer: &str,
) -> Result<KeySet, DiscoveryError> {
    if issuer.contains(['?', '#']) {
        return Err(DiscoveryError::Issuer(issuer.into()));
    }
    let url = format!("{}{DOCUMENT}", issuer.strip_suffix('/').unwrap_or(issuer));
    let document = fetch(documents, account, &url).await?;
    let document = json::parse(&document).unwrap_or(Json::Null);
    let text = |name| document.member(name).and_then(Json::text);
    let (Some(named), Some(keys_url)) = (text("issuer"), text("jwks_uri")) else {
        return Err(DiscoveryError::Malformed { url, what: "a document about a provider" });
    };
    if named != issuer {
        return Err(DiscoveryError::Issued { url, issuer: named.to_owned() });
    }
    if issuer.starts_with("https:") && !keys_url.starts_with("https:") {
        return Err(DiscoveryError::Clear(keys_url.to_owned()));
    }
    let keys = fetch(documents, account, keys_url).await?;
    KeySet::parse(&keys).ok_or_else(|| DiscoveryError::Malformed { url: keys_url.to_owned(), what: "a set of keys" })
}

async fn fetch(documents: &dyn Documents, account: &str, url: &str) -> Result<String, DiscoveryError> {
    let fetched = documents.fetch(account, url).await;
    let bytes = fetched.map_err(|source| DiscoveryError::Fetch { url: url.to_owned(), source })?;
    let not_text = |_| DiscoveryError::Malformed { url: url.to_owned(), what: "text" };
    String::from_utf8(bytes.into()).map_err(not_text)
}
