//! The rows of identities, by name within the cluster's own keyspace.
//!
//! ```text
//! account/<name>                       account's id, when created
//! account-id/<id>                      account's name
//! user/<account id>/<user>             admin flag, when created
//! user-key/<account id>/<user>/<key>   (nothing): lists a user's keys
//! key/<access key>                     whose it is, when its user and itself were created, sealed secret
//! ```
//! A key counts only while the very user and account it was made for exist: their creation times and
//! ids are compared, so that a name taken again revives nothing.

use bytes::Bytes;
use couronne_base::codec::{self, Corrupt, Value};
use couronne_metadata::command::Expect;
use couronne_metadata::ids::{ObjectKey, Ordinal};

use super::IdentityError;
use crate::engine::{Engine, EngineError};

/// `account/<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccountRow {
    pub(super) id: Box<str>,
    pub(super) created: Ordinal,
}

/// `user/<account id>/<user>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UserRow {
    pub(super) admin: bool,
    pub(super) created: Ordinal,
}

/// `key/<access key>`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct KeyRow {
    pub(super) account_id: Box<str>,
    pub(super) account_name: Box<str>,
    pub(super) user: Box<str>,
    pub(super) user_created: Ordinal,
    pub(super) created: Ordinal,
    pub(super) sealed: Bytes,
}

type KeyFields = ((Box<str>, Box<str>, Box<str>), (Ordinal, Ordinal, Bytes));

impl Value for AccountRow {
    fn write(&self, out: &mut codec::Writer) {
        (self.id.clone(), self.created).write(out);
    }

    fn read(input: codec::Input<'_>) -> Result<Self, Corrupt> {
        let (id, created) = <(Box<str>, Ordinal)>::read(input)?;
        Ok(Self { id, created })
    }
}

impl Value for UserRow {
    fn write(&self, out: &mut codec::Writer) {
        (self.admin, self.created).write(out);
    }

    fn read(input: codec::Input<'_>) -> Result<Self, Corrupt> {
        let (admin, created) = <(bool, Ordinal)>::read(input)?;
        Ok(Self { admin, created })
    }
}

impl Value for KeyRow {
    fn write(&self, out: &mut codec::Writer) {
        let whose = (self.account_id.clone(), self.account_name.clone(), self.user.clone());
        (whose, (self.user_created, self.created, self.sealed.clone())).write(out);
    }

    fn read(input: codec::Input<'_>) -> Result<Self, Corrupt> {
        let ((account_id, account_name, user), (user_created, created, sealed)) = KeyFields::read(input)?;
        Ok(Self { account_id, account_name, user, user_created, created, sealed })
    }
}

pub(super) fn account(name: &str) -> String {
    format!("account/{name}")
}

pub(super) fn account_id(id: &str) -> String {
    format!("account-id/{id}")
}

pub(super) fn user(account_id: &str, user: &str) -> String {
    format!("user/{account_id}/{user}")
}

pub(super) fn user_key(account_id: &str, user: &str, access_key: &str) -> String {
    format!("user-key/{account_id}/{user}/{access_key}")
}

pub(super) fn key(access_key: &str) -> String {
    format!("key/{access_key}")
}

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

pub(super) fn decode<T: Value>(bytes: &Bytes) -> Result<T, IdentityError> {
    codec::decode(bytes).map_err(|error| EngineError::Corrupt(format!("identity row: {error}")).into())
}

fn system_key(name: String) -> Result<ObjectKey, IdentityError> {
    ObjectKey::new(name).map_err(|_| IdentityError::Invalid("the name is too long"))
}
