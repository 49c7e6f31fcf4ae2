//! The command line of accounts and what is in them: users, groups, roles, access keys, access policies.
//!
//! Must not know: how a command is carried out.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::StatusArguments;
use super::changes::{
    HolderArguments, InlineArguments, MemberArguments, NewInlineArguments, RoleChangeArguments, TagArguments,
    UnboundArguments, VersionCommand,
};
use crate::secret_argument::SecretArgument;

/// `couronne account ...`
#[derive(Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account, and print its number and canonical id.
    Create(AccountCreateArguments),
    /// List the accounts.
    List(StatusArguments),
    /// Show an account, its root's keys, its users, and what else is in it.
    Show(AccountArguments),
    /// Delete an account in which nothing is left: no users, groups, roles, policies and buckets.
    Delete(AccountArguments),
}

/// Flags of the commands on one account.
#[derive(Args)]
pub(crate) struct AccountArguments {
    /// Name of the account
    #[arg(value_name = "ACCOUNT")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) output: StatusArguments,
}

/// Flags of `couronne account create`.
#[derive(Args)]
pub(crate) struct AccountCreateArguments {
    #[command(flatten)]
    pub(crate) of: AccountArguments,
    /// An address of mail for it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
}

/// `couronne user ...`
#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user and print its keys, which are shown only now. It may do nothing without --admin or --policy.
    Create(UserCreateArguments),
    /// List the users of an account.
    List(AccountArguments),
    /// Show a user, its policies, groups and keys.
    Show(MemberArguments),
    /// Delete a user with its access keys, policies and places in groups.
    Delete(MemberArguments),
    /// Set tags of a user, and remove some.
    Tag(TagArguments),
}

/// Policies that are attached to what is made.
#[derive(Args)]
pub(crate) struct NewPathArguments {
    /// Attach this access policy, named by its name or ARN; may be given several times
    #[arg(long = "policy", value_name = "POLICY")]
    pub(crate) policies: Vec<String>,
    /// Path in its ARN, instead of /
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,
}

/// Flags of `couronne user create`.
#[derive(Args)]
pub(crate) struct UserCreateArguments {
    #[command(flatten)]
    pub(crate) of: MemberArguments,
    /// Attach the access policy AdministratorAccess: the user may do everything in its account
    #[arg(long)]
    pub(crate) admin: bool,
    #[command(flatten)]
    pub(crate) new: NewPathArguments,
    #[command(flatten)]
    pub(crate) key: ChosenKeyArguments,
}

/// A key pair that is chosen.
#[derive(Args)]
pub(crate) struct ChosenKeyArguments {
    /// Access key, instead of a random one; takes a secret key as well
    #[arg(long, value_name = "K")]
    pub(crate) access_key: Option<String>,
    /// Secret key, instead of a random one: `-` to read it from standard input, `@FILE` from a file
    /// [env: COURONNE_USER_SECRET_KEY, with --access-key]
    #[arg(long, value_name = "S", requires = "access_key")]
    pub(crate) secret_key: Option<SecretArgument>,
}

/// `couronne group ...`
#[derive(Subcommand)]
pub(crate) enum GroupCommand {
    /// Make a group.
    Create(NewGroupArguments),
    /// List the groups of an account.
    List(AccountArguments),
    /// Show a group, its policies and its members.
    Show(MemberArguments),
    /// Delete a group with its policies; its members leave it.
    Delete(MemberArguments),
    /// Add a user to a group.
    AddUser(GroupMemberArguments),
    /// Take a user out of a group.
    RemoveUser(GroupMemberArguments),
}

/// Flags of `couronne group create`.
#[derive(Args)]
pub(crate) struct NewGroupArguments {
    #[command(flatten)]
    pub(crate) of: MemberArguments,
    #[command(flatten)]
    pub(crate) new: NewPathArguments,
}

/// Flags of `couronne group add-user` and `remove-user`.
#[derive(Args)]
pub(crate) struct GroupMemberArguments {
    /// Name of the account
    pub(crate) account: String,
    /// Name of the group
    pub(crate) group: String,
    /// Name of the user
    pub(crate) user: String,
    #[command(flatten)]
    pub(crate) output: StatusArguments,
}

/// `couronne role ...`
#[derive(Subcommand)]
pub(crate) enum RoleCommand {
    /// Make a role.
    Create(NewRoleArguments),
    /// List the roles of an account.
    List(AccountArguments),
    /// Show a role, its trust policy and its policies.
    Show(MemberArguments),
    /// Delete a role with its policies.
    Delete(MemberArguments),
    /// Change a role: its trust policy, how long its sessions may be, what it is for.
    Change(RoleChangeArguments),
    /// Set tags of a role, and remove some.
    Tag(TagArguments),
}

/// Flags of `couronne role create`.
#[derive(Args)]
pub(crate) struct NewRoleArguments {
    #[command(flatten)]
    pub(crate) of: MemberArguments,
    /// File of its trust policy (JSON): which principals may assume it
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: PathBuf,
    /// How long a session of it may be, in seconds [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) session_s_max: Option<u32>,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) description: String,
    #[command(flatten)]
    pub(crate) new: NewPathArguments,
}

/// `couronne key ...`
#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make an access key of a user, or of the account's root, and print it with its secret key, which is shown only now.
    Create(KeyCreateArguments),
    /// List the access keys of a user, or of the account's root.
    List(KeyListArguments),
    /// Have an access key be used again.
    Enable(KeyArguments),
    /// Have an access key be used no more, until it is enabled.
    Disable(KeyArguments),
    /// Make another access key like one, and delete that.
    Rotate(KeyRotateArguments),
    /// Delete an access key.
    Delete(KeyArguments),
}

/// Whose a key is.
#[derive(Args)]
pub(crate) struct KeyListArguments {
    /// Name of the account
    pub(crate) account: String,
    /// Name of the user
    #[arg(required_unless_present = "root")]
    pub(crate) user: Option<String>,
    /// Of the account's root, which may do everything in the account, instead of a user
    #[arg(long, conflicts_with = "user")]
    pub(crate) root: bool,
    #[command(flatten)]
    pub(crate) output: StatusArguments,
}

/// Flags of `couronne key create`.
#[derive(Args)]
pub(crate) struct KeyCreateArguments {
    #[command(flatten)]
    pub(crate) of: KeyListArguments,
    #[command(flatten)]
    pub(crate) key: ChosenKeyArguments,
    /// File of a policy (JSON) that narrows what its owner may do with it
    #[arg(long, value_name = "FILE")]
    pub(crate) session_policy: Option<PathBuf>,
    /// For how many minutes it may be used [default: for good]
    #[arg(long, value_name = "MINUTES")]
    pub(crate) minutes: Option<u32>,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) description: String,
}

/// Flags of the commands on one access key.
#[derive(Args)]
pub(crate) struct KeyArguments {
    /// Name of the account
    pub(crate) account: String,
    /// The access key
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) output: StatusArguments,
}

/// Flags of `couronne key rotate`.
#[derive(Args)]
pub(crate) struct KeyRotateArguments {
    #[command(flatten)]
    pub(crate) of: KeyArguments,
    /// Take the old key beside the new one for so many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    pub(crate) keep_minutes: u32,
}

/// `couronne policy ...`
#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Make an access policy.
    Create(NewPolicyArguments),
    /// List the access policies of an account, and those of AWS's that every account has.
    List(AccountArguments),
    /// Show an access policy, what it says, and where it is attached.
    Show(MemberArguments),
    /// Delete an access policy; it is detached from wherever it is attached.
    Delete(MemberArguments),
    /// Attach an access policy to a user, group or role.
    Attach(PolicyHolderArguments),
    /// Detach an access policy from a user, group or role.
    Detach(PolicyHolderArguments),
    /// Have an access policy be the permission boundary of a user or role: others allow nothing beyond it.
    Bound(PolicyHolderArguments),
    /// Remove the permission boundary of a user or role.
    Unbound(UnboundArguments),
    /// Put an inline policy of a user, group or role.
    PutInline(NewInlineArguments),
    /// Delete an inline policy of a user, group or role.
    DeleteInline(InlineArguments),
    /// The versions of an access policy.
    #[command(subcommand)]
    Version(VersionCommand),
}

/// Flags of `couronne policy create`.
#[derive(Args)]
pub(crate) struct NewPolicyArguments {
    #[command(flatten)]
    pub(crate) of: MemberArguments,
    /// File of what it says (JSON)
    #[arg(value_name = "FILE")]
    pub(crate) document: PathBuf,
    /// Path in its ARN, instead of /
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) description: String,
}

/// Flags of `couronne policy attach`, `detach` and `bound`.
#[derive(Args)]
pub(crate) struct PolicyHolderArguments {
    /// Name of the account
    pub(crate) account: String,
    /// Name or ARN of the policy
    pub(crate) policy: String,
    #[command(flatten)]
    pub(crate) of: HolderArguments,
    #[command(flatten)]
    pub(crate) output: StatusArguments,
}
