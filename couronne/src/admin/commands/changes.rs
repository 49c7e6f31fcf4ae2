//! Changes of what an account has: `couronne policy version`, `bound`, `put-inline`, `couronne user tag`, `couronne role change`.

use couronne_admin::endpoints as at;
use couronne_admin::types::{
    BoundaryRequest, HolderKind, InlinePolicyRequest, PolicyHolder, PolicyVersionRequest, RoleChange, TagsRequest,
};

use super::{CommandError, document, find_server, print_json};
use crate::cli::{
    HolderArguments, InlineArguments, MemberArguments, NewInlineArguments, NewVersionArguments, PolicyHolderArguments,
    RoleChangeArguments, TagArguments, UnboundArguments, VersionArguments, VersionCommand,
};
use crate::terminal::say;

/// What the flags name: one of the three, as the command line saw to.
pub(super) fn holder(HolderArguments { user, group, role }: HolderArguments) -> PolicyHolder {
    match (user, group) {
        (Some(name), _) => PolicyHolder { kind: HolderKind::User, name },
        (None, Some(name)) => PolicyHolder { kind: HolderKind::Group, name },
        (None, None) => PolicyHolder { kind: HolderKind::Role, name: role.unwrap_or_default() },
    }
}

/// `couronne policy version ...`.
pub(super) async fn version(command: VersionCommand) -> Result<(), CommandError> {
    match command {
        VersionCommand::Create(NewVersionArguments { of, document: file, default }) => {
            let MemberArguments { account, name: policy, output } = of;
            let request = PolicyVersionRequest { document: document(&file)?, default };
            let made = find_server(&output.server)?.send(at::CreatePolicyVersion { account, policy }, &request).await?;
            if output.json {
                return print_json(&made);
            }
            say(&format!("version {} made{}", made.version, if made.default { ", which counts now" } else { "" }));
        }
        VersionCommand::Show(VersionArguments { of, version }) => {
            let MemberArguments { account, name: policy, output } = of;
            let found = find_server(&output.server)?.call(at::GetPolicyVersion { account, policy, version }).await?;
            if output.json {
                return print_json(&found);
            }
            say(&found.document);
        }
        VersionCommand::SetDefault(VersionArguments { of, version }) => {
            let MemberArguments { account, name: policy, output } = of;
            let call = at::SetDefaultPolicyVersion { account, policy, version: version.clone() };
            find_server(&output.server)?.call(call).await?;
            if !output.json {
                say(&format!("version {version} counts"));
            }
        }
        VersionCommand::Delete(VersionArguments { of, version }) => {
            let MemberArguments { account, name: policy, output } = of;
            let call = at::DeletePolicyVersion { account, policy, version: version.clone() };
            find_server(&output.server)?.call(call).await?;
            if !output.json {
                say(&format!("version {version} is deleted"));
            }
        }
    }
    Ok(())
}

/// `couronne policy bound`.
pub(super) async fn bound(arguments: PolicyHolderArguments) -> Result<(), CommandError> {
    let PolicyHolderArguments { account, policy, of, output } = arguments;
    let request = BoundaryRequest { of: holder(of), policy: Some(policy.clone()) };
    find_server(&output.server)?.send(at::SetBoundary { account }, &request).await?;
    if !output.json {
        say(&format!("policy {policy} bounds {}", request.of.name));
    }
    Ok(())
}

/// `couronne policy unbound`.
pub(super) async fn unbound(UnboundArguments { account, of, output }: UnboundArguments) -> Result<(), CommandError> {
    let request = BoundaryRequest { of: holder(of), policy: None };
    find_server(&output.server)?.send(at::SetBoundary { account }, &request).await?;
    if !output.json {
        say(&format!("{} has no boundary", request.of.name));
    }
    Ok(())
}

/// `couronne policy put-inline`.
pub(super) async fn put_inline(arguments: NewInlineArguments) -> Result<(), CommandError> {
    let NewInlineArguments { inline, document: file } = arguments;
    set_inline(inline, Some(document(&file)?)).await
}

/// `couronne policy delete-inline`.
pub(super) async fn delete_inline(arguments: InlineArguments) -> Result<(), CommandError> {
    set_inline(arguments, None).await
}

async fn set_inline(arguments: InlineArguments, document: Option<String>) -> Result<(), CommandError> {
    let InlineArguments { policy: MemberArguments { account, name, output }, of } = arguments;
    let what = if document.is_some() { "put" } else { "deleted" };
    let request = InlinePolicyRequest { of: holder(of), name, document };
    find_server(&output.server)?.send(at::SetInlinePolicy { account }, &request).await?;
    if !output.json {
        say(&format!("inline policy {} of {} is {what}", request.name, request.of.name));
    }
    Ok(())
}

/// `couronne user tag` and `couronne role tag`.
pub(super) async fn tag(kind: HolderKind, arguments: TagArguments) -> Result<(), CommandError> {
    let TagArguments { of: MemberArguments { account, name, output }, set, remove } = arguments;
    let pair = |tag: &String| {
        let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
        (key.to_owned(), value.to_owned())
    };
    let request = TagsRequest { of: PolicyHolder { kind, name }, set: set.iter().map(pair).collect(), remove };
    find_server(&output.server)?.send(at::ChangeTags { account }, &request).await?;
    if !output.json {
        say(&format!("the tags of {} are changed", request.of.name));
    }
    Ok(())
}

/// `couronne role change`.
pub(super) async fn change_role(arguments: RoleChangeArguments) -> Result<(), CommandError> {
    let RoleChangeArguments { of: MemberArguments { account, name, output }, trust, session_s_max, description } =
        arguments;
    let trust_policy = trust.as_deref().map(document).transpose()?;
    let request = RoleChange { trust_policy, session_s_max, description };
    let role = find_server(&output.server)?.send(at::ChangeRole { account, role: name }, &request).await?;
    if output.json {
        return print_json(&role);
    }
    say(&format!("role {} is changed", role.arn));
    Ok(())
}
