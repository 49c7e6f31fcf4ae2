//! Writing a policy as a document: the same one, in one form.

use std::fmt;

use serde_json::{Map, Value, json};

use super::Policy;
use super::named::{NamedPrincipal, PrincipalType};
use super::one_of::OneOf;
use super::statement::{Effect, Statement};
use crate::access::condition::Condition;

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut members = Map::new();
        if let Some(is_2012) = self.version_2012 {
            members.insert("Version".to_owned(), json!(if is_2012 { "2012-10-17" } else { "2008-10-17" }));
        }
        if let Some(id) = &self.id {
            members.insert("Id".to_owned(), json!(id));
        }
        members.insert("Statement".to_owned(), self.statements.iter().map(statement).collect());
        Value::Object(members).fmt(f)
    }
}

fn statement(statement: &Statement) -> Value {
    let mut members = Map::new();
    if let Some(sid) = &statement.sid {
        members.insert("Sid".to_owned(), json!(sid));
    }
    let effect = if statement.effect == Effect::Allow { "Allow" } else { "Deny" };
    members.insert("Effect".to_owned(), json!(effect));
    let mut insert = |name: &str, negated: bool, value: Value| {
        members.insert(if negated { format!("Not{name}") } else { name.to_owned() }, value)
    };
    if let Some(named) = &statement.principals {
        insert("Principal", named.negated, principals(named));
    }
    let actions = statement.actions.items.iter().map(|action| json!(action.text)).collect();
    insert("Action", statement.actions.negated, actions);
    if let Some(resources) = &statement.resources {
        insert("Resource", resources.negated, resources.items.iter().map(|resource| json!(resource.text)).collect());
    }
    if !statement.conditions.is_empty() {
        insert("Condition", false, conditions(&statement.conditions));
    }
    Value::Object(members)
}

fn principals(named: &OneOf<NamedPrincipal>) -> Value {
    let mut members = Map::new();
    for principal in &named.items {
        if principal.of_type == PrincipalType::Anybody {
            return json!("*");
        }
        let list = members.entry(principal.of_type.name()).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(json!(principal.text));
        }
    }
    Value::Object(members)
}

fn conditions(conditions: &[Condition]) -> Value {
    let mut members = Map::new();
    for condition in conditions {
        let keys = members.entry(condition.operator_text()).or_insert_with(|| json!({}));
        if let Value::Object(keys) = keys {
            keys.insert(condition.key().text().to_owned(), condition.value_texts().collect());
        }
    }
    Value::Object(members)
}
