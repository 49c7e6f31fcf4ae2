//! `couronne key` and `couronne policy`.

use couronne_admin::endpoints as at;
use couronne_admin::types::{
    AccessKey, HolderKind, KeyChange, KeyRequest, KeyRotation, PolicyDetail, PolicyHolder, PolicyRequest,
};

use super::changes::{self, holder};
use super::{CommandError, document, find_server, print_json};
use crate::cli::{
    AccountArguments, ChosenKeyArguments, KeyArguments, KeyCommand, KeyCreateArguments, KeyListArguments,
    KeyRotateArguments, MemberArguments, NewPolicyArguments, PolicyCommand, PolicyHolderArguments,
    USER_SECRET_KEY_VARIABLE,
};
use crate::terminal::say;

/// `couronne key ...`.
pub(crate) async fn key(command: KeyCommand) -> Result<(), CommandError> {
    match command {
        KeyCommand::Create(arguments) => create_key(arguments).await?,
        KeyCommand::List(KeyListArguments { account, user, output, .. }) => {
            let client = find_server(&output.server)?;
            let keys = match user {
                Some(user) => client.call(at::GetUser { account, user }).await?.access_keys,
                None => client.call(at::GetAccount { name: account }).await?.root_keys,
            };
            if output.json {
                return print_json(&keys);
            }
            keys.iter().for_each(|key| say_key("access key", key));
        }
        KeyCommand::Enable(arguments) => change_key(arguments, true).await?,
        KeyCommand::Disable(arguments) => change_key(arguments, false).await?,
        KeyCommand::Rotate(KeyRotateArguments { of: KeyArguments { account, key, output }, keep_minutes }) => {
            let client = find_server(&output.server)?;
            let made = client.send(at::RotateKey { account, key }, &KeyRotation { keep_minutes }).await?;
            if output.json {
                return print_json(&made);
            }
            say_keys(&made.access_key, &made.secret_key);
        }
        KeyCommand::Delete(KeyArguments { account, key, output }) => {
            find_server(&output.server)?.call(at::DeleteKey { account, key: key.clone() }).await?;
            if !output.json {
                say(&format!("access key {key} is deleted"));
            }
        }
    }
    Ok(())
}

async fn create_key(arguments: KeyCreateArguments) -> Result<(), CommandError> {
    let KeyCreateArguments { of, key, session_policy, minutes, description } = arguments;
    let KeyListArguments { account, user, output, .. } = of;
    let secret_key = chosen_secret(&key)?;
    let session_policy = session_policy.as_deref().map(document).transpose()?;
    let expires_ms = minutes.map(|minutes| now_ms().saturating_add(u64::from(minutes) * 60_000));
    let access_key = key.access_key;
    let request = KeyRequest { user, access_key, secret_key, expires_ms, session_policy, description };
    let made = find_server(&output.server)?.send(at::CreateKey { account }, &request).await?;
    if output.json {
        return print_json(&made);
    }
    say_keys(&made.access_key, &made.secret_key);
    Ok(())
}

async fn change_key(KeyArguments { account, key, output }: KeyArguments, active: bool) -> Result<(), CommandError> {
    let call = at::ChangeKey { account, key: key.clone() };
    find_server(&output.server)?.send(call, &KeyChange { active }).await?;
    if !output.json {
        say(&format!("access key {key} is {}", if active { "enabled" } else { "disabled" }));
    }
    Ok(())
}

/// `couronne policy ...`.
pub(crate) async fn policy(command: PolicyCommand) -> Result<(), CommandError> {
    match command {
        PolicyCommand::Create(NewPolicyArguments { of, document: file, path, description }) => {
            let MemberArguments { account, name, output } = of;
            let request = PolicyRequest { name, path, document: document(&file)?, description };
            let policy = find_server(&output.server)?.send(at::CreatePolicy { account }, &request).await?;
            if output.json {
                return print_json(&policy);
            }
            say(&format!("policy {} made", policy.arn));
        }
        PolicyCommand::List(AccountArguments { name, output }) => {
            let policies = find_server(&output.server)?.call(at::ListPolicies { account: name }).await?;
            if output.json {
                return print_json(&policies);
            }
            policies.iter().for_each(|policy| say(&format!("{}  {}", policy.arn, policy.description)));
        }
        PolicyCommand::Show(MemberArguments { account, name, output }) => {
            let detail = find_server(&output.server)?.call(at::GetPolicy { account, policy: name }).await?;
            if output.json {
                return print_json(&detail);
            }
            say_policy(&detail);
        }
        PolicyCommand::Delete(MemberArguments { account, name, output }) => {
            find_server(&output.server)?.call(at::DeletePolicy { account, policy: name.clone() }).await?;
            if !output.json {
                say(&format!("policy {name} is deleted"));
            }
        }
        PolicyCommand::Attach(PolicyHolderArguments { account, policy, of, output }) => {
            let (holder, call) = (holder(of), at::AttachPolicy { account, policy: policy.clone() });
            find_server(&output.server)?.send(call, &holder).await?;
            if !output.json {
                say(&format!("policy {policy} is attached to {}", holder.name));
            }
        }
        PolicyCommand::Detach(PolicyHolderArguments { account, policy, of, output }) => {
            let (holder, call) = (holder(of), at::DetachPolicy { account, policy: policy.clone() });
            find_server(&output.server)?.send(call, &holder).await?;
            if !output.json {
                say(&format!("policy {policy} is detached from {}", holder.name));
            }
        }
        PolicyCommand::Bound(arguments) => changes::bound(arguments).await?,
        PolicyCommand::Unbound(arguments) => changes::unbound(arguments).await?,
        PolicyCommand::PutInline(arguments) => changes::put_inline(arguments).await?,
        PolicyCommand::DeleteInline(arguments) => changes::delete_inline(arguments).await?,
        PolicyCommand::Version(command) => changes::version(command).await?,
    }
    Ok(())
}

fn say_policy(PolicyDetail { policy, document, versions, attached_to, bounds }: &PolicyDetail) {
    say(&format!("policy {}, version {} of {}", policy.arn, policy.version, versions.join(" ")));
    say(document);
    for (how, holders) in [("attached to", attached_to), ("bounds", bounds)] {
        for PolicyHolder { kind, name } in holders {
            let kind = match kind {
                HolderKind::User => "user",
                HolderKind::Group => "group",
                HolderKind::Role => "role",
            };
            say(&format!("  {how} {kind} {name}"));
        }
    }
}

/// The secret key that goes with a chosen access key: as the argument says, else as the environment has it.
pub(super) fn chosen_secret(chosen: &ChosenKeyArguments) -> Result<Option<String>, CommandError> {
    let kept = || std::env::var(USER_SECRET_KEY_VARIABLE).ok().filter(|value| !value.is_empty());
    match &chosen.secret_key {
        Some(argument) => Ok(Some(argument.read()?.to_string())),
        None if chosen.access_key.is_some() => Ok(kept()),
        None => Ok(None),
    }
}

pub(super) fn say_keys(access_key: &str, secret_key: &str) {
    say(&format!("access key  {access_key}"));
    say(&format!("secret key  {secret_key}  (shown only now)"));
}

pub(super) fn say_key(what: &str, key: &AccessKey) {
    let state = if key.active { "" } else { ", disabled" };
    let narrowed = if key.session_policy.is_some() { ", narrowed by a policy of its own" } else { "" };
    let until = key.expires_ms.map_or_else(String::new, |at| format!(", until {} s after 1970", at / 1000));
    let words = if key.description.is_empty() { String::new() } else { format!(", {}", key.description) };
    say(&format!("{what} {}{state}{until}{narrowed}{words}", key.access_key));
}

fn now_ms() -> u64 {
    couronne_base::env::system().clock.wall_ms()
}
