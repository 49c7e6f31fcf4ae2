//! A question as policies see it: an action and an ARN in text, and the keys that follow from the question itself.
//!
//! Promises: what follows from the principal, the resource or the clock is never taken from the request. Text is made
//! when it is first asked for. Whether somebody asked for what an unread object would tell is noted.
//! Must not know: how findings are weighed.

use std::cell::{Cell, OnceCell};

use jiff::Timestamp;

use super::arn;
use super::context::{ConditionContext, KeyValues};
use super::key::ConditionKey;
use super::policy::Inquiry;
use super::principal::Principal;
use super::question::{ObjectFacts, Question, Resource, TargetFacts};

/// What of an object has to be read before a question can be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectNeeds {
    /// Its tags.
    pub tags: bool,
    /// Its owner and its ACL.
    pub acl: bool,
}

impl ObjectNeeds {
    /// Whether anything has to be.
    pub const fn any(self) -> bool {
        self.tags || self.acl
    }
}

pub(super) struct Asked<'q, 'a> {
    pub(super) question: &'q Question<'a>,
    action: OnceCell<String>,
    /// The last part of the resource's ARN.
    resource: OnceCell<String>,
    needs: Cell<ObjectNeeds>,
}

impl<'q, 'a> Asked<'q, 'a> {
    pub(super) fn new(question: &'q Question<'a>) -> Self {
        let (action, resource) = (OnceCell::new(), OnceCell::new());
        Self { question, action, resource, needs: Cell::default() }
    }

    /// What was asked of an object that nobody has read.
    pub(super) fn needs(&self) -> ObjectNeeds {
        self.needs.get()
    }

    /// The object, for its owner or its ACL.
    pub(super) fn object(&self) -> ObjectFacts<'a> {
        if matches!(self.question.object, ObjectFacts::Unread) {
            self.needs.set(ObjectNeeds { acl: true, ..self.needs.get() });
        }
        self.question.object
    }

    fn existing_tag(&self, tag: &str) -> Option<&'a str> {
        match self.question.object {
            ObjectFacts::None => None,
            ObjectFacts::Unread => {
                self.needs.set(ObjectNeeds { tags: true, ..self.needs.get() });
                None
            }
            ObjectFacts::Read { tags, .. } => {
                tags.iter().find(|(name, _)| &**name == tag).map(|(_, value)| value.as_ref())
            }
        }
    }

    fn resource_account(&self) -> arn::AccountNumber {
        match &self.question.target {
            TargetFacts::Bucket(bucket) => bucket.owner.number,
            TargetFacts::Role { account, .. } | TargetFacts::Account(account) => account.number,
        }
    }

    /// The values of keys that follow from the question: the inner option says whether there is one. `None` for keys of
    /// the request.
    fn own_value(&self, key: &ConditionKey) -> Option<Option<KeyValues<'_>>> {
        let principal = &self.question.principal;
        let text = |text: String| Some(KeyValues::one(text));
        let part = |part: Option<&'a str>| part.map(KeyValues::one);
        Some(match key.name() {
            "aws:username" => part(user_name(principal)),
            "aws:userid" => user_id(principal).and_then(text),
            "aws:principalarn" => principal_arn(principal).and_then(text),
            "aws:principalaccount" => principal.account().and_then(|account| text(account.number.to_string())),
            "aws:principaltype" => part(principal_type(principal)),
            "aws:principaltag" => part(key.tag().and_then(|tag| principal.tag(tag))),
            "aws:principalisawsservice" => text(matches!(principal, Principal::Service(_)).to_string()),
            "aws:principalservicename" => part(service_part(principal, |service| service.name)),
            "aws:principalservicenameslist" => match principal {
                Principal::Service(service) => Some(KeyValues::Many(vec![service.name.into()])),
                _ => None,
            },
            "aws:sourcearn" => part(service_part(principal, |service| service.source_arn)),
            "aws:sourceaccount" => match principal {
                Principal::Service(service) => text(service.source_account.to_string()),
                _ => None,
            },
            "aws:sourceidentity" => part(session_part(principal, |session| session.source_identity)),
            "aws:federatedprovider" => part(session_part(principal, |session| session.provider)),
            "aws:tokenissuetime" => self.question.rights.token_issued_ms.and_then(|at| text(time(at)?)),
            "aws:currenttime" => time(self.question.now_ms).and_then(text),
            "aws:epochtime" => text(self.question.now_ms.div_euclid(1_000).to_string()),
            "aws:resourceaccount" | "s3:resourceaccount" => text(self.resource_account().to_string()),
            "s3:existingobjecttag" => part(key.tag().and_then(|tag| self.existing_tag(tag))),
            _ => return None,
        })
    }
}

impl ConditionContext for Asked<'_, '_> {
    fn values(&self, key: &ConditionKey) -> Option<KeyValues<'_>> {
        self.own_value(key).unwrap_or_else(|| self.question.request.values(key))
    }
}

impl Inquiry for Asked<'_, '_> {
    fn principal(&self) -> &Principal<'_> {
        &self.question.principal
    }

    fn has_boundary(&self) -> bool {
        self.question.rights.boundary.is_some()
    }

    fn action(&self) -> &str {
        self.action.get_or_init(|| self.question.action.to_ascii_lowercase())
    }

    fn resource(&self) -> [&str; arn::PARTS] {
        let last: &str = match self.question.resource {
            // A text that is no ARN is no resource that a policy could name.
            Resource::Arn(text) => return arn::split(text).unwrap_or_default(),
            Resource::Bucket(name) => name,
            Resource::AllBuckets => "*",
            Resource::Object { bucket, key } => self.resource.get_or_init(|| format!("{bucket}/{key}")),
        };
        ["arn", "aws", "s3", "", "", last]
    }

    fn context(&self) -> &dyn ConditionContext {
        self
    }
}

fn time(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms).ok().map(|at| at.to_string())
}

// The values of AWS's table for each kind of principal:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable

const fn user_name<'a>(principal: &Principal<'a>) -> Option<&'a str> {
    match principal {
        Principal::User(user) => Some(user.name),
        _ => None,
    }
}

fn user_id(principal: &Principal<'_>) -> Option<String> {
    match principal {
        Principal::Anonymous => Some("anonymous".to_owned()),
        Principal::Root(account) => Some(account.number.to_string()),
        Principal::User(user) => Some(user.id.to_owned()),
        Principal::RoleSession(session) => Some(format!("{}:{}", session.role_id, session.session)),
        Principal::FederatedUser(user) => Some(format!("{}:{}", user.account.number, user.name)),
        Principal::Service(_) | Principal::WebIdentity { .. } => None,
    }
}

fn principal_arn(principal: &Principal<'_>) -> Option<String> {
    let number = principal.account()?.number;
    match principal {
        Principal::Root(_) => Some(format!("arn:aws:iam::{number}:root")),
        Principal::User(user) => Some(format!("arn:aws:iam::{number}:user{}{}", user.path, user.name)),
        Principal::RoleSession(session) => Some(format!("arn:aws:iam::{number}:role{}{}", session.path, session.role)),
        Principal::FederatedUser(user) => Some(format!("arn:aws:sts::{number}:federated-user/{}", user.name)),
        _ => None,
    }
}

const fn principal_type(principal: &Principal<'_>) -> Option<&'static str> {
    match principal {
        Principal::Anonymous => Some("Anonymous"),
        Principal::Root(_) => Some("Account"),
        Principal::User(_) => Some("User"),
        Principal::RoleSession(_) => Some("AssumedRole"),
        Principal::FederatedUser(_) => Some("FederatedUser"),
        Principal::Service(_) | Principal::WebIdentity { .. } => None,
    }
}

fn service_part<'a>(
    principal: &Principal<'a>,
    part: impl FnOnce(&super::principal::ServicePrincipal<'a>) -> &'a str,
) -> Option<&'a str> {
    match principal {
        Principal::Service(service) => Some(part(service)),
        _ => None,
    }
}

fn session_part<'a>(
    principal: &Principal<'a>,
    part: impl FnOnce(&super::principal::RoleSession<'a>) -> Option<&'a str>,
) -> Option<&'a str> {
    match principal {
        Principal::RoleSession(session) => part(session),
        _ => None,
    }
}
