//! ARNs: the names by which policies speak of principals and resources, and the numbers of accounts in them.
//!
//! Promises: an account's number is twelve digits and never all zeroes.
//! Must not know: policies, which accounts there are.

use std::fmt;

/// The number of an account: twelve decimal digits, as they stand in ARNs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountNumber(u64);

impl AccountNumber {
    /// The number of an account that was given none. No policy can name it.
    pub const UNASSIGNED: Self = Self(0);

    const DIGITS: usize = 12;

    /// Reads twelve digits. Twelve zeroes are nobody's number.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != Self::DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().filter(|number| *number != 0).map(Self)
    }
}

impl fmt::Display for AccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

/// The six parts of an ARN: `arn`, partition, service, region, account, resource.
pub const PARTS: usize = 6;

/// Splits an ARN at its first five colons. The resource keeps colons of its own.
pub fn split(arn: &str) -> Option<[&str; PARTS]> {
    let mut parts = arn.splitn(PARTS, ':');
    let mut next = || parts.next();
    let split = [next()?, next()?, next()?, next()?, next()?, next()?];
    split.starts_with(&["arn"]).then_some(split)
}

/// Splits a pattern of ARNs at its first five colons that stand outside of `${...}`.
pub fn split_pattern(pattern: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::with_capacity(PARTS), pattern);
    while parts.len() + 1 < PARTS
        && let Some((part, after)) = split_at_colon(rest)
    {
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

fn split_at_colon(text: &str) -> Option<(&str, &str)> {
    let (mut in_variable, mut before) = (false, None);
    for (at, c) in text.char_indices() {
        match c {
            ':' if !in_variable => return Some((text.get(..at)?, text.get(at + 1..)?)),
            '{' if before == Some('$') => in_variable = true,
            '}' => in_variable = false,
            _ => {}
        }
        before = Some(c);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_twelve_digits() {
        assert_eq!(AccountNumber::parse("001234567890").unwrap().to_string(), "001234567890");
        for wrong in ["", "12345678901", "1234567890123", "12345678901a", "+12345678901", "000000000000"] {
            assert_eq!(AccountNumber::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn arns_are_split_at_five_colons() {
        assert_eq!(split("arn:aws:s3:::b/a:b"), Some(["arn", "aws", "s3", "", "", "b/a:b"]));
        for wrong in ["", "arn", "arn:aws:sqs::b", "urn:aws:sqs:::b"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
        let pattern = "arn:aws:iam::1:user/${aws:username}:x";
        assert_eq!(split_pattern(pattern), ["arn", "aws", "iam", "", "1", "user/${aws:username}:x"]);
        assert_eq!(split_pattern("${aws:userid}:b"), ["${aws:userid}", "b"]);
        assert_eq!(split_pattern("*"), ["*"]);
    }
}
