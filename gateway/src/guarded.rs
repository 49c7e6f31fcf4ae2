//! What stands with a bucket and decides about requests: its documents, read once for each version of its row.
//!
//! Promises: a document that cannot be read denies: it counts as a policy that cannot, under a full public access block.
//! Must not know: requests, how documents are written down.

use std::borrow::Cow;
use std::sync::Arc;

use couronne_base::codec::{self, Value};

use crate::access::acl::AccessControlList;
use crate::access::arn::AccountNumber;
use crate::access::policy::StoredPolicy;
use crate::access::principal::AccountRef;
use crate::access::{AttachedPolicy, BucketFacts, ObjectOwnership, PublicAccessBlock};
use crate::engine::{Bucket, BucketDocument, EngineError};
use crate::identity::{Account, Credential, Identity, IdentityError};

/// What a bucket's owner wrote of who may do what in it.
#[derive(Clone, Debug)]
pub struct BucketDocuments {
    /// The policy.
    pub policy: Option<StoredPolicy>,
    /// The access control list; `None`: the owner alone has rights by it.
    pub acl: Option<AccessControlList>,
    /// Whose the objects are that others write, if that is set.
    pub ownership: Option<ObjectOwnership>,
    /// The public access block, if one is set.
    pub block: Option<PublicAccessBlock>,
}

impl BucketDocuments {
    /// Of a bucket; perhaps from memory.
    pub fn of(bucket: &Bucket) -> Arc<Self> {
        bucket.derived(Self::read)
    }

    fn read(bucket: &Bucket) -> Self {
        Self::parse(bucket).unwrap_or_else(|error| {
            tracing::error!(bucket = &*bucket.name, %error, "a document of a bucket cannot be read: all is denied");
            Self {
                policy: Some(StoredPolicy::Unreadable),
                acl: None,
                ownership: Some(ObjectOwnership::BucketOwnerEnforced),
                block: Some(PublicAccessBlock::ALL),
            }
        })
    }

    fn parse(bucket: &Bucket) -> Result<Self, EngineError> {
        let policy = bucket.document(BucketDocument::Policy).map(|text| match std::str::from_utf8(text) {
            Ok(text) => StoredPolicy::read(text),
            Err(_) => StoredPolicy::Unreadable,
        });
        Ok(Self {
            policy,
            acl: decoded(bucket, BucketDocument::Acl)?,
            ownership: decoded(bucket, BucketDocument::OwnershipControls)?,
            block: decoded(bucket, BucketDocument::PublicAccessBlock)?,
        })
    }

    /// Whose the objects are that others write: where nothing is set, the writer's, as before S3 had the setting.
    pub fn object_ownership(&self) -> ObjectOwnership {
        self.ownership.unwrap_or(ObjectOwnership::ObjectWriter)
    }
}

fn decoded<T: Value>(bucket: &Bucket, document: BucketDocument) -> Result<Option<T>, EngineError> {
    let Some(encoded) = bucket.document(document) else { return Ok(None) };
    codec::decode(encoded).map(Some).map_err(|error| EngineError::Corrupt(format!("{document:?}: {error}")))
}

/// A bucket with all that decides about requests on it, but for the requests themselves.
pub struct GuardedBucket<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// What stands with it.
    pub documents: Arc<BucketDocuments>,
    /// The account that owns it; `None`: it is gone.
    owner: Option<Cow<'a, Account>>,
}

impl<'a> GuardedBucket<'a> {
    /// Finds it for a caller. The owner's account is the caller's, or may come from memory.
    pub async fn find(identity: &Identity, caller: &'a Credential, bucket: &'a Bucket) -> Result<Self, IdentityError> {
        let owner = match caller.account() {
            own if own.id == bucket.entry.account => Some(Cow::Borrowed(own)),
            _ => identity.known_account(&bucket.entry.account).await?.map(Cow::Owned),
        };
        Ok(Self { bucket, documents: BucketDocuments::of(bucket), owner })
    }

    /// The account that owns it, as the decision has it.
    pub fn owner(&self) -> AccountRef<'_> {
        let number = self.owner.as_deref().and_then(|owner| AccountNumber::parse(&owner.number));
        AccountRef { number: number.unwrap_or(AccountNumber::UNASSIGNED), canonical: &self.bucket.entry.account }
    }

    /// The public access block: the bucket's and its account's together.
    pub fn block(&self) -> PublicAccessBlock {
        let of_account = self.owner.as_deref().map_or(PublicAccessBlock::ALL, |owner| owner.block.into());
        self.documents.block.unwrap_or_default().and(of_account)
    }

    /// As the decision has it.
    pub fn facts(&self) -> BucketFacts<'_> {
        let policy = self.documents.policy.as_ref();
        BucketFacts {
            owner: self.owner(),
            policy: policy.map(|policy| AttachedPolicy { name: &self.bucket.name, policy }),
            acl: self.documents.acl.as_ref(),
            ownership: self.documents.object_ownership(),
            block: self.block(),
        }
    }
}
