//! The authorize stage, and the proof it leaves: [`Authorized`].
//!
//! Promises: nobody outside this file can make an [`Authorized`]; it names the very buckets that were checked, with the
//! rules and the version of a key they were checked under, and an operation on two buckets carries both. A denied answer is
//! the same whether a key exists or not, but to a caller that may list the bucket.
//! Must not know: single operations, signatures.

mod asking;

use std::sync::Arc;
use std::time::Duration;

use super::error::{FrontError, Rejection, of_face};
use super::face::{Face, Need};
use super::gateway::Gateway;
use super::handler::{ErrorOf, Handler, RequestOf};
use super::resources::{BucketRole, ResolvedResources, Resources};
use crate::audit::Notes;
use crate::engine::Bucket;
use crate::guarded::GuardedBucket;
use crate::identity::Credential;
use asking::{Asking, Seen};

/// How often a request is resolved and authorized again because a bucket's rules keep changing.
pub const RENEWALS_MAX: u32 = 4;

/// The buckets of a handler, found.
pub type Resolved<H> = <<H as Handler>::Resources as Resources>::Resolved;

/// A caller, when it was found, and where is noted what becomes of its request.
#[derive(Clone)]
pub(super) struct FoundCaller {
    pub(super) credential: Arc<Credential>,
    /// By the steady clock: before it was looked for.
    pub(super) since: Duration,
    pub(super) notes: Notes,
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

    /// Where the operation notes what its event in the audit is to say beside what the stages know.
    pub const fn notes(&self) -> &Notes {
        &self.caller.notes
    }

    /// The buckets that were checked: the only ones to be touched.
    pub const fn resources(&self) -> &Resolved<H> {
        &self.resources
    }

    /// A bucket that was checked, for what the caller may do in it, too; `None` if it may not: of an operation that learns
    /// from its body what it touches.
    pub async fn may(
        &self,
        gateway: &Gateway<H::Face>,
        bucket: &Bucket,
        needs: &[Need<'_>],
    ) -> Result<Option<Bucket>, FrontError<ErrorOf<H>>> {
        let asking = Asking { gateway, request: &*self.request, caller: &self.caller.credential, notes: None };
        let seen = may::<H>(&asking, Some(bucket), needs).await?;
        Ok(seen.map(|seen| bucket.decided_by(seen)))
    }

    /// Whether the caller may do this in its own account.
    pub async fn may_in_account(
        &self,
        gateway: &Gateway<H::Face>,
        need: Need<'_>,
    ) -> Result<bool, FrontError<ErrorOf<H>>> {
        let asking = Asking { gateway, request: &*self.request, caller: &self.caller.credential, notes: None };
        Ok(may::<H>(&asking, None, &[need]).await?.is_some())
    }

    /// A bucket that was checked, with what stands with it.
    pub async fn guarded<'a>(
        &'a self,
        gateway: &Gateway<H::Face>,
        bucket: &'a Bucket,
    ) -> Result<GuardedBucket<'a>, FrontError<ErrorOf<H>>> {
        guarded::<H>(gateway, self.caller(), bucket).await
    }

    /// Executes a commit under this authorization, decided again if that was long ago ([`Authorized::refresh`]). On stale
    /// rules it takes the buckets as they are by then, decides again and repeats the commit; it gives up after a few times.
    pub async fn commit<T, E, C>(
        &mut self,
        gateway: &Gateway<H::Face>,
        mut execute: impl FnMut(Self) -> C,
    ) -> Result<T, FrontError<ErrorOf<H>>>
    where
        C: Future<Output = Result<T, E>>,
        E: Into<FrontError<ErrorOf<H>>>,
    {
        loop {
            self.refresh(gateway).await?;
            match execute(self.clone()).await.map_err(Into::into) {
                Err(FrontError::Stale) => self.renew(gateway).await?,
                done => return done,
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
        let resources = self.resources.clone();
        let caller = FoundCaller { credential, since: now, notes: self.caller.notes.clone() };
        self.resources = decide::<H>(gateway, self.operation, &self.request, &caller, resources).await?;
        self.caller = caller;
        Ok(())
    }

    /// After `StaleRules`: takes the buckets as they are by then and decides again. Gives up after a few times.
    pub async fn renew(&mut self, gateway: &Gateway<H::Face>) -> Result<(), FrontError<ErrorOf<H>>> {
        let left = self.renewals_left.checked_sub(1);
        self.renewals_left = left.ok_or(Rejection::RulesKeepChanging).map_err(of_face)?;
        let resources = self.resources.renew(&gateway.engine).await?;
        self.resources = decide::<H>(gateway, self.operation, &self.request, &self.caller, resources).await?;
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

/// The authorize stage. `Stale` if a range knows other rules of a bucket.
pub(super) async fn authorize<H: Handler>(
    gateway: &Gateway<H::Face>,
    operation: <H::Face as Face>::Operation,
    parameters: &Arc<H>,
    request: &Arc<RequestOf<H>>,
    caller: &FoundCaller,
    resources: &Resolved<H>,
) -> Result<Authorized<H>, FrontError<ErrorOf<H>>> {
    let resources = decide::<H>(gateway, operation, request, caller, resources.clone()).await?;
    Ok(Authorized {
        operation,
        parameters: parameters.clone(),
        request: request.clone(),
        caller: caller.clone(),
        resources,
        renewals_left: RENEWALS_MAX,
    })
}

/// The buckets, each for what was decided about it.
async fn decide<H: Handler>(
    gateway: &Gateway<H::Face>,
    operation: <H::Face as Face>::Operation,
    request: &RequestOf<H>,
    caller: &FoundCaller,
    resources: Resolved<H>,
) -> Result<Resolved<H>, FrontError<ErrorOf<H>>> {
    let FoundCaller { credential: caller, notes, .. } = caller;
    let asking = Asking { gateway, request, caller, notes: Some(notes) };
    let denied = || of_face(Rejection::AccessDenied);
    let mut decided = Vec::new();
    for (bucket, role) in resources.buckets() {
        let guarded = guarded::<H>(gateway, caller, bucket).await?;
        let needs = gateway.face.needs(request, operation, role);
        let seen = asking.may(Some(&guarded), &needs).await?.ok_or_else(denied)?;
        if let Err(error) = gateway.face.check_bucket(request, &guarded, role) {
            let action = needs.first().map_or("", |need| need.action);
            notes.decided(action, None, false, &"the bucket is not what the request demands");
            return Err(FrontError::Face(error));
        }
        decided.push((role, seen));
    }
    if decided.is_empty() {
        let needs = gateway.face.needs(request, operation, BucketRole::Target);
        asking.may(None, &needs).await?.ok_or_else(denied)?;
    }
    Ok(decided.into_iter().fold(resources, |resources, (role, seen)| resources.with_seen(role, seen)))
}

async fn guarded<'a, H: Handler>(
    gateway: &Gateway<H::Face>,
    caller: &'a Credential,
    bucket: &'a Bucket,
) -> Result<GuardedBucket<'a>, FrontError<ErrorOf<H>>> {
    let found = GuardedBucket::find(&gateway.identity, caller, bucket).await;
    found.map_err(|error| of_face(Rejection::Identity(error)))
}

async fn may<H: Handler>(
    asking: &Asking<'_, H::Face>,
    bucket: Option<&Bucket>,
    needs: &[Need<'_>],
) -> Result<Option<Seen>, FrontError<ErrorOf<H>>> {
    let guarded = match bucket {
        Some(bucket) => Some(guarded::<H>(asking.gateway, asking.caller, bucket).await?),
        None => None,
    };
    Ok(asking.may(guarded.as_ref(), needs).await?)
}

/// Whether an error tells of a key that is not there, and the caller may not be told that: it is told the same as of one that
/// it may not read.
pub(super) async fn hides_absence<H: Handler>(
    gateway: &Gateway<H::Face>,
    request: &RequestOf<H>,
    FoundCaller { credential: caller, notes, .. }: &FoundCaller,
    resources: &Resolved<H>,
    error: &ErrorOf<H>,
) -> Result<bool, FrontError<ErrorOf<H>>> {
    if !H::Face::tells_of_absence(error) {
        return Ok(false);
    }
    let asking = Asking { gateway, request, caller, notes: None };
    for (bucket, _) in resources.buckets() {
        let need = H::Face::need_to_list();
        if may::<H>(&asking, Some(bucket), std::slice::from_ref(&need)).await?.is_none() {
            notes.decided(need.action, None, false, &"nothing is there, and the caller may not list the bucket");
            return Ok(true);
        }
    }
    Ok(false)
}
