//! Reading a document into a policy: the grammar, which is one for all kinds.
//!
//! Follows <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>.
//! Must not know: what the kinds allow and refuse beyond the grammar.

use super::Policy;
use super::error::PolicyFault;
use super::named;
use super::one_of::{OneOf, texts};
use super::statement::{ActionPattern, Effect, ResourcePattern, Statement};
use crate::access::condition::Condition;
use crate::json::{self, Json};

/// Longer than any policy with any white space, so that nobody has a gateway read what it will refuse.
const DOCUMENT_BYTES_MAX: usize = 128 * 1024;

pub(super) fn read(document: &str) -> Result<Policy, PolicyFault> {
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(PolicyFault::TooLong(DOCUMENT_BYTES_MAX));
    }
    if !document.starts_with('{') {
        return Err(PolicyFault::NotAnObject);
    }
    let Some(Json::Object(members)) = json::parse(document) else { return Err(PolicyFault::Json) };
    let (mut version_2012, mut id, mut statements) = (None, None, None);
    for (name, value) in &members {
        match (name.as_str(), value) {
            ("Version", Json::Text(version)) if version == "2012-10-17" => version_2012 = Some(true),
            ("Version", Json::Text(version)) if version == "2008-10-17" => version_2012 = Some(false),
            ("Version", _) => return Err(PolicyFault::Version),
            ("Id", Json::Text(text)) => id = Some(text.as_str().into()),
            ("Statement", value) => statements = Some(value),
            _ => return Err(PolicyFault::Syntax),
        }
    }
    let variables = version_2012 == Some(true);
    let statements = match statements.ok_or(PolicyFault::Missing("Statement"))? {
        Json::List(items) if items.is_empty() => return Err(PolicyFault::NoStatement),
        Json::List(items) => items.iter().map(|item| statement(item, variables)).collect::<Result<_, _>>()?,
        one => vec![statement(one, variables)?],
    };
    Ok(Policy { version_2012, id, statements })
}

fn statement(json: &Json, variables: bool) -> Result<Statement, PolicyFault> {
    let Json::Object(members) = json else { return Err(PolicyFault::Syntax) };
    let (mut sid, mut effect, mut condition) = (None, None, None);
    let (mut principals, mut actions, mut resources) = (None, None, None);
    for (name, value) in members {
        let (list, negated) = match (name.as_str(), value) {
            ("Sid", Json::Text(text)) => {
                sid = Some(text.as_str().into());
                continue;
            }
            ("Effect", Json::Text(text)) => {
                effect = Some(text);
                continue;
            }
            ("Condition", Json::Object(operators)) => {
                condition = Some(operators);
                continue;
            }
            ("Principal", _) => (&mut principals, false),
            ("NotPrincipal", _) => (&mut principals, true),
            ("Action", _) => (&mut actions, false),
            ("NotAction", _) => (&mut actions, true),
            ("Resource", _) => (&mut resources, false),
            ("NotResource", _) => (&mut resources, true),
            _ => return Err(PolicyFault::Syntax),
        };
        // An element and its opposite exclude each other.
        if list.replace((value, negated)).is_some() {
            return Err(PolicyFault::Syntax);
        }
    }
    let effect = match effect.ok_or(PolicyFault::Missing("Effect"))?.as_str() {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        other => return Err(PolicyFault::Effect(other.into())),
    };
    let principals = match principals {
        Some((value, negated)) => Some(OneOf { negated, items: named::read(value)? }),
        None => None,
    };
    let actions = one_of(actions.ok_or(PolicyFault::Missing("Action"))?, "Action", action)?;
    let resource = |text: &str| resource(text, variables);
    let resources = resources.map(|resources| one_of(resources, "Resource", resource)).transpose()?;
    let conditions = conditions(condition.map_or(&[], Vec::as_slice), variables)?;
    Ok(Statement { sid, effect, principals, actions, resources, conditions })
}

fn one_of<T>(
    (value, negated): (&Json, bool),
    element: &'static str,
    item: impl FnMut(&str) -> Result<T, PolicyFault>,
) -> Result<OneOf<T>, PolicyFault> {
    let texts = texts(value).ok_or(PolicyFault::Syntax)?;
    if texts.is_empty() {
        return Err(PolicyFault::Missing(element));
    }
    let items = texts.iter().map(String::as_str).map(item).collect::<Result<_, _>>()?;
    Ok(OneOf { negated, items })
}

fn action(text: &str) -> Result<ActionPattern, PolicyFault> {
    if text != "*" {
        let (service, name) = text.split_once(':').ok_or(PolicyFault::ActionWithoutService)?;
        if name.contains(':') {
            return Err(PolicyFault::ActionColons);
        }
        let is_service = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if service.is_empty() || !service.chars().all(is_service) {
            return Err(PolicyFault::ActionService(service.into()));
        }
        if name.is_empty() {
            return Err(PolicyFault::Action);
        }
    }
    Ok(ActionPattern::new(text))
}

fn resource(text: &str, variables: bool) -> Result<ResourcePattern, PolicyFault> {
    if text != "*" {
        let after_arn = text.split_once(':').ok_or_else(|| PolicyFault::NotAnArn(text.into()))?.1;
        let partition = after_arn.split(':').next().unwrap_or_default();
        if partition != "aws" {
            return Err(PolicyFault::Partition(partition.into(), text.into()));
        }
    }
    ResourcePattern::parse(text, variables).ok_or(PolicyFault::ShortArn)
}

fn conditions(operators: &[(String, Json)], variables: bool) -> Result<Vec<Condition>, PolicyFault> {
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let Json::Object(keys) = keys else { return Err(PolicyFault::Syntax) };
        for (key, values) in keys {
            let values = condition_values(values).filter(|values| !values.is_empty()).ok_or(PolicyFault::Syntax)?;
            conditions.push(Condition::parse(operator, key, &values, variables)?);
        }
    }
    // All of them have to hold, so that their order means nothing.
    conditions.sort_by_key(|condition| (condition.operator_text(), condition.key().text().to_owned()));
    Ok(conditions)
}

/// Numbers and truth values may stand without quotation marks.
fn condition_values(json: &Json) -> Option<Vec<String>> {
    let one = |json: &Json| match json {
        Json::Text(text) | Json::Number(text) => Some(text.clone()),
        Json::Bool(value) => Some(value.to_string()),
        _ => None,
    };
    match json {
        Json::List(values) => values.iter().map(one).collect(),
        value => Some(vec![one(value)?]),
    }
}
