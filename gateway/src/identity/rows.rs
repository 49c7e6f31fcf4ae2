//! Reading and writing the rows of identities ([`couronne_metadata::system::identity`]) by their names.
//!
//! Promises: a list leaves out a row that does not decode, and says so in the log: it is nobody's, and hides no other.
//! Must not know: what rows mean.

use bytes::Bytes;
use couronne_base::codec::{self, Value};
use couronne_metadata::command::Expect;
use couronne_metadata::ids::{ObjectKey, Ordinal};
pub(super) use couronne_metadata::system::identity::{
    AccountRow, KeyRow, UserRow, account, account_id, key, user, user_key,
};

use super::IdentityError;
use crate::engine::{Engine, EngineError};

/// Reads and writes rows by their names.
pub(super) struct Rows<'a>(pub(super) &'a Engine);

impl Rows<'_> {
    /// A row and its version.
    pub(super) async fn get<T: Value>(&self, name: String) -> Result<Option<(T, Ordinal)>, IdentityError> {
        let Some(row) = self.0.router().system_get(&system_key(name)?).await.map_err(EngineError::from)? else {
            return Ok(None);
        };
        Ok(Some((decode(&row.value)?, row.version)))
    }

    /// Writes a row; `false` if it is not what was expected.
    pub(super) async fn put<T: Value>(&self, name: String, expect: Expect, row: &T) -> Result<bool, IdentityError> {
        self.write(name, expect, Some(codec::encode(row))).await
    }

    /// Removes a row; `false` if it is not what was expected.
    pub(super) async fn remove(&self, name: String, expect: Expect) -> Result<bool, IdentityError> {
        self.write(name, expect, None).await
    }

    async fn write(&self, name: String, expect: Expect, value: Option<Bytes>) -> Result<bool, IdentityError> {
        let written = self.0.router().system_write(&system_key(name)?, expect, value).await;
        Ok(written.map_err(EngineError::from)?.is_some())
    }

    /// Rows whose names begin with `prefix`, as what follows it and their values, after `after`; and
    /// whether more follow.
    pub(super) async fn scan(
        &self,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<(Vec<(Box<str>, Bytes)>, bool), IdentityError> {
        let after = if after.is_empty() { String::new() } else { format!("{prefix}{after}") };
        let scanned = self.0.router().system_scan(prefix.as_bytes(), after.as_bytes(), limit).await;
        let (rows, more) = scanned.map_err(EngineError::from)?;
        let named = |(key, row): (ObjectKey, couronne_metadata::query::SystemRow)| {
            Some((key.as_str().strip_prefix(prefix)?.into(), row.value))
        };
        Ok((rows.into_iter().filter_map(named).collect(), more))
    }
}

/// A row of a list; `None`, and a warning, if it does not decode.
pub(super) fn listed<T: Value>(kind: &str, name: &str, value: &Bytes) -> Option<T> {
    let decoded = codec::decode(value);
    decoded.inspect_err(|error| tracing::warn!(kind, name, %error, "a row of an identity is left out")).ok()
}

fn decode<T: Value>(bytes: &Bytes) -> Result<T, IdentityError> {
    codec::decode(bytes).map_err(|error| EngineError::Corrupt(format!("identity row: {error}")).into())
}

fn system_key(name: String) -> Result<ObjectKey, IdentityError> {
    ObjectKey::new(name).map_err(|_| IdentityError::Invalid("the name is too long"))
}
