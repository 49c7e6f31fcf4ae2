//! `couronne account`, `user` and `clock`.

use couronne_admin::endpoints as at;
use couronne_admin::types::{AccountRequest, UserRequest};

use super::{CommandError, find_server, print_json};
use crate::cli::{AccountCommand, ClockCommand, USER_SECRET_KEY_VARIABLE, UserCommand};
use crate::terminal::say;

/// `couronne clock ...`.
pub(crate) async fn clock(command: ClockCommand) -> Result<(), CommandError> {
    let ClockCommand::Confirm(arguments) = command;
    let clock = find_server(&arguments.server)?.call(at::ConfirmClock {}).await?;
    if arguments.json {
        return print_json(&clock);
    }
    match clock.halted {
        Some(halted) => say(&format!("the clock is confirmed, for deleting and for object locks. Deleting was halted: {halted}")),
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
    let UserCommand::Create(arguments) = command;
    let client = find_server(&arguments.server)?;
    let kept = || std::env::var(USER_SECRET_KEY_VARIABLE).ok().filter(|value| !value.is_empty());
    let secret_key = match &arguments.secret_key {
        Some(argument) => Some(argument.read()?.to_string()),
        None if arguments.access_key.is_some() => kept(),
        None => None,
    };
    let request =
        UserRequest { name: arguments.user, admin: arguments.admin, access_key: arguments.access_key, secret_key };
    let user = client.send(at::CreateUser { account: arguments.account }, &request).await?;
    if arguments.json {
        return print_json(&user);
    }
    say(&format!("user {} of account {} made", user.user, user.account));
    say(&format!("access key  {}", user.access_key));
    say(&format!("secret key  {}  (shown only now)", user.secret_key));
    Ok(())
}
