//! The operators of conditions, and how a policy writes them.
//!
//! Follows <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>.

use std::cmp::Ordering;

/// How numbers and dates are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    pub(super) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// What is compared, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Equals,
    EqualsIgnoringCase,
    Like,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Network,
    Arn,
    Null,
}

/// How the several values of a key are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    ForAllValues,
    ForAnyValue,
}

/// An operator with all that may stand around its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    name: &'static str,
    pub(super) test: Test,
    pub(super) negated: bool,
    pub(super) quantifier: Option<Quantifier>,
    pub(super) if_exists: bool,
}

const OPERATORS: &[(&str, Test, bool)] = &[
    ("StringEquals", Test::Equals, false),
    ("StringNotEquals", Test::Equals, true),
    ("StringEqualsIgnoreCase", Test::EqualsIgnoringCase, false),
    ("StringNotEqualsIgnoreCase", Test::EqualsIgnoringCase, true),
    ("StringLike", Test::Like, false),
    ("StringNotLike", Test::Like, true),
    ("NumericEquals", Test::Number(Order::Equal), false),
    ("NumericNotEquals", Test::Number(Order::Equal), true),
    ("NumericLessThan", Test::Number(Order::Less), false),
    ("NumericLessThanEquals", Test::Number(Order::LessOrEqual), false),
    ("NumericGreaterThan", Test::Number(Order::Greater), false),
    ("NumericGreaterThanEquals", Test::Number(Order::GreaterOrEqual), false),
    ("DateEquals", Test::Date(Order::Equal), false),
    ("DateNotEquals", Test::Date(Order::Equal), true),
    ("DateLessThan", Test::Date(Order::Less), false),
    ("DateLessThanEquals", Test::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Test::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Test::Date(Order::GreaterOrEqual), false),
    ("Bool", Test::Bool, false),
    ("BinaryEquals", Test::Binary, false),
    ("IpAddress", Test::Network, false),
    ("NotIpAddress", Test::Network, true),
    ("ArnEquals", Test::Arn, false),
    ("ArnLike", Test::Arn, false),
    ("ArnNotEquals", Test::Arn, true),
    ("ArnNotLike", Test::Arn, true),
    ("Null", Test::Null, false),
];

const FOR_ALL_VALUES: &str = "ForAllValues:";
const FOR_ANY_VALUE: &str = "ForAnyValue:";
const IF_EXISTS: &str = "IfExists";

impl Operator {
    /// Reads an operator. `Null` tests for existence itself and takes no `IfExists`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (quantifier, rest) = if let Some(rest) = text.strip_prefix(FOR_ALL_VALUES) {
            (Some(Quantifier::ForAllValues), rest)
        } else if let Some(rest) = text.strip_prefix(FOR_ANY_VALUE) {
            (Some(Quantifier::ForAnyValue), rest)
        } else {
            (None, text)
        };
        let (base, if_exists) = rest.strip_suffix(IF_EXISTS).map_or((rest, false), |base| (base, true));
        let (name, test, negated) = *OPERATORS.iter().find(|(name, ..)| *name == base)?;
        let refused = test == Test::Null && (if_exists || quantifier.is_some());
        (!refused).then_some(Self { name, test, negated, quantifier, if_exists })
    }

    /// As policies write it.
    pub(super) fn text(&self) -> String {
        let before = match self.quantifier {
            Some(Quantifier::ForAllValues) => FOR_ALL_VALUES,
            Some(Quantifier::ForAnyValue) => FOR_ANY_VALUE,
            None => "",
        };
        format!("{before}{}{}", self.name, if self.if_exists { IF_EXISTS } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_is_read_with_all_around_it() {
        for (name, ..) in OPERATORS {
            for text in [(*name).to_owned(), format!("ForAllValues:{name}IfExists"), format!("ForAnyValue:{name}")] {
                let read = Operator::parse(&text);
                assert_eq!(read.map(|operator| operator.text()), (*name != "Null" || text == "Null").then_some(text));
            }
        }
        for wrong in ["", "stringequals", "StringEqual", "ForAllValues:", "IfExists", "NullIfExists", "BoolNot"] {
            assert_eq!(Operator::parse(wrong), None, "{wrong}");
        }
    }
}
