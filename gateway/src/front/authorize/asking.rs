//! Asking the decision ([`access::decide`]) what a caller may do, and reading the object where that decides.
//!
//! Promises: an object is read only if its tags, owner or list could change the answer; an answer that hangs on them names
//! the version that it was decided by ([`SeenVersion`]), for the range to compare.
//! Must not know: single operations, what follows from an answer.

use couronne_base::codec;
use couronne_metadata::command::SeenVersion;
use couronne_metadata::ids::{ObjectKey, VersionId};
use couronne_metadata::record::ObjectRecord;

use crate::access::acl::AccessControlList;
use crate::access::{self, Decision, ObjectFacts, Question, Reason, Resource, TargetFacts};
use crate::audit::Notes;
use crate::engine::EngineError;
use crate::front::face::{Face, Need, NeededOn};
use crate::front::gateway::Gateway;
use crate::guarded::GuardedBucket;
use crate::identity::Credential;

/// The version that an answer hangs on, and its key.
pub(super) type Seen = Option<(ObjectKey, SeenVersion)>;

/// A caller's request, to ask about.
pub(super) struct Asking<'a, F: Face> {
    pub(super) gateway: &'a Gateway<F>,
    pub(super) request: &'a F::Request,
    pub(super) caller: &'a Credential,
    /// Where the answers are noted; `None`: they are not about the request as a whole.
    pub(super) notes: Option<&'a Notes>,
}

/// An object as it was read for a decision.
struct ReadObject {
    key: ObjectKey,
    version: Option<VersionId>,
    /// `None`: no object is there.
    record: Option<Box<ObjectRecord>>,
    acl: Option<AccessControlList>,
}

/// An answer that does not say what decided.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    /// Something says no.
    Deny,
    /// Nothing says yes.
    NotAllowed,
    /// It hangs on the object.
    Read,
}

impl<F: Face> Asking<'_, F> {
    /// Whether the caller may do all of this, in a bucket or, without one, in its own account: `None` if it may not. All
    /// that is needed of keys is of one version of one key.
    pub(super) async fn may(
        &self,
        bucket: Option<&GuardedBucket<'_>>,
        needs: &[Need<'_>],
    ) -> Result<Option<Seen>, EngineError> {
        let mut read = None;
        for need in needs {
            let verdict = match self.ask(bucket, need, None, self.notes) {
                Verdict::Read => {
                    if read.is_none() {
                        read = self.read(bucket, need).await?;
                    }
                    self.ask(bucket, need, read.as_ref(), self.notes)
                }
                verdict => verdict,
            };
            let is_told = || verdict == Verdict::NotAllowed && self.is_told_of_absence(bucket, need, read.as_ref());
            match verdict {
                Verdict::Allow => {}
                _ if is_told() => {
                    let reason = "nothing is there, and the caller may list the bucket";
                    self.notes.inspect(|notes| notes.allowed_after_all(need.action, reason));
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(read.map(|read| (read.key.clone(), read.seen()))))
    }

    /// An object that is not there has no list by which it could be read: a caller that may list the bucket is told so.
    fn is_told_of_absence(
        &self,
        bucket: Option<&GuardedBucket<'_>>,
        need: &Need<'_>,
        read: Option<&ReadObject>,
    ) -> bool {
        let is_absent = read.is_some_and(|read| read.record.is_none());
        is_absent
            && !access::is_on_place(need.action)
            && self.ask(bucket, &F::need_to_list(), None, None) == Verdict::Allow
    }

    async fn read(
        &self,
        bucket: Option<&GuardedBucket<'_>>,
        need: &Need<'_>,
    ) -> Result<Option<ReadObject>, EngineError> {
        let (NeededOn::Key { key, version }, Some(bucket)) = (&need.on, bucket) else { return Ok(None) };
        // What is no key has no object, and the operation says so.
        let Ok(key) = ObjectKey::new(key.as_bytes().to_vec()) else { return Ok(None) };
        let record = self.gateway.engine.record_of(&bucket.bucket.decided_by(None), &key, *version).await?;
        let encoded = record.as_ref().and_then(|record| record.attributes.acl.as_ref());
        let acl = encoded.map(codec::decode).transpose();
        let acl = acl.map_err(|error| EngineError::Corrupt(format!("access control list of an object: {error}")))?;
        Ok(Some(ReadObject { key, version: *version, record, acl }))
    }

    fn ask(
        &self,
        bucket: Option<&GuardedBucket<'_>>,
        need: &Need<'_>,
        read: Option<&ReadObject>,
        notes: Option<&Notes>,
    ) -> Verdict {
        let caller = &self.caller.caller;
        let (own, policies) = (caller.account_ref(), caller.policies());
        let facts = bucket.map(GuardedBucket::facts);
        let unread = || read.map_or(ObjectFacts::Unread, ReadObject::facts);
        let name = bucket.map(|bucket| &*bucket.bucket.name);
        let mut is_its_own = false;
        let (resource, object) = match (&need.on, name, &facts) {
            (NeededOn::AllBuckets, ..) => (Resource::AllBuckets, ObjectFacts::None),
            (NeededOn::NewBucket(name), ..) => (Resource::Bucket(name), ObjectFacts::None),
            (NeededOn::Bucket, Some(name), _) => (Resource::Bucket(name), ObjectFacts::None),
            (NeededOn::Key { key, .. }, Some(bucket), _) => (Resource::Object { bucket, key }, unread()),
            (NeededOn::NewKey { key, with_full_control, for_its_owner }, Some(bucket), Some(facts)) => {
                let is_bucket_owners = facts.ownership.gives_to_bucket_owner(*with_full_control);
                let owner = if is_bucket_owners { facts.owner.canonical } else { own.canonical };
                is_its_own = *for_its_owner && !is_bucket_owners;
                (Resource::Object { bucket, key }, ObjectFacts::Read { owner, tags: &[], acl: None })
            }
            _ => return Verdict::Deny,
        };
        let decision = access::decide(&Question {
            principal: caller.principal(),
            rights: policies.rights(),
            action: need.action,
            resource,
            target: facts.map_or(TargetFacts::Account(own), TargetFacts::Bucket),
            object,
            request: self.request,
            now_ms: i64::try_from(self.gateway.env.clock.wall_ms()).unwrap_or(i64::MAX),
        });
        if !decision.is_allow() {
            let (account, action) = (&*self.caller.account().name, need.action);
            tracing::debug!(account, action, bucket = name, ?decision, "denied");
        }
        if let (Some(notes), Decision::Allow(reason) | Decision::Deny(reason)) = (notes, &decision) {
            notes.decided(need.action, None, decision.is_allow(), reason);
        }
        match decision {
            Decision::Allow(_) => Verdict::Allow,
            // No policy of its account could allow it, for it has none: what is its own it may do.
            Decision::Deny(Reason::NoIdentityAllows | Reason::NoResourceAllows)
                if is_its_own && caller.is_anonymous() =>
            {
                notes.inspect(|notes| notes.allowed_after_all(need.action, "the object is the writer's own"));
                Verdict::Allow
            }
            Decision::Deny(Reason::NoIdentityAllows | Reason::NoResourceAllows) => Verdict::NotAllowed,
            Decision::Deny(_) => Verdict::Deny,
            Decision::Read(_) => Verdict::Read,
        }
    }
}

impl ReadObject {
    fn facts(&self) -> ObjectFacts<'_> {
        self.record.as_ref().map_or(ObjectFacts::None, |record| ObjectFacts::Read {
            owner: &record.attributes.owner,
            tags: &record.attributes.tags,
            acl: self.acl.as_ref(),
        })
    }

    fn seen(&self) -> SeenVersion {
        let found = self.record.as_ref().map(|record| (record.ordinal, record.attributes.revision));
        SeenVersion { version: self.version, found }
    }
}
