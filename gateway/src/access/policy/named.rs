//! The principals that a resource's policy names.
//!
//! Follows <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html> and
//! `reference_policies_elements_notprincipal.html` beside it.

use super::error::PolicyFault;
use super::one_of::texts;
use crate::access::arn::{self, AccountNumber};
use crate::access::principal::{Principal, is_path_and_name};
use crate::json::Json;

/// How closely a statement names a principal: by it hangs what else has to allow a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// By its account: the account's own policies decide.
    Account,
    /// By the role or the user behind a session: its boundary and the session's policies limit what is granted.
    Entity,
    /// Itself, or everybody.
    Direct,
}

/// The member of `Principal` that a name stands under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PrincipalType {
    /// None: `"Principal": "*"`.
    Anybody,
    Aws,
    CanonicalUser,
    Federated,
    Service,
}

impl PrincipalType {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Anybody => "*",
            Self::Aws => "AWS",
            Self::CanonicalUser => "CanonicalUser",
            Self::Federated => "Federated",
            Self::Service => "Service",
        }
    }
}

/// A principal as a policy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPrincipal {
    pub(super) of_type: PrincipalType,
    pub(super) text: Box<str>,
    who: Who,
}

/// What of an account a policy names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedInAccount<'a> {
    /// The account.
    Itself,
    /// The user of this path, without its first slash, and name.
    User(&'a str),
    /// The role of this path, without its first slash, and name.
    Role(&'a str),
    /// A session of the role of this name, whatever its path.
    RoleOfSession(&'a str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Everyone,
    Account(AccountNumber),
    /// The last is what follows `user/`, with the path.
    User(AccountNumber, Box<str>),
    Role(AccountNumber, Box<str>),
    AssumedRole(AccountNumber, Box<str>, Box<str>),
    FederatedUser(AccountNumber, Box<str>),
    CanonicalUser(Box<str>),
    Federated(Box<str>),
    Service(Box<str>),
}

/// Reads the element `Principal` or `NotPrincipal`.
pub(super) fn read(element: &Json) -> Result<Vec<NamedPrincipal>, PolicyFault> {
    let members = match element {
        Json::Text(text) if text == "*" => {
            let everyone = NamedPrincipal { of_type: PrincipalType::Anybody, text: "*".into(), who: Who::Everyone };
            return Ok(vec![everyone]);
        }
        Json::Object(members) if !members.is_empty() => members,
        _ => return Err(PolicyFault::Principal),
    };
    let mut named = Vec::new();
    for (member, names) in members {
        let of_type = match member.as_str() {
            "AWS" => PrincipalType::Aws,
            "CanonicalUser" => PrincipalType::CanonicalUser,
            "Federated" => PrincipalType::Federated,
            "Service" => PrincipalType::Service,
            _ => return Err(PolicyFault::Principal),
        };
        let names = texts(names).filter(|names| !names.is_empty()).ok_or(PolicyFault::Principal)?;
        for text in names {
            let who = Who::parse(of_type, &text).ok_or(PolicyFault::Principal)?;
            named.push(NamedPrincipal { of_type, text: text.into(), who });
        }
    }
    // Their order means nothing.
    named.sort_by_key(|named| named.of_type.name());
    Ok(named)
}

impl Who {
    fn parse(of_type: PrincipalType, text: &str) -> Option<Self> {
        if of_type == PrincipalType::Aws && text == "*" {
            return Some(Self::Everyone);
        }
        // "You cannot use a wildcard to match part of a principal name or ARN."
        if text.is_empty() || text.contains(['*', '?']) {
            return None;
        }
        match of_type {
            PrincipalType::Anybody => None,
            PrincipalType::Aws => {
                AccountNumber::parse(text).map(Self::Account).or_else(|| Self::parse_arn(&arn::split(text)?))
            }
            PrincipalType::CanonicalUser => Some(Self::CanonicalUser(text.into())),
            PrincipalType::Federated => Some(Self::Federated(text.into())),
            PrincipalType::Service => Some(Self::Service(text.into())),
        }
    }

    fn parse_arn(parts: &[&str; arn::PARTS]) -> Option<Self> {
        let [_, "aws", service, "", account, resource] = *parts else { return None };
        let account = AccountNumber::parse(account)?;
        let name = |name: &str| (!name.is_empty() && !name.ends_with('/')).then(|| Box::from(name));
        Some(match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" => Self::Account(account),
            ("iam", Some(("user", rest))) => Self::User(account, name(rest)?),
            ("iam", Some(("role", rest))) => Self::Role(account, name(rest)?),
            ("sts", Some(("assumed-role", rest))) => {
                let (role, session) = rest.split_once('/')?;
                Self::AssumedRole(account, name(role)?, name(session)?)
            }
            ("sts", Some(("federated-user", rest))) => Self::FederatedUser(account, name(rest)?),
            _ => return None,
        })
    }
}

impl NamedPrincipal {
    /// As the policy writes it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The account that it names, or whose user or role it names: for a check that there is such.
    pub fn in_account(&self) -> Option<(AccountNumber, NamedInAccount<'_>)> {
        Some(match &self.who {
            Who::Account(number) | Who::FederatedUser(number, _) => (*number, NamedInAccount::Itself),
            Who::User(number, name) => (*number, NamedInAccount::User(name)),
            Who::Role(number, name) => (*number, NamedInAccount::Role(name)),
            Who::AssumedRole(number, role, _) => (*number, NamedInAccount::RoleOfSession(role)),
            Who::Everyone | Who::CanonicalUser(_) | Who::Federated(_) | Who::Service(_) => return None,
        })
    }

    /// Whether S3 takes a grant to it for a public one. The users of a provider are not known in advance.
    pub(super) const fn is_public(&self) -> bool {
        matches!(self.who, Who::Everyone | Who::Federated(_))
    }

    pub(super) const fn is_everyone(&self) -> bool {
        matches!(self.who, Who::Everyone)
    }

    /// How closely it names a principal, if at all.
    pub(super) fn reach(&self, principal: &Principal<'_>) -> Option<Reach> {
        let in_account = |number: AccountNumber| principal.account().is_some_and(|account| account.number == number);
        let when = |holds: bool, reach| holds.then_some(reach);
        match (&self.who, principal) {
            (Who::Everyone, _) => Some(Reach::Direct),
            (Who::Account(number), _) => when(in_account(*number), Reach::Account),
            (Who::CanonicalUser(id), _) => {
                when(principal.account().is_some_and(|account| account.canonical == &**id), Reach::Account)
            }
            (Who::User(number, name), Principal::User(user)) => {
                when(in_account(*number) && is_path_and_name(name, user.path, user.name), Reach::Direct)
            }
            (Who::User(number, name), Principal::FederatedUser(session)) => {
                let is_federator = session.federator.is_some_and(|user| is_path_and_name(name, user.path, user.name));
                when(in_account(*number) && is_federator, Reach::Entity)
            }
            (Who::Role(number, name), Principal::RoleSession(session)) => {
                when(in_account(*number) && is_path_and_name(name, session.path, session.role), Reach::Entity)
            }
            (Who::AssumedRole(number, role, name), Principal::RoleSession(session)) => {
                let is_session = &**role == session.role && &**name == session.session;
                when(in_account(*number) && is_session, Reach::Direct)
            }
            (Who::FederatedUser(number, name), Principal::FederatedUser(session)) => {
                when(in_account(*number) && &**name == session.name, Reach::Direct)
            }
            (Who::Federated(named), Principal::WebIdentity { provider }) => when(&**named == *provider, Reach::Direct),
            (Who::Federated(named), Principal::RoleSession(session)) => {
                when(session.provider == Some(&**named), Reach::Entity)
            }
            (Who::Service(name), Principal::Service(service)) => when(&**name == service.name, Reach::Direct),
            _ => None,
        }
    }
}

/// Whether `NotPrincipal` leaves a principal out. AWS asks for the whole chain: the account, then the role or user, then
/// the session. Where a permissions boundary stands, nobody is left out.
pub(super) fn leaves_out(named: &[NamedPrincipal], principal: &Principal<'_>, has_boundary: bool) -> bool {
    if named.iter().any(NamedPrincipal::is_everyone) {
        return true;
    }
    let has = |reach| named.iter().any(|named| named.reach(principal) == Some(reach));
    let by_chain = match principal {
        Principal::Anonymous => false,
        Principal::Root(_) => has(Reach::Account),
        Principal::User(_) => has(Reach::Account) && has(Reach::Direct),
        Principal::RoleSession(_) => has(Reach::Account) && has(Reach::Entity) && has(Reach::Direct),
        Principal::FederatedUser(session) => {
            has(Reach::Account) && has(Reach::Direct) && (session.federator.is_none() || has(Reach::Entity))
        }
        Principal::Service(_) | Principal::WebIdentity { .. } => has(Reach::Direct),
    };
    by_chain && !has_boundary
}
