//! The authorize stage, and the proof it leaves: [`Authorized`].
//!
//! Promises: nobody outside this file can make an [`Authorized`]; it names the very buckets that were checked, with the
//! rules they were checked under, and an operation on two buckets carries both. The decision ([`access::decide`]) is
//! taken before any key is looked up, so a denied answer is the same whether the key exists or not.
//! Must not know: single operations, signatures.

use std::sync::Arc;
use std::time::Duration;

use super::error::{FrontError, Rejection, of_face};
use super::face::{Face, Need, NeededOn};
use super::gateway::Gateway;
use super::handler::{ErrorOf, Handler, RequestOf};
use super::resources::{BucketRole, ResolvedResources, Resources};
use crate::access::arn::AccountNumber;
use crate::access::principal::AccountRef;
use crate::access::{
    self, BucketFacts, ObjectFacts, ObjectOwnership, PublicAccessBlock, Question, Resource, TargetFacts,
};
use crate::engine::{Bucket, EngineError};
use crate::identity::Credential;

/// How often a request is resolved and authorized again because a bucket's rules keep changing.
pub const RENEWALS_MAX: u32 = 4;

/// The buckets of a handler, found.
pub type Resolved<H> = <<H as Handler>::Resources as Resources>::Resolved;

/// A caller, and when it was found.
#[derive(Clone)]
pub(super) struct FoundCaller {
    pub(super) credential: Arc<Credential>,
    /// By the steady clock: before it was looked for.
    pub(super) since: Duration,
}

/// An operation that its caller may carry out on these buckets, under the rules they have.
pub struct Authorized<H: Handler> {
    operation: <H::Face as Face>::Operation,
    parameters: Arc<H>,
    request: Arc<RequestOf<H>>,
    caller: FoundCaller,
    resources: Resolved<H>,
    renewals_left: u32,
}

impl<H: Handler> Authorized<H> {
    /// The operation's parameters.
    pub fn operation(&self) -> &H {
        &self.parameters
    }

    /// The request's head.
    pub fn request(&self) -> &RequestOf<H> {
        &self.request
    }

    /// The caller.
    pub fn caller(&self) -> &Credential {
        &self.caller.credential
    }

    /// The buckets that were checked: the only ones to be touched.
    pub const fn resources(&self) -> &Resolved<H> {
        &self.resources
    }

    /// Whether the caller may do this, too, in a bucket that was checked: of an operation that learns from its body what it
    /// touches.
    pub fn may(&self, gateway: &Gateway<H::Face>, bucket: &Bucket, need: &Need<'_>) -> bool {
        may(gateway, &self.request, &self.caller.credential, Some(bucket), need)
    }

    /// Executes a commit under this authorization, decided again if that was long ago ([`Authorized::refresh`]). On stale
    /// rules it takes the buckets as they are by then, decides again and repeats the commit; it gives up after a few times.
    pub async fn commit<T, C: Future<Output = Result<T, EngineError>>>(
        &mut self,
        gateway: &Gateway<H::Face>,
        mut execute: impl FnMut(Self) -> C,
    ) -> Result<T, FrontError<ErrorOf<H>>> {
        loop {
            self.refresh(gateway).await?;
            match execute(self.clone()).await {
                Err(EngineError::StaleRules) => self.renew(gateway).await?,
                done => return Ok(done?),
            }
        }
    }

    /// Before a commit: a caller that was found longer ago than a revocation may take is looked for again, and what it may
    /// do is decided again.
    pub async fn refresh(&mut self, gateway: &Gateway<H::Face>) -> Result<(), FrontError<ErrorOf<H>>> {
        let now = gateway.env.clock.steady();
        if now.saturating_sub(self.caller.since) < gateway.identity.credential_age_max() {
            return Ok(());
        }
        let again = gateway.identity.credential_again(&self.caller.credential).await;
        let credential = again.map_err(|error| of_face(Rejection::Identity(error)))?;
        let credential = credential.ok_or(Rejection::CredentialGone).map_err(of_face)?;
        decide::<H>(gateway, self.operation, &self.request, &credential, &self.resources)?;
        self.caller = FoundCaller { credential, since: now };
        Ok(())
    }

    /// After `StaleRules`: takes the buckets as they are by then and decides again. Gives up after a few times.
    pub async fn renew(&mut self, gateway: &Gateway<H::Face>) -> Result<(), FrontError<ErrorOf<H>>> {
        let left = self.renewals_left.checked_sub(1);
        self.renewals_left = left.ok_or(Rejection::RulesKeepChanging).map_err(of_face)?;
        let resources = self.resources.renew(&gateway.engine).await?;
        decide::<H>(gateway, self.operation, &self.request, &self.caller.credential, &resources)?;
        self.resources = resources;
        Ok(())
    }
}

// By hand: the handler itself need not be `Clone`.
impl<H: Handler> Clone for Authorized<H> {
    fn clone(&self) -> Self {
        Self {
            operation: self.operation,
            parameters: self.parameters.clone(),
            request: self.request.clone(),
            caller: self.caller.clone(),
            resources: self.resources.clone(),
            renewals_left: self.renewals_left,
        }
    }
}

/// The authorize stage.
pub(super) fn authorize<H: Handler>(
    gateway: &Gateway<H::Face>,
    operation: <H::Face as Face>::Operation,
    parameters: &Arc<H>,
    request: &Arc<RequestOf<H>>,
    caller: &FoundCaller,
    resources: &Resolved<H>,
) -> Result<Authorized<H>, FrontError<ErrorOf<H>>> {
    decide::<H>(gateway, operation, request, &caller.credential, resources)?;
    Ok(Authorized {
        operation,
        parameters: parameters.clone(),
        request: request.clone(),
        caller: caller.clone(),
        resources: resources.clone(),
        renewals_left: RENEWALS_MAX,
    })
}

fn decide<H: Handler>(
    gateway: &Gateway<H::Face>,
    operation: <H::Face as Face>::Operation,
    request: &RequestOf<H>,
    caller: &Credential,
    resources: &Resolved<H>,
) -> Result<(), FrontError<ErrorOf<H>>> {
    let check = |bucket: Option<&Bucket>, role| {
        let needs = gateway.face.needs(request, operation, role);
        let is_allowed = needs.iter().all(|need| may(gateway, request, caller, bucket, need));
        if is_allowed { Ok(()) } else { Err(of_face(Rejection::AccessDenied)) }
    };
    let mut buckets = resources.buckets().peekable();
    if buckets.peek().is_none() {
        return check(None, BucketRole::Target);
    }
    for (bucket, role) in buckets {
        check(Some(bucket), role)?;
        gateway.face.check_bucket(request, bucket, role).map_err(FrontError::Face)?;
    }
    Ok(())
}

/// Whether an error tells of a key that is not there, and the caller may not be told that: it is told the same as of one that
/// it may not read.
pub(super) fn hides_absence<H: Handler>(
    gateway: &Gateway<H::Face>,
    request: &RequestOf<H>,
    caller: &Credential,
    resources: &Resolved<H>,
    error: &ErrorOf<H>,
) -> bool {
    let need = H::Face::told_of_absence(error);
    need.is_some_and(|need| resources.buckets().any(|(bucket, _)| !may(gateway, request, caller, Some(bucket), &need)))
}

/// Whether a caller may do this, in a bucket or, without one, in its own account.
fn may<F: Face>(
    gateway: &Gateway<F>,
    request: &F::Request,
    caller: &Credential,
    bucket: Option<&Bucket>,
    need: &Need<'_>,
) -> bool {
    let (own, policies) = (caller.caller.account_ref(), caller.caller.policies());
    let (resource, object) = match (&need.on, bucket) {
        (NeededOn::AllBuckets, _) => (Resource::AllBuckets, ObjectFacts::None),
        (NeededOn::NewBucket(name), _) => (Resource::Bucket(name), ObjectFacts::None),
        (NeededOn::Bucket, Some(bucket)) => (Resource::Bucket(&bucket.name), ObjectFacts::None),
        (NeededOn::Key(key), Some(bucket)) => (Resource::Object { bucket: &bucket.name, key }, ObjectFacts::Unread),
        (NeededOn::Bucket | NeededOn::Key(_), None) => return false,
    };
    let decision = access::decide(&Question {
        principal: caller.caller.principal(),
        rights: policies.rights(),
        action: need.action,
        resource,
        target: bucket.map_or(TargetFacts::Account(own), |bucket| TargetFacts::Bucket(facts(bucket, own))),
        object,
        request,
        now_ms: i64::try_from(gateway.env.clock.wall_ms()).unwrap_or(i64::MAX),
    });
    if !decision.is_allow() {
        let (account, action) = (&*caller.account().name, need.action);
        tracing::debug!(account, action, bucket = bucket.map(|bucket| &*bucket.name), ?decision, "denied");
    }
    // Nothing reads the tags of an object for a decision: where they would decide it is denied.
    decision.is_allow()
}

/// What stands with a bucket: no policy and no ACL. Of the number of another account nothing is known.
fn facts<'a>(bucket: &'a Bucket, own: AccountRef<'a>) -> BucketFacts<'a> {
    let canonical = &*bucket.entry.account;
    let number = if canonical == own.canonical { own.number } else { AccountNumber::UNASSIGNED };
    BucketFacts {
        owner: AccountRef { number, canonical },
        policy: None,
        acl: None,
        ownership: ObjectOwnership::BucketOwnerEnforced,
        block: PublicAccessBlock::ALL,
    }
}
