//! The owners of buckets and objects, as documents show them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::engine::Bucket;
use crate::front::{Authorized, Gateway, Handler};
use crate::guarded::GuardedBucket;
use crate::identity::{Account, Credential};
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::wire::xml::Writer;

/// An account as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its canonical id.
    pub id: Box<str>,
    /// Its name, if it is known.
    pub name: Option<Box<str>>,
}

impl Owner {
    /// The caller's own account.
    pub fn of_caller(caller: &Credential) -> Self {
        Self::of_account(caller.account())
    }

    fn of_account(account: &Account) -> Self {
        Self { id: account.id.clone(), name: Some(account.name.clone()) }
    }

    /// Writes it as an element of this name.
    pub fn write(&self, xml: &mut Writer, element: &str) {
        xml.element(element, |xml| self.write_children(xml));
    }

    /// Writes what the element holds.
    pub fn write_children(&self, xml: &mut Writer) {
        xml.text("ID", &self.id);
        xml.optional("DisplayName", self.name.as_deref());
    }
}

/// The accounts that one answer shows, by canonical id.
pub struct Owners<'a> {
    gateway: &'a Gateway<S3>,
    bucket_owner: Box<str>,
    /// Whether all that is in the bucket is its owner's.
    owns_all: bool,
    found: BTreeMap<Box<str>, Owner>,
}

impl<'a> Owners<'a> {
    /// Of an answer to a caller about a bucket, whose owner is found.
    pub async fn new(gateway: &'a Gateway<S3>, caller: &Credential, bucket: &GuardedBucket<'_>) -> Result<Self> {
        let bucket_owner: Box<str> = bucket.owner().canonical.into();
        let own = Owner::of_caller(caller);
        let found = BTreeMap::from([(own.id.clone(), own)]);
        let owns_all = !bucket.documents.object_ownership().acls_count();
        let mut owners = Self { gateway, owns_all, found, bucket_owner: bucket_owner.clone() };
        owners.find(&bucket_owner).await?;
        Ok(owners)
    }

    /// Finds an account. One that is gone has no name.
    pub async fn find(&mut self, id: &str) -> Result<()> {
        if !self.found.contains_key(id) {
            let account = self.gateway.identity.known_account(id).await?;
            let owner = account.as_ref().map_or(Owner { id: id.into(), name: None }, Owner::of_account);
            self.found.insert(id.into(), owner);
        }
        Ok(())
    }

    /// Finds accounts.
    pub async fn find_all(&mut self, owners: impl Iterator<Item = &str> + Send) -> Result<()> {
        for id in owners.filter(|id| !id.is_empty()) {
            self.find(id).await?;
        }
        Ok(())
    }

    /// An account that was found.
    pub fn of(&self, id: &str) -> Cow<'_, Owner> {
        let unknown = || Cow::Owned(Owner { id: id.into(), name: None });
        self.found.get(id).map_or_else(unknown, Cow::Borrowed)
    }

    /// The bucket's owner.
    pub fn of_bucket(&self) -> Cow<'_, Owner> {
        self.of(&self.bucket_owner)
    }

    /// The owner of an object whose row says this.
    pub fn of_object(&self, id: &str) -> Cow<'_, Owner> {
        if self.owns_all || id.is_empty() { self.of_bucket() } else { self.of(id) }
    }
}

/// The accounts of these ids, and the bucket's owner.
pub async fn owners_of<'a, H: Handler<Face = S3>>(
    gateway: &'a Gateway<S3>,
    authorized: &Authorized<H>,
    bucket: &Bucket,
    owners: impl Iterator<Item = &str> + Send,
) -> Executed<Owners<'a>> {
    let guarded = authorized.guarded(gateway, bucket).await?;
    let mut found = Owners::new(gateway, authorized.caller(), &guarded).await?;
    found.find_all(owners).await?;
    Ok(found)
}
