//! `couronne account`, `user` and `clock`: ask the running server, print what it says.
//!
//! Must not know: how the server knows.

use super::client::{AdminClient, ClientError, segment};
use super::messages::{
    AccountDetailMessage, AccountMessage, ClockMessage, CreateAccountMessage, CreateUserMessage, NewUserMessage,
};
use crate::cli::{AccountCommand, ClockCommand, UserCommand};
use crate::terminal::say;

/// `couronne clock ...`.
pub(crate) async fn clock(command: ClockCommand) -> Result<(), ClientError> {
    let ClockCommand::Confirm(arguments) = command;
    let nothing = serde_json::json!({});
    let clock: ClockMessage = AdminClient::find(&arguments.server)?.post("/admin/clock/confirm", &nothing).await?;
    if arguments.json {
        return print_json(&clock);
    }
    match clock.halted {
        Some(halted) => say(&format!("deleting goes on; it was halted: {halted}")),
        None => say("nothing was halted"),
    }
    Ok(())
}

/// `couronne account ...`.
pub(crate) async fn account(command: AccountCommand) -> Result<(), ClientError> {
    match command {
        AccountCommand::Create(arguments) => {
            let client = AdminClient::find(&arguments.server)?;
            let message = CreateAccountMessage { name: arguments.name };
            let account: AccountMessage = client.post("/admin/accounts", &message).await?;
            if arguments.json {
                return print_json(&account);
            }
            say(&format!("account {} made, id {}", account.name, account.id));
        }
        AccountCommand::List(arguments) => {
            let accounts: Vec<AccountMessage> = AdminClient::find(&arguments.server)?.get("/admin/accounts").await?;
            if arguments.json {
                return print_json(&accounts);
            }
            accounts.iter().for_each(|account| say(&format!("{}  {}", account.id, account.name)));
        }
        AccountCommand::Show(arguments) => {
            let path = format!("/admin/accounts/{}", segment(&arguments.name));
            let detail: AccountDetailMessage = AdminClient::find(&arguments.server)?.get(&path).await?;
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
            let path = format!("/admin/accounts/{}", segment(&arguments.name));
            AdminClient::find(&arguments.server)?.delete(&path).await?;
            if !arguments.json {
                say(&format!("account {} deleted", arguments.name));
            }
        }
    }
    Ok(())
}

/// `couronne user ...`.
pub(crate) async fn user(command: UserCommand) -> Result<(), ClientError> {
    let UserCommand::Create(arguments) = command;
    let client = AdminClient::find(&arguments.server)?;
    let message = CreateUserMessage {
        name: arguments.user,
        admin: arguments.admin,
        access_key: arguments.access_key,
        secret_key: arguments.secret_key,
    };
    let path = format!("/admin/accounts/{}/users", segment(&arguments.account));
    let user: NewUserMessage = client.post(&path, &message).await?;
    if arguments.json {
        return print_json(&user);
    }
    say(&format!("user {} of account {} made", user.user, user.account));
    say(&format!("access key  {}", user.access_key));
    say(&format!("secret key  {}  (shown only now)", user.secret_key));
    Ok(())
}

/// Prints a message as JSON.
pub(crate) fn print_json(message: &impl serde::Serialize) -> Result<(), ClientError> {
    say(&serde_json::to_string_pretty(message).map_err(ClientError::Answer)?);
    Ok(())
}
