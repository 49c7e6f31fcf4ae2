//! Tests of the decision as a whole: AWS's examples, tables of principals and accounts, hostile documents, and a second
//! evaluator.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod accounts;
mod differential;
mod documents;
mod examples;
mod lists;
mod oracle;

use super::acl::AccessControlList;
use super::arn::AccountNumber;
use super::context::{ConditionContext, KeyValues};
use super::key::ConditionKey;
use super::policy::StoredPolicy;
use super::principal::{AccountRef, FederatedUser, Principal, RoleSession, ServicePrincipal, UserRef};
use super::{
    AttachedPolicy, BucketFacts, Decision, ObjectFacts, ObjectOwnership, PublicAccessBlock, Question, Reason, Resource,
    Rights, TargetFacts, decide,
};

/// The account that owns the bucket, another, and a third.
const A: &str = "111122223333";
const B: &str = "444455556666";
const C: &str = "777788889999";

/// In the tests the canonical id of an account is `canonical-` and its number.
fn account(number: &'static str) -> AccountRef<'static> {
    let canonical = match number {
        A => "canonical-111122223333",
        B => "canonical-444455556666",
        _ => "canonical-777788889999",
    };
    AccountRef { number: AccountNumber::parse(number).unwrap(), canonical }
}

fn user_ref(number: &'static str, name: &'static str) -> UserRef<'static> {
    UserRef { account: account(number), path: "/", name, id: "AIDAEXAMPLE", tags: &[] }
}

fn user(number: &'static str, name: &'static str) -> Principal<'static> {
    Principal::User(user_ref(number, name))
}

fn root(number: &'static str) -> Principal<'static> {
    Principal::Root(account(number))
}

fn role_session(number: &'static str, role: &'static str, session: &'static str) -> Principal<'static> {
    Principal::RoleSession(RoleSession {
        account: account(number),
        path: "/",
        role,
        role_id: "AROAEXAMPLE",
        session,
        source_identity: None,
        provider: None,
        tags: &[],
    })
}

fn federated(number: &'static str, name: &'static str, federator: Option<&'static str>) -> Principal<'static> {
    let federator = federator.map(|user| user_ref(number, user));
    Principal::FederatedUser(FederatedUser { account: account(number), name, federator, tags: &[] })
}

fn service(name: &'static str, source_arn: &'static str) -> Principal<'static> {
    Principal::Service(ServicePrincipal { name, source_arn, source_account: AccountNumber::parse(A).unwrap() })
}

/// An object, or that none is there or known.
#[derive(Clone, Debug)]
enum TestObject {
    None,
    Unread,
    Read { owner: String, tags: Vec<(Box<str>, Box<str>)>, acl: Option<AccessControlList> },
}

impl TestObject {
    fn of(owner: &'static str) -> Self {
        Self::Read { owner: account(owner).canonical.to_owned(), tags: Vec::new(), acl: None }
    }

    fn tagged(key: &str, value: &str) -> Self {
        let owner = account(A).canonical.to_owned();
        Self::Read { owner, tags: vec![(key.into(), value.into())], acl: None }
    }
}

/// A question with all that it stands on; of account A's bucket `b` unless said otherwise.
#[derive(Clone, Debug)]
struct AccessCase {
    principal: Principal<'static>,
    identity: Vec<String>,
    boundary: Option<String>,
    session: Option<Vec<String>>,
    policy: Option<String>,
    acl: Option<AccessControlList>,
    ownership: ObjectOwnership,
    block: PublicAccessBlock,
    action: String,
    bucket: String,
    key: Option<String>,
    object: TestObject,
    keys: Vec<(String, Vec<String>)>,
    now_ms: i64,
}

impl AccessCase {
    fn new(principal: Principal<'static>, action: &str) -> Self {
        Self {
            principal,
            identity: Vec::new(),
            boundary: None,
            session: None,
            policy: None,
            acl: None,
            ownership: ObjectOwnership::BucketOwnerEnforced,
            block: PublicAccessBlock::default(),
            action: action.to_owned(),
            bucket: "b".to_owned(),
            key: Some("k".to_owned()),
            object: TestObject::None,
            keys: Vec::new(),
            now_ms: 1_700_000_000_000,
        }
    }

    fn on(mut self, bucket: &str, key: Option<&str>) -> Self {
        self.bucket = bucket.to_owned();
        self.key = key.map(str::to_owned);
        self
    }

    fn key_value(mut self, key: &str, values: &[&str]) -> Self {
        self.keys.push((key.to_ascii_lowercase(), values.iter().map(|value| (*value).to_owned()).collect()));
        self
    }

    fn identity(mut self, policy: &str) -> Self {
        self.identity.push(policy.to_owned());
        self
    }

    fn boundary(mut self, policy: &str) -> Self {
        self.boundary = Some(policy.to_owned());
        self
    }

    fn session(mut self, policies: &[&str]) -> Self {
        self.session = Some(policies.iter().map(|policy| (*policy).to_owned()).collect());
        self
    }

    fn policy(mut self, policy: &str) -> Self {
        self.policy = Some(policy.to_owned());
        self
    }

    fn object(mut self, object: TestObject) -> Self {
        self.object = object;
        self
    }

    /// Has the answer looked at: it borrows from what is read here.
    fn answer<T>(&self, look: impl FnOnce(Decision<'_>) -> T) -> T {
        let read = |policies: &[String]| policies.iter().map(|text| StoredPolicy::read(text)).collect::<Vec<_>>();
        let identity = read(&self.identity);
        let session = self.session.as_deref().map(read);
        let boundary = self.boundary.as_deref().map(StoredPolicy::read);
        let policy = self.policy.as_deref().map(StoredPolicy::read);
        let identity: Vec<_> = identity.iter().map(|policy| AttachedPolicy { name: "identity", policy }).collect();
        let session = session
            .as_ref()
            .map(|session| session.iter().map(|policy| AttachedPolicy { name: "session", policy }).collect::<Vec<_>>());
        let rights = Rights {
            identity: &identity,
            boundary: boundary.as_ref().map(|policy| AttachedPolicy { name: "boundary", policy }),
            session: session.as_deref(),
            token_issued_ms: None,
        };
        let bucket = BucketFacts {
            owner: account(A),
            policy: policy.as_ref().map(|policy| AttachedPolicy { name: "bucket", policy }),
            acl: self.acl.as_ref(),
            ownership: self.ownership,
            block: self.block,
        };
        let resource = match &self.key {
            Some(key) => Resource::Object { bucket: &self.bucket, key },
            None => Resource::Bucket(&self.bucket),
        };
        let object = match &self.object {
            TestObject::None => ObjectFacts::None,
            TestObject::Unread => ObjectFacts::Unread,
            TestObject::Read { owner, tags, acl } => ObjectFacts::Read { owner, tags, acl: acl.as_ref() },
        };
        look(decide(&Question {
            principal: self.principal,
            rights,
            action: &self.action,
            resource,
            target: TargetFacts::Bucket(bucket),
            object,
            request: self,
            now_ms: self.now_ms,
        }))
    }

    fn allows(&self) -> bool {
        self.answer(|decision| match decision {
            Decision::Allow(_) => true,
            Decision::Deny(_) => false,
            Decision::Read(needs) => panic!("the object has to be read: {needs:?}"),
        })
    }

    fn reason(&self) -> String {
        self.answer(|decision| match decision {
            Decision::Allow(reason) | Decision::Deny(reason) => reason.to_string(),
            Decision::Read(needs) => format!("{needs:?}"),
        })
    }
}

impl ConditionContext for AccessCase {
    fn values(&self, key: &ConditionKey) -> Option<KeyValues<'_>> {
        let name = key.tag().map_or_else(|| key.name().to_owned(), |tag| format!("{}/{tag}", key.name()));
        let (_, values) = self.keys.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name))?;
        Some(match values.as_slice() {
            [one] => KeyValues::one(one.as_str()),
            several => KeyValues::Many(several.iter().map(|value| value.as_str().into()).collect()),
        })
    }
}

/// A policy of one statement, from its elements beside `Effect`.
fn policy(effect: &str, elements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}",{elements}}}]}}"#)
}

fn allow_all() -> String {
    policy("Allow", r#""Action":"*","Resource":"*""#)
}

/// A bucket policy that allows everything on `b` to a principal.
fn allow_to(principal: &str) -> String {
    let resources = r#"["arn:aws:s3:::b","arn:aws:s3:::b/*"]"#;
    policy("Allow", &format!(r#""Principal":{principal},"Action":"s3:*","Resource":{resources}"#))
}

fn deny_to(principal: &str) -> String {
    allow_to(principal).replace("\"Allow\"", "\"Deny\"")
}

#[test]
fn reasons_name_the_statement() {
    let ask = AccessCase::new(user(A, "bob"), "s3:GetObject")
        .policy(&allow_to("\"*\"").replace("{\"Effect", "{\"Sid\":\"X\",\"Effect"));
    assert_eq!(ask.reason(), "resource policy bucket, statement 0 (X)");
    assert_eq!(AccessCase::new(user(A, "bob"), "s3:GetObject").reason(), Reason::NoIdentityAllows.to_string());
}
