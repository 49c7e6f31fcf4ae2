//! Access control lists as requests give them, and what a bucket lets become of them.
//!
//! Promises: a list that counts is kept and shown as it was given; where lists do not count, one that grants more than the
//! bucket's owner has anyway is refused, so that no client believes it has shared or hidden something.
//! Must not know: single operations.

mod document;
mod headers;

use couronne_base::codec;
use couronne_metadata::record::ObjectRecord;

use crate::access::acl::{AccessControlList, AclOf, CannedAcl, Grant, Grantee, GranteeGroup, Permission};
use crate::access::principal::AccountRef;
use crate::access::{ObjectOwnership, PublicAccessBlock};
use crate::engine::Bucket;
use crate::front::{Authorized, Gateway, Handler};
use crate::guarded::GuardedBucket;
use crate::identity::Credential;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::{NewBuckets, S3};

pub use document::{read, write};
pub use headers::of_headers;

/// A list as a request gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskedAcl {
    /// By the name of a canned one.
    Canned(CannedAcl),
    /// Grant by grant.
    Grants(Vec<AskedGrant>),
}

/// A grant as a request gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedGrant {
    grantee: AskedGrantee,
    permission: Permission,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum AskedGrantee {
    Id(Box<str>),
    Email(Box<str>),
    Group(GranteeGroup),
}

/// A list whose grantees were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewAcl {
    /// By the name of a canned one.
    Canned(CannedAcl),
    /// Grant by grant.
    Grants(Vec<Grant>),
}

/// What a new object is to carry of whose it is.
pub struct NewOwnership {
    /// The canonical id of the account that owns it.
    pub owner: Box<str>,
    /// Its list as it is kept; `None`: the owner alone has rights by it.
    pub acl: Option<bytes::Bytes>,
}

impl AskedAcl {
    /// Finds the grantees.
    pub async fn find(&self, gateway: &Gateway<S3>) -> Result<NewAcl> {
        let asked = match self {
            Self::Canned(canned) => return Ok(NewAcl::Canned(*canned)),
            Self::Grants(grants) => grants,
        };
        let mut grants = Vec::with_capacity(asked.len());
        for AskedGrant { grantee, permission } in asked {
            let grantee = match grantee {
                AskedGrantee::Id(id) => {
                    let found = gateway.identity.known_account(id).await?;
                    let found = found.ok_or_else(|| S3Error::invalid_argument("Invalid id", "CanonicalUser/ID", id))?;
                    Grantee::Account(found.id)
                }
                AskedGrantee::Email(email) => Grantee::Account(account_of_email(gateway, email).await?),
                AskedGrantee::Group(group) => Grantee::Group(*group),
            };
            let grant = Grant { grantee, permission: *permission };
            if !grants.contains(&grant) {
                grants.push(grant);
            }
        }
        Ok(NewAcl::Grants(grants))
    }
}

/// The canonical id of the account with an address of mail.
async fn account_of_email(gateway: &Gateway<S3>, email: &str) -> Result<Box<str>> {
    let mut accounts = gateway.identity.accounts_by_email(email).await?.into_iter();
    match (accounts.next(), accounts.next()) {
        (Some(account), None) => Ok(account.id),
        (None, _) => Err(S3Error::new(Code::UnresolvableGrantByEmailAddress).detail("Email", email)),
        (Some(_), Some(_)) => Err(S3Error::new(Code::AmbiguousGrantByEmailAddress).detail("Email", email)),
    }
}

impl NewAcl {
    /// The list of an object or a bucket of this owner; both owners are canonical ids.
    fn list(&self, of: AclOf, owner: &str, bucket_owner: &str) -> AccessControlList {
        match self {
            Self::Canned(canned) => canned.grants(of, owner, bucket_owner),
            Self::Grants(grants) => AccessControlList { owner: owner.into(), grants: grants.clone() },
        }
    }

    /// Whether it gives the bucket's owner full control and nobody anything else.
    fn is_full_control_of(&self, bucket_owner: &str) -> bool {
        match self {
            Self::Canned(canned) => *canned == CannedAcl::BucketOwnerFullControl,
            Self::Grants(grants) => *grants == AccessControlList::private(bucket_owner).grants,
        }
    }

    /// The list as it is to be kept in this bucket; `None`: its owner alone has rights by it.
    pub fn admit(&self, of: AclOf, owner: &str, bucket: &GuardedBucket<'_>) -> Result<Option<AccessControlList>> {
        let bucket_owner = bucket.owner().canonical;
        if !bucket.documents.object_ownership().acls_count() {
            let is_true = self.is_full_control_of(bucket_owner);
            return if is_true { Ok(None) } else { Err(Code::AccessControlListNotSupported.into()) };
        }
        let list = self.list(of, owner, bucket_owner);
        if bucket.block().block_public_acls && list.is_public() {
            return Err(Code::AccessDenied.into());
        }
        Ok((list != AccessControlList::private(owner)).then_some(list))
    }
}

impl NewAcl {
    /// The list of a bucket that is being created; `None`: its owner alone has rights by it.
    pub fn of_new_bucket(
        &self,
        owner: &str,
        ownership: Option<ObjectOwnership>,
        block: PublicAccessBlock,
    ) -> Result<Option<AccessControlList>> {
        let list = self.list(AclOf::Bucket, owner, owner);
        if list == AccessControlList::private(owner) {
            return Ok(None);
        }
        // What the request itself asks for is told first.
        if ownership.is_some_and(|ownership| !ownership.acls_count()) {
            return Err(Code::InvalidBucketAclWithObjectOwnership.into());
        }
        if block.block_public_acls && list.is_public() {
            return Err(Code::InvalidBucketAclWithBlockPublicAccessError.into());
        }
        Ok(Some(list))
    }
}

/// A list of a request that has to have one, and the owner that it names.
pub struct GivenAcl {
    /// The list.
    pub acl: AskedAcl,
    owner: Option<Box<str>>,
}

impl GivenAcl {
    /// Refuses a document that names another owner: lists do not change that.
    pub fn check_owner(&self, owner: &str) -> Result<()> {
        let is_owner = self.owner.as_deref().is_none_or(|named| named == owner);
        if is_owner { Ok(()) } else { Err(Code::AccessDenied.into()) }
    }
}

/// The list of a request that has to have one, in its headers or in its document.
pub fn of_request(of_headers: Option<AskedAcl>, document: &[u8]) -> Result<GivenAcl> {
    match of_headers {
        Some(acl) if document.is_empty() => Ok(GivenAcl { acl, owner: None }),
        Some(_) => Err(Code::UnexpectedContent.into()),
        None if document.is_empty() => Err(Code::MissingSecurityHeader.into()),
        None => {
            let (owner, grants) = read(document)?;
            Ok(GivenAcl { acl: AskedAcl::Grants(grants), owner: Some(owner) })
        }
    }
}

/// Finds the grantees of a list, if a request gives one.
pub async fn find(gateway: &Gateway<S3>, asked: Option<&AskedAcl>) -> Result<Option<NewAcl>> {
    match asked {
        Some(asked) => asked.find(gateway).await.map(Some),
        None => Ok(None),
    }
}

/// Whose an object is that the caller writes to a bucket under the rules that were authorized, and its list.
pub async fn of_new_object<H: Handler<Face = S3>>(
    gateway: &Gateway<S3>,
    authorized: &Authorized<H>,
    bucket: &Bucket,
    acl: Option<&NewAcl>,
) -> Executed<NewOwnership> {
    let bucket = authorized.guarded(gateway, bucket).await?;
    let acl = acl.filter(|acl| !says_what_is_true(gateway, authorized.caller(), &bucket, acl));
    Ok(ownership(authorized.caller(), &bucket, acl)?)
}

/// Clients as rclone 1.60 send `private` with every object, without being asked. Where buckets are closed unless their
/// creation says otherwise, it is taken from the bucket's own account, for it is true.
fn says_what_is_true(gateway: &Gateway<S3>, caller: &Credential, bucket: &GuardedBucket<'_>, acl: &NewAcl) -> bool {
    gateway.face.new_buckets == NewBuckets::Closed
        && *acl == NewAcl::Canned(CannedAcl::Private)
        && *caller.account().id == *bucket.owner().canonical
        && !bucket.documents.object_ownership().acls_count()
}

fn ownership(caller: &Credential, bucket: &GuardedBucket<'_>, acl: Option<&NewAcl>) -> Result<NewOwnership> {
    let bucket_owner = bucket.owner().canonical;
    let full_control = acl == Some(&NewAcl::Canned(CannedAcl::BucketOwnerFullControl));
    let is_bucket_owners = bucket.documents.object_ownership().gives_to_bucket_owner(full_control);
    let owner = if is_bucket_owners { bucket_owner } else { &caller.account().id };
    let list = acl.map(|acl| acl.admit(AclOf::Object, owner, bucket)).transpose()?.flatten();
    Ok(NewOwnership { owner: owner.into(), acl: list.as_ref().map(codec::encode) })
}

/// The canonical id of the account that owns an object in a bucket.
pub fn owner_of<'a>(record: &'a ObjectRecord, bucket: &'a GuardedBucket<'_>) -> &'a str {
    match &*record.attributes.owner {
        owner if bucket.documents.object_ownership().acls_count() && !owner.is_empty() => owner,
        _ => &bucket.bucket.entry.account,
    }
}

/// A list as it counts in a bucket, which is also what is shown.
pub fn counting(list: Option<AccessControlList>, owner: &str, bucket: &GuardedBucket<'_>) -> AccessControlList {
    let AccountRef { canonical: bucket_owner, .. } = bucket.owner();
    match list {
        _ if !bucket.documents.object_ownership().acls_count() => AccessControlList::private(bucket_owner),
        None => AccessControlList::private(owner),
        Some(list) if bucket.block().ignore_public_acls => list.without_public_grants(),
        Some(list) => list,
    }
}
