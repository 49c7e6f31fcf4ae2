//! A call: what an operation works with, and the decision whether it may.
//!
//! Must not know: single operations.

use super::context::CallContext;
use super::error::{Code, QueryError};
use super::mapping::of_identity;
use super::service::QueryRequest;
use super::target::CallTarget;
use crate::access::{self, ObjectFacts, Question, Resource, TargetFacts};
use crate::audit::Notes;
use crate::identity::{Account, CallerIdentity, CallerKind, Credential, Identity, IdentityError, KeyOwner};

/// What an operation ends with, before it is worded.
pub(super) enum Fault {
    /// A verb on identities did not do it.
    Identity(IdentityError),
    /// The operation itself refuses.
    Query(QueryError),
}

/// What an operation ends with.
pub(super) type Done<T = ()> = Result<T, Fault>;

impl From<IdentityError> for Fault {
    fn from(error: IdentityError) -> Self {
        Self::Identity(error)
    }
}

impl From<QueryError> for Fault {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// A request of a known caller, to be carried out.
pub(super) struct Call<'a> {
    pub(super) identity: &'a Identity,
    pub(super) request: &'a QueryRequest,
    pub(super) credential: &'a Credential,
    /// Where is noted what the audit is to say of it.
    pub(super) notes: &'a Notes,
    /// Milliseconds since 1970.
    pub(super) now_ms: u64,
}

impl Call<'_> {
    /// The caller.
    pub(super) const fn caller(&self) -> &CallerIdentity {
        &self.credential.caller
    }

    /// The caller's account: all that IAM's operations touch is in it.
    pub(super) const fn account(&self) -> &Account {
        &self.credential.caller.account
    }

    /// A parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.request.form.get(name)
    }

    /// A parameter that has to be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, QueryError> {
        self.request.form.need(name)
    }

    /// The user that the request names, or the caller; `None`: the account's root.
    pub(super) fn user(&self) -> Result<Option<&str>, QueryError> {
        match (self.get("UserName"), &self.caller().kind) {
            (Some(name), _) => Ok(Some(name)),
            (None, CallerKind::User { name, .. }) => Ok(Some(name)),
            (None, CallerKind::Root) => Ok(None),
            (None, _) => {
                let message = "Must specify userName when calling with non-User credentials";
                Err(QueryError::new(Code::ValidationError, message))
            }
        }
    }

    /// Whether the caller may do this on something of its account.
    pub(super) fn permit(&self, action: &str, target: &CallTarget) -> Result<(), QueryError> {
        let facts = TargetFacts::Account(self.caller().account_ref());
        if self.decide(action, target, facts).is_allow() { Ok(()) } else { Err(self.denied(action, &target.told)) }
    }

    /// The decision.
    pub(super) fn decide<'q>(&'q self, action: &'q str, target: &'q CallTarget, facts: TargetFacts<'q>) -> Settled {
        let (caller, request) = (self.caller(), self.request);
        let context = CallContext { request, caller: &caller.kind, target };
        let policies = caller.policies();
        let decision = access::decide(&Question {
            principal: caller.principal(),
            rights: policies.rights(),
            action,
            resource: Resource::Arn(&target.arn),
            target: facts,
            object: ObjectFacts::None,
            request: &context,
            now_ms: i64::try_from(self.now_ms).unwrap_or(i64::MAX),
        });
        if !decision.is_allow() {
            tracing::debug!(account = &*self.account().name, action, arn = target.arn, ?decision, "denied");
        }
        if let access::Decision::Allow(reason) | access::Decision::Deny(reason) = &decision {
            self.notes.decided(action, Some(&target.arn), decision.is_allow(), reason);
        }
        match decision {
            access::Decision::Allow(_) => Settled::Allowed,
            access::Decision::Deny(access::Reason::Statement(_) | access::Reason::Unreadable(..)) => Settled::Forbidden,
            access::Decision::Deny(_) | access::Decision::Read(_) => Settled::NotAllowed,
        }
    }

    /// `AccessDenied`, the same whether the resource is there or not.
    pub(super) fn denied(&self, action: &str, resource: &str) -> QueryError {
        let who = self.caller().arn();
        let message = format!("User: {who} is not authorized to perform: {action} on resource: {resource}");
        QueryError::new(Code::AccessDenied, message)
    }

    /// What the client is told of a fault.
    pub(super) fn told(&self, fault: Fault) -> QueryError {
        match fault {
            Fault::Query(error) => error,
            Fault::Identity(error) => of_identity(error, &self.request.form),
        }
    }

    /// The user's keys that the request is on, or the root's.
    pub(super) fn key_owner(&self) -> Result<KeyOwner<'_>, QueryError> {
        Ok(self.user()?.map_or(KeyOwner::Root, KeyOwner::User))
    }
}

/// A decision, without its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// The caller may.
    Allowed,
    /// Nothing allows it.
    NotAllowed,
    /// A policy denies it.
    Forbidden,
}

impl Settled {
    pub(super) const fn is_allow(self) -> bool {
        matches!(self, Self::Allowed)
    }
}
