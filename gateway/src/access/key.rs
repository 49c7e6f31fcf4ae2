//! Condition keys: the names of what a policy may ask of a request.
//!
//! Promises: names are compared without regard to case, as AWS does; the name of a tag keeps its case, for a context to
//! compare as its tags are compared.
//! Must not know: which keys there are.

/// The key of a condition or of a policy variable, as `aws:PrincipalTag/team`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionKey {
    text: Box<str>,
    name: Box<str>,
}

impl ConditionKey {
    /// A key as a policy writes it.
    pub fn new(text: &str) -> Self {
        let name = text.get(..tag_at(text).unwrap_or(text.len())).unwrap_or(text);
        Self { text: text.into(), name: name.to_ascii_lowercase().into() }
    }

    /// As the policy writes it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// In lower case, without a tag's name: `aws:principaltag`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the tag that it asks for, in the policy's own case.
    pub fn tag(&self) -> Option<&str> {
        tag_at(&self.text).and_then(|at| self.text.get(at + 1..))
    }
}

/// Where the slash before a tag's name stands. What comes before the colon may be the address of an OIDC provider, with
/// slashes of its own.
fn tag_at(text: &str) -> Option<usize> {
    let colon = text.find(':')?;
    text.get(colon..)?.find('/').map(|at| colon + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_case_and_tags_do() {
        let key = ConditionKey::new("AWS:PrincipalTag/Team/x");
        assert_eq!((key.name(), key.tag()), ("aws:principaltag", Some("Team/x")));
        let key = ConditionKey::new("oidc.example.com/id/A:Sub");
        assert_eq!((key.name(), key.tag()), ("oidc.example.com/id/a:sub", None));
    }
}
