//! The rows beside the map that the cluster's key seals: the authority, the secrets, the join tokens.
//!
//! A row is written by the key that sealed what was read of it, so that a node that has not heard of a new key cannot bring
//! the old one back; an empty text is no row.
//! Promises: nothing of these rows leaves this node but sealed; a row sealed in another place, or of another cluster, does
//! not open. Must not know: what the rows say.

use bytes::Bytes;
use couronne_base::seal::{KeyName, NotSealed};
use couronne_metadata::command::Expect;

use crate::error::NodeError;
use crate::membership::Membership;

/// The certificate authority.
pub(super) const AUTHORITY_KEY: &[u8] = b"authority";
/// The secrets.
pub(super) const SECRETS_KEY: &[u8] = b"secrets";
/// The join tokens.
pub(super) const TOKENS_KEY: &[u8] = b"tokens";

/// All rows that are sealed.
pub(super) const SEALED_ROWS: [&[u8]; 3] = [AUTHORITY_KEY, SECRETS_KEY, TOKENS_KEY];

/// What was read of a row.
pub(super) struct SealedRow {
    /// What it says, opened.
    pub(super) value: Option<Bytes>,
    /// The row as it was read.
    pub(super) expect: Expect,
    /// The key that sealed it.
    pub(super) key: Option<KeyName>,
}

impl Membership {
    /// Reads a row. A key that is not here is asked for.
    pub(super) async fn read_sealed(&self, row: &[u8]) -> Result<SealedRow, NodeError> {
        let Some(kept) = self.map_store.read_row(row).await? else {
            return Ok(SealedRow { value: None, expect: Expect::Absent, key: None });
        };
        let failed = |error: NotSealed| NodeError::Map(format!("row {}: {error}", String::from_utf8_lossy(row)));
        let cluster = self.map().cluster.to_be_bytes();
        let mut opened = self.cluster_keys.open(&[&cluster, row], &kept.value).map_err(failed)?;
        if opened.is_none() {
            self.fetch_cluster_keys().await?;
            opened = self.cluster_keys.open(&[&cluster, row], &kept.value).map_err(failed)?;
        }
        let (key, value) = opened.ok_or(NodeError::NoClusterKey)?;
        let value = Some(Bytes::copy_from_slice(&value)).filter(|value| !value.is_empty());
        Ok(SealedRow { value, expect: Expect::Version(kept.version), key: Some(key) })
    }

    /// Writes a row in the place of what was read of it; `false` if it is another by now.
    pub(super) async fn write_sealed(&self, row: &[u8], read: &SealedRow, value: &[u8]) -> Result<bool, NodeError> {
        let key = match read.key {
            Some(key) => key,
            None => self.first_cluster_key().await?,
        };
        self.write_sealed_by(key, row, read.expect, value).await
    }

    /// Writes a row by the key of this name, whatever it says and whatever key sealed it.
    pub(super) async fn overwrite_sealed(&self, key: KeyName, row: &[u8], value: &[u8]) -> Result<(), NodeError> {
        loop {
            let found = self.map_store.read_row(row).await?;
            let expect = found.map_or(Expect::Absent, |found| Expect::Version(found.version));
            if self.write_sealed_by(key, row, expect, value).await? {
                return Ok(());
            }
        }
    }

    /// Writes a row by the key of this name; `false` if it is not what was expected.
    pub(super) async fn write_sealed_by(
        &self,
        key: KeyName,
        row: &[u8],
        expect: Expect,
        value: &[u8],
    ) -> Result<bool, NodeError> {
        let key = self.cluster_keys.find(key).ok_or(NodeError::NoClusterKey)?;
        let cluster = self.map().cluster.to_be_bytes();
        let sealed = key.ready().and_then(|key| key.seal(&[&cluster, row], value));
        let sealed = sealed.map_err(|error| NodeError::Map(error.to_string()))?;
        Ok(self.map_store.write_row(row, expect, Some(sealed.into())).await?.is_some())
    }
}
