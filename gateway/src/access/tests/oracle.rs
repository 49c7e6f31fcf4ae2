//! A second evaluator, written from AWS's pages over the documents themselves: slow, plain, and without the types of the
//! first. It judges that a question is allowed if some *path* through the policies is whole.

use serde_json::Value;

use super::*;
use crate::access::acl::{Grantee, GranteeGroup, Permission};

/// What a path has to pass besides the grant that it begins with.
const BOUNDARY: u8 = 1;
const SESSION: u8 = 2;
const IDENTITY: u8 = 4;

pub(super) fn allows(ask: &AccessCase) -> bool {
    let of_identity: Vec<Value> = ask.identity.iter().map(|text| parse(text)).collect();
    let boundary: Option<Value> = ask.boundary.as_deref().map(parse);
    let session: Option<Vec<Value>> = ask.session.as_ref().map(|texts| texts.iter().map(|text| parse(text)).collect());
    let of_bucket: Option<Value> = ask.policy.as_deref().map(parse);

    let number = number_of(&ask.principal);
    let is_root = matches!(ask.principal, Principal::Root(_));
    let locked_out = number == Some(A) && is_root && ask.action.ends_with("BucketPolicy");
    let bucket_statements = if locked_out { Vec::new() } else { applying(ask, of_bucket.iter()) };
    let own_statements = applying(ask, of_identity.iter());
    let boundary_statements = applying(ask, boundary.iter());
    let session_statements = applying(ask, session.iter().flatten());
    let all = [&bucket_statements, &own_statements, &boundary_statements, &session_statements];
    if all.into_iter().flatten().any(|(effect, _)| *effect == "Deny") {
        return false;
    }

    let federated_by_root = matches!(ask.principal, Principal::FederatedUser(session) if session.federator.is_none());
    let identity_ok = is_root || federated_by_root || !own_statements.is_empty();
    let boundary_ok = boundary.is_none() || !boundary_statements.is_empty();
    let must_have_session = matches!(ask.principal, Principal::FederatedUser(_));
    let session_ok = if session.is_none() { !must_have_session } else { !session_statements.is_empty() };
    let passes = |needs: u8| {
        (needs & IDENTITY == 0 || identity_ok)
            && (needs & BOUNDARY == 0 || boundary_ok)
            && (needs & SESSION == 0 || session_ok)
    };

    let other_owner = match &ask.object {
        TestObject::Read { owner, .. }
            if ask.ownership != ObjectOwnership::BucketOwnerEnforced && ask.key.is_some() =>
        {
            let on_place = ["s3:PutObject", "s3:DeleteObject"].contains(&ask.action.as_str());
            (*owner != account(A).canonical && !on_place).then(|| owner.clone())
        }
        _ => None,
    };
    let owner = other_owner.clone().unwrap_or_else(|| account(A).canonical.to_owned());
    let mut grants: Vec<&str> = lists(ask);
    if other_owner.is_none() {
        grants.extend(bucket_statements.iter().map(|(_, how)| *how));
    }

    let Some(number) = number else { return !grants.is_empty() };
    if account(number).canonical != owner {
        return !grants.is_empty() && passes(IDENTITY | BOUNDARY | SESSION);
    }
    let is_session = matches!(ask.principal, Principal::RoleSession(_) | Principal::FederatedUser(_));
    let by_grants = grants.iter().any(|how| match *how {
        "itself" if is_session => true,
        "itself" => passes(SESSION),
        "behind" => passes(BOUNDARY | SESSION),
        _ => false,
    });
    by_grants || passes(IDENTITY | BOUNDARY | SESSION)
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn number_of(principal: &Principal<'_>) -> Option<&'static str> {
    let number = principal.account()?.number.to_string();
    [A, B, C].into_iter().find(|known| *known == number)
}

/// What the ACLs grant, and how each grant names the principal.
fn lists(ask: &AccessCase) -> Vec<&'static str> {
    if ask.ownership == ObjectOwnership::BucketOwnerEnforced {
        return Vec::new();
    }
    let of_object = match &ask.object {
        TestObject::Read { acl, .. } => acl.as_ref(),
        _ => None,
    };
    let owns_object = match &ask.object {
        TestObject::Read { owner, .. } => ask.principal.account().is_some_and(|account| account.canonical == *owner),
        _ => false,
    };
    let (list, permission) = match ask.action.as_str() {
        "s3:ListBucket" => (ask.acl.as_ref(), Permission::Read),
        "s3:PutObject" => (ask.acl.as_ref(), Permission::Write),
        "s3:DeleteObject" if owns_object => (ask.acl.as_ref(), Permission::Write),
        "s3:GetObject" => (of_object, Permission::Read),
        _ => (None, Permission::Read),
    };
    let number = number_of(&ask.principal);
    let mut found = Vec::new();
    for grant in list.map(|list| list.grants.as_slice()).unwrap_or_default() {
        let (is_it, how, public) = match &grant.grantee {
            Grantee::Account(id) => (number.is_some_and(|number| account(number).canonical == &**id), "account", false),
            Grantee::Group(GranteeGroup::AllUsers) => (true, "itself", true),
            Grantee::Group(GranteeGroup::AuthenticatedUsers) => (number.is_some(), "itself", true),
            Grantee::Group(GranteeGroup::LogDelivery) => {
                (matches!(ask.principal, Principal::Service(s) if s.name.starts_with("logging.")), "itself", false)
            }
        };
        let permitted = grant.permission == permission || grant.permission == Permission::FullControl;
        if is_it && permitted && !(public && ask.block.ignore_public_acls) {
            found.push(how);
        }
    }
    found
}

/// The statements that apply: their effects, and how they name the principal.
fn applying<'a>(ask: &AccessCase, documents: impl Iterator<Item = &'a Value>) -> Vec<(&'a str, &'static str)> {
    let mut found = Vec::new();
    for document in documents {
        let variables = document["Version"] == "2012-10-17";
        for statement in list_of(&document["Statement"]) {
            if let Some(how) = applies(ask, statement, variables) {
                found.push((statement["Effect"].as_str().unwrap(), how));
            }
        }
    }
    found
}

fn applies(ask: &AccessCase, statement: &Value, variables: bool) -> Option<&'static str> {
    let pair = |name: &str| match (statement.get(name), statement.get(format!("Not{name}"))) {
        (Some(value), _) => Some((list_of(value), false)),
        (_, Some(value)) => Some((list_of(value), true)),
        _ => None,
    };
    let (actions, not) = pair("Action")?;
    let action = ask.action.to_lowercase();
    let pattern = |value: &Value, variables| tokens(ask, value.as_str().unwrap(), variables, true);
    let names = |value: &&Value| pattern(value, false).is_some_and(|it| like(&lower(&it), &chars(&action)));
    if actions.iter().any(names) == not {
        return None;
    }
    let (resources, not) = pair("Resource")?;
    let arn = match &ask.key {
        Some(key) => format!("arn:aws:s3:::{}/{key}", ask.bucket),
        None => format!("arn:aws:s3:::{}", ask.bucket),
    };
    let names = |value: &&Value| pattern(value, variables).is_some_and(|it| like(&it, &chars(&arn)));
    if resources.iter().any(names) == not {
        return None;
    }
    for (operator, keys) in statement.get("Condition").and_then(Value::as_object).into_iter().flatten() {
        for (key, expected) in keys.as_object().unwrap() {
            if !holds(ask, operator, key, &list_of(expected), variables) {
                return None;
            }
        }
    }
    if let Some(named) = statement.get("NotPrincipal") {
        return (!left_out(ask, named)).then_some("itself");
    }
    match statement.get("Principal") {
        None => Some("itself"),
        Some(named) => {
            let found = how_named(ask, named);
            ["itself", "behind", "account"].into_iter().find(|how| found.contains(how))
        }
    }
}

/// Every way in which an element names the principal.
fn how_named(ask: &AccessCase, named: &Value) -> Vec<&'static str> {
    if named == "*" {
        return vec!["itself"];
    }
    let mut found = Vec::new();
    let number = number_of(&ask.principal).unwrap_or("none");
    for (kind, names) in named.as_object().unwrap() {
        for name in list_of(names).iter().map(|name| name.as_str().unwrap()) {
            let is = |text: String| text == name;
            let how = match (kind.as_str(), &ask.principal) {
                ("AWS", _) if name == "*" => "itself",
                ("AWS", _) if is(number.to_owned()) || is(format!("arn:aws:iam::{number}:root")) => "account",
                ("CanonicalUser", _) if is(format!("canonical-{number}")) => "account",
                ("AWS", Principal::User(user)) if is(format!("arn:aws:iam::{number}:user/{}", user.name)) => "itself",
                ("AWS", Principal::RoleSession(s)) if is(format!("arn:aws:iam::{number}:role/{}", s.role)) => "behind",
                ("AWS", Principal::RoleSession(s))
                    if is(format!("arn:aws:sts::{number}:assumed-role/{}/{}", s.role, s.session)) =>
                {
                    "itself"
                }
                ("AWS", Principal::FederatedUser(s))
                    if is(format!("arn:aws:sts::{number}:federated-user/{}", s.name)) =>
                {
                    "itself"
                }
                ("AWS", Principal::FederatedUser(s))
                    if s.federator.is_some_and(|user| is(format!("arn:aws:iam::{number}:user/{}", user.name))) =>
                {
                    "behind"
                }
                ("Service", Principal::Service(service)) if is(service.name.to_owned()) => "itself",
                _ => continue,
            };
            found.push(how);
        }
    }
    found
}

fn left_out(ask: &AccessCase, named: &Value) -> bool {
    let everybody = named == "*" || list_of(&named["AWS"]).iter().any(|name| **name == "*");
    let found = how_named(ask, named);
    let chain: &[&str] = match &ask.principal {
        Principal::Anonymous => return everybody,
        Principal::Root(_) => &["account"],
        Principal::User(_) => &["account", "itself"],
        Principal::FederatedUser(session) if session.federator.is_none() => &["account", "itself"],
        Principal::RoleSession(_) | Principal::FederatedUser(_) => &["account", "behind", "itself"],
        Principal::Service(_) | Principal::WebIdentity { .. } => &["itself"],
    };
    everybody || chain.iter().all(|link| found.contains(link)) && ask.boundary.is_none()
}

fn holds(ask: &AccessCase, operator: &str, key: &str, expected: &[&Value], variables: bool) -> bool {
    let actual = values_of(ask, key);
    if operator == "Null" {
        return expected.iter().any(|value| (value.as_str() == Some("true")) == actual.is_none());
    }
    let all = operator.starts_with("ForAllValues:");
    let any = operator.starts_with("ForAnyValue:");
    let base = operator.rsplit(':').next().unwrap();
    let if_exists = base.ends_with("IfExists");
    let base = base.trim_end_matches("IfExists");
    let negated = base.contains("Not");
    let positive = base.replace("Not", "");
    let Some(actual) = actual else { return if_exists || all || !any && negated };
    let hits =
        |value: &String| expected.iter().any(|it| compares(ask, &positive, value, it.as_str().unwrap(), variables));
    let nothing = actual.is_empty() || actual == [""];
    if all {
        nothing || actual.iter().all(|value| hits(value) != negated)
    } else if any {
        !nothing && actual.iter().any(|value| hits(value) != negated)
    } else {
        actual.iter().any(hits) != negated
    }
}

fn compares(ask: &AccessCase, operator: &str, actual: &str, expected: &str, variables: bool) -> bool {
    let tokens = |wild| tokens(ask, expected, variables, wild);
    match operator {
        "StringEquals" => tokens(false).is_some_and(|it| like(&it, &chars(actual))),
        "StringEqualsIgnoreCase" => tokens(false).is_some_and(|it| like(&lower(&it), &chars(&actual.to_lowercase()))),
        "StringLike" => tokens(true).is_some_and(|it| like(&it, &chars(actual))),
        "ArnLike" | "ArnEquals" => {
            tokens(true).is_some_and(|it| like(&it, &chars(actual))) && actual.starts_with("arn:")
        }
        "Bool" => expected == actual,
        "IpAddress" => ip(actual) & 0xffff_ff00 == ip(expected.trim_end_matches("/24")) & 0xffff_ff00,
        number => {
            let (Ok(a), Ok(b)) = (actual.parse::<f64>(), expected.parse::<f64>()) else { return false };
            match number {
                "NumericEquals" => a == b,
                "NumericLessThan" => a < b,
                "NumericGreaterThanEquals" => a >= b,
                other => panic!("{other}"),
            }
        }
    }
}

fn ip(text: &str) -> u32 {
    text.split('.').fold(0, |sum, part| (sum << 8) + part.parse::<u32>().unwrap())
}

fn values_of(ask: &AccessCase, key: &str) -> Option<Vec<String>> {
    let one = |text: &str| Some(vec![text.to_owned()]);
    let number = number_of(&ask.principal);
    match (key, &ask.principal) {
        ("aws:username", Principal::User(user)) => one(user.name),
        ("aws:username", _) => None,
        ("aws:PrincipalArn", Principal::User(user)) => one(&format!("arn:aws:iam::{}:user/{}", number?, user.name)),
        ("aws:PrincipalArn", Principal::RoleSession(s)) => one(&format!("arn:aws:iam::{}:role/{}", number?, s.role)),
        ("aws:PrincipalArn", Principal::Root(_)) => one(&format!("arn:aws:iam::{}:root", number?)),
        ("aws:PrincipalArn", Principal::FederatedUser(s)) => {
            one(&format!("arn:aws:sts::{}:federated-user/{}", number?, s.name))
        }
        ("aws:PrincipalArn", _) => None,
        ("s3:ExistingObjectTag/team", _) => match &ask.object {
            TestObject::Read { tags, .. } => tags.iter().find(|(key, _)| &**key == "team").and_then(|(_, it)| one(it)),
            _ => None,
        },
        _ => ask.keys.iter().find(|(known, _)| *known == key.to_lowercase()).map(|(_, values)| values.clone()),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Char(char),
    One,
    Run,
}

/// A text as tokens, with its variables put in; none if a variable has no value.
fn tokens(ask: &AccessCase, text: &str, variables: bool, wild: bool) -> Option<Vec<Token>> {
    let (mut found, mut rest) = (Vec::new(), chars(text));
    while let Some(c) = rest.first().copied() {
        let end = rest.iter().position(|c| *c == '}').filter(|_| variables && rest.starts_with(&['$', '{']));
        if let Some(end) = end {
            let name: String = rest[2..end].iter().collect();
            let value = match name.as_str() {
                "*" | "?" | "$" => name,
                name => {
                    let values = values_of(ask, name)?;
                    if values.len() != 1 {
                        return None;
                    }
                    values[0].clone()
                }
            };
            found.extend(value.chars().map(Token::Char));
            rest.drain(..=end);
            continue;
        }
        found.push(match c {
            '*' if wild => Token::Run,
            '?' if wild => Token::One,
            c => Token::Char(c),
        });
        rest.remove(0);
    }
    Some(found)
}

fn like(pattern: &[Token], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [Token::Run, rest @ ..] => (0..=text.len()).any(|skip| like(rest, &text[skip..])),
        [Token::One, rest @ ..] => !text.is_empty() && like(rest, &text[1..]),
        [Token::Char(c), rest @ ..] => text.first() == Some(c) && like(rest, &text[1..]),
    }
}

fn lower(tokens: &[Token]) -> Vec<Token> {
    let lower = tokens.iter().map(|token| match token {
        Token::Char(c) => Token::Char(c.to_lowercase().next().unwrap()),
        other => other.clone(),
    });
    lower.collect()
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn list_of(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}
