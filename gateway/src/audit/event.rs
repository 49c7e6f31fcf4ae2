//! An event as it is written: one JSON object a line. `docs/audit.md` is its reference.
//!
//! Promises: whatever a request holds, a line is one JSON object of at most [`LINE_BYTES_MAX`] bytes, but for the list of the
//! objects that it names. A field is added without a new version of the schema; none changes its meaning or goes without one.
//! Must not know: how a request is served.

use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::notes::{CopiedFrom, NotedFacts, NotedObject, Subject};
use super::queue::LINE_BYTES_MAX;
use super::request::{ArrivedRequest, RequestEnd};
use super::text::Bounded;
use crate::identity::{CallerKind, Credential, CredentialSource};

/// The schema and its version.
pub(super) const SCHEMA: &str = "couronne.audit/1";

/// Names that only a client says. Bytes.
const NAME_BYTES_MAX: usize = 256;
/// Keys and ARNs. Bytes: S3's longest key has 1,024.
const KEY_BYTES_MAX: usize = 1_024;
/// Parameters. Bytes.
const PARAMETER_BYTES_MAX: usize = 512;

#[derive(Serialize)]
pub(super) struct Event<'a> {
    pub(super) schema: &'static str,
    /// `request`, `order` or `lost`.
    pub(super) event: &'static str,
    pub(super) time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) took_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) face: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operation: Option<Bounded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<Bounded<'a>>,
    /// `change`, `read`, or `unknown` where no operation was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decision: Option<EventDecision<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) who: Option<EventPrincipal<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) what: Option<What<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) whence: Option<Whence<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http: Option<Http<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) received_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sent_bytes: Option<u64>,
    /// Of an event that tells of lost ones: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lost: Option<u64>,
    /// There was no room for all that it says.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) shortened: bool,
}

#[derive(Serialize)]
pub(super) struct EventDecision<'a> {
    effect: &'static str,
    reason: Bounded<'a>,
}

#[derive(Default, Serialize)]
pub(super) struct EventPrincipal<'a> {
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account_name: Option<Bounded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access_key: Option<&'a str>,
    /// The access key that a request names whose credential could not be verified: nobody vouches for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) claimed_access_key: Option<Bounded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<Session<'a>>,
    /// Of an operator: the credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credential: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Session<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Bounded<'a>>,
    /// The access key that signed for it, or for the first session on the way to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_by: Option<&'a str>,
    issued: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_identity: Option<Bounded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<Bounded<'a>>,
}

#[derive(Default, Serialize)]
pub(super) struct What<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Bounded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<Bounded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Bounded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Bounded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<Bounded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Object<'a>>,
    #[serde(skip_serializing_if = "Parameters::is_empty")]
    parameters: Parameters<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    made_access_key: Option<Bounded<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objects: Vec<Object<'a>>,
    #[serde(skip_serializing_if = "is_none")]
    objects_omitted: usize,
}

#[derive(Serialize)]
struct Object<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<Bounded<'a>>,
    key: Bounded<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Bounded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'static str>,
}

/// Where a request comes from.
#[derive(Serialize)]
pub(super) struct Whence<'a> {
    pub(super) peer: SocketAddr,
    /// The client's address; absent if a trusted proxy names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_secure: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_agent: Option<Bounded<'a>>,
}

#[derive(Serialize)]
pub(super) struct Http<'a> {
    pub(super) method: Bounded<'a>,
    /// Without the query. Absent where bucket and key say the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<Bounded<'a>>,
}

#[derive(Default)]
struct Parameters<'a>(&'a [(&'static str, Box<str>)]);

impl Parameters<'_> {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, &Bounded::new(value, PARAMETER_BYTES_MAX))?;
        }
        map.end()
    }
}

impl<'a> Event<'a> {
    /// An event of which nothing is known but its time, in microseconds since 1970.
    pub(super) fn new(event: &'static str, time_us: u64) -> Self {
        Self {
            schema: SCHEMA,
            event,
            time: time_text(time_us),
            id: None,
            took_us: None,
            face: None,
            operation: None,
            action: None,
            kind: None,
            outcome: None,
            status: None,
            code: None,
            decision: None,
            who: None,
            what: None,
            whence: None,
            http: None,
            received_bytes: None,
            sent_bytes: None,
            lost: None,
            shortened: false,
        }
    }

    /// The event of a request.
    pub(super) fn of_request(
        seen: &'a ArrivedRequest,
        noted: &'a NotedFacts,
        ended: &RequestEnd,
        outcome: &'static str,
    ) -> Self {
        let subject = noted.subject.as_ref();
        let decision = noted.decision.as_ref();
        let decided = decision.map(|decision| &*decision.action);
        let names_object = subject.is_some_and(|subject| subject.bucket.is_some());
        let path = (!names_object).then(|| name(&seen.path));
        Self {
            id: Some(&seen.id),
            took_us: Some(ended.took_us),
            face: subject.map(|subject| subject.face),
            operation: subject.and_then(|subject| subject.operation).map(name),
            action: decided.or(subject.and_then(|subject| subject.action)).map(name),
            kind: Some(match subject {
                Some(Subject { operation: None, .. }) | None => "unknown",
                Some(Subject { changes: true, .. }) => "change",
                Some(Subject { changes: false, .. }) => "read",
            }),
            outcome: Some(outcome),
            status: ended.status,
            code: ended.code,
            decision: decision.map(|decision| EventDecision {
                effect: if decision.is_allow { "allow" } else { "deny" },
                reason: long(&decision.reason),
            }),
            who: Some(EventPrincipal::of(noted)),
            what: what(noted),
            whence: Some(Whence {
                peer: seen.peer,
                client: seen.client,
                is_secure: Some(seen.is_secure),
                user_agent: seen.user_agent.as_deref().map(name),
            }),
            http: Some(Http { method: name(&seen.method), path }),
            received_bytes: Some(ended.received_bytes),
            sent_bytes: Some(ended.sent_bytes),
            ..Self::new("request", seen.received_us)
        }
    }

    /// Its line.
    pub(super) fn line(&self) -> Vec<u8> {
        // What is to be written are texts and numbers, so that nothing fails.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Its line, without what could be long: at most [`LINE_BYTES_MAX`].
    pub(super) fn short_line(mut self) -> Vec<u8> {
        if let Some(what) = &mut self.what {
            what.objects_omitted = what.objects_omitted.saturating_add(what.objects.len());
            what.objects.clear();
        }
        self.shortened = true;
        let line = self.line();
        if line.len() <= LINE_BYTES_MAX {
            return line;
        }
        if let Some(what) = &mut self.what {
            (what.parameters, what.source, what.upload) = (Parameters::default(), None, None);
        }
        self.decision = self.decision.map(|decision| EventDecision { reason: name(""), ..decision });
        self.line()
    }
}

/// The line that tells of lost events.
pub(super) fn lost_line(time_us: u64, lost: u64) -> Vec<u8> {
    Event { lost: Some(lost), ..Event::new("lost", time_us) }.line()
}

impl<'a> What<'a> {
    /// What an order is on, and what its body names.
    pub(super) fn of_order(resource: Bounded<'a>, named: &'a [(&'static str, Box<str>)]) -> Self {
        Self { resource: Some(resource), parameters: Parameters(named), ..Self::default() }
    }
}

impl<'a> EventPrincipal<'a> {
    fn of(noted: &'a NotedFacts) -> Self {
        let Some(credential) = &noted.caller else {
            return Self { kind: "unknown", claimed_access_key: noted.claimed.as_deref().map(name), ..Self::default() };
        };
        let account = credential.account();
        let is_anonymous = credential.caller.kind == CallerKind::Anonymous;
        let has_key = !matches!(credential.source, CredentialSource::Nobody | CredentialSource::WebIdentity);
        Self {
            kind: kind(&credential.caller.kind),
            account: (!is_anonymous).then_some(&*account.number),
            account_name: (!is_anonymous).then(|| name(&account.name)),
            arn: (!is_anonymous).then(|| credential.caller.arn()),
            id: (!is_anonymous).then(|| Bounded::new(&credential.caller.user_id(), KEY_BYTES_MAX).to_string()),
            access_key: has_key.then_some(&*credential.access_key),
            session: session(credential),
            ..Self::default()
        }
    }
}

const fn kind(kind: &CallerKind) -> &'static str {
    match kind {
        CallerKind::Anonymous => "anonymous",
        CallerKind::Root => "root",
        CallerKind::User { .. } => "user",
        CallerKind::RoleSession { .. } => "role-session",
        CallerKind::FederatedUser { .. } => "federated-user",
        CallerKind::WebIdentity { .. } => "web-identity",
    }
}

fn session(credential: &Credential) -> Option<Session<'_>> {
    let token = credential.caller.token.as_ref()?;
    let (session, source_identity, provider) = match &credential.caller.kind {
        CallerKind::RoleSession { session, source_identity, provider, .. } => {
            (Some(session), source_identity.as_deref(), provider.as_deref())
        }
        CallerKind::FederatedUser { name, .. } => (Some(name), None, None),
        _ => (None, None, None),
    };
    Some(Session {
        name: session.map(|session| name(session)),
        issued_by: token.maker.key.as_ref().map(|key| &*key.access_key),
        issued: time_text(token.issued_ms.saturating_mul(1000)),
        source_identity: source_identity.map(name),
        provider: provider.map(long),
    })
}

fn what(noted: &NotedFacts) -> Option<What<'_>> {
    let subject = noted.subject.as_ref()?;
    let objects = noted.objects.iter().map(|NotedObject { key, version, result }| Object {
        bucket: None,
        key: long(key),
        version: version.as_deref().map(name),
        result: *result,
    });
    Some(What {
        resource: noted.resource.as_deref().map(long),
        bucket: subject.bucket.as_deref().map(name),
        key: subject.key.as_deref().map(long),
        version: subject.version.as_deref().map(name),
        upload: subject.upload.as_deref().map(name),
        source: subject.source.as_ref().map(|CopiedFrom { bucket, key, version }| Object {
            bucket: Some(name(bucket)),
            key: long(key),
            version: version.as_deref().map(name),
            result: None,
        }),
        parameters: Parameters(&subject.parameters),
        made_access_key: noted.made_key.as_deref().map(name),
        objects: objects.collect(),
        objects_omitted: noted.objects_omitted,
    })
}

/// A time in microseconds since 1970, as `2026-12-01T03:12:45.000042Z`.
fn time_text(time_us: u64) -> String {
    let time = i64::try_from(time_us).ok().and_then(|time| Timestamp::from_microsecond(time).ok());
    time.map_or_else(String::new, |time| format!("{time:.6}"))
}

const fn name(text: &str) -> Bounded<'_> {
    Bounded::new(text, NAME_BYTES_MAX)
}

const fn long(text: &str) -> Bounded<'_> {
    Bounded::new(text, KEY_BYTES_MAX)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks it so")]
const fn is_false(is: &bool) -> bool {
    !*is
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks it so")]
const fn is_none(count: &usize) -> bool {
    *count == 0
}
