//! `couronne account`, `user`, `group`, `role` and `clock`.

use couronne_admin::endpoints as at;
use couronne_admin::types::{
    AccountRequest, Group, GroupRequest, HolderKind, Role, RoleRequest, UserDetail, UserRequest,
};

use super::changes;
use super::keys::{chosen_secret, say_key, say_keys};
use super::{CommandError, document, find_server, print_json};
use crate::cli::{
    AccountArguments, AccountCommand, AccountCreateArguments, ClockCommand, GroupCommand, GroupMemberArguments,
    MemberArguments, NewGroupArguments, NewRoleArguments, RoleCommand, UserCommand, UserCreateArguments,
};
use crate::terminal::say;

/// `couronne clock ...`.
pub(crate) async fn clock(command: ClockCommand) -> Result<(), CommandError> {
    let ClockCommand::Confirm(arguments) = command;
    let clock = find_server(&arguments.server)?.call(at::ConfirmClock {}).await?;
    if arguments.json {
        return print_json(&clock);
    }
    match clock.halted {
        Some(halted) => {
            say(&format!("the clock is confirmed, for deleting and for object locks. Deleting was halted: {halted}"))
        }
        None => say("the clock is confirmed, for deleting and for object locks"),
    }
    Ok(())
}

/// `couronne account ...`.
pub(crate) async fn account(command: AccountCommand) -> Result<(), CommandError> {
    match command {
        AccountCommand::Create(AccountCreateArguments { of: AccountArguments { name, output }, email }) => {
            let client = find_server(&output.server)?;
            let account = client.send(at::CreateAccount {}, &AccountRequest { name, email }).await?;
            if output.json {
                return print_json(&account);
            }
            say(&format!("account {} made", account.name));
            say(&format!("number        {}", account.number));
            say(&format!("canonical id  {}", account.id));
        }
        AccountCommand::List(arguments) => {
            let accounts = find_server(&arguments.server)?.call(at::ListAccounts {}).await?;
            if arguments.json {
                return print_json(&accounts);
            }
            accounts.iter().for_each(|account| say(&format!("{}  {}  {}", account.number, account.id, account.name)));
        }
        AccountCommand::Show(AccountArguments { name, output }) => {
            let detail = find_server(&output.server)?.call(at::GetAccount { name }).await?;
            if output.json {
                return print_json(&detail);
            }
            let account = &detail.account;
            say(&format!("account {}, number {}, canonical id {}", account.name, account.number, account.id));
            if let Some(email) = &account.email {
                say(&format!("  email {email}"));
            }
            detail.root_keys.iter().for_each(|key| say_key("  root's access key", key));
            for user in &detail.users {
                say(&format!("  user {}{}", user.name, listed("policies", &user.policies)));
            }
            for (what, names) in [("group", &detail.groups), ("role", &detail.roles), ("policy", &detail.policies)] {
                names.iter().for_each(|name| say(&format!("  {what} {name}")));
            }
        }
        AccountCommand::Delete(AccountArguments { name, output }) => {
            find_server(&output.server)?.call(at::DeleteAccount { name: name.clone() }).await?;
            if !output.json {
                say(&format!("account {name} deleted"));
            }
        }
    }
    Ok(())
}

/// `couronne user ...`.
pub(crate) async fn user(command: UserCommand) -> Result<(), CommandError> {
    match command {
        UserCommand::Create(UserCreateArguments { of, admin, new, key }) => {
            let MemberArguments { account, name, output } = of;
            let secret_key = chosen_secret(&key)?;
            let (path, policies, access_key) = (new.path, new.policies, key.access_key);
            let request = UserRequest { name, path, admin, policies, access_key, secret_key };
            let user = find_server(&output.server)?.send(at::CreateUser { account }, &request).await?;
            if output.json {
                return print_json(&user);
            }
            say(&format!("user {} of account {} made{}", user.user, user.account, listed("policies", &user.policies)));
            say_keys(&user.access_key, &user.secret_key);
        }
        UserCommand::List(AccountArguments { name, output }) => {
            let users = find_server(&output.server)?.call(at::GetAccount { name }).await?.users;
            if output.json {
                return print_json(&users);
            }
            users.iter().for_each(|user| say(&format!("{}  {}", user.id, user.name)));
        }
        UserCommand::Show(MemberArguments { account, name, output }) => {
            let detail = find_server(&output.server)?.call(at::GetUser { account, user: name }).await?;
            if output.json {
                return print_json(&detail);
            }
            say_user(&detail);
        }
        UserCommand::Delete(MemberArguments { account, name, output }) => {
            find_server(&output.server)?.call(at::DeleteUser { account, user: name.clone() }).await?;
            if !output.json {
                say(&format!("user {name} and its access keys are deleted"));
            }
        }
        UserCommand::Tag(arguments) => changes::tag(HolderKind::User, arguments).await?,
    }
    Ok(())
}

/// `couronne group ...`.
pub(crate) async fn group(command: GroupCommand) -> Result<(), CommandError> {
    match command {
        GroupCommand::Create(NewGroupArguments { of: MemberArguments { account, name, output }, new }) => {
            let request = GroupRequest { name, path: new.path, policies: new.policies };
            let group = find_server(&output.server)?.send(at::CreateGroup { account }, &request).await?;
            if output.json {
                return print_json(&group);
            }
            say_group(&group);
        }
        GroupCommand::List(AccountArguments { name, output }) => {
            let groups = find_server(&output.server)?.call(at::GetAccount { name }).await?.groups;
            if output.json {
                return print_json(&groups);
            }
            groups.iter().for_each(|group| say(group));
        }
        GroupCommand::Show(MemberArguments { account, name, output }) => {
            let group = find_server(&output.server)?.call(at::GetGroup { account, group: name }).await?;
            if output.json {
                return print_json(&group);
            }
            say_group(&group);
        }
        GroupCommand::Delete(MemberArguments { account, name, output }) => {
            find_server(&output.server)?.call(at::DeleteGroup { account, group: name.clone() }).await?;
            if !output.json {
                say(&format!("group {name} is deleted"));
            }
        }
        GroupCommand::AddUser(GroupMemberArguments { account, group, user, output }) => {
            let (named, of) = (user.clone(), group.clone());
            find_server(&output.server)?.call(at::AddGroupMember { account, group, user }).await?;
            if !output.json {
                say(&format!("user {named} is in group {of}"));
            }
        }
        GroupCommand::RemoveUser(GroupMemberArguments { account, group, user, output }) => {
            let (named, of) = (user.clone(), group.clone());
            find_server(&output.server)?.call(at::RemoveGroupMember { account, group, user }).await?;
            if !output.json {
                say(&format!("user {named} is not in group {of}"));
            }
        }
    }
    Ok(())
}

/// `couronne role ...`.
pub(crate) async fn role(command: RoleCommand) -> Result<(), CommandError> {
    match command {
        RoleCommand::Create(NewRoleArguments { of, trust, session_s_max, description, new }) => {
            let MemberArguments { account, name, output } = of;
            let trust_policy = document(&trust)?;
            let (path, policies) = (new.path, new.policies);
            let request = RoleRequest { name, path, trust_policy, session_s_max, description, policies };
            let role = find_server(&output.server)?.send(at::CreateRole { account }, &request).await?;
            if output.json {
                return print_json(&role);
            }
            say_role(&role);
        }
        RoleCommand::List(AccountArguments { name, output }) => {
            let roles = find_server(&output.server)?.call(at::GetAccount { name }).await?.roles;
            if output.json {
                return print_json(&roles);
            }
            roles.iter().for_each(|role| say(role));
        }
        RoleCommand::Show(MemberArguments { account, name, output }) => {
            let role = find_server(&output.server)?.call(at::GetRole { account, role: name }).await?;
            if output.json {
                return print_json(&role);
            }
            say_role(&role);
        }
        RoleCommand::Delete(MemberArguments { account, name, output }) => {
            find_server(&output.server)?.call(at::DeleteRole { account, role: name.clone() }).await?;
            if !output.json {
                say(&format!("role {name} is deleted"));
            }
        }
        RoleCommand::Change(arguments) => changes::change_role(arguments).await?,
        RoleCommand::Tag(arguments) => changes::tag(HolderKind::Role, arguments).await?,
    }
    Ok(())
}

fn say_user(UserDetail { user, groups, access_keys }: &UserDetail) {
    say(&format!("user {}, id {}", user.arn, user.id));
    let inline = listed("inline policies", &user.inline_policies);
    say(&format!("  {} groups{}{}{inline}", groups.len(), listed("named", groups), listed("policies", &user.policies)));
    if let Some(boundary) = &user.boundary {
        say(&format!("  bounded by {boundary}"));
    }
    access_keys.iter().for_each(|key| say_key("  access key", key));
}

fn say_group(group: &Group) {
    let inline = listed("inline policies", &group.inline_policies);
    say(&format!("group {}, id {}{}{inline}", group.arn, group.id, listed("policies", &group.policies)));
    group.users.iter().for_each(|user| say(&format!("  user {user}")));
}

fn say_role(role: &Role) {
    let inline = listed("inline policies", &role.inline_policies);
    say(&format!("role {}, id {}{}{inline}", role.arn, role.id, listed("policies", &role.policies)));
    if let Some(boundary) = &role.boundary {
        say(&format!("  bounded by {boundary}"));
    }
    say(&format!("  sessions of {} s at most; trusts {}", role.session_s_max, role.trust_policy));
}

/// Names after what they are, or nothing.
fn listed(what: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", {what} {}", names.join(" ")) }
}
