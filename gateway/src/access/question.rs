//! The question: who asks, what for, of what, and all that was said of it.
//!
//! Must not know: the answer, HTTP, where policies and ACLs are kept.

use super::acl::AccessControlList;
use super::context::ConditionContext;
use super::ownership::ObjectOwnership;
use super::policy::StoredPolicy;
use super::principal::{AccountRef, Principal, TagList};
use super::public_access::PublicAccessBlock;

/// A policy with the name by which the audit log has it.
#[derive(Clone, Copy, Debug)]
pub struct AttachedPolicy<'a> {
    /// Its name or ARN; the bucket of a bucket policy.
    pub name: &'a str,
    /// What was found where it is kept.
    pub policy: &'a StoredPolicy,
}

/// What the principal's own account says of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rights<'a> {
    /// The policies of the user and its groups, or of the role; of a federated user those of the user that made it. An
    /// account's root needs none.
    pub identity: &'a [AttachedPolicy<'a>],
    /// The permissions boundary of the user or role.
    pub boundary: Option<AttachedPolicy<'a>>,
    /// The policies that were given with the session, or that stand with the access key. Together they narrow what all
    /// others allow. None is no narrowing; an empty list allows nothing.
    pub session: Option<&'a [AttachedPolicy<'a>]>,
    /// When the session's token was issued; milliseconds since 1970.
    pub token_issued_ms: Option<i64>,
}

/// On what an action is.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// A bucket.
    Bucket(&'a str),
    /// A key of a bucket.
    Object {
        /// The bucket's name.
        bucket: &'a str,
        /// The key.
        key: &'a str,
    },
    /// All buckets, to list them.
    AllBuckets,
    /// Anything else, by its ARN.
    Arn(&'a str),
}

/// What stands with a bucket.
#[derive(Clone, Copy, Debug)]
pub struct BucketFacts<'a> {
    /// The account that owns it.
    pub owner: AccountRef<'a>,
    /// Its policy.
    pub policy: Option<AttachedPolicy<'a>>,
    /// Its ACL.
    pub acl: Option<&'a AccessControlList>,
    /// Whether ACLs count, and whose objects are.
    pub ownership: ObjectOwnership,
    /// The public access block: the bucket's and its account's together.
    pub block: PublicAccessBlock,
}

/// To what the resource belongs, and the policy that stands with it.
#[derive(Clone, Copy, Debug)]
pub enum TargetFacts<'a> {
    /// A bucket, or an object in it.
    Bucket(BucketFacts<'a>),
    /// A role, to take it. Its trust policy has to allow that to any principal, the account's root too.
    Role {
        /// The role's account.
        account: AccountRef<'a>,
        /// The trust policy.
        trust: AttachedPolicy<'a>,
    },
    /// An account, and nothing with a policy of its own.
    Account(AccountRef<'a>),
}

/// What stands with an object that exists. It costs a read, so a decision is asked without it first.
#[derive(Clone, Copy, Debug)]
pub enum ObjectFacts<'a> {
    /// No object exists there, or the action is on none.
    None,
    /// Nobody has looked.
    Unread,
    /// This.
    Read {
        /// The canonical id of the account that owns it.
        owner: &'a str,
        /// Its tags.
        tags: &'a TagList,
        /// Its ACL, if it has one.
        acl: Option<&'a AccessControlList>,
    },
}

/// What is asked: may this principal do this?
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// In whose name the request comes.
    pub principal: Principal<'a>,
    /// What the principal's account says of it.
    pub rights: Rights<'a>,
    /// The action by its IAM name, with its service.
    pub action: &'a str,
    /// On what it is.
    pub resource: Resource<'a>,
    /// To what that belongs.
    pub target: TargetFacts<'a>,
    /// The object that it is on.
    pub object: ObjectFacts<'a>,
    /// The values of the keys that only the request can tell.
    pub request: &'a dyn ConditionContext,
    /// When the request is decided; milliseconds since 1970.
    pub now_ms: i64,
}
