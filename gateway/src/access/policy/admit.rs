//! What each kind of policy allows beyond the grammar, checked when one is put.
//!
//! Must not know: requests.

use std::collections::HashSet;

use super::Policy;
use super::catalog::{self, ActionOf};
use super::error::PolicyFault;
use super::kind::PolicyKind;
use super::statement::{ActionPattern, Effect, ResourcePattern, Statement};
use crate::access::pattern;
use crate::json;

pub(super) fn check_length(document: &str, kind: PolicyKind<'_>) -> Result<(), PolicyFault> {
    let length = match kind {
        PolicyKind::Bucket(_) => json::bytes_between_spaces(document),
        _ => document.chars().filter(|c| !c.is_whitespace()).count(),
    };
    if length > kind.length_max() { Err(PolicyFault::TooLong(kind.length_max())) } else { Ok(()) }
}

pub(super) fn check(policy: &Policy, kind: PolicyKind<'_>) -> Result<(), PolicyFault> {
    let needs_2012 = !kind.is_of_resource();
    if needs_2012 && policy.version_2012 != Some(true) {
        return Err(PolicyFault::Version);
    }
    for statement in &policy.statements {
        match kind {
            PolicyKind::Bucket(bucket) => check_of_bucket(statement, bucket)?,
            PolicyKind::Trust => check_of_role(statement)?,
            PolicyKind::Managed | PolicyKind::Inline | PolicyKind::Session => check_of_identity(statement)?,
        }
    }
    if !matches!(kind, PolicyKind::Bucket(_)) {
        check_sids(policy)?;
    }
    Ok(())
}

fn check_sids(policy: &Policy) -> Result<(), PolicyFault> {
    let mut sids = HashSet::new();
    for sid in policy.statements.iter().filter_map(|statement| statement.sid.as_deref()) {
        if !sid.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(PolicyFault::SidCharacters);
        }
        if !sid.is_empty() && !sids.insert(sid) {
            return Err(PolicyFault::SidNotUnique);
        }
    }
    Ok(())
}

fn check_of_identity(statement: &Statement) -> Result<(), PolicyFault> {
    if statement.principals.is_some() {
        return Err(PolicyFault::Prohibited("Principal"));
    }
    if statement.resources.is_none() {
        return Err(PolicyFault::Missing("Resource"));
    }
    Ok(())
}

fn check_of_role(statement: &Statement) -> Result<(), PolicyFault> {
    let principals = statement.principals.as_ref().ok_or(PolicyFault::Missing("Principal"))?;
    if principals.negated {
        return Err(PolicyFault::Prohibited("NotPrincipal"));
    }
    if statement.resources.is_some() {
        return Err(PolicyFault::Prohibited("Resource"));
    }
    let of_sts = |action: &ActionPattern| {
        let text = action.text.to_ascii_lowercase();
        text.starts_with("sts:")
    };
    if statement.actions.items.iter().all(of_sts) { Ok(()) } else { Err(PolicyFault::Action) }
}

fn check_of_bucket(statement: &Statement, bucket: &str) -> Result<(), PolicyFault> {
    let principals = statement.principals.as_ref().ok_or(PolicyFault::Missing("Principal"))?;
    if principals.negated && statement.effect == Effect::Allow {
        return Err(PolicyFault::AllowWithNotPrincipal);
    }
    let resources = statement.resources.as_ref().ok_or(PolicyFault::Missing("Resource"))?;
    if !resources.items.iter().all(|resource| is_of_bucket(resource, bucket)) {
        return Err(PolicyFault::Resource);
    }
    let actions = &statement.actions;
    let named = |action: &&catalog::CatalogAction| actions.holds(|pattern| pattern.matches(action.name));
    let is_action = |pattern: &ActionPattern| catalog::ACTIONS.iter().any(|action| pattern.matches(action.name));
    if !actions.items.iter().all(is_action) {
        return Err(PolicyFault::Action);
    }
    check_condition_keys(statement, &named)?;
    let has = |of| resources.negated || resources.items.iter().any(|resource| can_be(resource, of));
    let applies =
        |pattern: &ActionPattern| catalog::ACTIONS.iter().any(|action| pattern.matches(action.name) && has(action.of));
    if actions.negated || actions.items.iter().all(applies) { Ok(()) } else { Err(PolicyFault::ActionOfNoResource) }
}

/// S3 checks keys of its own only; of others it cannot know which there are.
fn check_condition_keys(
    statement: &Statement,
    named: &impl Fn(&&catalog::CatalogAction) -> bool,
) -> Result<(), PolicyFault> {
    for key in statement.conditions.iter().map(|condition| condition.key().name()) {
        if key.starts_with("aws:") {
            continue;
        }
        let actions = catalog::actions_with_key(key).ok_or(PolicyFault::ConditionKey)?;
        let has_key = |action: &catalog::CatalogAction| actions.is_empty() || actions.contains(&action.name);
        if !catalog::ACTIONS.iter().filter(named).any(has_key) {
            return Err(PolicyFault::ConditionOfNoAction);
        }
    }
    Ok(())
}

/// The bucket's name, or what of a pattern stands for it.
fn split(resource: &ResourcePattern) -> Option<(&str, Option<&str>)> {
    let last = resource.last_part()?.text();
    Some(last.split_once('/').map_or((last, None), |(bucket, key)| (bucket, Some(key))))
}

fn is_of_bucket(resource: &ResourcePattern, bucket: &str) -> bool {
    let Some((named, _)) = split(resource) else { return false };
    let is_bucket = named.contains("${") || pattern::matches(&pattern::parse(named), bucket);
    is_bucket && resource.text.starts_with(catalog::BUCKET_ARN)
}

fn can_be(resource: &ResourcePattern, of: ActionOf) -> bool {
    let Some((bucket, key)) = split(resource) else { return true };
    let open = bucket.contains('*') || bucket.contains("${");
    match of {
        ActionOf::Bucket => key.is_none(),
        ActionOf::Object => key.is_some() || open,
    }
}
