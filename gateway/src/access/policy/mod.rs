//! Policies: documents in IAM's language, read once and asked often.
//!
//! Promises: what is not wholly understood is no policy; a stored document that cannot be read denies everything that it
//! would be asked about.
//! Must not know: HTTP, who keeps the documents, how policies of several kinds are put together.

mod admit;
mod catalog;
mod error;
mod kind;
mod named;
mod one_of;
mod print;
mod public;
mod read;
mod statement;

pub use error::{PolicyError, PolicyFault};
pub use kind::PolicyKind;
pub use named::{NamedInAccount, NamedPrincipal, Reach};
pub use statement::{Effect, Inquiry, Statement};

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether the version is 2012-10-17 (variables), or 2008-10-17; none means the latter.
    version_2012: Option<bool>,
    id: Option<Box<str>>,
    statements: Vec<Statement>,
}

/// What a policy says of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The first statement that denies, counted from 0.
    pub deny: Option<usize>,
    /// The statement that allows and names the principal most closely.
    pub allow: Option<(Reach, usize)>,
}

impl Policy {
    /// Reads a document that is to be put: by the grammar and by what its kind allows.
    pub fn parse(document: &str, kind: PolicyKind<'_>) -> Result<Self, PolicyError> {
        let fault = |fault| PolicyError::new(kind, fault);
        let policy = read::read(document).map_err(fault)?;
        admit::check_length(document, kind).and_then(|()| admit::check(&policy, kind)).map_err(fault)?;
        Ok(policy)
    }

    /// Asks it about a request.
    pub fn ask(&self, inquiry: &dyn Inquiry) -> Findings {
        let mut findings = Findings::default();
        for (index, statement) in self.statements.iter().enumerate() {
            let best = findings.allow.map(|(reach, _)| reach);
            if statement.effect == Effect::Allow && best == Some(Reach::Direct) {
                continue;
            }
            let Some(reach) = statement.reach(inquiry) else { continue };
            match statement.effect {
                Effect::Deny => return Findings { deny: Some(index), allow: None },
                Effect::Allow if best < Some(reach) => findings.allow = Some((reach, index)),
                Effect::Allow => {}
            }
        }
        findings
    }

    /// The id of a statement.
    pub fn sid(&self, index: usize) -> Option<&str> {
        self.statements.get(index)?.sid.as_deref()
    }

    /// The principals that its statements name: for a check that they exist, before a policy is put.
    pub fn named_principals(&self) -> impl Iterator<Item = &NamedPrincipal> {
        self.statements.iter().filter_map(|statement| statement.principals.as_ref()).flat_map(|named| &named.items)
    }
}

/// A document as it was found where policies are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredPolicy {
    /// It is a policy.
    Readable(Policy),
    /// It is none, and so denies.
    Unreadable,
}

impl StoredPolicy {
    /// Whether it is public by S3's definition, as far as is known: one that cannot be read might be.
    pub fn is_public(&self) -> bool {
        match self {
            Self::Readable(policy) => policy.is_public(),
            Self::Unreadable => true,
        }
    }

    /// Reads a document that was put. What its kind allows was checked then, and may be less today.
    pub fn read(document: &str) -> Self {
        read::read(document).map_or(Self::Unreadable, Self::Readable)
    }
}
