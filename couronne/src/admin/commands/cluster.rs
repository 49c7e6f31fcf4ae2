//! `couronne status`, `cluster map`, `drive`, `policy`, `repair` and `scrub`.

use couronne_admin::endpoints as at;
use couronne_admin::types::{ReplaceRequest, StoragePolicyRequest, UnrepairedObjects, UnrepairedRequest};

use super::super::render;
use super::{CommandError, ask, find_server, print_json, say_all, say_done};
use crate::cli::{
    DriveCommand, RepairCommand, RepairListArguments, ScrubCommand, StatusArguments, StoragePolicyCommand,
};

/// `couronne status`.
pub(crate) async fn status(arguments: StatusArguments) -> Result<(), CommandError> {
    let status = ask(&arguments.server).await?;
    if arguments.json {
        return print_json(&status);
    }
    say_all(&render::status(&status));
    Ok(())
}

/// `couronne cluster map`.
pub(crate) async fn map(arguments: StatusArguments) -> Result<(), CommandError> {
    let map = find_server(&arguments.server)?.call(at::GetMap {}).await?;
    if arguments.json {
        return print_json(&map);
    }
    say_all(&render::map(&map));
    Ok(())
}

/// `couronne drive ...`.
pub(crate) async fn drive(command: DriveCommand) -> Result<(), CommandError> {
    match command {
        DriveCommand::List(arguments) => {
            let status = ask(&arguments.server).await?;
            if arguments.json {
                return print_json(&status.drives);
            }
            say_all(&render::drives(&status));
            Ok(())
        }
        DriveCommand::Replace(arguments) => {
            let request = ReplaceRequest { force: arguments.force };
            let call = at::ReplaceDrive { drive: arguments.drive };
            say_done(&find_server(&arguments.server)?.send(call, &request).await?, arguments.json)
        }
    }
}

/// `couronne storage-policy ...`.
pub(crate) async fn storage_policy(command: StoragePolicyCommand) -> Result<(), CommandError> {
    match command {
        StoragePolicyCommand::List(arguments) => {
            let policies = find_server(&arguments.server)?.call(at::ListStoragePolicies {}).await?;
            if arguments.json {
                return print_json(&policies);
            }
            say_all(&render::policies(&policies));
            Ok(())
        }
        StoragePolicyCommand::Create(arguments) => {
            let request = StoragePolicyRequest {
                name: arguments.name,
                redundancy: arguments.redundancy.to_string(),
                survive_zone_loss: arguments.survive_zone_loss,
            };
            say_done(&find_server(&arguments.server)?.send(at::CreateStoragePolicy {}, &request).await?, arguments.json)
        }
        StoragePolicyCommand::SetDefault(arguments) => {
            let call = at::SetDefaultStoragePolicy { name: arguments.name };
            say_done(&find_server(&arguments.server)?.call(call).await?, arguments.json)
        }
    }
}

/// `couronne repair ...`.
pub(crate) async fn repair(command: RepairCommand) -> Result<(), CommandError> {
    match command {
        RepairCommand::Status(arguments) => {
            let status = ask(&arguments.server).await?;
            if arguments.json {
                return print_json(&status.repair);
            }
            say_all(&render::repair(&status));
            Ok(())
        }
        RepairCommand::Start(arguments) => {
            say_done(&find_server(&arguments.server)?.call(at::StartRepair {}).await?, arguments.json)
        }
        RepairCommand::List(arguments) => list_unrepaired(arguments).await,
    }
}

/// `couronne repair list`: one answer after another, until there are as many objects as are asked for.
async fn list_unrepaired(arguments: RepairListArguments) -> Result<(), CommandError> {
    let client = find_server(&arguments.server)?;
    let mut listed = UnrepairedObjects { next: arguments.after, ..UnrepairedObjects::default() };
    loop {
        let left = arguments.limit.saturating_sub(u32::try_from(listed.objects.len()).unwrap_or(u32::MAX));
        let limit = left.min(UnrepairedRequest::LIMIT_MAX);
        let request = UnrepairedRequest { after: listed.next.take(), unreadable: arguments.unreadable, limit };
        let answer = client.send(at::ListUnrepaired {}, &request).await?;
        listed.objects.extend(answer.objects);
        listed.silent_ranges.extend(answer.silent_ranges);
        listed.next = answer.next;
        if listed.next.is_none() || listed.objects.len() >= usize::try_from(arguments.limit).unwrap_or(usize::MAX) {
            break;
        }
    }
    if arguments.json {
        return print_json(&listed);
    }
    let now_ms = client.call(at::GetStatus {}).await?.now_ms;
    say_all(&render::unrepaired(&listed, now_ms));
    Ok(())
}

/// `couronne scrub ...`.
pub(crate) async fn scrub(command: ScrubCommand) -> Result<(), CommandError> {
    match command {
        ScrubCommand::Status(arguments) => {
            let status = ask(&arguments.server).await?;
            if arguments.json {
                return print_json(&status.scrub);
            }
            say_all(&render::scrub_drives(&status.scrub, status.now_ms));
            Ok(())
        }
        ScrubCommand::Start(arguments) => {
            say_done(&find_server(&arguments.server)?.call(at::StartScrub {}).await?, arguments.json)
        }
    }
}
