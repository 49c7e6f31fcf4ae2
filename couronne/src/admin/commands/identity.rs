//! `couronne account`, `user`, `key` and `clock`.

use couronne_admin::endpoints as at;
use couronne_admin::types::{AccountRequest, KeyRequest, UserRequest};

use super::{CommandError, find_server, print_json};
use crate::cli::{
    AccountCommand, ClockCommand, KeyCommand, KeyCreateArguments, KeyDeleteArguments, USER_SECRET_KEY_VARIABLE,
    UserArguments, UserCommand, UserCreateArguments,
};
use crate::secret_argument::SecretArgument;
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
        AccountCommand::Create(arguments) => {
            let client = find_server(&arguments.server)?;
            let account = client.send(at::CreateAccount {}, &AccountRequest { name: arguments.name }).await?;
            if arguments.json {
                return print_json(&account);
            }
            say(&format!("account {} made, id {}", account.name, account.id));
        }
        AccountCommand::List(arguments) => {
            let accounts = find_server(&arguments.server)?.call(at::ListAccounts {}).await?;
            if arguments.json {
                return print_json(&accounts);
            }
            accounts.iter().for_each(|account| say(&format!("{}  {}", account.id, account.name)));
        }
        AccountCommand::Show(arguments) => {
            let detail = find_server(&arguments.server)?.call(at::GetAccount { name: arguments.name }).await?;
            if arguments.json {
                return print_json(&detail);
            }
            say(&format!("account {}, id {}", detail.account.name, detail.account.id));
            for user in &detail.users {
                let admin = if user.admin { " (admin)" } else { "" };
                say(&format!("  user {}{admin}, access keys {}", user.name, user.access_keys.join(", ")));
            }
        }
        AccountCommand::Delete(arguments) => {
            find_server(&arguments.server)?.call(at::DeleteAccount { name: arguments.name.clone() }).await?;
            if !arguments.json {
                say(&format!("account {} deleted", arguments.name));
            }
        }
    }
    Ok(())
}

/// `couronne user ...`.
pub(crate) async fn user(command: UserCommand) -> Result<(), CommandError> {
    match command {
        UserCommand::Create(arguments) => {
            let client = find_server(&arguments.server)?;
            let secret_key = secret_key(arguments.access_key.as_ref(), arguments.secret_key.as_ref())?;
            let UserCreateArguments { user: name, admin, access_key, .. } = arguments;
            let request = UserRequest { name, admin, access_key, secret_key };
            let user = client.send(at::CreateUser { account: arguments.account }, &request).await?;
            if arguments.json {
                return print_json(&user);
            }
            say(&format!("user {} of account {} made", user.user, user.account));
            say_keys(&user.access_key, &user.secret_key);
        }
        UserCommand::Delete(UserArguments { account, user, json, server }) => {
            find_server(&server)?.call(at::DeleteUser { account, user: user.clone() }).await?;
            if !json {
                say(&format!("user {user} and its access keys are deleted"));
            }
        }
    }
    Ok(())
}

/// `couronne key ...`.
pub(crate) async fn key(command: KeyCommand) -> Result<(), CommandError> {
    match command {
        KeyCommand::Create(KeyCreateArguments { of, access_key, secret_key: argument }) => {
            let UserArguments { account, user, json, server } = of;
            let secret_key = secret_key(access_key.as_ref(), argument.as_ref())?;
            let request = KeyRequest { access_key, secret_key };
            let key = find_server(&server)?.send(at::CreateKey { account, user }, &request).await?;
            if json {
                return print_json(&key);
            }
            say_keys(&key.access_key, &key.secret_key);
        }
        KeyCommand::Delete(KeyDeleteArguments { of: UserArguments { account, user, json, server }, key }) => {
            find_server(&server)?.call(at::DeleteKey { account, user, key: key.clone() }).await?;
            if !json {
                say(&format!("access key {key} is deleted"));
            }
        }
    }
    Ok(())
}

/// The secret key that goes with a chosen access key: as the argument says, else as the environment has it.
fn secret_key(access_key: Option<&String>, argument: Option<&SecretArgument>) -> Result<Option<String>, CommandError> {
    let kept = || std::env::var(USER_SECRET_KEY_VARIABLE).ok().filter(|value| !value.is_empty());
    match argument {
        Some(argument) => Ok(Some(argument.read()?.to_string())),
        None if access_key.is_some() => Ok(kept()),
        None => Ok(None),
    }
}

fn say_keys(access_key: &str, secret_key: &str) {
    say(&format!("access key  {access_key}"));
    say(&format!("secret key  {secret_key}  (shown only now)"));
}
