//! Values in policies: text with policy variables (`${aws:username}`) and wildcards.
//!
//! Promises: what a variable stands for is compared as it is, so a `*` in a user's name is a star and no wildcard; a
//! variable without value and without default makes the whole match nothing.
//! Must not know: which variables there are.

use std::borrow::Cow;

use super::context::{ConditionContext, KeyValues};
use super::key::ConditionKey;
use super::pattern::{self, Piece};

/// What of a text is more than text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    /// `*` and `?` are wildcards.
    pub(super) wildcards: bool,
    /// `${...}` is a variable: in policies of version 2012-10-17.
    pub(super) variables: bool,
}

/// A text with variables and wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    text: Box<str>,
    parts: TemplateParts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplateParts {
    /// There are no variables.
    Fixed(Vec<Piece<Box<str>>>),
    Variable(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Piece(Piece<Box<str>>),
    Variable { key: ConditionKey, default: Option<Box<str>> },
}

impl Template {
    /// Reads a text. What looks like the beginning of a variable and never ends is text.
    pub(super) fn parse(text: &str, syntax: Syntax) -> Self {
        let parts = Reader { syntax, parts: Vec::new(), text: String::new() }.read(text);
        let pieces = parts.iter().map(|part| match part {
            Part::Piece(piece) => Some(piece.clone()),
            Part::Variable { .. } => None,
        });
        let parts = match pieces.collect() {
            Some(pieces) => TemplateParts::Fixed(pieces),
            None => TemplateParts::Variable(parts),
        };
        Self { text: text.into(), parts }
    }

    /// As the policy writes it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches one text only, whatever the request.
    pub(super) fn is_fixed(&self) -> bool {
        match &self.parts {
            TemplateParts::Fixed(pieces) => pieces.iter().all(|piece| matches!(piece, Piece::Text(_))),
            TemplateParts::Variable(_) => false,
        }
    }

    /// Whether it is `*` and matches everything.
    pub(super) fn is_everything(&self) -> bool {
        matches!(&self.parts, TemplateParts::Fixed(pieces) if pattern::is_everything(pieces))
    }

    /// Whether a variable stands in it.
    pub(super) const fn has_variables(&self) -> bool {
        matches!(self.parts, TemplateParts::Variable(_))
    }

    /// Whether all of `value` matches.
    pub(super) fn matches(&self, value: &str, context: &dyn ConditionContext) -> bool {
        match &self.parts {
            TemplateParts::Fixed(pieces) => pattern::matches(pieces, value),
            TemplateParts::Variable(parts) => {
                resolve(parts, context).is_some_and(|pieces| pattern::matches(&pieces, value))
            }
        }
    }

    /// Whether `value` is the same text but for case. Wildcards have no meaning here.
    pub(super) fn equals_ignoring_case(&self, value: &str, context: &dyn ConditionContext) -> bool {
        let same = |text: &str| text.to_lowercase() == value.to_lowercase();
        match &self.parts {
            TemplateParts::Fixed(pieces) => same(&text_of(pieces)),
            TemplateParts::Variable(parts) => resolve(parts, context).is_some_and(|pieces| same(&text_of(&pieces))),
        }
    }
}

fn resolve<'a>(parts: &'a [Part], context: &'a dyn ConditionContext) -> Option<Vec<Piece<Cow<'a, str>>>> {
    let resolved = parts.iter().map(|part| {
        Some(match part {
            Part::Piece(Piece::Text(text)) => Piece::Text(Cow::Borrowed(&**text)),
            Part::Piece(Piece::AnyChar) => Piece::AnyChar,
            Part::Piece(Piece::AnyRun) => Piece::AnyRun,
            Part::Variable { key, default } => match context.values(key) {
                Some(KeyValues::One(value)) => Piece::Text(value),
                // A key of several values cannot be a variable.
                _ => Piece::Text(Cow::Borrowed(default.as_deref()?)),
            },
        })
    });
    resolved.collect()
}

fn text_of<T: AsRef<str>>(pieces: &[Piece<T>]) -> String {
    let texts = pieces.iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(text.as_ref()),
        _ => None,
    });
    texts.collect()
}

struct Reader {
    syntax: Syntax,
    parts: Vec<Part>,
    /// Text that is no part yet.
    text: String,
}

impl Reader {
    fn read(mut self, mut rest: &str) -> Vec<Part> {
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            if self.syntax.variables
                && let Some((variable, after)) = rest.strip_prefix("${").and_then(|inner| inner.split_once('}'))
            {
                self.variable(variable);
                rest = after;
                chars = rest.chars();
                continue;
            }
            match c {
                '*' if self.syntax.wildcards => self.push(Part::Piece(Piece::AnyRun)),
                '?' if self.syntax.wildcards => self.push(Part::Piece(Piece::AnyChar)),
                c => self.text.push(c),
            }
            rest = chars.as_str();
        }
        self.flush();
        self.parts
    }

    fn variable(&mut self, variable: &str) {
        // The special characters: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
        if matches!(variable, "*" | "?" | "$") {
            self.text.push_str(variable);
            return;
        }
        let (key, default) = match variable.split_once(',') {
            Some((key, default)) => (key, default.trim().strip_prefix('\'').and_then(|text| text.strip_suffix('\''))),
            None => (variable, None),
        };
        self.push(Part::Variable { key: ConditionKey::new(key.trim()), default: default.map(Into::into) });
    }

    fn push(&mut self, part: Part) {
        self.flush();
        self.parts.push(part);
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.parts.push(Part::Piece(Piece::Text(std::mem::take(&mut self.text).into())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str);

    impl ConditionContext for Named {
        fn values(&self, key: &ConditionKey) -> Option<KeyValues<'_>> {
            match (key.name(), key.tag()) {
                ("aws:username", None) => Some(KeyValues::one(self.0)),
                ("aws:tagkeys", None) => Some(KeyValues::Many(vec!["a".into()])),
                _ => None,
            }
        }
    }

    fn matches(template: &str, value: &str, user: &'static str) -> bool {
        let syntax = Syntax { wildcards: true, variables: true };
        Template::parse(template, syntax).matches(value, &Named(user))
    }

    #[test]
    fn variables_stand_for_themselves() {
        assert!(matches("home/${AWS:UserName}/*", "home/bob/x/y", "bob"));
        assert!(!matches("home/${aws:username}/*", "home/eve/x", "bob"));
        assert!(!matches("home/${aws:username}", "home/anybody", "*"), "a star in a name is no wildcard");
        assert!(matches("home/${aws:username}", "home/*", "*"));
    }

    #[test]
    fn special_characters_and_defaults() {
        assert!(matches("a${*}${?}${$}{b", "a*?${b", "") && !matches("a${*}", "ab", ""));
        assert!(matches("b-${aws:PrincipalTag/team, 'company-wide'}", "b-company-wide", ""));
        assert!(!matches("b-${aws:PrincipalTag/team}*", "b-", ""), "no value matches nothing");
        assert!(!matches("${aws:TagKeys}", "a", ""), "a key of several values is no variable");
        assert!(matches("${aws:username", "${aws:username", "bob"));
    }

    #[test]
    fn in_the_older_version_they_are_text() {
        let template = Template::parse("${aws:username}*", Syntax { wildcards: true, variables: false });
        assert!(template.matches("${aws:username}/x", &Named("bob")) && !template.matches("bob", &Named("bob")));
        let template = Template::parse("a*", Syntax { wildcards: false, variables: true });
        assert!(template.matches("a*", &Named("")) && !template.matches("ab", &Named("")));
    }
}
