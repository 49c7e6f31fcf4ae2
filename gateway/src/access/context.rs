//! What a policy's conditions and variables ask a request.
//!
//! Must not know: how a request comes by its values.

use std::borrow::Cow;

use super::key::ConditionKey;

/// The values that a request has for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyValues<'a> {
    /// Of a key that has one value.
    One(Cow<'a, str>),
    /// Of a key that may have several, as `aws:TagKeys`.
    Many(Vec<Cow<'a, str>>),
}

impl<'a> KeyValues<'a> {
    /// One value.
    pub fn one(value: impl Into<Cow<'a, str>>) -> Self {
        Self::One(value.into())
    }

    /// All values.
    pub const fn as_slice(&self) -> &[Cow<'a, str>] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values.as_slice(),
        }
    }
}

/// Answers for the keys of a request. It is asked for no more keys than decide, and may find each when it is asked.
pub trait ConditionContext {
    /// The values of a key; `None` if the request has no such key.
    fn values(&self, key: &ConditionKey) -> Option<KeyValues<'_>>;
}

/// A request with no keys of its own.
#[derive(Clone, Copy, Debug)]
pub struct NoKeys;

impl ConditionContext for NoKeys {
    fn values(&self, _: &ConditionKey) -> Option<KeyValues<'_>> {
        None
    }
}
