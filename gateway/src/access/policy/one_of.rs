//! An element that lists what a statement is about, or what it is not about: `Action` and `NotAction` and the like.

use crate::json::Json;

/// A list, or its opposite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OneOf<T> {
    /// Whether all is meant but the items.
    pub(super) negated: bool,
    /// The items; at least one.
    pub(super) items: Vec<T>,
}

impl<T> OneOf<T> {
    /// Whether what `matches` stands for is meant.
    pub(super) fn holds(&self, matches: impl FnMut(&T) -> bool) -> bool {
        self.items.iter().any(matches) != self.negated
    }
}

/// A text, or a list of texts.
pub(super) fn texts(json: &Json) -> Option<Vec<String>> {
    match json {
        Json::Text(text) => Some(vec![text.clone()]),
        Json::List(items) => {
            let texts = items.iter().map(|item| match item {
                Json::Text(text) => Some(text.clone()),
                _ => None,
            });
            texts.collect()
        }
        _ => None,
    }
}
