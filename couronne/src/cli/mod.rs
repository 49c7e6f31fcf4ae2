//! The command line: its commands, flags and variables.
//!
//! Promises: a flag that is given wins over the environment and over the settings file; one that is not leaves both
//! alone.
//! Must not know: how a command is carried out.

mod changes;
mod identities;
mod usage;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use couronne_placement::Redundancy;

use crate::admin_address::{AdminAddress, NoAdminAddress};
use crate::bench::arguments::BenchArguments;
use crate::secret_argument::SecretArgument;
use crate::settings::{Settings, SettingsError};
pub(crate) use changes::{
    HolderArguments, InlineArguments, MemberArguments, NewInlineArguments, NewVersionArguments, RoleChangeArguments,
    TagArguments, UnboundArguments, VersionArguments, VersionCommand,
};
pub(crate) use identities::{
    AccountArguments, AccountCommand, AccountCreateArguments, ChosenKeyArguments, GroupCommand, GroupMemberArguments,
    KeyArguments, KeyCommand, KeyCreateArguments, KeyListArguments, KeyRotateArguments, NewGroupArguments,
    NewPolicyArguments, NewRoleArguments, PolicyCommand, PolicyHolderArguments, RoleCommand, UserCommand,
    UserCreateArguments,
};
pub(crate) use usage::{QuotaArguments, QuotaCommand, QuotaSetArguments, UsageArguments};

/// S3 object storage, from a laptop to racks.
#[derive(Parser)]
#[command(name = "couronne", version, about)]
pub(crate) struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What `couronne` can do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a server: gateway and storage node in one process.
    Serve(Box<ServeArguments>),
    /// Run a storage node of a cluster.
    StorageNode(FolderArguments),
    /// Run a gateway of a cluster.
    Gateway(GatewayArguments),
    /// Found a cluster, join one, and look at it.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Show what is in danger, what can be promised, nodes, drives, ranges and background work.
    Status(StatusArguments),
    /// Show the processes of a cluster, and expel one.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Show drives, and replace those that died.
    #[command(subcommand)]
    Drive(DriveCommand),
    /// Show and make storage policies: how objects are kept.
    #[command(subcommand)]
    StoragePolicy(StoragePolicyCommand),
    /// Show how repair gets on, or begin it.
    #[command(subcommand)]
    Repair(RepairCommand),
    /// Show how scrubbing gets on, or begin it.
    #[command(subcommand)]
    Scrub(ScrubCommand),
    /// Manage accounts.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Manage the users of an account.
    #[command(subcommand)]
    User(UserCommand),
    /// Manage the groups of users of an account.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Manage the roles of an account.
    #[command(subcommand)]
    Role(RoleCommand),
    /// Manage access keys, of users and of the roots of accounts.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Manage the access policies of an account: what its users, groups and roles may do.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Show what accounts, users and buckets hold.
    Usage(UsageArguments),
    /// Set how much a bucket may hold.
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Show the secrets that a data folder keeps for its operator, and change those of the cluster.
    #[command(subcommand, name = "secrets", visible_alias = "secret")]
    Secret(SecretCommand),
    /// Confirm that the clock is right, after a leap.
    #[command(subcommand)]
    Clock(ClockCommand),
    /// Put load on any S3 endpoint and measure it.
    Bench(Box<BenchArguments>),
    /// Print the reference page of the settings.
    #[command(hide = true)]
    Reference,
}

/// Flags of whatever runs on a data folder with drives; of `couronne storage-node` all.
#[derive(Args)]
pub(crate) struct FolderArguments {
    /// Data folder; given several times, each is one drive
    #[arg(long = "data", value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Make N drive folders below the one data folder
    #[arg(long, value_name = "N")]
    drives: Option<u16>,
    /// Address of the admin listener
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<SocketAddr>,
    /// Settings file (TOML); see docs/configuration.md
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Flags of `couronne gateway`, which has no drives.
#[derive(Args)]
pub(crate) struct GatewayArguments {
    /// Data folder; given several times, each has a copy of what the gateway keeps
    #[arg(long = "data", value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Address of the admin listener
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<SocketAddr>,
    /// Settings file (TOML); see docs/configuration.md
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Flags of `couronne serve`.
#[derive(Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    folder: FolderArguments,
    /// single, replicated:N or ec:K+M; fixed at the first start
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// Address of the S3 listener
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Certificate chain (PEM) of the S3 listener
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

/// `couronne cluster ...`
#[derive(Subcommand)]
pub(crate) enum ClusterCommand {
    /// Found a cluster; this storage node is its first. Then run `couronne storage-node`.
    Init(ClusterInitArguments),
    /// Join a cluster, as a storage node or a gateway. Then run `couronne storage-node` or `couronne gateway`.
    Join(ClusterJoinArguments),
    /// Make tokens with which other processes join, list and revoke them.
    #[command(subcommand)]
    Token(TokenCommand),
    /// As `couronne status`.
    Status(StatusArguments),
    /// Show the cluster map: nodes, drives, policies, ranges.
    Map(StatusArguments),
}

/// Flags of `couronne cluster init`.
#[derive(Args)]
pub(crate) struct ClusterInitArguments {
    #[command(flatten)]
    folder: FolderArguments,
    /// replicated:N or ec:K+M, of the default policy; ec:4+2 if none is named
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// How many storage nodes the cluster waits for until it begins
    #[arg(long, value_name = "N")]
    pub(crate) nodes: u16,
}

/// Flags of `couronne cluster join`.
#[derive(Args)]
pub(crate) struct ClusterJoinArguments {
    /// The token, as `couronne cluster token` printed it: `-` to read it from standard input, `@FILE` from a file
    #[arg(env = "COURONNE_JOIN_TOKEN", hide_env_values = true)]
    pub(crate) token: SecretArgument,
    #[command(flatten)]
    pub(crate) folder: FolderArguments,
    /// Join as a gateway, which has no drives
    #[arg(long, conflicts_with = "drives")]
    pub(crate) gateway: bool,
}

/// `couronne cluster token ...`
#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Print a token with which other processes join, for a while.
    Create(TokenCreateArguments),
    /// List the tokens that are live, without their secrets.
    List(StatusArguments),
    /// Revoke a token: it admits nobody any more.
    Revoke(TokenRevokeArguments),
}

/// Flags of `couronne cluster token create`.
#[derive(Args)]
pub(crate) struct TokenCreateArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// For gateways, instead of storage nodes
    #[arg(long)]
    pub(crate) gateway: bool,
    /// For how many minutes: 10080 (7 days) at most
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    pub(crate) minutes: u32,
    /// How many processes may join with it: 256 at most
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) joins: u32,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `couronne cluster token revoke`.
#[derive(Args)]
pub(crate) struct TokenRevokeArguments {
    /// The token's identity, as `couronne cluster token list` shows it
    #[arg(value_name = "ID")]
    pub(crate) token: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// The variable that names the admin listener where no flag names a server.
pub(crate) const ADMIN_VARIABLE: &str = "COURONNE_ADMIN";
/// The variable that has the secret key of a new user whose access key is given.
pub(crate) const USER_SECRET_KEY_VARIABLE: &str = "COURONNE_USER_SECRET_KEY";
/// The variable that names the file of the certificate authorities that sign for it.
pub(crate) const ADMIN_CA_VARIABLE: &str = "COURONNE_ADMIN_CA";
/// The variable that has its token.
pub(crate) const ADMIN_TOKEN_VARIABLE: &str = "COURONNE_ADMIN_TOKEN";

/// Which running server a command talks to. clap does not read the variables: a folder given as a flag must win over
/// an address in the environment, and clap would take the two for two flags.
#[derive(Args, Clone, Default)]
pub(crate) struct ServerArguments {
    /// Data folder of the running server [default: data]
    #[arg(long = "data", value_name = "DIR", global = true)]
    pub(crate) data: Option<PathBuf>,
    /// Address of its admin listener, instead of a data folder: HOST:PORT, or https://HOST:PORT if it speaks TLS
    /// [env: COURONNE_ADMIN]
    #[arg(long, value_name = "ADDR", conflicts_with = "data", global = true)]
    pub(crate) admin_address: Option<AdminAddress>,
    /// Certificate authorities (PEM) that sign for an https admin listener [env: COURONNE_ADMIN_CA; default: the
    /// system's]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) admin_ca: Option<PathBuf>,
    /// Token of its admin listener, instead of the one in its data folder: `-` to read it from standard input, `@FILE` from a
    /// file
    /// [env: COURONNE_ADMIN_TOKEN, with COURONNE_ADMIN]
    #[arg(long, value_name = "TOKEN", global = true)]
    pub(crate) admin_token: Option<SecretArgument>,
}

/// The running server that a command talks to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ServerChoice {
    /// The server of a data folder, which has its address and token.
    Folder {
        /// The data folder.
        folder: PathBuf,
        /// A token to use instead of the folder's.
        token: Option<SecretArgument>,
    },
    /// The server that has an admin listener there.
    Address {
        /// The address of the admin listener.
        address: AdminAddress,
        /// The file of the certificate authorities that sign for it; unset: the system's.
        authorities: Option<PathBuf>,
        /// Its token, if one is known.
        token: Option<SecretArgument>,
    },
}

/// Flags of `couronne status`, and of other commands that take no more.
#[derive(Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `couronne node ...`
#[derive(Subcommand)]
pub(crate) enum NodeCommand {
    /// List the processes: role, zone, address, version, state, clock.
    List(StatusArguments),
    /// Expel a process: within a second no other one hears it any more, and it never joins again.
    Expel(NodeExpelArguments),
}

/// Flags of `couronne node expel`.
#[derive(Args)]
pub(crate) struct NodeExpelArguments {
    /// The name of the process, or as many digits of its identity as tell it from others
    #[arg(value_name = "NAME|ID")]
    pub(crate) node: String,
    /// Although data is lost or in danger without its drives
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// `couronne drive ...`
#[derive(Subcommand)]
pub(crate) enum DriveCommand {
    /// List the drives: node, zone, state, fill.
    List(StatusArguments),
    /// Begin a drive anew in its folder, which must be empty: repair refills it.
    Replace(DriveReplaceArguments),
}

/// Flags of `couronne drive replace`.
#[derive(Args)]
pub(crate) struct DriveReplaceArguments {
    /// The drive's identity, or as many of its digits as tell it from others
    #[arg(value_name = "ID")]
    pub(crate) drive: String,
    /// Although it serves: what it holds is dropped
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// `couronne storage-policy ...`
#[derive(Subcommand)]
pub(crate) enum StoragePolicyCommand {
    /// List the policies, and what each can promise with the nodes there are.
    List(StatusArguments),
    /// Make a policy over all drives.
    Create(StoragePolicyCreateArguments),
    /// Have new buckets that name no policy get this one.
    SetDefault(StoragePolicyDefaultArguments),
}

/// Flags of `couronne storage-policy create`.
#[derive(Args)]
pub(crate) struct StoragePolicyCreateArguments {
    /// Name of the policy
    pub(crate) name: String,
    /// single, replicated:N or ec:K+M
    #[arg(value_name = "POLICY")]
    pub(crate) redundancy: Redundancy,
    /// Acknowledge only what survives the loss of any one zone
    #[arg(long)]
    pub(crate) survive_zone_loss: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// Flags of `couronne storage-policy set-default`.
#[derive(Args)]
pub(crate) struct StoragePolicyDefaultArguments {
    /// Name of the policy
    pub(crate) name: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// `couronne repair ...`
#[derive(Subcommand)]
pub(crate) enum RepairCommand {
    /// Show what is pending, what waits for a drive, how fast it goes, and how long it will take.
    Status(StatusArguments),
    /// Look for every shard of every blob now, and try again what waits.
    Start(StatusArguments),
    /// List the objects that lack shards: bucket, key, version, and whether they can be read.
    List(RepairListArguments),
}

/// Flags of `couronne repair list`.
#[derive(Args)]
pub(crate) struct RepairListArguments {
    /// Only those that cannot be read
    #[arg(long)]
    pub(crate) unreadable: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Go on where an earlier list ended
    #[arg(long, value_name = "POSITION")]
    pub(crate) after: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// `couronne scrub ...`
#[derive(Subcommand)]
pub(crate) enum ScrubCommand {
    /// Show how far the round is, how fast it goes, and what was found.
    Status(StatusArguments),
    /// Begin a round now.
    Start(StatusArguments),
}

/// `couronne secrets ...`
#[derive(Subcommand)]
pub(crate) enum SecretCommand {
    /// Print a secret that a data folder keeps for its operator, whether its process runs or not.
    Show(SecretShowArguments),
    /// The node's key is lost: give a node that does not run new secrets. Objects and metadata stay, users' secret keys do not.
    Reset(SecretResetArguments),
    /// Have another secret take the place of one: every process refuses the old one within two seconds. That of the
    /// certificate authority takes until every member has its certificate anew, and goes on by itself.
    Rotate(SecretRotateArguments),
}

/// Flags of `couronne secrets show`.
#[derive(Args)]
pub(crate) struct SecretShowArguments {
    /// access-key or secret-key (of root), admin-token, or reading-token (of the admin listener, and gives no orders)
    #[arg(value_parser = ["access-key", "secret-key", "admin-token", "reading-token"])]
    pub(crate) secret: String,
    #[command(flatten)]
    pub(crate) folder: SealedFolderArguments,
}

/// Flags of what reads data folders while their process may run.
#[derive(Args)]
pub(crate) struct SealedFolderArguments {
    /// Data folder [default: data]
    #[arg(long = "data", value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Settings file (TOML) of the process: it says where the node's key is, unless that is beside the data folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Flags of `couronne secrets reset`.
#[derive(Args)]
pub(crate) struct SecretResetArguments {
    #[command(flatten)]
    pub(crate) folder: SealedFolderArguments,
    /// Write into FILE what the other storage nodes of its cluster are to be reset with
    #[arg(long, value_name = "FILE", conflicts_with = "read_bundle")]
    pub(crate) write_bundle: Option<PathBuf>,
    /// Reset with what the first storage node wrote into FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) read_bundle: Option<PathBuf>,
    /// Although the node's key opens its secrets
    #[arg(long)]
    pub(crate) force: bool,
}

/// Flags of `couronne secrets rotate`.
#[derive(Args)]
pub(crate) struct SecretRotateArguments {
    /// root, admin-token, sealing-key (which seals users' secret keys) or authority (which signs members' certificates)
    #[arg(value_parser = ["root", "admin-token", "sealing-key", "authority"])]
    pub(crate) secret: String,
    /// Take the old root credentials beside the new ones for so many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    pub(crate) keep_minutes: u32,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// `couronne clock ...`
#[derive(Subcommand)]
pub(crate) enum ClockCommand {
    /// Say that the clocks are right: what a leap forward halted goes on, and the time by which object locks are judged
    /// catches up.
    Confirm(StatusArguments),
}

impl ServerArguments {
    /// The server that the flags name, else the one that the environment names, else that of the folder `data`.
    pub(crate) fn choice(
        &self,
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<ServerChoice, NoAdminAddress> {
        let token = self.admin_token.clone();
        if let Some(folder) = self.data.clone() {
            return Ok(ServerChoice::Folder { folder, token });
        }
        let address = match (&self.admin_address, variable(ADMIN_VARIABLE)) {
            (Some(address), _) => address.clone(),
            (None, Some(text)) => text.parse()?,
            (None, None) => return Ok(ServerChoice::Folder { folder: "data".into(), token }),
        };
        let kept = || variable(ADMIN_TOKEN_VARIABLE).map(|text| SecretArgument::Given(text.into()));
        let authorities = self.admin_ca.clone().or_else(|| variable(ADMIN_CA_VARIABLE).map(PathBuf::from));
        Ok(ServerChoice::Address { address, authorities, token: token.or_else(kept) })
    }
}

impl FolderArguments {
    /// The settings of the file, with the flags over them.
    pub(crate) fn settings(self) -> Result<Settings, SettingsError> {
        let settings = self.overlay()?;
        settings.check()?;
        Ok(settings)
    }

    fn overlay(self) -> Result<Settings, SettingsError> {
        let Self { data, drives, admin_listen, config } = self;
        let mut settings = GatewayArguments { data, admin_listen, config }.overlay()?;
        settings.data.drives = drives.or(settings.data.drives);
        Ok(settings)
    }
}

impl SealedFolderArguments {
    /// The settings of the data folders.
    pub(crate) fn settings(self) -> Result<Settings, SettingsError> {
        GatewayArguments { data: self.data, admin_listen: None, config: self.config }.settings()
    }
}

impl GatewayArguments {
    /// The settings of the file, with the flags over them.
    pub(crate) fn settings(self) -> Result<Settings, SettingsError> {
        let settings = self.overlay()?;
        settings.check()?;
        Ok(settings)
    }

    fn overlay(self) -> Result<Settings, SettingsError> {
        let mut settings = Settings::load(self.config.as_deref())?;
        if !self.data.is_empty() {
            settings.data.folders = self.data;
        }
        settings.admin.listen = self.admin_listen.unwrap_or(settings.admin.listen);
        Ok(settings)
    }
}

impl ClusterInitArguments {
    /// The settings of the file, with the flags over them.
    pub(crate) fn settings(self) -> Result<Settings, SettingsError> {
        let mut settings = self.folder.overlay()?;
        settings.data.policy = self.policy.or(settings.data.policy);
        settings.check()?;
        Ok(settings)
    }
}

impl ServeArguments {
    /// The settings of the file, with the flags over them.
    pub(crate) fn settings(self) -> Result<Settings, SettingsError> {
        let mut settings = self.folder.overlay()?;
        settings.data.policy = self.policy.or(settings.data.policy);
        settings.s3.listen = self.listen.unwrap_or(settings.s3.listen);
        settings.s3.tls_cert_path = self.tls_cert.or(settings.s3.tls_cert_path);
        settings.s3.tls_key_path = self.tls_key.or(settings.s3.tls_key_path);
        settings.check()?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// No two flags of a command are named alike. clap itself looks for that only where debug assertions are on.
    #[test]
    fn the_command_line_is_consistent() {
        fn check(command: &clap::Command) {
            let flags = command.get_arguments().filter_map(clap::Arg::get_long);
            let letters = command.get_arguments().filter_map(clap::Arg::get_short).map(String::from);
            let names = command.get_arguments().map(|argument| argument.get_id().to_string());
            for mut all in [flags.map(str::to_owned).collect(), letters.collect(), names.collect::<Vec<_>>()] {
                all.sort_unstable();
                let twice = all.windows(2).find(|pair| pair[0] == pair[1]);
                assert_eq!(twice, None, "{}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        let mut command = CommandLine::command();
        command.build();
        check(&command);
    }

    /// The server that a command line names beside an environment that names another one.
    fn choice(words: &[&str], environment: &[(&str, &str)]) -> ServerChoice {
        let line = CommandLine::parse_from(["couronne", "repair", "start"].iter().chain(words));
        let Command::Repair(RepairCommand::Start(arguments)) = line.command else { panic!("not repair start") };
        let variable = |name: &str| environment.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned());
        arguments.server.choice(variable).unwrap()
    }

    #[test]
    fn a_gateway_has_no_drives() {
        let is_taken = |words: &[&str]| CommandLine::try_parse_from([&["couronne"], words].concat()).is_ok();
        assert!(is_taken(&["storage-node", "--drives", "2"]) && !is_taken(&["gateway", "--drives", "2"]));
        assert!(is_taken(&["cluster", "join", "token", "--gateway"]));
        assert!(is_taken(&["cluster", "join", "token", "--drives", "2"]));
        assert!(!is_taken(&["cluster", "join", "token", "--gateway", "--drives", "2"]));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_before_anything_is_done() {
        let settings = |words: &[&str]| match CommandLine::parse_from([&["couronne", "serve"], words].concat()).command
        {
            Command::Serve(arguments) => arguments.settings(),
            _ => panic!("not serve"),
        };
        assert!(matches!(settings(&["--policy", "foo"]), Err(SettingsError::Policy(_))));
        assert!(matches!(settings(&["--drives", "0"]), Err(SettingsError::DriveCount(0))));
        assert!(matches!(settings(&["--drives", "300"]), Err(SettingsError::DriveCount(300))));
        let both = ["--data", "/a", "--data", "/b", "--drives", "2"];
        assert!(matches!(settings(&both), Err(SettingsError::DrivesBesideFolders)));
        let init = ["couronne", "cluster", "init", "--nodes", "6", "--policy", "foo"];
        let Command::Cluster(ClusterCommand::Init(arguments)) = CommandLine::parse_from(init).command else {
            panic!("not init");
        };
        assert!(matches!(arguments.settings(), Err(SettingsError::Policy(_))));
    }

    /// Whatever an operator asks or orders can be read by a program.
    #[test]
    fn every_command_on_a_server_has_json() {
        fn check(path: &str, command: &clap::Command) {
            let path = format!("{path} {}", command.get_name());
            let has = |flag| command.get_arguments().any(|argument| argument.get_long() == Some(flag));
            assert!(command.has_subcommands() || !has("admin-address") || has("json"), "{path}");
            command.get_subcommands().filter(|below| below.get_name() != "help").for_each(|below| check(&path, below));
        }
        let mut command = CommandLine::command();
        command.build();
        check("", &command);
    }

    #[test]
    fn a_server_named_by_a_flag_wins_over_the_environment() {
        let folder = |folder: &str, token: Option<&str>| ServerChoice::Folder {
            folder: folder.into(),
            token: token.map(|token| token.parse().unwrap()),
        };
        let address = |address: &str, token: Option<&str>| ServerChoice::Address {
            address: address.parse().unwrap(),
            authorities: None,
            token: token.map(|token| token.parse().unwrap()),
        };
        let there = [("COURONNE_ADMIN", "10.0.0.1:1"), ("COURONNE_ADMIN_TOKEN", "env")];
        assert_eq!(choice(&[], &[]), folder("data", None));
        assert_eq!(choice(&[], &there), address("10.0.0.1:1", Some("env")));
        assert_eq!(choice(&["--data", "d"], &there), folder("d", None));
        assert_eq!(choice(&["--data", "d"], &[("COURONNE_ADMIN", "nonsense")]), folder("d", None));
        assert_eq!(choice(&["--data", "d", "--admin-token", "t"], &there), folder("d", Some("t")));
        assert_eq!(choice(&["--admin-address", "10.0.0.2:2"], &there), address("10.0.0.2:2", Some("env")));
        assert_eq!(choice(&["--admin-token", "@f"], &there), address("10.0.0.1:1", Some("@f")));
        assert_eq!(choice(&["--admin-token", "t"], &there), address("10.0.0.1:1", Some("t")));
        let with_ca = |words: &[&str], environment: &[(&str, &str)]| match choice(words, environment) {
            ServerChoice::Address { address, authorities, .. } => (address.is_tls, authorities),
            ServerChoice::Folder { .. } => panic!("not an address"),
        };
        let https = ["--admin-address", "https://n1:1"];
        assert_eq!(with_ca(&https, &[]), (true, None));
        assert_eq!(with_ca(&https, &[("COURONNE_ADMIN_CA", "a")]), (true, Some("a".into())));
        let flag = ["--admin-address", "https://n1:1", "--admin-ca", "b"];
        assert_eq!(with_ca(&flag, &[("COURONNE_ADMIN_CA", "a")]), (true, Some("b".into())));
        let both = ["couronne", "repair", "start", "--data", "d", "--admin-address", "10.0.0.2:2"];
        assert!(CommandLine::try_parse_from(both).is_err(), "two servers are named");
        assert!(ServerArguments::default().choice(|_| Some("nonsense".to_owned())).is_err());
    }

    #[test]
    fn a_key_is_of_a_user_or_of_the_root_and_a_policy_is_attached_to_one_thing() {
        let is_taken = |words: &[&str]| CommandLine::try_parse_from([&["couronne"], words].concat()).is_ok();
        for command in ["create", "list"] {
            assert!(is_taken(&["key", command, "a", "u"]) && is_taken(&["key", command, "a", "--root"]));
            assert!(!is_taken(&["key", command, "a"]) && !is_taken(&["key", command, "a", "u", "--root"]));
        }
        for command in ["attach", "detach"] {
            let with = |words: &[&str]| is_taken(&[&["policy", command, "a", "p"], words].concat());
            assert!(with(&["--user", "u"]) && with(&["--group", "g"]) && with(&["--role", "r"]));
            assert!(!with(&[]) && !with(&["--user", "u", "--role", "r"]) && !with(&["--user", "u", "--group", "g"]));
        }
    }

    /// Secrets need not stand in the arguments, which others on the machine see.
    #[test]
    fn secrets_are_read_from_input_and_files() {
        let secret = |words: &[&str]| {
            let line = CommandLine::parse_from(["couronne"].iter().chain(words));
            match line.command {
                Command::Cluster(ClusterCommand::Join(arguments)) => Some(arguments.token),
                Command::User(UserCommand::Create(arguments)) => arguments.key.secret_key,
                Command::Key(KeyCommand::Create(arguments)) => arguments.key.secret_key,
                Command::Bench(arguments) => arguments.secret_key,
                _ => None,
            }
        };
        let create = ["user", "create", "a", "u", "--access-key", "k", "--secret-key"];
        let bench = ["bench", "put", "--access-key", "k", "--secret-key"];
        let another = ["key", "create", "a", "u", "--access-key", "k", "--secret-key"];
        let join = ["cluster", "join"];
        for words in [create.as_slice(), &another, &bench, &join] {
            let with = |value| secret(&[words, &[value]].concat());
            assert_eq!(with("-"), Some(SecretArgument::Input), "{words:?}");
            assert_eq!(with("@/run/secret"), Some(SecretArgument::File("/run/secret".into())), "{words:?}");
        }
        // The variable has it.
        assert_eq!(secret(&create[..6]), None);
        assert!(CommandLine::try_parse_from(["couronne", "user", "create", "a", "u", "--secret-key", "-"]).is_err());
    }

    #[test]
    fn flags_win_over_defaults() {
        let line =
            ["couronne", "serve", "--data", "/a", "--drives", "6", "--policy", "ec:4+2", "--listen", "127.0.0.1:0"];
        let Command::Serve(arguments) = CommandLine::parse_from(line).command else { panic!("not serve") };
        let settings = arguments.settings().unwrap();
        assert_eq!(settings.data.folders, [PathBuf::from("/a")]);
        assert_eq!(settings.data.drives, Some(6));
        assert_eq!(settings.s3.listen.port(), 0);
        assert_eq!(settings.admin.listen.port(), 9001);
    }
}
