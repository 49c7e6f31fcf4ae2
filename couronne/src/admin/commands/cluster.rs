//! `couronne status`, `node`, `drive`, `policy`, `repair` and `scrub`: ask the running server, show or order.
//!
//! Must not know: how the server knows, or does it.

use serde_json::json;

use super::client::{AdminClient, ClientError, segment};
use super::commands::print_json;
use super::messages::{CreatePolicyMessage, DoneMessage, NodeMessage, PolicyMessage, StatusMessage};
use super::screen;
use crate::cli::{
    DriveCommand, NodeCommand, PolicyCommand, RepairCommand, ScrubCommand, ServerArguments, StatusArguments,
};
use crate::terminal::say;

/// `couronne status`.
pub(crate) async fn status(arguments: StatusArguments) -> Result<(), ClientError> {
    let status = ask(&arguments.server).await?;
    if arguments.json {
        return print_json(&status);
    }
    say_all(&screen::status(&status));
    Ok(())
}

/// `couronne node ...`.
pub(crate) async fn node(command: NodeCommand) -> Result<(), ClientError> {
    let NodeCommand::List(arguments) = command;
    let status = ask(&arguments.server).await?;
    if arguments.json {
        return print_json(&status.nodes.iter().chain(&status.gateways).collect::<Vec<&NodeMessage>>());
    }
    say_all(&screen::nodes(&status));
    Ok(())
}

/// `couronne drive ...`.
pub(crate) async fn drive(command: DriveCommand) -> Result<(), ClientError> {
    match command {
        DriveCommand::List(arguments) => {
            let status = ask(&arguments.server).await?;
            if arguments.json {
                return print_json(&status.drives);
            }
            say_all(&screen::drives(&status));
            Ok(())
        }
        DriveCommand::Replace(arguments) => {
            let path = format!("/admin/drives/{}/replace", segment(&arguments.drive));
            order(&arguments.server, &path, &json!({ "force": arguments.force })).await
        }
    }
}

/// `couronne policy ...`.
pub(crate) async fn policy(command: PolicyCommand) -> Result<(), ClientError> {
    match command {
        PolicyCommand::List(arguments) => {
            let policies: Vec<PolicyMessage> = AdminClient::find(&arguments.server)?.get("/admin/policies").await?;
            if arguments.json {
                return print_json(&policies);
            }
            say_all(&screen::policies(&policies));
            Ok(())
        }
        PolicyCommand::Create(arguments) => {
            let message = CreatePolicyMessage {
                name: arguments.name,
                redundancy: arguments.redundancy.to_string(),
                survive_zone_loss: arguments.survive_zone_loss,
            };
            order(&arguments.server, "/admin/policies", &message).await
        }
        PolicyCommand::SetDefault(arguments) => {
            let path = format!("/admin/policies/{}/default", segment(&arguments.name));
            order(&arguments.server, &path, &json!({})).await
        }
    }
}

/// `couronne repair ...`.
pub(crate) async fn repair(command: RepairCommand) -> Result<(), ClientError> {
    match command {
        RepairCommand::Status(arguments) => {
            let status = ask(&arguments.server).await?;
            if arguments.json {
                return print_json(&status.repair);
            }
            say_all(&screen::repair(&status.repair));
            Ok(())
        }
        RepairCommand::Start(arguments) => order(&arguments, "/admin/repair/start", &json!({})).await,
    }
}

/// `couronne scrub ...`.
pub(crate) async fn scrub(command: ScrubCommand) -> Result<(), ClientError> {
    match command {
        ScrubCommand::Status(arguments) => {
            let status = ask(&arguments.server).await?;
            if arguments.json {
                return print_json(&status.scrub);
            }
            say_all(&screen::scrub_drives(&status.scrub, status.now_ms));
            Ok(())
        }
        ScrubCommand::Start(arguments) => order(&arguments, "/admin/scrub/start", &json!({})).await,
    }
}

async fn ask(server: &ServerArguments) -> Result<StatusMessage, ClientError> {
    AdminClient::find(server)?.get("/admin/status").await
}

async fn order(server: &ServerArguments, path: &str, message: &impl serde::Serialize) -> Result<(), ClientError> {
    let done: DoneMessage = AdminClient::find(server)?.post(path, message).await?;
    say(&done.done);
    Ok(())
}

fn say_all(lines: &[String]) {
    lines.iter().for_each(|line| say(line));
}
