//! The row of an account.
//!
//! Must not know: when it is written.

use couronne_base::codec::table::record;

use super::forms::{is_account_id, is_account_number};
use super::named::Named;
use crate::ids::Ordinal;

/// `account/<account id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Its 12-digit number, as ARNs have it.
    pub number: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// An address of mail for it, if one was given.
    pub email: Option<Box<str>>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
    /// What of its buckets is not to be public, whatever they say.
    pub block: PublicAccessBlock,
}

/// S3's public access block: four flags of an account, or of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublicAccessBlock {
    /// `BlockPublicAcls`: ACLs that would make something public are refused.
    pub block_public_acls: bool,
    /// `IgnorePublicAcls`: those that are there do not count.
    pub ignore_public_acls: bool,
    /// `BlockPublicPolicy`: bucket policies that would make a bucket public are refused.
    pub block_public_policy: bool,
    /// `RestrictPublicBuckets`: a bucket with such a policy serves its account and AWS's services alone.
    pub restrict_public_buckets: bool,
}

record! { AccountRow { 1 number, 2 name, 3 email, 4 created, 5 block } }
record! { PublicAccessBlock {
    1 block_public_acls, 2 ignore_public_acls, 3 block_public_policy, 4 restrict_public_buckets
} }

impl Named for AccountRow {
    const KIND: &'static str = "account";

    fn is_id(id: &str) -> bool {
        is_account_id(id)
    }

    fn scope(&self) -> &str {
        ""
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn rename(&mut self, name: &str) {
        self.name = name.into();
    }

    fn is_sound(&self) -> bool {
        is_account_number(&self.number)
    }
}
