//! A statement: which principals, which actions on which resources, under which conditions, and its effect on them.
//!
//! Must not know: how policies of several kinds are put together.

use super::named::{self, NamedPrincipal, Reach};
use super::one_of::OneOf;
use crate::access::arn;
use crate::access::condition::Condition;
use crate::access::context::ConditionContext;
use crate::access::pattern::{self, Piece};
use crate::access::principal::Principal;
use crate::access::template::{Syntax, Template};

/// What a statement asks of a request.
pub trait Inquiry {
    /// In whose name it comes.
    fn principal(&self) -> &Principal<'_>;
    /// Whether the principal has a permissions boundary.
    fn has_boundary(&self) -> bool;
    /// The action with its service, in lower case.
    fn action(&self) -> &str;
    /// The parts of the resource's ARN.
    fn resource(&self) -> [&str; arn::PARTS];
    /// The values of condition keys.
    fn context(&self) -> &dyn ConditionContext;
}

/// What a statement says of what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is allowed.
    Allow,
    /// It is denied, whatever else allows it.
    Deny,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub(super) sid: Option<Box<str>>,
    pub(super) effect: Effect,
    /// None in the policies of identities.
    pub(super) principals: Option<OneOf<NamedPrincipal>>,
    pub(super) actions: OneOf<ActionPattern>,
    /// None in trust policies: the role itself.
    pub(super) resources: Option<OneOf<ResourcePattern>>,
    pub(super) conditions: Vec<Condition>,
}

impl Statement {
    /// Whether it is about the request, and how closely it names the principal.
    pub(super) fn reach(&self, inquiry: &dyn Inquiry) -> Option<Reach> {
        let action = self.actions.holds(|action| action.is_everything() || action.matches(inquiry.action()));
        if !action {
            return None;
        }
        let reach = self.reach_of_principals(inquiry)?;
        let resource = self.resources.as_ref().is_none_or(|resources| {
            resources.holds(|resource| resource.matches(|| inquiry.resource(), inquiry.context()))
        });
        (resource && self.conditions.iter().all(|condition| condition.holds(inquiry.context()))).then_some(reach)
    }

    fn reach_of_principals(&self, inquiry: &dyn Inquiry) -> Option<Reach> {
        let Some(principals) = &self.principals else { return Some(Reach::Direct) };
        let principal = inquiry.principal();
        if principals.negated {
            let left_out = named::leaves_out(&principals.items, principal, inquiry.has_boundary());
            (!left_out).then_some(Reach::Direct)
        } else {
            principals.items.iter().filter_map(|named| named.reach(principal)).max()
        }
    }
}

/// A pattern of actions: `*`, `s3:Get*`. It has no case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ActionPattern {
    pub(super) text: Box<str>,
    pieces: Vec<Piece<Box<str>>>,
}

impl ActionPattern {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.into(), pieces: pattern::parse(&text.to_ascii_lowercase()) }
    }

    pub(super) const fn is_everything(&self) -> bool {
        pattern::is_everything(self.pieces.as_slice())
    }

    /// Whether it matches an action with its service, in lower case.
    pub(super) fn matches(&self, action: &str) -> bool {
        pattern::matches(&self.pieces, action)
    }
}

/// A pattern of resources: `*`, or an ARN whose parts are patterns of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResourcePattern {
    pub(super) text: Box<str>,
    /// None for `*`.
    parts: Option<[Template; arn::PARTS]>,
}

impl ResourcePattern {
    /// Reads one. Only the last part of an ARN can have variables.
    pub(super) fn parse(text: &str, variables: bool) -> Option<Self> {
        let parts = match text {
            "*" => None,
            text => {
                let parts = <[&str; arn::PARTS]>::try_from(arn::split_pattern(text)).ok()?;
                let [first, .., resource] = parts;
                if first != "arn" || resource.is_empty() {
                    return None;
                }
                let mut at = 0;
                Some(parts.map(|part| {
                    at += 1;
                    Template::parse(part, Syntax { wildcards: true, variables: variables && at == arn::PARTS })
                }))
            }
        };
        Some(Self { text: text.into(), parts })
    }

    /// The last part of the ARN: none of `*`.
    pub(super) fn last_part(&self) -> Option<&Template> {
        self.parts.as_ref().and_then(|parts| parts.last())
    }

    fn matches<'a>(&self, resource: impl FnOnce() -> [&'a str; arn::PARTS], context: &dyn ConditionContext) -> bool {
        let Some(parts) = &self.parts else { return true };
        parts.iter().zip(resource()).all(|(part, actual)| part.matches(actual, context))
    }
}
