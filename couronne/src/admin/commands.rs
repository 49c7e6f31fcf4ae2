//! `couronne status`, `account`, `user` and `clock`: ask the running server, print what it says.
//!
//! Must not know: how the server knows.

use super::client::{AdminClient, ClientError, segment};
use super::messages::{
    AccountDetailMessage, AccountMessage, ClockMessage, CreateAccountMessage, CreateUserMessage, NewUserMessage,
    RepairMessage, StatusMessage,
};
use crate::cli::{AccountCommand, ClockCommand, RepairCommand, StatusArguments, UserCommand};
use crate::terminal::say;

/// `couronne status`.
pub(crate) async fn status(arguments: StatusArguments) -> Result<(), ClientError> {
    let status: StatusMessage = AdminClient::find(&arguments.server)?.get("/admin/status").await?;
    if arguments.json {
        return print_json(&status);
    }
    say(&format!(
        "couronne {}, policy {}, up {} s, listens on {}",
        status.version, status.policy, status.uptime_s, status.listen
    ));
    for node in status.nodes.iter().filter(|_| status.nodes.len() > 1) {
        let state = node.version.as_ref().map_or("does not answer", String::as_str);
        say(&format!("node {}  {}/{}  {state}", node.name, node.region, node.zone));
    }
    say("drives");
    for drive in &status.drives {
        say(&format!(
            "  {} {}  {}: {} of {} free, {} of shards, {} to be won by compaction, {} of log",
            drive.node,
            drive.folder.as_ref().unwrap_or(&drive.id),
            drive.down.as_deref().unwrap_or("up"),
            bytes(drive.free_bytes),
            bytes(drive.total_bytes),
            bytes(drive.live_bytes),
            bytes(drive.dead_bytes),
            bytes(drive.log_bytes),
        ));
    }
    say("metadata ranges");
    for range in &status.ranges {
        let leader = range.leader.as_deref().unwrap_or("nobody");
        say(&format!(
            "  {}: {} of {} replicas serve, led by {leader}",
            range.range,
            range.serving.len(),
            range.replicas.len()
        ));
    }
    if let Some(halted) = &status.halted {
        say(&format!("deleting is halted: {halted}. Once the clock is right: couronne clock confirm"));
    }
    say_repair(&status.repair);
    say("background work");
    for (name, count) in &status.background {
        say(&format!("  {name}: {count}"));
    }
    Ok(())
}

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

/// `couronne repair status`.
pub(crate) async fn repair(command: RepairCommand) -> Result<(), ClientError> {
    let RepairCommand::Status(arguments) = command;
    let status: StatusMessage = AdminClient::find(&arguments.server)?.get("/admin/status").await?;
    if arguments.json {
        return print_json(&status.repair);
    }
    say_repair(&status.repair);
    Ok(())
}

fn say_repair(repair: &RepairMessage) {
    say("repair");
    say(&format!("  blobs and ranges that could be better now: {} ({} chunks)", repair.pending, repair.pending_chunks));
    say(&format!("  blobs that wait for a drive: {}", repair.parked));
    say(&format!("  rebuilt: {}, {} a second of late", bytes(repair.rebuilt_bytes), bytes(repair.bytes_per_second)));
    if let Some(left) = repair.seconds_left {
        say(&format!("  time left: about {left} s"));
    }
    match repair.survives {
        Some(survives) if survives < 0 => {
            say(&format!("  the most endangered chunk cannot be read: it lacks {} shards", -survives));
        }
        Some(survives) => say(&format!("  the most endangered chunk survives the loss of {survives} more shards")),
        None => say("  no chunk is known to be in danger"),
    }
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

/// A number of bytes for people.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = UNITS.iter().enumerate().rev().find(|(step, _)| count >> (10 * step) > 0);
    let (step, unit) = step.unwrap_or((0, &"B"));
    format!("{} {unit}", count >> (10 * step))
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_for_people() {
        assert_eq!([bytes(0), bytes(1023), bytes(1024), bytes(5 << 30)], ["0 B", "1023 B", "1 KiB", "5 GiB"]);
    }
}
