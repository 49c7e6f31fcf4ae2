//! Conditions of statements: an operator, a key, and the values that the key is compared with.
//!
//! Promises: a missing key is taken as AWS documents for each operator; a value of the request that has not the form
//! that the operator compares does not match.
//! Must not know: which keys there are, statements.

mod operator;
mod value;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use couronne_base::network::Network;
use thiserror::Error;

use super::arn;
use super::context::ConditionContext;
use super::key::ConditionKey;
use super::template::{Syntax, Template};
use operator::{Operator, Quantifier, Test};

/// What is wrong with a condition.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConditionFault {
    /// There is no such operator.
    #[error("Invalid Condition type : {0}")]
    Operator(Box<str>),
    /// A value is no address and no network.
    #[error("Invalid IP address in Conditions")]
    IpAddress,
    /// A value has not the operator's form.
    #[error("Invalid value in Conditions for operator {0}")]
    Value(Box<str>),
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    operator: Operator,
    key: ConditionKey,
    values: Vec<ExpectedValue>,
}

/// A value that a key is compared with, as the policy writes it and as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ExpectedValue {
    text: Box<str>,
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Text(Template),
    Number(i128),
    Date(i128),
    Binary(Vec<u8>),
    Network(Network),
    Arn(Vec<Template>),
    Null(bool),
}

impl Condition {
    /// Reads one. `variables` says whether the policy's version has variables.
    pub(super) fn parse(operator: &str, key: &str, values: &[String], variables: bool) -> Result<Self, ConditionFault> {
        let read = Operator::parse(operator).ok_or_else(|| ConditionFault::Operator(operator.into()))?;
        let values = values.iter().map(|text| {
            let form = Form::parse(read.test, text, variables).ok_or_else(|| match read.test {
                Test::Network => ConditionFault::IpAddress,
                _ => ConditionFault::Value(operator.into()),
            })?;
            Ok(ExpectedValue { text: text.as_str().into(), form })
        });
        Ok(Self { operator: read, key: ConditionKey::new(key), values: values.collect::<Result<_, _>>()? })
    }

    /// The operator as policies write it.
    pub(super) fn operator_text(&self) -> String {
        self.operator.text()
    }

    /// The key.
    pub(super) const fn key(&self) -> &ConditionKey {
        &self.key
    }

    /// The values as the policy writes them.
    pub(super) fn value_texts(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|value| &*value.text)
    }

    /// Whether it holds of a request.
    pub(super) fn holds(&self, context: &dyn ConditionContext) -> bool {
        let Operator { test, negated, quantifier, if_exists, .. } = self.operator;
        let Some(values) = context.values(&self.key) else {
            return match (test, quantifier) {
                (Test::Null, _) => self.expects_null(true),
                _ if if_exists => true,
                (_, Some(Quantifier::ForAllValues)) => true,
                (_, Some(Quantifier::ForAnyValue)) => false,
                (_, None) => negated,
            };
        };
        let values = values.as_slice();
        let holds = |value: &str| self.matches_any(value, context) != negated;
        match (test, quantifier) {
            (Test::Null, _) => self.expects_null(false),
            // Negated, no value may match; else, any may.
            (_, None) => values.iter().any(|value| self.matches_any(value, context)) != negated,
            // AWS takes one empty text for a set without members.
            (_, Some(Quantifier::ForAllValues)) => is_empty_set(values) || values.iter().all(|value| holds(value)),
            (_, Some(Quantifier::ForAnyValue)) => !is_empty_set(values) && values.iter().any(|value| holds(value)),
        }
    }

    fn expects_null(&self, is_null: bool) -> bool {
        self.values.iter().any(|value| value.form == Form::Null(is_null))
    }

    fn matches_any(&self, value: &str, context: &dyn ConditionContext) -> bool {
        self.values.iter().any(|expected| expected.form.matches(self.operator.test, value, context))
    }

    /// Whether only requests satisfy it that have the key, and that in one of the values that it names, of which no one
    /// has a wildcard, a variable or (of addresses) a prefix so short that it means everybody.
    pub(super) fn fixes_its_key(&self) -> bool {
        self.is_required() && self.values.iter().all(|value| value.form.is_fixed())
    }

    /// Whether only requests satisfy it that have the key, with an ARN whose account is fixed.
    pub(super) fn fixes_the_account_of_its_arn(&self) -> bool {
        let fixed = |value: &ExpectedValue| {
            let parts = arn::split_pattern(&value.text);
            parts.get(4).is_some_and(|account| arn::AccountNumber::parse(account).is_some())
        };
        self.is_required() && self.values.iter().all(fixed)
    }

    fn is_required(&self) -> bool {
        let Operator { test, negated, quantifier, if_exists, .. } = self.operator;
        let positive = matches!(test, Test::Equals | Test::EqualsIgnoringCase | Test::Like | Test::Arn | Test::Network);
        positive && !negated && !if_exists && quantifier != Some(Quantifier::ForAllValues)
    }
}

fn is_empty_set(values: &[std::borrow::Cow<'_, str>]) -> bool {
    matches!(values, []) || matches!(values, [only] if only.is_empty())
}

impl Form {
    fn parse(test: Test, text: &str, variables: bool) -> Option<Self> {
        let template = |wildcards| Template::parse(text, Syntax { wildcards, variables });
        Some(match test {
            Test::Equals | Test::EqualsIgnoringCase => Self::Text(template(false)),
            Test::Like => Self::Text(template(true)),
            Test::Bool => {
                let value = template(false);
                let is_bool = text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
                return (is_bool || value.has_variables()).then_some(Self::Text(value));
            }
            Test::Number(_) => Self::Number(value::number(text)?),
            Test::Date(_) => Self::Date(value::date(text)?),
            Test::Binary => Self::Binary(BASE64_STANDARD.decode(text).ok()?),
            Test::Network => Self::Network(Network::parse(text)?),
            Test::Arn => {
                let part = |part| Template::parse(part, Syntax { wildcards: true, variables });
                Self::Arn(arn::split_pattern(text).into_iter().map(part).collect())
            }
            Test::Null if text.eq_ignore_ascii_case("true") => Self::Null(true),
            Test::Null if text.eq_ignore_ascii_case("false") => Self::Null(false),
            Test::Null => return None,
        })
    }

    fn matches(&self, test: Test, actual: &str, context: &dyn ConditionContext) -> bool {
        match (self, test) {
            (Self::Text(template), Test::EqualsIgnoringCase | Test::Bool) => {
                template.equals_ignoring_case(actual, context)
            }
            (Self::Text(template), _) => template.matches(actual, context),
            (Self::Number(expected), Test::Number(order)) => {
                value::number(actual).is_some_and(|actual| order.holds(actual.cmp(expected)))
            }
            (Self::Date(expected), Test::Date(order)) => {
                value::date(actual).is_some_and(|actual| order.holds(actual.cmp(expected)))
            }
            (Self::Binary(expected), _) => expected == actual.as_bytes(),
            (Self::Network(network), _) => actual.parse().is_ok_and(|actual| network.contains(actual)),
            (Self::Arn(pattern), _) => matches_arn(pattern, actual, context),
            _ => false,
        }
    }

    fn is_fixed(&self) -> bool {
        match self {
            Self::Text(template) => template.is_fixed(),
            Self::Arn(parts) => parts.len() == arn::PARTS && parts.iter().all(Template::is_fixed),
            Self::Network(network) => !is_broad(*network),
            _ => false,
        }
    }
}

/// Whether a network is so broad that S3 takes it for everybody: broader than /8, of IPv6 than /32.
const fn is_broad(network: Network) -> bool {
    network.prefix() < if network.is_ipv4() { 8 } else { 32 }
}

/// Part by part. A pattern that ends early matches whatever follows if it ends with `*`.
fn matches_arn(pattern: &[Template], actual: &str, context: &dyn ConditionContext) -> bool {
    let Some(actual) = arn::split(actual) else { return false };
    let ends_early = pattern.len() < arn::PARTS && !pattern.last().is_some_and(Template::is_everything);
    !ends_early && pattern.iter().zip(actual).all(|(part, actual)| part.matches(actual, context))
}
