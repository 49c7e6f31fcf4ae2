//! Accounts, users, roles and keys as the admin API shows them.
//!
//! Must not know: how they are found.

use couronne_admin::types;
use couronne_gateway::identity::{AccessKey, Account, Entity, NewKey, RoleRow, Tag, UserRow};

pub(super) fn shown_new_key(account: Account, key: NewKey) -> types::NewKey {
    types::NewKey {
        account: account.name.into(),
        account_id: account.id.into(),
        account_number: account.number.into(),
        access_key: key.access_key.into(),
        secret_key: String::from_utf8_lossy(key.secret.expose()).into_owned(),
    }
}

pub(super) fn shown_key(key: AccessKey, used_ms: Option<u64>) -> types::AccessKey {
    let AccessKey { access_key, is_active, expires_s, session_policy, description, created } = key;
    types::AccessKey {
        access_key: access_key.into(),
        active: is_active,
        created_ms: created.0 / 1000,
        expires_ms: expires_s.map(|expires_s| expires_s.saturating_mul(1000)),
        used_ms,
        session_policy: session_policy.map(|text| text.to_string()),
        description: description.into(),
    }
}

/// An account as the API shows it.
pub(super) fn shown_account(account: &Account) -> types::Account {
    types::Account {
        name: account.name.to_string(),
        number: account.number.to_string(),
        id: account.id.to_string(),
        email: account.email.as_ref().map(ToString::to_string),
        created_ms: account.created.0 / 1000,
    }
}

/// A user as the API shows it.
pub(super) fn shown_user(account: &Account, user: Entity<UserRow>) -> types::User {
    let UserRow { name, path, created, grants, tags, .. } = user.row;
    types::User {
        arn: account.arn("user", &path, &name),
        name: name.into(),
        id: user.id.into(),
        created_ms: created.0 / 1000,
        policies: grants.attached.into_iter().map(|policy| policy.arn.into()).collect(),
        inline_policies: grants.inline.into_iter().map(|policy| policy.name.into()).collect(),
        boundary: grants.boundary.map(|policy| policy.arn.into()),
        tags: shown_tags(tags),
    }
}

/// A role as the API shows it.
pub(super) fn shown_role(account: &Account, role: Entity<RoleRow>) -> types::Role {
    let RoleRow { name, path, created, grants, trust, session_s_max, description, tags, .. } = role.row;
    types::Role {
        arn: account.arn("role", &path, &name),
        name: name.into(),
        id: role.id.into(),
        created_ms: created.0 / 1000,
        trust_policy: trust.to_string(),
        session_s_max,
        description: description.into(),
        policies: grants.attached.into_iter().map(|policy| policy.arn.into()).collect(),
        inline_policies: grants.inline.into_iter().map(|policy| policy.name.into()).collect(),
        boundary: grants.boundary.map(|policy| policy.arn.into()),
        tags: shown_tags(tags),
    }
}

fn shown_tags(tags: Vec<Tag>) -> std::collections::BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key.into(), tag.value.into())).collect()
}
