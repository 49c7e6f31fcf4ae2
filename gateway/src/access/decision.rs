//! The decision: every policy asked, and what they say weighed as AWS weighs it.
//!
//! Follows <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html> with its page on
//! cross-account requests, and <https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-s3-evaluates-access-control.html>.
//!
//! Promises: pure; an explicit denial or a policy that cannot be read denies, wherever it stands; nothing is allowed that
//! a session's or access key's policies do not allow, but what a resource's policy gives to that very session. A
//! question about an unread object is answered only if the answer is the same for every object.
//! Must not know: the grammar of policies, HTTP.

use super::acl::{self, AclOf, Grantee};
use super::asked::{Asked, ObjectNeeds};
use super::policy::{Inquiry as _, Reach, StoredPolicy};
use super::principal::{AccountRef, Principal};
use super::question::{AttachedPolicy, BucketFacts, ObjectFacts, Question, Resource, Rights, TargetFacts};
use super::reason::{PolicyRole, Reason, StatementRef};

/// The answer.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// The principal may.
    Allow(Reason<'a>),
    /// The principal may not.
    Deny(Reason<'a>),
    /// It hangs on what stands with the object: this has to be read, and the question asked again with it.
    Read(ObjectNeeds),
}

impl Decision<'_> {
    /// Whether the principal may.
    pub const fn is_allow(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

/// Decides.
pub fn decide<'a>(question: &Question<'a>) -> Decision<'a> {
    if is_owner_undisputed(question) {
        return Decision::Allow(Reason::Ownership);
    }
    let asked = Asked::new(question);
    let weighed = weigh(&asked);
    // As long as nobody asked for the object, no object could have changed the way through the policies.
    match asked.needs() {
        needs if needs.any() => Decision::Read(needs),
        _ => weighed.map_or_else(Decision::Deny, Decision::Allow),
    }
}

/// The account itself, about what is its own and under no policy and no ACL: the common case, kept cheap.
fn is_owner_undisputed(question: &Question<'_>) -> bool {
    let Principal::Root(account) = question.principal else { return false };
    let Rights { identity: [], boundary: None, session: None, .. } = question.rights else { return false };
    match &question.target {
        TargetFacts::Bucket(bucket) => {
            bucket.policy.is_none() && !bucket.ownership.acls_count() && bucket.owner == account
        }
        TargetFacts::Account(owner) => *owner == account,
        TargetFacts::Role { .. } => false,
    }
}

type Weighed<'a> = Result<Reason<'a>, Reason<'a>>;

/// The reason to allow, or the reason to deny.
fn weigh<'a>(asked: &Asked<'_, 'a>) -> Weighed<'a> {
    let question = asked.question;
    let own = OwnSide::ask(asked)?;
    match question.target {
        TargetFacts::Account(account) => own.weigh_in(&question.principal, account, None),
        TargetFacts::Role { account, trust } => {
            let grant = ask_one(asked, PolicyRole::Resource, trust)?;
            // Even an account's root needs the trust policy.
            let (reach, reason) = grant.ok_or(Reason::NoResourceAllows)?;
            own.weigh_in(&question.principal, account, Some((reach, reason)))
        }
        TargetFacts::Bucket(bucket) => weigh_bucket(asked, &own, &bucket),
    }
}

fn weigh_bucket<'a>(asked: &Asked<'_, 'a>, own: &OwnSide<'a>, bucket: &BucketFacts<'a>) -> Weighed<'a> {
    let principal = &asked.question.principal;
    let is_of_owner = principal.account() == Some(bucket.owner);
    if is_of_owner && matches!(principal, Principal::Root(_)) && is_about_the_policy(asked.action()) {
        // So that no policy can lock its owner out.
        return own.weigh_in(principal, bucket.owner, None);
    }
    let by_policy = match bucket.policy {
        Some(policy) => ask_one(asked, PolicyRole::Resource, policy)?,
        None => None,
    };
    if !is_of_owner && !matches!(principal, Principal::Service(_)) && is_restricted(bucket) {
        return Err(Reason::PublicBucketRestricted);
    }
    let by_acl = acl_grant(asked, bucket);
    match owner_of_object(asked, bucket) {
        // The bucket's policy can deny what is done to another's object, and not allow it.
        Some(owner) if owner != bucket.owner => own.weigh_in(principal, owner, by_acl),
        _ => own.weigh_in(principal, bucket.owner, closer(by_policy, by_acl)),
    }
}

fn is_about_the_policy(action: &str) -> bool {
    matches!(action, "s3:getbucketpolicy" | "s3:putbucketpolicy" | "s3:deletebucketpolicy")
}

fn is_restricted(bucket: &BucketFacts<'_>) -> bool {
    bucket.block.restrict_public_buckets && bucket.policy.is_some_and(|attached| attached.policy.is_public())
}

/// The account that owns the object, where that decides: ACLs count, the object exists, and the action is on the object
/// and not on its place in the bucket, as writing and deleting are.
fn owner_of_object<'a>(asked: &Asked<'_, 'a>, bucket: &BucketFacts<'a>) -> Option<AccountRef<'a>> {
    let is_on_object = matches!(asked.question.resource, Resource::Object { .. });
    if !bucket.ownership.acls_count() || !is_on_object || is_on_place(asked.action()) {
        return None;
    }
    match asked.object() {
        // Two accounts are compared by canonical id; the number of the object's owner is not known and not asked for.
        ObjectFacts::Read { owner, .. } => Some(AccountRef { canonical: owner, number: bucket.owner.number }),
        ObjectFacts::None | ObjectFacts::Unread => None,
    }
}

/// Whether an action, by its name in any case, is on an object's place in its bucket and not on the object itself.
pub fn is_on_place(action: &str) -> bool {
    matches!(
        &*action.to_ascii_lowercase(),
        "s3:putobject"
            | "s3:deleteobject"
            | "s3:deleteobjectversion"
            | "s3:abortmultipartupload"
            | "s3:listmultipartuploadparts"
            | "s3:bypassgovernanceretention"
            | "s3:replicateobject"
            | "s3:replicatedelete"
            | "s3:replicatetags"
    )
}

/// What a resource's policy or ACL allows, and how closely it names the principal.
type ResourceGrant<'a> = (Reach, Reason<'a>);

fn closer<'a>(one: Option<ResourceGrant<'a>>, other: Option<ResourceGrant<'a>>) -> Option<ResourceGrant<'a>> {
    match (one, other) {
        (Some(one), Some(other)) if other.0 > one.0 => Some(other),
        (one, other) => one.or(other),
    }
}

fn acl_grant<'a>(asked: &Asked<'_, 'a>, bucket: &BucketFacts<'a>) -> Option<ResourceGrant<'a>> {
    if !bucket.ownership.acls_count() {
        return None;
    }
    let action = asked.action().strip_prefix("s3:")?;
    let principal = &asked.question.principal;
    let (of, permission) = acl::permission_for(action)?;
    if action == "deleteobject" && !owns_object(asked, principal) {
        return None;
    }
    let list = match of {
        AclOf::Bucket => bucket.acl?,
        AclOf::Object => match asked.object() {
            ObjectFacts::Read { acl, .. } => acl?,
            ObjectFacts::None | ObjectFacts::Unread => return None,
        },
    };
    let counts = |grantee: &Grantee| !(bucket.block.ignore_public_acls && grantee.is_public());
    let grants = list.grants.iter().filter(|grant| grant.permission.includes(permission) && counts(&grant.grantee));
    let reaches = grants.filter(|grant| grant.grantee.contains(principal)).map(|grant| match grant.grantee {
        Grantee::Account(_) => Reach::Account,
        Grantee::Group(_) => Reach::Direct,
    });
    reaches.max().map(|reach| (reach, Reason::Acl(of)))
}

fn owns_object(asked: &Asked<'_, '_>, principal: &Principal<'_>) -> bool {
    match asked.object() {
        ObjectFacts::Read { owner, .. } => principal.account().is_some_and(|account| account.canonical == owner),
        ObjectFacts::None | ObjectFacts::Unread => false,
    }
}

/// Asks one policy. Its denial, or that it cannot be read, is the answer to all.
fn ask_one<'a>(
    asked: &Asked<'_, 'a>,
    role: PolicyRole,
    attached: AttachedPolicy<'a>,
) -> Result<Option<ResourceGrant<'a>>, Reason<'a>> {
    let StoredPolicy::Readable(policy) = attached.policy else {
        return Err(Reason::Unreadable(role, attached.name));
    };
    let statement =
        |index| Reason::Statement(StatementRef { role, policy: attached.name, sid: policy.sid(index), index });
    let findings = policy.ask(asked);
    match findings.deny {
        Some(index) => Err(statement(index)),
        None => Ok(findings.allow.map(|(reach, index)| (reach, statement(index)))),
    }
}

fn ask_all<'a>(
    asked: &Asked<'_, 'a>,
    role: PolicyRole,
    policies: &[AttachedPolicy<'a>],
) -> Result<Option<Reason<'a>>, Reason<'a>> {
    let mut allows = None;
    // All are asked: a later one may deny.
    for policy in policies {
        let found = ask_one(asked, role, *policy)?;
        allows = allows.or(found.map(|(_, reason)| reason));
    }
    Ok(allows)
}

/// What the principal's own account says.
struct OwnSide<'a> {
    /// What allows it, if its policies or its being the root do.
    identity: Option<Reason<'a>>,
    boundary_lacks: bool,
    session: Narrowing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Narrowing {
    None,
    Allows,
    Lacks,
}

impl<'a> OwnSide<'a> {
    fn ask(asked: &Asked<'_, 'a>) -> Result<Self, Reason<'a>> {
        let Question { principal, rights, .. } = asked.question;
        let mut identity = ask_all(asked, PolicyRole::Identity, rights.identity)?;
        if is_root(principal) {
            identity = Some(Reason::Ownership);
        }
        let boundary_lacks = match rights.boundary {
            Some(boundary) => ask_one(asked, PolicyRole::Boundary, boundary)?.is_none(),
            None => false,
        };
        let session = match rights.session {
            None => Narrowing::None,
            Some(policies) => match ask_all(asked, PolicyRole::Session, policies)? {
                Some(_) => Narrowing::Allows,
                None => Narrowing::Lacks,
            },
        };
        Ok(Self { identity, boundary_lacks, session })
    }

    /// Weighs it against what the resource's policy and ACLs allow. `owner` is the account that the resource belongs to.
    fn weigh_in(
        &self,
        principal: &Principal<'a>,
        owner: AccountRef<'a>,
        grant: Option<ResourceGrant<'a>>,
    ) -> Weighed<'a> {
        match principal.account() {
            // There is no account that could have a say.
            None => grant.map(|(_, reason)| reason).ok_or(Reason::NoResourceAllows),
            Some(account) if account == owner => match grant {
                Some((Reach::Direct, reason)) if is_session(principal) => Ok(reason),
                // The policies of an access key narrow everything: there is no session that could be named.
                Some((Reach::Direct, reason)) => self.check_session(principal).map(|()| reason),
                Some((Reach::Entity, reason)) => self.check_limits(principal).map(|()| reason),
                Some((Reach::Account, _)) | None => self.weigh_alone(principal),
            },
            // Across accounts both have to allow it.
            Some(_) => {
                let (_, reason) = grant.ok_or(Reason::NoResourceAllows)?;
                self.weigh_alone(principal).map(|_| reason)
            }
        }
    }

    fn weigh_alone(&self, principal: &Principal<'_>) -> Weighed<'a> {
        let reason = self.identity.ok_or(Reason::NoIdentityAllows)?;
        self.check_limits(principal).map(|()| reason)
    }

    fn check_limits(&self, principal: &Principal<'_>) -> Result<(), Reason<'a>> {
        if self.boundary_lacks { Err(Reason::BoundaryLacks) } else { self.check_session(principal) }
    }

    fn check_session(&self, principal: &Principal<'_>) -> Result<(), Reason<'a>> {
        // Without policies a federated user's session allows nothing; a role's allows what the role may.
        let needs_policies = matches!(principal, Principal::FederatedUser(_));
        match self.session {
            Narrowing::Allows => Ok(()),
            Narrowing::None if !needs_policies => Ok(()),
            Narrowing::None | Narrowing::Lacks => Err(Reason::SessionLacks),
        }
    }
}

/// An account's root, or a session that it made for a federated user.
const fn is_root(principal: &Principal<'_>) -> bool {
    match principal {
        Principal::Root(_) => true,
        Principal::FederatedUser(user) => user.federator.is_none(),
        _ => false,
    }
}

const fn is_session(principal: &Principal<'_>) -> bool {
    matches!(principal, Principal::RoleSession(_) | Principal::FederatedUser(_))
}
