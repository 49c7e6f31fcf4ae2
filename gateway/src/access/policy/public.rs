//! Whether a bucket policy is public.
//!
//! Follows <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>, "The meaning
//! of public": a policy is public unless each of its grants goes to fixed principals or is bound to fixed values of one
//! of the keys below.

use super::Policy;
use super::named::NamedPrincipal;
use super::statement::{Effect, Statement};
use crate::access::condition::Condition;

/// Fixed values of these keys make a grant one to somebody.
const FIXING_KEYS: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalservicename",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
];

/// Of this key only the account has to be fixed.
const ACCESS_POINT_KEY: &str = "s3:dataaccesspointarn";

impl Policy {
    /// Whether it is public. One public statement makes it so.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(is_public)
    }
}

fn is_public(statement: &Statement) -> bool {
    let to_anybody = statement
        .principals
        .as_ref()
        .is_none_or(|named| named.negated || named.items.iter().any(NamedPrincipal::is_public));
    statement.effect == Effect::Allow && to_anybody && !statement.conditions.iter().any(fixes)
}

fn fixes(condition: &Condition) -> bool {
    let key = condition.key().name();
    let fixed_key = FIXING_KEYS.contains(&key) && condition.fixes_its_key();
    fixed_key || key == ACCESS_POINT_KEY && condition.fixes_the_account_of_its_arn()
}
