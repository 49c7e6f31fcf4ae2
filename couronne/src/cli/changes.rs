//! The command line of changes of what an account has: versions of access policies, boundaries, inline policies, tags, roles.
//!
//! Must not know: how a command is carried out.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::StatusArguments;

/// Flags of the commands on one user, group, role or policy.
#[derive(Args)]
pub(crate) struct MemberArguments {
    /// Name of the account
    pub(crate) account: String,
    /// Its name within the account
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) output: StatusArguments,
}

/// A user, group or role.
#[derive(Args)]
pub(crate) struct HolderArguments {
    /// This user
    #[arg(long, value_name = "NAME", conflicts_with_all = ["group", "role"])]
    pub(crate) user: Option<String>,
    /// This group
    #[arg(long, value_name = "NAME", conflicts_with = "role")]
    pub(crate) group: Option<String>,
    /// This role
    #[arg(long, value_name = "NAME", required_unless_present_any = ["user", "group"])]
    pub(crate) role: Option<String>,
}

/// `couronne policy version ...`
#[derive(Subcommand)]
pub(crate) enum VersionCommand {
    /// Make another version of an access policy.
    Create(NewVersionArguments),
    /// Show a version, and what it says.
    Show(VersionArguments),
    /// Have another version count.
    SetDefault(VersionArguments),
    /// Delete a version that is not the one that counts.
    Delete(VersionArguments),
}

/// Flags of `couronne policy version create`.
#[derive(Args)]
pub(crate) struct NewVersionArguments {
    #[command(flatten)]
    pub(crate) of: MemberArguments,
    /// File of what it says (JSON)
    #[arg(value_name = "FILE")]
    pub(crate) document: PathBuf,
    /// Have it count from now on
    #[arg(long)]
    pub(crate) default: bool,
}

/// Flags of the commands on one version.
#[derive(Args)]
pub(crate) struct VersionArguments {
    #[command(flatten)]
    pub(crate) of: MemberArguments,
    /// The version, as v2
    #[arg(value_name = "VERSION")]
    pub(crate) version: String,
}

/// Flags of `couronne policy unbound`.
#[derive(Args)]
pub(crate) struct UnboundArguments {
    /// Name of the account
    pub(crate) account: String,
    #[command(flatten)]
    pub(crate) of: HolderArguments,
    #[command(flatten)]
    pub(crate) output: StatusArguments,
}

/// Flags of `couronne policy delete-inline`.
#[derive(Args)]
pub(crate) struct InlineArguments {
    #[command(flatten)]
    pub(crate) policy: MemberArguments,
    #[command(flatten)]
    pub(crate) of: HolderArguments,
}

/// Flags of `couronne policy put-inline`.
#[derive(Args)]
pub(crate) struct NewInlineArguments {
    #[command(flatten)]
    pub(crate) inline: InlineArguments,
    /// File of what it says (JSON)
    #[arg(value_name = "FILE")]
    pub(crate) document: PathBuf,
}

/// Flags of `couronne user tag` and `couronne role tag`.
#[derive(Args)]
pub(crate) struct TagArguments {
    #[command(flatten)]
    pub(crate) of: MemberArguments,
    /// Tags to be set
    #[arg(value_name = "KEY=VALUE", required_unless_present = "remove")]
    pub(crate) set: Vec<String>,
    /// Remove the tag of this key; may be given several times
    #[arg(long, value_name = "KEY")]
    pub(crate) remove: Vec<String>,
}

/// Flags of `couronne role change`.
#[derive(Args)]
pub(crate) struct RoleChangeArguments {
    #[command(flatten)]
    pub(crate) of: MemberArguments,
    /// File of its trust policy (JSON): which principals may assume it
    #[arg(long, value_name = "FILE", required_unless_present_any = ["session_s_max", "description"])]
    pub(crate) trust: Option<PathBuf>,
    /// How long a session of it may be, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) session_s_max: Option<u32>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
}
